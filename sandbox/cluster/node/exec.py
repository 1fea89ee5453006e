# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""`kubectl exec`: a process in a running container, its streams tied to those of a client."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..processes import exit_code_of, terminate
from .launch import Ends, Started, StartError

if TYPE_CHECKING:
    from .containers import Container
    from .pods import PodWorker

_CHUNK = 32 * 1024
_LAST_OUTPUT = 1.0

Send = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True)
class ExecOptions:
    command: Sequence[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @property
    def streams(self) -> set[str]:
        """The streams that the client opens."""
        wanted = {"stdin": self.stdin, "stdout": self.stdout, "stderr": self.stderr and not self.tty}
        return {"error", *(name for name, on in wanted.items() if on), *(["resize"] if self.tty else [])}


def status_of(exit_code: int) -> dict[str, Any]:
    """What the client is told at the end, on its error stream."""
    if exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {exit_code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(exit_code)}]},
    }


def failure(message: str) -> dict[str, Any]:
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}


async def _until(register: Callable[..., Any], remove: Callable[[int], Any], descriptor: int) -> None:
    ready = asyncio.Event()
    register(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)


async def _chunks(descriptor: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            await _until(loop.add_reader, loop.remove_reader, descriptor)
            continue
        except OSError:
            return  # a terminal whose other side is closed
        if not data:
            return
        yield data


async def _write_all(descriptor: int, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            await _until(loop.add_writer, loop.remove_writer, descriptor)


class ExecSession:
    """One `exec`. Input comes by `feed`, `end_input` and `resize`; output goes to `send(stream, data)`."""

    def __init__(self, container: Container, pod: PodWorker, options: ExecOptions, send: Send) -> None:
        self._container = container
        self._pod = pod
        self._options = options
        self._send = send
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)
        self._master = -1

    async def feed(self, data: bytes) -> None:
        await self._input.put(data)

    async def end_input(self) -> None:
        await self._input.put(None)

    def resize(self, width: int, height: int) -> None:
        if self._master >= 0:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def run(self) -> dict[str, Any]:
        """Run to the end; returns the status for the client. Cancelled (the client has gone), the process is killed."""
        ours: list[int] = []
        try:
            started, outputs, stdin = await self._start(ours)
        except (StartError, ValueError) as error:
            for descriptor in ours:
                os.close(descriptor)
            return failure(str(error))
        pumps = [asyncio.create_task(self._pump(name, descriptor)) for name, descriptor in outputs]
        feeding = asyncio.create_task(self._feed(stdin, ours))
        try:
            status = await asyncio.shield(started.ended)
            await asyncio.wait(pumps, timeout=_LAST_OUTPUT)
            return status_of(exit_code_of(status))
        finally:
            terminate(started.pid, signal.SIGKILL)
            for task in (*pumps, feeding):
                task.cancel()
            await asyncio.wait({*pumps, feeding})
            self._master = -1
            for descriptor in ours:
                os.close(descriptor)

    async def _start(self, ours: list[int]) -> tuple[Started, list[tuple[str, int]], int]:
        process, program = self._container.process, self._container.program
        if process is None or program is None or process.ended.done():
            raise StartError(f"container {self._container.name} is not running")
        if self._options.tty:
            self._master, slave = os.openpty()
            ours.append(self._master)
            ends = Ends(slave, slave, slave, terminal=True)
            stdin, outputs = self._master, [("stdout", self._master)]
        else:
            in_read, stdin = os.pipe()
            out_read, out_write = os.pipe()
            err_read, err_write = os.pipe()
            ours += [stdin, out_read, err_read]
            ends = Ends(in_read, out_write, err_write)
            outputs = [("stdout", out_read), ("stderr", err_read)]
        for descriptor in ours:
            os.set_blocking(descriptor, False)
        environment: Mapping[str, str] = self._container.environment
        if self._options.tty:
            environment = {"TERM": "xterm", **environment}
        started = await self._pod.shared.launcher.attached(
            process.pid,
            program.argv(self._options.command, ()),
            environment,
            self._container.spec.get("workingDir") or "/",
            self._pod.network_namespace,
            ends,
        )
        return started, outputs, stdin

    async def _pump(self, name: str, descriptor: int) -> None:
        async for data in _chunks(descriptor):
            if name in self._options.streams:
                await self._send(name, data)

    async def _feed(self, descriptor: int, ours: list[int]) -> None:
        """Input to the process; its end is passed on, but not to a terminal, which has one descriptor for all."""
        if not self._options.stdin:
            await self.end_input()
        with contextlib.suppress(OSError):
            while (data := await self._input.get()) is not None:
                await _write_all(descriptor, data)
        if not self._options.tty:
            ours.remove(descriptor)
            os.close(descriptor)
