# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How fast the infrastructure's playbooks are, measured on the sandbox: ``make bench``."""
