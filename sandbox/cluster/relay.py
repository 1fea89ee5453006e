# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""TCP relays: bytes in both directions, half-closes kept, one connection a client.

A listening socket belongs to the network namespace it was made in. A relay over one made on the host lets the host's
clients reach an address that exists only in here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_CHUNK = 64 * 1024
_CONNECT_TIMEOUT = 10.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close sends a reset

Address = tuple[str, int]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Refuse a connection that was accepted already, as loudly as TCP allows."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def _no_delay(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family == socket.AF_INET:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Relay:
    """Relays the connections of one listening socket to where `target` says at that moment; None refuses them."""

    def __init__(self, listener: socket.socket, target: Callable[[], Address | None]) -> None:
        self._listener = listener
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._listener.setblocking(False)
        self._server = await asyncio.start_server(self._accept, sock=self._listener)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            _reset(writer)  # a relay that stops ends its connections; asyncio would log the cancellation as an error

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = self._target()
        if address is None:
            _reset(writer)
            return
        try:
            there = await asyncio.wait_for(asyncio.open_connection(*address), _CONNECT_TIMEOUT)
        except (OSError, TimeoutError):
            _reset(writer)
            return
        far_reader, far_writer = there
        _no_delay(writer)
        _no_delay(far_writer)
        forward = asyncio.ensure_future(_copy(reader, far_writer))
        backward = asyncio.ensure_future(_copy(far_reader, writer))
        try:
            await asyncio.gather(forward, backward)
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)
            far_writer.transport.abort()
        finally:
            for half in (forward, backward):
                half.cancel()
            for end in (writer, far_writer):
                end.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()


def listener_from_descriptor(descriptor: int) -> socket.socket:
    """The inherited listening socket. Not to be inherited further: a child would keep the port taken."""
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    return listener
