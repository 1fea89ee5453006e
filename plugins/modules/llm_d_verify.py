#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an llm-d deployment answers, and prefill and decode together."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_verify
short_description: Ask an llm-d deployment from inside its cluster, and see who answered
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Runs one pod in the cluster that calls the gateway, and takes it away again, also when something fails.
  - Judges the answers, the endpoint picker's decisions, and what the model servers counted meanwhile. That a decision
    for separate prefill was made proves nothing by itself; that prefill pods counted the requests does.
  - What does not work is a result, not a failure.
extends_documentation_fragment:
  - llm_d.gke.llm_d_names
options:
  probe:
    description: The pod to run. It says its result in one line, as that of the role P(llm_d.gke.verify#role) does.
    type: dict
    required: true
  probe_timeout:
    description: How many seconds the pod may take.
    type: float
    default: 600
  model:
    description: Name of the model.
    type: str
    required: true
  block_size:
    description: Tokens in a block of the KV cache.
    type: int
    default: 128
attributes:
  check_mode:
    description: Asks nothing, and says so.
    support: full
"""

EXAMPLES = r"""
- name: Ask the deployment
  llm_d.gke.llm_d_verify:
    kubeconfig: "{{ deployment_kubeconfig }}"
    namespace: llm-d-pd
    gateway: infra-pd-inference-gateway
    route: llm-d-pd-disaggregation
    pool: gaie-pd
    endpoint_picker: gaie-pd-epp
    prefill: ms-pd-llm-d-modelservice-prefill
    decode: ms-pd-llm-d-modelservice-decode
    model: Qwen/Qwen3-32B
    probe: "{{ lookup('ansible.builtin.template', 'probe.yaml.j2') | from_yaml }}"
  register: asked
"""

RETURN = r"""
passed:
  description: Whether all checks passed.
  returned: success
  type: bool
checks:
  description: Each check with C(name), C(passed), C(expected), C(actual), C(remedy).
  returned: success
  type: list
  elements: dict
answer:
  description: The C(text) of the completion, its C(prompt_tokens), and by role the pods it was C(made_by).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import _kubernetes, _verify, _verify_options, _verify_requests
from ..module_utils._clock import Clock
from ..module_utils._errors import GcpError

OWN = {
    "probe": {"type": "dict", "required": True},
    "probe_timeout": {"type": "float", "default": 600},
    "model": {"required": True},
    "block_size": {"type": "int", "default": 128},
}


def main() -> None:
    module = AnsibleModule(argument_spec={**_verify_options.ARGUMENTS, **OWN}, supports_check_mode=True)
    if _kubernetes.KUBERNETES_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=str(_kubernetes.KUBERNETES_IMPORT_ERROR))
    if module.check_mode:
        module.exit_json(changed=False, passed=True, checks=[], answer={}, msg="Nothing was asked in check mode.")
    options = module.params
    try:
        cluster = _kubernetes.connect(options["kubeconfig"], options["context"])
        prober = _verify.Prober(cluster, _verify_options.names(options), Clock(), options["poll_interval"])
        probed = prober.run(options["probe"], options["probe_timeout"])
    except GcpError as error:
        probed = (None, {}, error.headline())
    module.exit_json(changed=False, **_verify_requests.as_result(*probed, options["model"], options["block_size"]))


if __name__ == "__main__":
    main()
