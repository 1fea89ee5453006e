# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A tokenizer and a data set of our own, for a benchmark client that cannot reach a hub."""
