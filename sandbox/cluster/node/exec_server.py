# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How the API server passes `exec` on to a kubelet: over SPDY/3.1 (kubectl) or WebSocket (other clients)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any, cast

from aiohttp import WSMsgType, web
from multidict import MultiMapping

from . import spdy
from .exec import ExecOptions, ExecSession, Send, failure

log = logging.getLogger(__name__)

MakeSession = Callable[[ExecOptions, Send], ExecSession]

_PROTOCOL = "v4.channel.k8s.io"
_OPEN_WITHIN = 30.0
_CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}
_NAMES = {number: name for name, number in _CHANNELS.items()}


def exec_options(query: MultiMapping[str]) -> ExecOptions:
    """The options of an exec request, as the API server writes them. Raises ValueError."""

    def on(name: str) -> bool:
        return query.get(name) in ("1", "true")

    command = query.getall("command", [])
    if not command:
        raise ValueError("you must specify at least 1 command")
    return ExecOptions(command, stdin=on("input"), stdout=on("output"), stderr=on("error"), tty=on("tty"))


async def serve(request: web.Request, options: ExecOptions, make: MakeSession) -> web.StreamResponse:
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade == "websocket":
        return await _over_websocket(request, options, make)
    if upgrade == "spdy/3.1":
        return await _over_spdy(request, options, make)
    raise web.HTTPBadRequest(text="you must upgrade to SPDY/3.1 or WebSocket")


async def _take(session: ExecSession, name: str, data: bytes) -> None:
    """Input of one stream."""
    if name == "stdin":
        await session.feed(data)
    elif name == "resize":
        with contextlib.suppress(ValueError, KeyError, TypeError):
            size = json.loads(data)
            session.resize(int(size["Width"]), int(size["Height"]))


async def _over_websocket(request: web.Request, options: ExecOptions, make: MakeSession) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=(_PROTOCOL,))
    await socket.prepare(request)

    async def send(name: str, data: bytes) -> None:
        await socket.send_bytes(bytes([_CHANNELS[name]]) + data)

    session = make(options, send)

    async def receive() -> None:
        async for message in socket:
            if message.type in (WSMsgType.BINARY, WSMsgType.TEXT) and message.data:
                raw = message.data if isinstance(message.data, bytes) else message.data.encode()
                await _take(session, _NAMES.get(raw[0], ""), raw[1:])

    running = asyncio.create_task(session.run())
    receiving = asyncio.create_task(receive())
    try:
        # A client that goes away ends the process.
        await asyncio.wait({running, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await send("error", json.dumps(running.result()).encode())
    finally:
        await _cancel(running, receiving)
    await socket.close()
    return socket


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


class _Bytes:
    """Takes what comes after the upgrade from aiohttp, which knows no SPDY."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.queue.put_nowait(bytes(data))
        return False, b""

    def feed_eof(self) -> None:
        self.queue.put_nowait(b"")

    def set_exception(self, *_: object) -> None:
        self.feed_eof()


class _SpdyExec:
    """One exec over SPDY: streams are opened by the client and told apart by their header."""

    def __init__(self, transport: asyncio.Transport, source: _Bytes, options: ExecOptions) -> None:
        self._transport = transport
        self._source = source
        self._options = options
        self._connection = spdy.Connection()
        self._streams: dict[str, int] = {}
        self._open = asyncio.Event()
        self.session: ExecSession | None = None

    async def send(self, name: str, data: bytes) -> None:
        self._transport.write(spdy.data_frames(self._streams[name], data))
        while self._transport.get_write_buffer_size() > 1 << 20 and not self._transport.is_closing():
            await asyncio.sleep(0.01)

    async def receive(self) -> None:
        """Until the client goes away."""
        while data := await self._source.queue.get():
            for event in self._connection.feed(data):
                if isinstance(event, spdy.Opened):
                    self._streams[event.headers.get("streamtype", "")] = event.stream
                    if self._options.streams <= set(self._streams):
                        self._open.set()
                elif isinstance(event, spdy.Data):
                    await self._data(event)
                elif event.stream is None:
                    return
            if self._connection.replies:
                self._transport.write(bytes(self._connection.replies))
                self._connection.replies.clear()

    async def _data(self, event: spdy.Data) -> None:
        name = next((name for name, stream in self._streams.items() if stream == event.stream), "")
        if self.session is None:
            return
        if event.data:
            await _take(self.session, name, event.data)
        if event.last and name == "stdin":
            await self.session.end_input()

    async def run(self) -> None:
        await asyncio.wait_for(self._open.wait(), _OPEN_WITHIN)
        status = await self.session.run() if self.session else failure("no session")
        for name in ("stdout", "stderr"):
            if name in self._streams:
                self._transport.write(spdy.data_frames(self._streams[name], b"", last=True))
        self._transport.write(spdy.data_frames(self._streams["error"], json.dumps(status).encode(), last=True))


async def _over_spdy(request: web.Request, options: ExecOptions, make: MakeSession) -> web.StreamResponse:
    transport = request.transport
    offered = request.headers.getall("X-Stream-Protocol-Version", [])
    if transport is None or not isinstance(transport, asyncio.Transport):
        raise web.HTTPInternalServerError(text="the connection is gone")
    if not any(_PROTOCOL in item for item in offered):
        raise web.HTTPForbidden(text=f"unable to upgrade: only {_PROTOCOL} is spoken here")
    source = _Bytes()
    # The protocol asks no more of a parser than what this has.
    request.protocol.set_parser(cast(Any, source))
    served = _SpdyExec(transport, source, options)
    served.session = make(options, served.send)
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        b"X-Stream-Protocol-Version: " + _PROTOCOL.encode() + b"\r\n\r\n"
    )
    running = asyncio.create_task(served.run())
    receiving = asyncio.create_task(served.receive())
    try:
        await asyncio.wait({running, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if running.done() and not running.exception():
            # The client has what it wanted and leaves; that is how the last frames are known to have arrived.
            await asyncio.wait({receiving}, timeout=5)
        for task in (running, receiving):
            if task.done() and (error := task.exception()):
                log.warning("exec ended early: %s", error or type(error).__name__)
    finally:
        await _cancel(running, receiving)
        transport.close()
    return web.Response()
