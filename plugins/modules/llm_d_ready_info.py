#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an llm-d deployment is ready."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_ready_info
short_description: Wait until an llm-d deployment is ready, and say what it waits for
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Reads gateway, route, pool, policies, TPU nodes, Deployments and pods by name, and judges them by their status, not
    by a log line. Conditions that speak of an older generation do not count; nor does the C(Progressing) of a
    Deployment, whose deadline passes long before a model is loaded.
  - Waits up to O(wait_timeout). A state in which waiting is in vain (an image that cannot be pulled, a Secret without
    its key, a pod that fits no node) is waited for O(patience) only.
  - What is not ready is a result, not a failure.
extends_documentation_fragment:
  - llm_d.gke.llm_d_names
options:
  wait_timeout:
    description: How many seconds to wait; V(0) looks once.
    type: float
    default: 0
  patience:
    description: How many seconds a hopeless state may last before waiting ends.
    type: float
    default: 120
attributes:
  check_mode:
    description: Changes nothing anyway.
    support: full
"""

EXAMPLES = r"""
- name: Wait for the deployment
  llm_d.gke.llm_d_ready_info:
    kubeconfig: "{{ deployment_kubeconfig }}"
    namespace: llm-d-pd
    gateway: infra-pd-inference-gateway
    route: llm-d-pd-disaggregation
    pool: gaie-pd
    endpoint_picker: gaie-pd-epp
    prefill: ms-pd-llm-d-modelservice-prefill
    decode: ms-pd-llm-d-modelservice-decode
    wait_timeout: 600
  register: found
"""

RETURN = r"""
ready:
  description: Whether all checks passed.
  returned: success
  type: bool
hopeless:
  description: Why waiting longer would have been in vain; empty when it would not.
  returned: success
  type: str
summary:
  description: What is waited for, in one line.
  returned: success
  type: str
explanation:
  description:
    - What gateway, route, pool and pods that are not ready say (state, last event, last lines of the log), with the
      likely cause.
  returned: success
  type: list
  elements: str
checks:
  description: Each check with C(name), C(passed), C(expected), C(actual), C(remedy).
  returned: success
  type: list
  elements: dict
url:
  description: Where the gateway listens.
  returned: success
  type: str
picker_addresses:
  description: Addresses of the endpoint picker's pods.
  returned: success
  type: list
  elements: str
decode_urls:
  description: Where each decode pod answers by itself, without the gateway.
  returned: success
  type: list
  elements: str
seconds:
  description: How long it waited.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import _kubernetes, _verify, _verify_options
from ..module_utils._clock import Clock
from ..module_utils._errors import GcpError


def main() -> None:
    own = {"wait_timeout": {"type": "float", "default": 0}, "patience": {"type": "float", "default": 120}}
    module = AnsibleModule(argument_spec={**_verify_options.ARGUMENTS, **own}, supports_check_mode=True)
    if _kubernetes.KUBERNETES_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=str(_kubernetes.KUBERNETES_IMPORT_ERROR))
    options, names = module.params, _verify_options.names(module.params)
    try:
        observer = _verify.Observer(_kubernetes.connect(options["kubeconfig"], options["context"]), names)
        waited = _verify.wait_ready(
            observer.read, names.chips, Clock(), options["wait_timeout"], options["poll_interval"], options["patience"]
        )
        explanation = [] if waited.ready else observer.explain(waited.readings, waited.checks)
    except GcpError as error:
        module.fail_json(**error.as_result())
    module.exit_json(changed=False, **_verify.ready_result(waited, explanation))


if __name__ == "__main__":
    main()
