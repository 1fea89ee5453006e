# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``expiry_verdict``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: expiry_verdict
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: Whether a deployment has passed its deadline
description:
  - A label that cannot be read is an answer of its own, and never a deadline.
options:
  _input:
    description: The deadline that is there, as C(expiry) of M(llm_d.gke.gcp_deployment_info) returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Take away only what has passed its deadline
  ansible.builtin.include_role:
    name: llm_d.gke.teardown
  when: (found.expiry | llm_d.gke.expiry_verdict).state == 'expired'
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    state:
      description: V(expired), V(alive), V(none) without a deadline, or V(unreadable).
      type: str
    why:
      description: For people.
      type: str
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..module_utils import _expiry


def expiry_verdict(found: Mapping[str, Any]) -> dict[str, str]:
    """The verdict, now."""
    state, why = _expiry.verdict(found, datetime.now(UTC))
    return {"state": state, "why": why}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"expiry_verdict": expiry_verdict}
