# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``benchmark_findings``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: benchmark_findings
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What is wrong with a benchmark's settings
description:
  - Looks at the settings of a benchmark without asking anybody, and returns every finding at once, each a sentence that
    names the variable.
options:
  _input:
    description: The settings, as the role P(llm_d.gke.benchmark#role) has them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a rate of zero
  ansible.builtin.fail:
    msg: "{{ settings | llm_d.gke.benchmark_findings }}"
  when: settings | llm_d.gke.benchmark_findings | length > 0
"""

RETURN = r"""
_value:
  description: The findings; empty when all is well.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._benchmark import findings


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"benchmark_findings": findings}
