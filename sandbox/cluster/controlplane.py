# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Starts the control plane's programs, waits until they are ready, and notices when one ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from . import components
from .config import CONTROLLER_MANAGER_PORT, SCHEDULER_PORT, Config
from .kube import ApiError, KubeClient
from .managed import wait_for_api
from .processes import Reaper, exit_code_of, spawn, terminate

log = logging.getLogger(__name__)

_READY_WITHIN = 300.0
# The Go programs share two cores and little memory: collect garbage sooner than the default, with few threads.
_GO = {"GOGC": "50", "GOMAXPROCS": "2"}


def make_certificates(config: Config) -> None:
    """In a program of its own, see pki.py. Runs before the event loop, so waiting is fine."""
    command = [sys.executable, "-m", "sandbox.cluster.pki", str(config.pki), *components.server_names(config)]
    subprocess.run(command, check=True, timeout=60)


def last_words(log_file: Path) -> str:
    """The last line that a program wrote, for an error message."""
    with contextlib.suppress(OSError):
        lines = log_file.read_text(errors="replace")[-4000:].strip().splitlines()
        return lines[-1][:300] if lines else ""
    return ""


class ControlPlane:
    """etcd, API server, controller manager, scheduler; and the programs started with them."""

    def __init__(self, config: Config, reaper: Reaper) -> None:
        self.error: str | None = None
        self.ready = False
        self._config = config
        self._reaper = reaper
        self._running: dict[str, int] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._stopping = False

    def _log_file(self, name: str) -> Path:
        return self._config.logs / f"{name}.log"

    def start(self, name: str, argv: Sequence[str], extra: dict[str, str] | None = None) -> asyncio.Future[int]:
        """Start a program whose end is a failure, unless somebody else awaits the future and judges."""
        env = {**os.environ, **(extra or {})}
        log.info("starting %s", " ".join(argv[:1]))
        pid = spawn(argv, env, self._log_file(name))
        self._running[name] = pid
        return self._reaper.watch(pid)

    def _supervise(self, name: str, ended: asyncio.Future[int]) -> None:
        async def watch() -> None:
            code = exit_code_of(await ended)
            self._running.pop(name, None)
            if not self._stopping:
                self.error = f"{name} ended with exit code {code}: {last_words(self._log_file(name))}"
                log.error("%s", self.error)

        task = asyncio.create_task(watch())
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def run(self, client: KubeClient) -> None:
        """Bring everything up. `ready` or `error` says how it went."""
        started = time.monotonic()
        deadline = started + _READY_WITHIN
        config = self._config
        self._supervise("etcd", self.start("etcd", components.etcd(config), _GO))
        self._supervise("kube-apiserver", self.start("kube-apiserver", components.apiserver(config), _GO))
        installer = [sys.executable, "-m", "sandbox.cluster.managed", "--config", str(config.dir / "config.json")]
        installed = self.start("managed", installer)
        try:
            await self._unless_failed(wait_for_api(client, deadline))
            log.info("API server ready after %.1f s", time.monotonic() - started)
            self._supervise(
                "kube-controller-manager",
                self.start("kube-controller-manager", components.controller_manager(config), _GO),
            )
            self._supervise("kube-scheduler", self.start("kube-scheduler", components.scheduler(config), _GO))
            if code := exit_code_of(await installed):
                raise RuntimeError(f"managed objects: exit code {code}: {last_words(self._log_file('managed'))}")
            await self._unless_failed(self._controllers_ready(client, deadline))
        except (RuntimeError, TimeoutError) as error:
            self.error = self.error or str(error)
            log.error("the control plane did not start: %s", self.error)
            return
        self.ready = True
        log.info("control plane ready after %.1f s", time.monotonic() - started)

    async def _unless_failed(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait, but no longer than all programs live."""
        task = asyncio.create_task(waiting)
        try:
            while not task.done():
                if self.error:
                    raise RuntimeError(self.error)
                await asyncio.wait({task}, timeout=0.1)
            await task
        finally:
            task.cancel()

    async def _controllers_ready(self, client: KubeClient, deadline: float) -> None:
        """Pods can be made (the default service account exists) and will be scheduled."""
        pending = "nothing"
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, OSError, ApiError):
                pending = "the scheduler"
                await _healthy(SCHEDULER_PORT)
                pending = "the controller manager"
                await _healthy(CONTROLLER_MANAGER_PORT)
                pending = "the default service account"
                if await client.find("/api/v1/namespaces/default/serviceaccounts/default"):
                    return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{pending} is not ready")

    async def stop(self) -> None:
        """End everything at once: the cluster goes for good, there is nothing to save."""
        self._stopping = True
        for pid in self._running.values():
            terminate(pid, signal.SIGKILL)
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=2)


async def _healthy(port: int) -> None:
    """A component's own health endpoint; its certificate is made up by itself."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
        session.get(f"https://127.0.0.1:{port}/healthz", ssl=False) as response,
    ):
        if response.status != 200:
            raise OSError(f"HTTP {response.status}")
