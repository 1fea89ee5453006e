# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors

"""The local Google Cloud: everything a deployment talks to, on one machine."""
