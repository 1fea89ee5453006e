# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``tpu_hosts``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tpu_hosts
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: How many machines a TPU pool has
description:
  - Divides the chips of a topology by those of a machine. A machine type and a topology that make no pool count as one
    machine; the filter P(llm_d.gke.deployment_findings#filter) tells what is wrong with them.
positional: topology
options:
  _input:
    description: TPU machine type.
    type: str
    required: true
  topology:
    description: TPU topology; empty for one machine.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: A slice of sixteen chips on machines of four
  ansible.builtin.debug:
    msg: "{{ 'ct6e-standard-4t' | llm_d.gke.tpu_hosts('4x4') }}"
"""

RETURN = r"""
_value:
  description: The number of machines.
  type: int
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._capacity import CapacityError, tpu_slice


def tpu_hosts(machine_type: str, topology: str = "") -> int:
    """The number of machines."""
    try:
        return tpu_slice(str(machine_type), str(topology or "")).hosts
    except CapacityError:
        return 1


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tpu_hosts": tpu_hosts}
