# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The data plane: a real Envoy, the files it reads, and the addresses it listens on."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from sandbox.cluster.loadbalancer import envoy_config
from sandbox.cluster.loadbalancer.backends import Endpoint, endpoints
from sandbox.cluster.loadbalancer.envoy_config import Frontend, backends_of
from sandbox.cluster.loadbalancer.model import BackendRef
from sandbox.cluster.loadbalancer.store import Store

LOG = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_RESTART_SECONDS = 1.0
_LISTEN_SECONDS = 10.0

AddressChange = Callable[[str], None]


class DataPlane:
    def __init__(
        self,
        folder: Path,
        store: Store,
        time_scale: float,
        add_address: AddressChange,
        remove_address: AddressChange,
    ) -> None:
        self._folder = folder
        self._store = store
        self._time_scale = time_scale
        self._add_address = add_address
        self._remove_address = remove_address
        self._written: dict[str, str] = {}
        self.frontends: list[Frontend] = []

    def set(self, frontends: list[Frontend]) -> None:
        """Serve these, and nothing else, from now on."""
        before, after = {f.address for f in self.frontends}, {f.address for f in frontends}
        for address in sorted(after - before):
            self._add_address(address)
        self.frontends = frontends
        self.refresh()
        for address in sorted(before - after):
            self._remove_address(address)

    def refresh(self) -> None:
        """Follow the pods: write what differs from what Envoy has. Cheap, called on every change."""
        backends = backends_of(self.frontends)
        refs = {backend.ref for backend in backends} | {b.picker.service for b in backends if b.picker}
        found: dict[BackendRef, list[Endpoint]] = {ref: endpoints(self._store, ref) for ref in refs}
        contents = envoy_config.endpoint_files(backends, found)
        contents |= envoy_config.files(self.frontends, self._folder, self._time_scale)
        for name, content in contents.items():
            if self._written.get(name) != content:
                self._write(name, content)
        for name in [name for name in self._written if name not in contents]:
            (self._folder / name).unlink(missing_ok=True)
            del self._written[name]

    def _write(self, name: str, content: str) -> None:
        """Atomically: Envoy reads a file when another is moved onto it."""
        new = self._folder / f".{name}.new"
        new.touch(mode=0o600)
        new.write_text(content, encoding="utf-8")
        new.replace(self._folder / name)
        self._written[name] = content

    async def listening(self) -> list[Frontend]:
        """Those front ends that take connections, each given some time."""
        results = await asyncio.gather(*(_accepts(f.address, f.port) for f in self.frontends))
        return [frontend for frontend, accepts in zip(self.frontends, results, strict=True) if accepts]


async def _accepts(address: str, port: int) -> bool:
    deadline = asyncio.get_running_loop().time() + _LISTEN_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        try:
            _reader, writer = await asyncio.open_connection(address, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True
    return False


def _end_with_parent() -> None:
    """Runs in the child: a controller that is killed must not leave its Envoy behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def run_envoy(program: Path, folder: Path, log_file: Path) -> None:
    """Keep Envoy running until cancelled."""
    bootstrap = folder / "bootstrap.json"
    bootstrap.write_text(json.dumps(envoy_config.bootstrap(folder), indent=1), encoding="utf-8")
    arguments = ["-c", str(bootstrap), "--log-level", "warning", "--concurrency", "1", "--disable-hot-restart"]
    while True:
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )
        finally:
            os.close(log)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        LOG.error("envoy ended with exit code %s (see %s), starting it again", code, log_file)
        await asyncio.sleep(_RESTART_SECONDS)
