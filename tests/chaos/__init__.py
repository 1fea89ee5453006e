# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Up, kill -9, again, drift, teardown, while Google Cloud misbehaves: a story for each seed, and what must be true
at its end. ``make chaos SEEDS=n SEED_START=k``; see ``__main__``."""
