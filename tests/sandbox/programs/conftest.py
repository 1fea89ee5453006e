# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What the tests of the model server share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .model_servers import Fleet, Pair, start_pair

COLLECTIONS = Path(__file__).resolve().parents[3] / ".ansible" / "collections"
if str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    with made.stack:
        yield made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A right deployment, shared by the tests of a file."""
    made = Fleet(tmp_path_factory.mktemp("pair"))
    with made.stack:
        yield start_pair(made)
