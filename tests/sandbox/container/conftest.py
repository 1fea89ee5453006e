# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Clusters without control planes, in a cloud in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.cloud.server import Serving
from tests.sandbox.cloud.conftest import catalog, settings, start
from tests.sandbox.container.gke import Gke

__all__ = ["catalog", "settings", "start"]


def client(serving: Serving) -> Gke:
    """Calls as the sandbox's own account."""
    return Gke(serving, serving.cloud.auth.issue(serving.cloud.settings.account_email))


@pytest.fixture
def gke(start: Callable[..., Serving]) -> Gke:
    """A cloud in which a cloud minute takes ten milliseconds."""
    return client(start())


@pytest.fixture
def slow_gke(start: Callable[..., Serving]) -> Gke:
    """One in which operations are still running when the next request comes."""
    return client(start(time_scale=600.0))
