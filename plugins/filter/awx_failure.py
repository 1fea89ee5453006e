# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``awx_failure``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_failure
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What a failure of the modules of awx.awx means
description:
  - Takes the result of a failed task, with or without a loop, and returns what failed and what to do.
options:
  _input:
    description: The result of the task.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say it
  ansible.builtin.debug:
    msg: "{{ ansible_failed_result | llm_d.gke.awx_failure }}"
"""

RETURN = r"""
_value:
  description: One or more lines.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._awx import failure


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_failure": failure}
