# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``teardown_checks``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: teardown_checks
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What is left after a teardown, as checks of a report
description:
  - Judges what a second look found, with one check for each kind of resource that could be left.
positional: plans, leftovers
options:
  _input:
    description: Kinds of resources that were declared, such as V(cluster) and V(node pool).
    type: list
    elements: str
    required: true
  plans:
    description: The steps that modules with O(ignore:state=absent) would still take, from their results' C(plan).
    type: list
    elements: dict
    required: true
  leftovers:
    description: The result of M(llm_d.gke.gcp_leftovers_info).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge a second look
  ansible.builtin.set_fact:
    checks: "{{ ['cluster', 'node pool'] | llm_d.gke.teardown_checks(cluster_result.plan, leftovers) }}"
"""

RETURN = r"""
_value:
  description: The checks, each with C(name), C(passed), C(expected), C(actual) and C(remedy).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._leftover_checks import teardown_checks


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"teardown_checks": teardown_checks}
