# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""grpc.health.v1.Health/Check over plain HTTP/2, for gRPC probes: one request, one answer, no gRPC library.

The headers that we send need no compression state (literals); of the answer only the message matters: status 1 is
SERVING.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_PADDED = 0x8
_SERVING = 1
_LARGEST_FRAME = 1 << 20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _length(number: int, prefix_bits: int, first: int = 0) -> bytes:
    """An HPACK integer."""
    limit = (1 << prefix_bits) - 1
    if number < limit:
        return bytes([first | number])
    encoded = bytearray([first | limit])
    number -= limit
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    encoded.append(number)
    return bytes(encoded)


def header(name: str, value: str) -> bytes:
    """A literal header field without indexing and without Huffman coding."""
    raw_name, raw_value = name.encode(), value.encode()
    return b"\0" + _length(len(raw_name), 7) + raw_name + _length(len(raw_value), 7) + raw_value


def request(service: str, authority: str) -> bytes:
    """Everything the client says, as one piece."""
    headers = b"".join(
        header(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "kube-probe/1.35"),
        )
    )
    name = service.encode()
    message = b"\x0a" + _length(len(name), 7) + name if name else b""  # field 1, length-delimited
    body = struct.pack(">BI", 0, len(message)) + message
    return (
        _PREFACE
        + frame(_SETTINGS, 0, 0)
        + frame(_HEADERS, _END_HEADERS, 1, headers)
        + frame(_DATA, _END_STREAM, 1, body)
    )


def serving(body: bytes) -> bool:
    """Whether a HealthCheckResponse says SERVING. An empty message means status 0, unknown."""
    message = body[5:]
    return len(message) >= 2 and message[0] == 0x08 and message[1] == _SERVING


async def check(host: str, port: int, service: str, timeout: float) -> bool:
    """True when the service is SERVING. Raises OSError or TimeoutError when it can't be asked."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request(service, f"{host}:{port}"))
            return serving(await _answer(reader, writer))
        except asyncio.IncompleteReadError:
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    body = b""
    while True:
        head = await reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if length > _LARGEST_FRAME:
            return b""
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            writer.write(frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY or (kind == _RST_STREAM and stream == 1):
            return body
        elif kind == _DATA and stream == 1:
            if flags & _PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            body += payload
        if stream == 1 and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return body
