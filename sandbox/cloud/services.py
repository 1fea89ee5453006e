# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which APIs are switched on in which project.

A new project has nearly everything off. An API that was just enabled is refused for a while longer, because Google's
front ends do not know yet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from sandbox.cloud.clock import Clock
from sandbox.cloud.durations import API_PROPAGATION

# On in every new project (of those the sandbox knows). serviceusage must be, or nothing could ever be enabled.
ON_BY_DEFAULT = frozenset({"serviceusage.googleapis.com", "servicemanagement.googleapis.com", "storage.googleapis.com"})


class Services:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._effective_from: dict[tuple[str, str], float] = {}

    def enable(self, project_id: str, services: Iterable[str], *, propagation: float = API_PROPAGATION) -> None:
        """Switches APIs on; those that are on already stay as they are."""
        effective = time.monotonic() + self._clock.real_seconds(propagation)
        with self._lock:
            for service in services:
                self._effective_from.setdefault((project_id, service), effective)

    def disable(self, project_id: str, services: Iterable[str]) -> None:
        with self._lock:
            for service in services:
                self._effective_from.pop((project_id, service), None)

    def is_enabled(self, project_id: str, service: str) -> bool:
        """What service usage says: true at once after enabling."""
        with self._lock:
            return service in ON_BY_DEFAULT or (project_id, service) in self._effective_from

    def is_effective(self, project_id: str, service: str) -> bool:
        """What the API's front end thinks."""
        if service in ON_BY_DEFAULT:
            return True
        with self._lock:
            effective = self._effective_from.get((project_id, service))
        return effective is not None and time.monotonic() >= effective
