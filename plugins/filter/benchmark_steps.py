# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``benchmark_steps``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: benchmark_steps
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: The loads of a benchmark
description:
  - Turns rates or concurrencies into the loads that are measured one after the other, each with its name, its rate in
    requests a second, its limit of requests at once, and its number of requests.
options:
  _input:
    description: The settings, as the role P(llm_d.gke.benchmark#role) has them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the loads
  ansible.builtin.debug:
    msg: "{{ settings | llm_d.gke.benchmark_steps }}"
"""

RETURN = r"""
_value:
  description: The loads.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._benchmark import steps


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"benchmark_steps": steps}
