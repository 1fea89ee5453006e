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
  - Judges the answers, and proves whether KV blocks are handed over from prefill to decode, by the counters of endpoint
    picker and model servers around fresh prompts of several blocks. That answers are right proves nothing, nor does the
    endpoint picker's decision, nor that prefill pods counted the requests; what decode pods received does.
  - Reads the model servers by way of the API server (C(get) on C(pods/proxy)), and tells the probe in the same way when
    to ask.
  - What does not work is a result, not a failure.
extends_documentation_fragment:
  - llm_d.gke.llm_d_names
options:
  probe:
    description: The pod to run. It says what it saw and takes orders as that of the role P(llm_d.gke.verify#role) does.
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
    description: Tokens in a block of the KV cache, where the model servers do not tell it themselves.
    type: int
    default: 128
  rounds:
    description: How often to ask at most while other traffic or restarts make the counters inconclusive.
    type: int
    default: 3
  accept:
    description: The verdicts on the KV transfer with which the check of it passes.
    type: list
    elements: str
    choices: [proved, not_observable, not_disaggregated, inconclusive]
    default: [proved, not_observable]
  evidence:
    description:
      - File to write prompts and counters to, from which the verdict follows. M(llm_d.gke.llm_d_kv_transfer_info)
        judges it again, without a cluster.
    type: path
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
  description: The C(text) of the completion, its C(prompt_tokens), and by role the pods that answers were C(made_by).
  returned: success
  type: dict
kv_transfer:
  description: The verdict on the KV transfer and what it stands on, as M(llm_d.gke.llm_d_kv_transfer_info) returns it.
  returned: success
  type: dict
headline:
  description: The verdict in a few words.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import _kubernetes, _verify, _verify_evidence, _verify_options, _verify_probe, _verify_requests
from ..module_utils._clock import Clock
from ..module_utils._errors import GcpError

OWN = {
    "probe": {"type": "dict", "required": True},
    "probe_timeout": {"type": "float", "default": 600},
    "model": {"required": True},
    "block_size": {"type": "int", "default": 128},
    "rounds": {"type": "int", "default": 3},
    "evidence": {"type": "path"},
    **_verify_options.ACCEPT,
}


def main() -> None:
    module = AnsibleModule(argument_spec={**_verify_options.ARGUMENTS, **OWN}, supports_check_mode=True)
    if _kubernetes.KUBERNETES_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=str(_kubernetes.KUBERNETES_IMPORT_ERROR))
    if module.check_mode:
        module.exit_json(changed=False, **_verify_requests.NOTHING, msg="Nothing was asked in check mode.")
    options, names = module.params, _verify_options.names(module.params)
    sizes = options["block_size"], options["rounds"]
    try:
        cluster = _kubernetes.connect(options["kubeconfig"], options["context"])
        observer = _verify.Observer(cluster, names)
        prober = _verify_probe.Prober(cluster, observer, Clock(), options["poll_interval"], *sizes)
        probed = prober.run(options["probe"], options["probe_timeout"])
        if probed.evidence and options["evidence"]:
            _verify_evidence.write(options["evidence"], probed.evidence.as_dict())
    except _verify_evidence.BadEvidence as error:
        module.fail_json(**error.as_result())
    except GcpError as error:
        probed = _verify_probe.Probed(trouble=error.headline())
    module.exit_json(
        changed=False,
        **_verify_requests.as_result(probed, options["model"], options["block_size"], options["accept"]),
    )


if __name__ == "__main__":
    main()
