# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The gates that published collections pass, run on a copy of this checkout laid out as Ansible's tools want it."""
