#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Benchmarks side by side."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_benchmark_compare
short_description: Compare runs of a benchmark with each other
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Sets any number of runs of a C(history.csv) side by side, tells the differences, and judges them by a tolerance.
  - Settings in which runs differ (model, load, number of requests, chips) are named, for then the numbers answer
    different questions.
  - Runs that are worse are a result (RV(passed)), not a failure of the module.
options:
  history:
    description: The table of runs.
    type: path
    required: true
  runs:
    description: Runs by their name or label, V(previous), or paths of C(summary.json); all of the history by default.
    type: list
    elements: str
    default: []
  baseline:
    description: The run to compare with; when left out, the first of O(runs), or that of the history.
    type: str
    default: ""
  tolerance_percent:
    description: How much worse than the baseline a number may be.
    type: float
    default: 10
  folder:
    description: Where to write C(compare.md), C(compare.html) and C(compare.json). Without it nothing is written.
    type: path
attributes:
  check_mode:
    description: Compares, and writes nothing.
    support: full
  diff_mode:
    description: A comparison is written anew each time.
    support: N/A
  idempotent:
    description: The same runs give the same comparison.
    support: full
"""

EXAMPLES = r"""
- name: Compare all runs with the first one
  llm_d.gke.llm_d_benchmark_compare:
    history: reports/qwen-east/benchmark/history.csv
    tolerance_percent: 5
  register: compared
"""

RETURN = r"""
passed:
  description: Whether no number is worse than the baseline's by more than the tolerance.
  returned: success
  type: bool
comparison:
  description: The baseline, each run's differences, in what settings it is unlike, and the checks.
  returned: success
  type: dict
table:
  description: The same, in lines for a terminal.
  returned: success
  type: list
  elements: str
files:
  description: What was written.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _benchmark_report
from ..module_utils._errors import GcpError

ARGUMENTS = {
    "history": {"type": "path", "required": True},
    "runs": {"type": "list", "elements": "str", "default": []},
    "baseline": {"default": ""},
    "tolerance_percent": {"type": "float", "default": 10},
    "folder": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = _benchmark_report.compare(module.params, module.check_mode)
    except GcpError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
