# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Container logs: written in the form of the container runtime interface, read as `kubectl logs` asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_LONGEST_LINE = 16 * 1024
_LARGEST_FILE = 10 * 1024 * 1024
_READ = 64 * 1024
_POLL = 0.25


def timestamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class LineSplitter:
    """Cuts a stream into log lines; very long ones into parts (tag P), as the runtime does."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._parts(line)
        while len(self._rest) > _LONGEST_LINE:
            yield "P", self._rest[:_LONGEST_LINE]
            self._rest = self._rest[_LONGEST_LINE:]

    def _parts(self, line: bytes) -> Iterator[tuple[str, bytes]]:
        while len(line) > _LONGEST_LINE:
            yield "P", line[:_LONGEST_LINE]
            line = line[_LONGEST_LINE:]
        yield "F", line

    def finish(self) -> Iterator[tuple[str, bytes]]:
        if self._rest:
            yield "P", self._rest
            self._rest = b""


class LogWriter:
    """Copies a container's two output pipes into one log file, until both are closed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: BinaryIO = open(path, "ab", buffering=0)  # noqa: SIM115  closed when the pipes are
        self._size = 0
        self._open = 0
        self._descriptors: dict[int, tuple[str, LineSplitter]] = {}
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def attach(self, stdout: int, stderr: int) -> None:
        loop = asyncio.get_running_loop()
        for descriptor, name in ((stdout, "stdout"), (stderr, "stderr")):
            os.set_blocking(descriptor, False)
            self._descriptors[descriptor] = (name, LineSplitter())
            loop.add_reader(descriptor, self._readable, descriptor)

    def _readable(self, descriptor: int) -> None:
        name, splitter = self._descriptors[descriptor]
        try:
            data = os.read(descriptor, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._write(name, splitter.feed(data) if data else splitter.finish())
        if not data:
            self._close(descriptor)

    def _write(self, name: str, lines: Iterator[tuple[str, bytes]]) -> None:
        at = timestamp(time.time_ns())
        content = b"".join(f"{at} {name} {tag} ".encode() + line + b"\n" for tag, line in lines)
        if not content:
            return
        # A full disk loses log lines, not the container.
        with contextlib.suppress(OSError):
            self._file.write(content)
        self._size += len(content)
        if self._size > _LARGEST_FILE:
            self._rotate()

    def _rotate(self) -> None:
        """One older file is kept, as the kubelet would keep a few."""
        with contextlib.suppress(OSError):
            self.path.replace(self.path.with_suffix(".log.1"))
            self._file.close()
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        self._size = 0

    def _close(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        self._descriptors.pop(descriptor, None)
        os.close(descriptor)
        if not self._descriptors:
            self._file.close()
            if not self.finished.done():
                self.finished.set_result(None)

    async def drain(self, timeout: float) -> None:
        """Wait for the end of the output; a grandchild outside the container can't hold it open for ever."""
        await asyncio.wait({self.finished}, timeout=timeout)
        for descriptor in list(self._descriptors):
            self._readable(descriptor)
            if descriptor in self._descriptors:
                self._close(descriptor)


@dataclass(frozen=True)
class LogOptions:
    """What `kubectl logs` may ask for."""

    follow: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: datetime.datetime | None = None
    limit_bytes: int | None = None


def render(raw: bytes, options: LogOptions) -> bytes:
    """One line of the file as the client sees it; nothing if it is too old."""
    at, _, rest = raw.partition(b" ")
    _stream, _, rest = rest.partition(b" ")
    tag, _, text = rest.partition(b" ")
    if options.since is not None:
        written = datetime.datetime.fromisoformat(at.decode()[:26] + "+00:00")
        if written < options.since:
            return b""
    text = text.rstrip(b"\n") + (b"" if tag == b"P" else b"\n")
    return at + b" " + text if options.timestamps else text


async def read(path: Path, options: LogOptions, ended: asyncio.Future[None] | None) -> AsyncIterator[bytes]:
    """The log, and with `follow` what is added until `ended`."""
    left = options.limit_bytes
    with path.open("rb") as file:
        lines: Iterator[bytes] = iter(file)
        if options.tail is not None:
            lines = iter(deque(file, maxlen=options.tail))
        for line in lines:
            text = render(line, options)
            if left is not None:
                text, left = text[:left], left - min(left, len(text))
            if text:
                yield text
            if left == 0:
                return
        rest = b""
        while options.follow:
            done = ended is None or ended.done()
            added = file.read(_READ)
            if added:
                *complete, rest = (rest + added).split(b"\n")
                text = b"".join(render(line + b"\n", options) for line in complete)
                if left is not None:
                    text, left = text[:left], left - min(left, len(text))
                yield text
                if left == 0:
                    return
            elif done:
                return
            else:
                await asyncio.sleep(_POLL)
