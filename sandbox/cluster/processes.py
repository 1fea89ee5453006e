# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Child processes of process 1: whoever dies is reaped in one place, and those who wait for a child hear of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path


def exit_code_of(wait_status: int) -> int:
    """The exit code a container runtime reports: 128 + N for signal N."""
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code


class Reaper:
    """Waits for every child. Orphans of containers are adopted by process 1, so unknown PIDs are reaped as well."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[int]] = {}

    def start(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def watch(self, pid: int) -> asyncio.Future[int]:
        """A future of the wait status. To be called right after the fork, before the loop runs again."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[pid] = future
        return future

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            future = self._waiting.pop(pid, None)
            if future is not None and not future.done():
                future.set_result(status)


def terminate(pid: int, number: int = signal.SIGTERM) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def stop(pid: int, ended: asyncio.Future[int], grace: float) -> int:
    """SIGTERM, then SIGKILL after `grace` seconds. Returns the wait status."""
    terminate(pid, signal.SIGTERM)
    done, _ = await asyncio.wait({ended}, timeout=grace)
    if not done:
        terminate(pid, signal.SIGKILL)
    return await ended


def spawn(argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
    """Start a program with its output in a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, descriptor, 1),
            (os.POSIX_SPAWN_DUP2, descriptor, 2),
        ]
        return os.posix_spawn(argv[0], list(argv), dict(env), file_actions=actions, setsigmask=[])
    finally:
        os.close(descriptor)
