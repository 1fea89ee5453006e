# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""As much of HTTP/1.1 as a model server and its simulator need of each other: keep-alive, chunks, streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_HEADER = 64 * 1024
_MAX_BODY = 64 * 1024 * 1024
PHRASES = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
            413: "Content Too Large", 500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


class BadRequest(Exception):
    """Not HTTP, or more of it than is taken."""


@dataclass
class Request:
    """A request, its body read."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: str


@dataclass
class Response:
    """An answer: whole, or a stream of pieces that are sent as they come."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    stream: AsyncIterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Response:
        return cls(status, json.dumps(value, separators=(",", ":")).encode())


Handler = Callable[[Request], Awaitable[Response]]


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, keep_alive: float
) -> None:
    """Answer request after request, until the client or a pause of `keep_alive` seconds ends the connection."""
    peer = writer.get_extra_info("peername") or ("", 0)
    try:
        while True:
            try:
                request = await asyncio.wait_for(_read_request(reader, writer, f"{peer[0]}:{peer[1]}"), keep_alive)
            except BadRequest as problem:
                await _write(
                    writer, Response(400, f"Invalid HTTP request received. {problem}".encode(), "text/plain"), False
                )
                return
            if request is None:
                return
            stay = request.headers.get("connection", "").lower() != "close"
            await _write(writer, await handler(request), stay)
            if not stay:
                return
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> Request | None:
    head = await _read_head(reader)
    if head is None:
        return None
    words = head[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("request line")
    headers = _headers(head[1:])
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    body = b"".join([piece async for piece in _body(reader, headers, to_end=False)])
    return Request(words[0], words[1].split("?", 1)[0], headers, body, client)


async def _read_head(reader: asyncio.StreamReader) -> list[str] | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise BadRequest("incomplete") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("headers too long") from None
    return raw[:-4].decode("latin-1").split("\r\n")


def _headers(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("header")
        found[name.strip().lower()] = value.strip()
    return found


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str], to_end: bool) -> AsyncIterator[bytes]:
    """The pieces of a body, as they come."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        taken = 0
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            taken += size
            if taken > _MAX_BODY:
                raise BadRequest("body too long")
            yield (await reader.readexactly(size + 2))[:-2]
        while (await reader.readuntil(b"\r\n")) != b"\r\n":
            pass  # trailers
        return
    left = int(headers.get("content-length") or (-1 if to_end else 0))
    if left > _MAX_BODY:
        raise BadRequest("body too long")
    while left and (piece := await reader.read(left if left > 0 else 65536)):
        yield piece
        left -= len(piece) if left > 0 else 0


async def _write(writer: asyncio.StreamWriter, response: Response, stay: bool) -> None:
    headers = {"content-type": response.content_type, **response.headers}
    if response.stream is None:
        headers["content-length"] = str(len(response.body))
    else:
        headers["transfer-encoding"] = "chunked"
    headers["connection"] = "keep-alive" if stay else "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(
        f"HTTP/1.1 {response.status} {PHRASES.get(response.status, '')}\r\n{lines}\r\n".encode() + response.body
    )
    if response.stream is not None:
        async for piece in response.stream:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
    await writer.drain()


@dataclass
class Reply:
    """A reply to a request of ours: its status, and the pieces of its body as they come."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]
    writer: asyncio.StreamWriter

    async def whole(self) -> bytes:
        try:
            return b"".join([piece async for piece in self.pieces])
        finally:
            self.close()

    def close(self) -> None:
        self.writer.close()


async def request(port: int, method: str, path: str, value: Any = None) -> Reply:
    """Ask a server on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MAX_HEADER)
    body = b"" if value is None else json.dumps(value).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        lines = await _read_head(reader)
    except BadRequest as problem:
        raise ConnectionError(str(problem)) from None
    if lines is None:
        writer.close()
        raise ConnectionError("no answer")
    headers = _headers(lines[1:])
    return Reply(int(lines[0].split(" ")[1]), headers, _body(reader, headers, to_end=True), writer)
