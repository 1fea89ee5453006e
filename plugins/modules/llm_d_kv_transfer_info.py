#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether saved counters show that KV blocks go from prefill to decode."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_kv_transfer_info
short_description: Judge from saved counters whether KV blocks are handed over from prefill to decode
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Judges prompts and the counters before and after them, and names the cause when prefill and decode do not work
    together. It needs no cluster, only files.
  - Takes the evidence that M(llm_d.gke.llm_d_verify) wrote, or C(/metrics) of the model servers and of the endpoint
    picker as anything else saved them.
options:
  evidence:
    description: File that M(llm_d.gke.llm_d_verify) wrote.
    type: path
  servers:
    description: The model servers, with files of their metrics. Instead of O(evidence).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the pod.
        type: str
        required: true
      role:
        description: What it does.
        type: str
        choices: [prefill, decode]
        required: true
      before:
        description: File with its metrics before the prompts.
        type: path
        required: true
      after:
        description: File with its metrics after the prompts.
        type: path
        required: true
  prompt_tokens:
    description: The length of each prompt in tokens (C(usage.prompt_tokens) of its answer). Needed with O(servers).
    type: list
    elements: int
  picker_before:
    description: File with the endpoint picker's metrics before the prompts.
    type: path
  picker_after:
    description: File with the endpoint picker's metrics after the prompts.
    type: path
  block_size:
    description: Tokens in a block of the KV cache, where the model servers do not tell it themselves.
    type: int
    default: 128
  dest:
    description: File to write the judgement to, as JSON.
    type: path
attributes:
  check_mode:
    description: Judges; writes no file.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: N/A
  idempotent:
    description: The same evidence gets the same judgement.
    support: full
"""

EXAMPLES = r"""
- name: Judge again what was seen
  llm_d.gke.llm_d_kv_transfer_info:
    evidence: reports/my-deployment/verify-evidence.json

- name: Judge what curl saved
  llm_d.gke.llm_d_kv_transfer_info:
    servers:
      - {name: prefill-1, role: prefill, before: p.before.txt, after: p.after.txt}
      - {name: decode-1, role: decode, before: d.before.txt, after: d.after.txt}
    prompt_tokens: [520, 517, 530]
    picker_before: epp.before.txt
    picker_after: epp.after.txt
"""

RETURN = r"""
kv_transfer:
  description: The judgement.
  returned: success
  type: dict
  contains:
    verdict:
      description:
        - V(proved), V(not_observable) (disaggregated, and the image has no counters of the transfer),
          V(not_disaggregated), or V(inconclusive) (other traffic, or pods that restarted).
      type: str
      returned: always
    cause:
      description: Short name of what is wrong; empty when it is proved.
      type: str
      returned: always
    explanation:
      description: The cause, or the proof, in words.
      type: str
      returned: always
    remedy:
      description: What to do next.
      type: str
      returned: always
    ran_away:
      description: Counters that grew by more than the prompts.
      type: list
      elements: str
      returned: always
    restarted:
      description: Pods whose counters cannot be compared, and why.
      type: list
      elements: str
      returned: always
    prompts:
      description: How many prompts were asked; C(answered) and C(prompt_tokens) are those that were answered.
      type: int
      returned: when something was asked
    expected_tokens:
      description: Tokens of the prompts in whole blocks of C(block_size).
      type: int
      returned: when something was asked
    external_tokens:
      description: Tokens that decode pods received; null when they do not tell.
      type: float
      returned: when something was asked
    transfers:
      description:
        - Transfers that decode pods counted, null when they do not tell; with C(failed_transfers), C(megabytes) (MiB),
          and C(prepare_ms_mean), C(prepare_ms_p90), C(transfer_ms_mean), C(transfer_ms_p90).
      type: float
      returned: when something was asked
    decisions:
      description: Decisions of the endpoint picker by kind; null when they could not be read.
      type: dict
      returned: when something was asked
    held_requests:
      description: Requests whose blocks are held on prefill pods at the end.
      type: float
      returned: when something was asked
    pods:
      description: What each pod counted, by its name.
      type: dict
      returned: when something was asked
headline:
  description: The verdict in a few words.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _verify_evidence, _verify_kv
from ..module_utils._errors import GcpError

SERVER = {
    "name": {"required": True},
    "role": {"required": True, "choices": list(_verify_evidence.ROLES)},
    "before": {"type": "path", "required": True},
    "after": {"type": "path", "required": True},
}
ARGUMENTS = {
    "evidence": {"type": "path"},
    "servers": {"type": "list", "elements": "dict", "options": SERVER},
    "prompt_tokens": {"type": "list", "elements": "int", "no_log": False},
    "picker_before": {"type": "path"},
    "picker_after": {"type": "path"},
    "block_size": {"type": "int", "default": 128},
    "dest": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("evidence", "servers")],
        mutually_exclusive=[("evidence", "servers")],
        required_by={"servers": ["prompt_tokens"]},
        required_together=[("picker_before", "picker_after")],
    )
    options = module.params
    try:
        if options["evidence"]:
            evidence = _verify_evidence.read(options["evidence"])
        else:
            evidence = _verify_evidence.of_files(options)
        judgement = _verify_kv.judge(evidence)
        if options["dest"] and not module.check_mode:
            _verify_evidence.write(options["dest"], judgement.as_dict())
    except GcpError as error:
        module.fail_json(**error.as_result())
    module.exit_json(changed=False, kv_transfer=judgement.as_dict(), headline=judgement.headline)


if __name__ == "__main__":
    main()
