# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Live progress for gcp_security_policy."""

from __future__ import annotations

from ..plugin_utils._live import LiveAction


class ActionModule(LiveAction):
    """Runs the module, and shows what it says meanwhile."""
