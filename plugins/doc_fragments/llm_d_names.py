# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Options of the modules that look at an llm-d deployment."""

from __future__ import annotations


class ModuleDocFragment:
    """What a deployment's parts are called."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: The cluster's kubeconfig. Falls back to E(K8S_AUTH_KUBECONFIG) and E(KUBECONFIG).
    type: path
    required: true
  context:
    description: The context of the kubeconfig.
    type: str
  namespace:
    description: Namespace of the deployment.
    type: str
    required: true
  gateway:
    description: Name of the Gateway.
    type: str
    required: true
  route:
    description: Name of the HTTPRoute.
    type: str
    required: true
  pool:
    description: Name of the InferencePool, and of its policies.
    type: str
    required: true
  endpoint_picker:
    description: Name of the endpoint picker's Deployment.
    type: str
    required: true
  prefill:
    description: Name of the prefill Deployment.
    type: str
    required: true
  decode:
    description: Name of the decode Deployment.
    type: str
    required: true
  node_selector:
    description: Labels of the TPU nodes.
    type: dict
    default: {}
  chips:
    description: Chips that all model servers need together.
    type: int
    default: 0
  poll_interval:
    description: Seconds between two looks.
    type: float
    default: 5
requirements:
  - kubernetes (Python)
attributes:
  diff_mode:
    description: There is nothing to show.
    support: N/A
  idempotent:
    description: Nothing is left changed.
    support: full
"""
