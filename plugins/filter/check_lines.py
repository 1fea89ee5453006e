# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``check_lines``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: check_lines
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: Checks of a report as lines of a table
description:
  - Shows each check of a report in one line, with whether it passed, its name, and what was found.
options:
  _input:
    description: The checks, each with C(name), C(passed) and C(actual).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show a report
  ansible.builtin.debug:
    msg: "{{ report.checks | llm_d.gke.check_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def check_lines(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a check, aligned."""
    width = max((len(check["name"]) for check in checks), default=0)
    return [f"{'ok  ' if check['passed'] else 'FAIL'} {check['name']:{width}}  {check['actual']}" for check in checks]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"check_lines": check_lines}
