# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""numpy, or None: single requests are read with it, and stepped over without.

This file is private to the collection.
"""

from __future__ import annotations

import importlib
from typing import Any

np: Any
try:
    np = importlib.import_module("numpy")
except ImportError:
    np = None
