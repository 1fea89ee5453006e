# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The compute API: importing this registers its methods."""

from sandbox.cloud.compute import catalog, operations, table

__all__ = ["catalog", "operations", "table"]
