# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``awx_findings``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_findings
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What is wrong with the settings for a controller
description:
  - Looks at the settings of the role P(llm_d.gke.awx#role), without asking anybody, and returns every finding at once.
options:
  _input:
    description: The settings.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a controller without a token
  ansible.builtin.debug:
    msg: "{{ settings | llm_d.gke.awx_findings }}"
"""

RETURN = r"""
_value:
  description: The findings; empty when all is well.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._awx import findings


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_findings": lambda settings: list(findings(settings))}
