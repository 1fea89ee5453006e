# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The stand-in for vLLM on TPU: its API, its counters and its KV connector in front of llm-d-inference-sim.

Only the standard library is imported, and little of it: eight of these run beside each other.
"""
