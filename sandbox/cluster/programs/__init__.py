# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Programs of ours that stand behind container images where the real ones cannot run (no TPU)."""
