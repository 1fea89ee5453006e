# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE runs and installs for a cluster's configuration: at its start, and when the configuration is changed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from . import managed
from .config import Config
from .controller import LoadBalancerController
from .processes import Reaper

log = logging.getLogger(__name__)

CHANGEABLE = ("gateway_api", "managed_prometheus")


class Features:
    """The load balancer controller while there is a Gateway API; what is installed only grows."""

    def __init__(self, config: Config, reaper: Reaper) -> None:
        self._config = config
        self._reaper = reaper
        self._controller: LoadBalancerController | None = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """The control plane is up, with everything installed."""
        await self._settle()

    async def stop(self) -> None:
        if self._controller is not None:
            await self._controller.stop()
            self._controller = None

    async def change(self, asked: dict[str, Any]) -> None:
        """Makes a running cluster what its configuration says now."""
        async with self._changing:
            wanted: dict[str, Any] = {name: bool(asked[name]) for name in CHANGEABLE if name in asked}
            before, self._config = self._config, replace(self._config, **wanted)
            if before == self._config:
                return
            log.info("configuration changed: %s", wanted)
            await managed.install(self._config)
            await self._settle()

    async def _settle(self) -> None:
        if self._config.gateway_api and self._controller is None:
            self._controller = LoadBalancerController(self._config, self._reaper)
            self._controller.start()
        elif not self._config.gateway_api:
            await self.stop()
