# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Keeps the load balancer controller running: a process of its own, restarted when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time

from .config import Config
from .controlplane import last_words
from .processes import Reaper, exit_code_of, spawn, stop

log = logging.getLogger(__name__)

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_GOOD_RUN = 60.0


class LoadBalancerController:
    def __init__(self, config: Config, reaper: Reaper) -> None:
        self._config = config
        self._reaper = reaper
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        config_file = self._config.dir / "config.json"
        argv = [sys.executable, "-m", "sandbox.cluster.loadbalancer", "--config", str(config_file)]
        env = {**os.environ, "KUBECONFIG": str(self._config.kubeconfig("loadbalancer"))}
        log_file = self._config.logs / "loadbalancer.log"
        delay = _FIRST_DELAY
        while True:
            started = time.monotonic()
            pid = spawn(argv, env, log_file)
            ended = self._reaper.watch(pid)
            try:
                status = await asyncio.shield(ended)
            except asyncio.CancelledError:
                await stop(pid, ended, grace=3)
                raise
            delay = _FIRST_DELAY if time.monotonic() - started > _GOOD_RUN else min(delay * 2, _LONGEST_DELAY)
            log.error(
                "the load balancer controller ended with exit code %s (%s); again in %.0f s",
                exit_code_of(status), last_words(log_file), delay,
            )  # fmt: skip
            await asyncio.sleep(delay)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
