# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""AWX's REST API as far as its configuration goes: what the modules of awx.awx ask for, refused where AWX refuses.

Nothing runs here. Lists are filtered and in pages, objects have natural keys, related lists take and give up members,
surveys, credential types and schedules are looked at as AWX looks at them. Every request is remembered."""
