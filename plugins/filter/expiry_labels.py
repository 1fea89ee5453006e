# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``expiry_labels``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: expiry_labels
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: A time to live becomes the labels that carry the deadline
description:
  - The same time to live gives the same deadline, however often it is asked for; another one is counted from the same
    beginning.
positional: present
options:
  _input:
    description:
      - A time to live such as V(8h), V(2d) or V(1d12h), a moment such as V(2026-11-26T18:00Z), V(never) to take the
        deadline away, or empty to leave it as it is.
    type: str
    required: true
  present:
    description: The deadline that is there, as C(expiry) of M(llm_d.gke.gcp_preflight_info) returns it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Find the labels for a day
  ansible.builtin.set_fact:
    labels: "{{ ('24h' | llm_d.gke.expiry_labels).labels }}"
"""

RETURN = r"""
_value:
  description: The labels.
  type: dict
  contains:
    labels:
      description: The labels; empty without a deadline.
      type: dict
    hours:
      description: How long it is until then; V(0) without a deadline.
      type: float
    check:
      description: Whether the time to live makes sense, in the form of the reports with C(severity).
      type: dict
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..module_utils import _expiry
from ..module_utils._findings import error, good, warning

_NAME = "deadline"


def expiry_labels(ttl: str, present: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The labels; a time to live that cannot be is a finding like any other."""
    now = datetime.now(UTC)
    found = present or {}
    try:
        labels = _expiry.labels_for(ttl, found, now)
    except _expiry.ExpiryError as trouble:
        told, _sign, remedy = str(trouble).rpartition(": ")
        return {
            "labels": {},
            "hours": 0.0,
            "check": error(_NAME, "a time to live that lies ahead", told, remedy).as_dict(),
        }
    deadline = _expiry.read(labels.get(_expiry.DEADLINE, ""))
    hours = round((deadline - now).total_seconds() / 3600, 2) if deadline else 0.0
    if deadline and hours <= 0:
        check = warning(_NAME, "one that lies ahead", f"{labels[_expiry.DEADLINE]} is past", "set ttl to a longer one.")
    elif deadline:
        check = good(_NAME, str(ttl or "as it is"), f"{labels[_expiry.DEADLINE]}, in {hours:g} hours")
    else:
        check = good(_NAME, str(ttl or "none"), "none")
    return {"labels": labels, "hours": max(hours, 0.0), "check": check.as_dict()}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"expiry_labels": expiry_labels}
