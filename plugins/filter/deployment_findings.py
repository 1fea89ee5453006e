# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``deployment_findings``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_findings
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What is wrong with a deployment's settings
description:
  - Looks at the settings of a deployment as the role P(llm_d.gke.deployment#role) has them, without asking anybody, and
    returns every finding at once, with what is wrong and what to do.
positional: topics
options:
  _input:
    description: The settings.
    type: dict
    required: true
  topics:
    description: Which rules to apply; all of them when left out.
    type: list
    elements: str
    choices: [place, names, ranges, capacity, token]
"""

EXAMPLES = r"""
- name: Refuse a zone outside the region
  ansible.builtin.fail:
    msg: "{{ settings | llm_d.gke.deployment_findings(['place']) | map(attribute='message') | list }}"
  when: settings | llm_d.gke.deployment_findings(['place']) | length > 0
"""

RETURN = r"""
_value:
  description:
    - The findings, in the form of the reports, each with C(name), C(severity), C(passed), C(expected), C(actual),
      C(remedy), and C(message), a sentence that ends with what to do. Empty when all is well.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._rules import RULES, checks


def deployment_findings(settings: Mapping[str, Any], topics: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The findings, or an error that names a topic nobody knows."""
    unknown = [topic for topic in topics or [] if topic not in RULES]
    if unknown:
        raise AnsibleFilterError(f"deployment_checks names {', '.join(unknown)}; known are {', '.join(RULES)}.")
    return [{**check.as_dict(), "message": check.sentence} for check in checks(settings, topics)]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"deployment_findings": deployment_findings}
