# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``preflight_report``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_report
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: Checks of several sources as one report
description:
  - Puts checks with a C(severity) together, in the form of this collection's reports, with the findings by weight.
positional: deployment, time
options:
  _input:
    description: The checks, each with C(name), C(severity), C(passed), C(expected), C(actual) and C(remedy).
    type: list
    elements: dict
    required: true
  deployment:
    description: Name of the deployment.
    type: str
    required: true
  time:
    description: When it was looked.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Put a report together
  ansible.builtin.set_fact:
    report: "{{ preflight.checks | llm_d.gke.preflight_report('qwen-east', '2026-11-26T13:00:00Z') }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    deployment:
      description: Name of the deployment.
      type: str
    time:
      description: When it was looked.
      type: str
    passed:
      description: Whether there is no error.
      type: bool
    errors:
      description: Number of errors.
      type: int
    warnings:
      description: Number of warnings.
      type: int
    findings:
      description: What is not as it should be, each with C(name), C(severity), C(found), C(needed) and C(remedy).
      type: list
      elements: dict
    checks:
      description: Everything that was looked at, each with C(name), C(passed), C(expected), C(actual) and C(remedy).
      type: list
      elements: dict
    lines:
      description: The findings for people.
      type: list
      elements: str
    all_lines:
      description: Everything that was looked at, for people.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..plugin_utils._report import check_lines, finding_lines
from ..plugin_utils._report import preflight_report as _report


def preflight_report(checks: Sequence[Mapping[str, Any]], deployment: str, time: str) -> dict[str, Any]:
    """The report, with lines."""
    report = _report(checks, deployment, time)
    return {**report, "lines": finding_lines(report["findings"]), "all_lines": check_lines(checks)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"preflight_report": preflight_report}
