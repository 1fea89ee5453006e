#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A report of a benchmark."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_benchmark_report
short_description: Turn result files of vllm bench serve into a report
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Reads result files of C(vllm bench serve), of this collection's benchmark or made elsewhere (versions 0.11 to 0.32,
    also with C(--append-result), in PyTorch's form, with NaN, or cut), and writes C(summary.json), C(report.md) and
    C(report.html), which needs nothing from a network, into O(folder), and a row into O(history).
  - What a file does not have is said, not made up.
  - A report whose verdict is bad is a result (RV(passed)), not a failure of the module.
options:
  folder:
    description: Folder of the run. What is in it from M(llm_d.gke.llm_d_benchmark) (the journal, counters of the model
      servers, results) is read.
    type: path
    required: true
  results:
    description: Result files; those of the folder when left out.
    type: list
    elements: path
    default: []
  history:
    description: The table of runs. Without it none is written.
    type: path
  about:
    description: What is known of deployment and run, and limits.
    type: dict
    default: {}
    suboptions:
      deployment:
        description: Name of the deployment.
        type: str
      run:
        description: Name of the run.
        type: str
      time:
        description: When it was, in UTC.
        type: str
      label:
        description: A word of the user's.
        type: str
      configuration:
        description: Settings to show.
        type: dict
      versions:
        description: Versions to show.
        type: dict
      reproduce:
        description: Lines that run it again.
        type: list
        elements: str
      notes:
        description: Remarks.
        type: list
        elements: str
      chips:
        description: Chips that served.
        type: int
      prefill_chips:
        description: Chips of the prefill pods.
        type: int
      decode_chips:
        description: Chips of the decode pods.
        type: int
      usd_per_chip_hour:
        description: What a chip costs in an hour.
        type: float
      max_failed_percent:
        description: How many requests may fail. Without it that is not judged.
        type: float
      min_sent_percent:
        description: How much of the offered rate the client has to send at the least.
        type: float
      remedy:
        description: What to do about O(trouble).
        type: str
  trouble:
    description: Why the run did not come to its end.
    type: str
    default: ""
  lost:
    description: Results that did not come whole.
    type: list
    elements: str
    default: []
  baseline:
    description: An earlier run to compare with, by its name or label, V(previous), or the path of its C(summary.json).
    type: str
    default: ""
  tolerance_percent:
    description: How much worse than the baseline a number may be.
    type: float
    default: 10
requirements:
  - numpy and matplotlib (Python), for what concerns single requests, and for plots. Without them the report says so.
attributes:
  check_mode:
    description: Reads and judges, and writes nothing.
    support: full
  diff_mode:
    description: A report is written anew each time.
    support: N/A
  idempotent:
    description: The same files give the same report.
    support: full
"""

EXAMPLES = r"""
- name: Report on files made elsewhere
  llm_d.gke.llm_d_benchmark_report:
    folder: /tmp/report
    results:
      - /data/openai-80.0qps-Qwen3-32B-20260801-101500.json
    about:
      chips: 32
      prefill_chips: 16
      decode_chips: 16
      usd_per_chip_hour: 2.97
  register: report
"""

RETURN = r"""
passed:
  description: Whether all checks passed.
  returned: success
  type: bool
verdict:
  description: The verdict in a sentence.
  returned: success
  type: str
headline:
  description: The numbers of the load that stands for the run, by the names of C(summary.json).
  returned: success
  type: dict
sweep:
  description: Where the saturation knee is, of several loads.
  returned: success
  type: dict
checks:
  description: Each check with C(name), C(passed), C(expected), C(actual), C(remedy).
  returned: success
  type: list
  elements: dict
findings:
  description: What a reader ought to know.
  returned: success
  type: list
  elements: str
table:
  description: The loads, in lines for a terminal.
  returned: success
  type: list
  elements: str
files:
  description: What was written, by C(summary), C(markdown), C(html), C(result), C(history).
  returned: success
  type: dict
plots:
  description: Whether plots could be drawn.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _benchmark_report
from ..module_utils._errors import GcpError

ABOUT = {
    **{name: {} for name in ("deployment", "run", "time", "label", "remedy")},
    **{name: {"type": "dict"} for name in ("configuration", "versions")},
    **{name: {"type": "list", "elements": "str"} for name in ("reproduce", "notes")},
    **{name: {"type": "int"} for name in ("chips", "prefill_chips", "decode_chips")},
    **{name: {"type": "float"} for name in ("usd_per_chip_hour", "max_failed_percent", "min_sent_percent")},
}
ARGUMENTS = {
    "folder": {"type": "path", "required": True},
    "results": {"type": "list", "elements": "path", "default": []},
    "history": {"type": "path"},
    "about": {"type": "dict", "default": {}, "options": ABOUT},
    "trouble": {"default": ""},
    "lost": {"type": "list", "elements": "str", "default": []},
    "baseline": {"default": ""},
    "tolerance_percent": {"type": "float", "default": 10},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    about = {name: value for name, value in module.params["about"].items() if value is not None}
    try:
        result = _benchmark_report.report({**module.params, "about": about}, module.check_mode)
    except GcpError as error:
        module.fail_json(**error.as_result())
    if not result["plots"]:
        module.warn("There are no plots: numpy and matplotlib are wanted by the Python that runs the modules.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
