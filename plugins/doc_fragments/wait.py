# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long to wait for what."""

from __future__ import annotations


class ModuleDocFragment:
    """Options for waiting."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until Google has carried out what the task asks for.
      - With V(false) the task starts it and returns RV(operations). A later run with V(true) waits for those operations
        instead of starting others.
    type: bool
    default: true
  wait_timeout:
    description:
      - How many seconds to wait at most, for everything that the task does together.
      - When time is over, the task fails and names the operation. What was started goes on in Google Cloud, and the
        next run of the same task waits for it.
      - The default depends on the module.
    type: int
  poll_interval:
    description:
      - The shortest pause between two looks, in seconds. Pauses grow to 7.5 times of it.
    type: float
    default: 2.0
"""

    OWNERSHIP = r"""
options:
  deployment:
    description:
      - The name of the deployment that this belongs to.
      - What the task makes is marked with it. It does not touch what carries another mark, or none, unless
        O(adopt=true).
      - The mark is the label C(llm-d-deployment). Where Google has no labels, it stands in the description.
      - Without it, resources are known by their name alone.
    type: str
  adopt:
    description:
      - Whether to take over a resource that is there already and is not marked with O(deployment).
    type: bool
    default: false
"""

    PACE = r"""
options:
  poll_interval:
    description:
      - The shortest pause between two looks, in seconds. Pauses grow to 7.5 times of it.
    type: float
    default: 2.0
"""
