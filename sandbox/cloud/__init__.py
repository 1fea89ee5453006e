# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The Google APIs of the sandbox: one server, one file an API, and what they share."""
