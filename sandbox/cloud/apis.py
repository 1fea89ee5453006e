# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The list of API modules: importing one registers what it implements."""

from __future__ import annotations

import importlib
import importlib.util

MODULES = (
    "sandbox.cloud.admin",
    "sandbox.cloud.batch",
    "sandbox.cloud.compute",
    "sandbox.cloud.container",
    "sandbox.cloud.serviceusage",
    "sandbox.cloud.iam",
    "sandbox.cloud.cloudresourcemanager",
    "sandbox.cloud.cloudbilling",
    "sandbox.cloud.storage",
    "sandbox.cloud.storage_objects",
    "sandbox.cloud.workload_identity",
    "sandbox.cloud.hub",
)


def load() -> None:
    for name in MODULES:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
