# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One sandbox for a file of tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.testing import RunningCloud, running_cloud

# The collection, as its files import each other.
COLLECTIONS = Path(__file__).resolve().parents[3] / ".ansible" / "collections"
if str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), time_scale=600) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults_left(cloud: RunningCloud) -> Iterator[None]:
    yield
    cloud.clear_faults()
