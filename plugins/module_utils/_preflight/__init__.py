# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what is looked at before a cent is spent. One file a topic: a look, and its judgement."""
