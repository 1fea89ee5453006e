# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``lines``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lines
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: A list, also when it came as a text with a line for each item
description:
  - An answer to a survey of AWX cannot be a list; it is a text with one item a line.
options:
  _input:
    description: A list, or a text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Two zones, either way
  ansible.builtin.debug:
    msg: "{{ 'us-east5-a\nus-east5-b' | llm_d.gke.lines }}"
"""

RETURN = r"""
_value:
  description: The list. Empty lines are left out, and so is white space around a line.
  type: list
  elements: raw
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._survey import lines


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lines": lines}
