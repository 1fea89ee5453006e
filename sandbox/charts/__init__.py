# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Charts of the sandbox: stand-ins for those that may be out of reach, and the preparation of all three."""
