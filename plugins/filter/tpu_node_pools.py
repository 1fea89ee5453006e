# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``tpu_node_pools``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tpu_node_pools
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: Names of TPU node pools become their declaration
description:
  - Makes the list that the option O(llm_d.gke.gke_node_pools#module:node_pools) wants, all pools alike.
options:
  _input:
    description: Names of the pools.
    type: list
    elements: str
    required: true
  zone:
    description: Zone of the nodes.
    type: str
    required: true
  machine_type:
    description: TPU machine type.
    type: str
    required: true
  topology:
    description: TPU topology; empty leaves it out.
    type: str
    required: true
  capacity:
    description: Where the TPUs come from.
    type: str
    choices: [reservation, any_reservation, on_demand, spot, flex_start, queued]
    required: true
  reservation:
    description: Name of the reservation.
    type: str
    default: ""
  max_run_duration:
    description: How long nodes of V(flex_start) and V(queued) may run, such as V(86400s).
    type: str
    default: ""
  disk_size_gb:
    description: Boot disk of a node.
    type: int
    required: true
  labels:
    description: Kubernetes labels of the nodes.
    type: dict
    default: {}
  resource_labels:
    description: Labels of the machines in Google Cloud.
    type: dict
    default: {}
  overrides:
    description: Further fields, laid over the others.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Declare two pools of spot capacity
  ansible.builtin.set_fact:
    pools: >-
      {{ ['tpu-1', 'tpu-2'] | llm_d.gke.tpu_node_pools(zone='us-east5-a', machine_type='ct6e-standard-4t',
         topology='2x2', capacity='spot', disk_size_gb=300) }}
"""

RETURN = r"""
_value:
  description: The declarations.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._capacity import CapacityError
from ..plugin_utils._pools import tpu_node_pool


def tpu_node_pools(names: Sequence[str], **settings: Any) -> list[Mapping[str, Any]]:
    """One declaration a name."""
    try:
        return [tpu_node_pool(str(name), **settings) for name in names]
    except CapacityError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tpu_node_pools": tpu_node_pools}
