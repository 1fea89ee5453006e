# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module wait_for_job: documentation. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wait_for_job
author: The llm_d.gke contributors (@llm-d-gke)
version_added: 0.1.0
short_description: Wait for a task in the background, and show how far it is
description:
  - Waits for a task that was sent into the background with C(poll=0), and returns its result.
  - Unlike M(ansible.builtin.async_status) with C(until), it takes one task, and shows what the module says meanwhile,
    if that task had C(LLM_D_GKE_PROGRESS_FILE) in its C(environment).
  - The environment variable E(LLM_D_GKE_PROGRESS) set to V(0) silences it.
options:
  jid:
    description: The job, C(ansible_job_id) of the result of the task in the background.
    type: str
    required: true
  progress_file:
    description: The file that the task in the background writes its lines into. It does not have to be there yet.
    type: path
  timeout:
    description: Seconds to wait at most. The job goes on after that.
    type: int
    default: 7200
  delay:
    description: Seconds between two looks.
    type: float
    default: 1
attributes:
  check_mode:
    description: Can run in check mode and return what it would change without changing anything.
    support: full
  diff_mode:
    description: Returns what has changed, as a diff.
    support: none
    details: The diff is the waited-for task's own.
seealso:
  - module: ansible.builtin.async_status
"""

EXAMPLES = r"""
- name: Make the node pools in the background
  llm_d.gke.gke_node_pools:
    cluster: main
    location: us-east5
    node_pools: "{{ pools }}"
  environment:
    LLM_D_GKE_PROGRESS_FILE: /tmp/pools.lines
  async: 5400
  poll: 0
  register: job

- name: Wait for them
  llm_d.gke.wait_for_job:
    jid: "{{ job.ansible_job_id }}"
    progress_file: /tmp/pools.lines
"""

RETURN = r"""
ansible_job_id:
  description: The job. All other values are those of the task that was waited for.
  returned: always
  type: str
finished:
  description: Whether it has ended.
  returned: always
  type: bool
"""
