# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``awx_there``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_there
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What a controller has already
description:
  - Names everything that the role P(llm_d.gke.awx#role) found, so that needs can be compared with it.
options:
  _input:
    description: Objects by kind and name.
    type: dict
    required: true
  nodes:
    description: Nodes of the workflow.
    type: list
    elements: dict
    required: true
positional: nodes
"""

EXAMPLES = r"""
- name: Name it
  ansible.builtin.debug:
    msg: "{{ found | llm_d.gke.awx_there(nodes) }}"
"""

RETURN = r"""
_value:
  description: Each as kind/name.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._awx import there


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_there": there}
