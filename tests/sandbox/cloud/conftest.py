# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A sandbox cloud of each test's own, in this process, called over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import apis
from sandbox.cloud.app import Cloud
from sandbox.cloud.discovery import Catalog
from sandbox.cloud.request import Project
from sandbox.cloud.server import Serving
from sandbox.cloud.settings import Settings
from tests.sandbox.cloud.client import Client

FAST = 6000.0  # a cloud minute in ten milliseconds


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    apis.load()
    return Catalog()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(time_scale=FAST, directory=tmp_path, clusters="none", other_projects=(Project("other", "999"),))


@pytest.fixture
def start(catalog: Catalog, settings: Settings) -> Iterator[Callable[..., Serving]]:
    """Starts a cloud with some settings changed; all are stopped at the end."""
    running: list[Serving] = []

    def run(*, enabled: bool = True, socket_path: Path | None = None, **changes: Any) -> Serving:
        cloud = Cloud(replace(settings, **changes), catalog=catalog)
        if enabled:
            names = [document.service for document in catalog.documents.values()]
            for project in cloud.settings.projects:
                cloud.services.enable(project.id, names, propagation=0)
        running.append(Serving(cloud, socket_path=socket_path))
        return running[-1]

    yield run
    for serving in running:
        serving.close()


@pytest.fixture
def client_of() -> Callable[[Serving], Client]:
    return lambda serving: Client(serving, serving.cloud.auth.issue(serving.cloud.settings.account_email))


@pytest.fixture
def api(start: Callable[..., Serving], client_of: Callable[[Serving], Client]) -> Client:
    return client_of(start())
