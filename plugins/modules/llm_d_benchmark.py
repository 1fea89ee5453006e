#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load on an llm-d deployment, from inside its cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_benchmark
short_description: Run a benchmark's Job in an llm-d deployment's cluster, and bring its results home
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Makes a Job that runs C(vllm bench serve), follows it, and writes what comes of it into a folder of its own below
    O(results), as it comes. Results travel through the Job's log in numbered parts with a checksum; nothing but the
    right to read logs is needed, and nothing is lost when the controller goes away.
  - The counters of the model servers are read meanwhile, through the API server.
  - One benchmark of a deployment runs at a time; a second one is refused, or waits for O(queue_timeout).
  - A benchmark that failed is a result (RV(state) and RV(trouble)), not a failure of the module.
extends_documentation_fragment:
  - llm_d.gke.llm_d_names
options:
  state:
    description:
      - V(present) starts a benchmark, or follows O(run).
      - V(absent) takes the Job away with its pods and files, also one that runs.
    type: str
    choices: [present, absent]
    default: present
  job:
    description: The Job, as that of the role P(llm_d.gke.benchmark#role) is. Its name is the lock.
    type: dict
    required: true
  files:
    description: Files to send along (as a ConfigMap, so of 1 MB at the most), by the name that they get.
    type: dict
    default: {}
  results:
    description: Folder for the folders of the runs. Required with O(state=present).
    type: path
  run:
    description: The run to follow, as returned before. When it is empty, a new one is started.
    type: str
    default: ""
  wait_timeout:
    description: How many seconds to follow before returning with RV(state=running).
    type: float
    default: 540
  queue_timeout:
    description: How many seconds to wait for another benchmark; V(0) refuses at once.
    type: float
    default: 0
  sample_interval:
    description: Seconds between two looks at the model servers' counters.
    type: float
    default: 5
  patience:
    description: How many seconds a hopeless state of the pod (an image that cannot be pulled) may last.
    type: float
    default: 120
attributes:
  check_mode:
    description: Starts nothing, and says so.
    support: full
  idempotent:
    description:
      - Each start is a new measurement. Following a run that has ended, and taking away what is not there, change
        nothing.
    support: partial
"""

EXAMPLES = r"""
- name: Measure
  llm_d.gke.llm_d_benchmark:
    kubeconfig: "{{ deployment_kubeconfig }}"
    namespace: llm-d-pd
    gateway: infra-pd-inference-gateway
    route: llm-d-pd-disaggregation
    pool: gaie-pd
    endpoint_picker: gaie-pd-epp
    prefill: ms-pd-llm-d-modelservice-prefill
    decode: ms-pd-llm-d-modelservice-decode
    job: "{{ lookup('ansible.builtin.template', 'job.yaml.j2') | from_yaml }}"
    results: reports/qwen/benchmark
  register: measured

- name: Take the Job away
  llm_d.gke.llm_d_benchmark:
    state: absent
    kubeconfig: "{{ deployment_kubeconfig }}"
    namespace: llm-d-pd
    gateway: infra-pd-inference-gateway
    route: llm-d-pd-disaggregation
    pool: gaie-pd
    endpoint_picker: gaie-pd-epp
    prefill: ms-pd-llm-d-modelservice-prefill
    decode: ms-pd-llm-d-modelservice-decode
    job: "{{ lookup('ansible.builtin.template', 'job.yaml.j2') | from_yaml }}"
"""

RETURN = r"""
run:
  description: Name of the run, a time in UTC; that of its folder.
  returned: success
  type: str
  sample: 20261126T111232Z
folder:
  description: The run's folder.
  returned: when O(state=present) and not in check mode
  type: str
state:
  description: V(running), V(succeeded), V(failed), V(planned) in check mode, V(absent).
  returned: success
  type: str
trouble:
  description: Why it failed; empty when it did not.
  returned: success
  type: str
remedy:
  description: What to do about it.
  returned: when O(state=present) and not in check mode
  type: str
lost:
  description: Results that did not come whole, each with what is missing.
  returned: when the benchmark has ended
  type: list
  elements: str
notes:
  description: What the client had to say beside.
  returned: when the benchmark has ended
  type: list
  elements: str
steps:
  description: The loads that were measured to their end.
  returned: when the benchmark has ended
  type: list
  elements: str
results:
  description: The result files, one for each load.
  returned: when the benchmark has ended
  type: list
  elements: str
images:
  description: The images that run, by role and container.
  returned: when the benchmark has ended
  type: dict
kubernetes:
  description: Version of the API server.
  returned: when the benchmark has ended
  type: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import _benchmark_main, _kubernetes, _verify_options
from ..module_utils._errors import GcpError

OWN = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "job": {"type": "dict", "required": True},
    "files": {"type": "dict", "default": {}},
    "results": {"type": "path"},
    "run": {"default": ""},
    "wait_timeout": {"type": "float", "default": 540},
    "queue_timeout": {"type": "float", "default": 0},
    "sample_interval": {"type": "float", "default": 5},
    "patience": {"type": "float", "default": 120},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**_verify_options.ARGUMENTS, **OWN},
        required_if=[("state", "present", ["results"])],
        supports_check_mode=True,
    )
    if _kubernetes.KUBERNETES_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=str(_kubernetes.KUBERNETES_IMPORT_ERROR))
    try:
        cluster = _kubernetes.connect(module.params["kubeconfig"], module.params["context"])
        result = _benchmark_main.run(module.params, cluster, module.check_mode)
    except GcpError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
