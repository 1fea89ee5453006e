# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules can do."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of every module that talks to Google Cloud."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what it would do, without changing anything.
    support: full
  diff_mode:
    description: Tells what it changed, or would change in C(check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row, the second run changes nothing.
    support: full
  action_group:
    description: Use C(group/llm_d.gke.gcp) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - llm_d.gke.gcp
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what it would do, without changing anything.
    support: full
    details: This module never changes anything.
  diff_mode:
    description: Tells what it changed, or would change in C(check_mode), when in diff mode.
    support: N/A
    details: This module never changes anything.
  idempotent:
    description: When run twice in a row, the second run changes nothing.
    support: full
  action_group:
    description: Use C(group/llm_d.gke.gcp) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - llm_d.gke.gcp
"""
