# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which process runs the playbook."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_process
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: The process that runs the playbook
description:
  - For the environment variable C(LLM_D_GKE_RUN_PROCESS) of a task that is sent into the background. The modules of
    this collection ask Google for nothing more once that process is gone, so that nothing goes on behind the back of
    somebody who interrupted a run.
options: {}
"""

EXAMPLES = r"""
- name: Make node pools in the background, as long as somebody waits for them
  llm_d.gke.gke_node_pools:
    cluster: main
    location: us-east5
    node_pools: "{{ pools }}"
  environment:
    LLM_D_GKE_RUN_PROCESS: "{{ lookup('llm_d.gke.run_process') }}"
  async: 3600
  poll: 0
"""

RETURN = r"""
_raw:
  description: Number and beginning of the process; empty where that cannot be told.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.lookup import LookupBase

from ..module_utils._lifeline import run_process


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """``lookup('llm_d.gke.run_process')``"""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """One mark."""
        return [run_process()]
