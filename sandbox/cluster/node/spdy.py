# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""SPDY/3.1 framing, the server's half, as far as the API server speaks it to a kubelet. Pure: bytes and events."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 0x1
_VERSION = 3
_LARGEST_FRAME = 1 << 24
_LONGEST_DATA = 1 << 16

# The protocol's dictionary for header compression: words with their lengths, then text.
_WORDS = (
    "options, head, post, put, delete, trace, accept, accept-charset, accept-encoding, accept-language, "
    "accept-ranges, age, allow, authorization, cache-control, connection, content-base, content-encoding, "
    "content-language, content-length, content-location, content-md5, content-range, content-type, date, etag, expect, "
    "expires, from, host, if-match, if-modified-since, if-none-match, if-range, if-unmodified-since, last-modified, "
    "location, max-forwards, pragma, proxy-authenticate, proxy-authorization, range, referer, retry-after, server, "
    "te, trailer, transfer-encoding, upgrade, user-agent, vary, via, warning, www-authenticate, method, get, "
    "status, 200 OK, version, HTTP/1.1, url, public, set-cookie, keep-alive, origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS.split(", ")) + _TEXT.encode()


class ProtocolError(Exception):
    """The peer sent what this is not made for."""


@dataclass(frozen=True)
class Opened:
    stream: int
    headers: dict[str, str]


@dataclass(frozen=True)
class Data:
    stream: int
    data: bytes
    last: bool


@dataclass(frozen=True)
class Closed:
    """A stream was reset, or (None) the whole connection is being left."""

    stream: int | None


Event = Opened | Data | Closed


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | _VERSION, kind, flags << 24 | len(payload)) + payload


def data_frames(stream: int, data: bytes, *, last: bool = False) -> bytes:
    """Data for the peer. `last` closes our half of the stream."""
    starts = range(0, len(data), _LONGEST_DATA) or range(1)
    frames = bytearray()
    for start in starts:
        part = data[start : start + _LONGEST_DATA]
        flags = _FIN if last and start == starts[-1] else 0
        frames += struct.pack(">II", stream, flags << 24 | len(part)) + part
    return bytes(frames)


def ping(identity: int) -> bytes:
    return _control(_PING, 0, struct.pack(">I", identity))


@dataclass
class Connection:
    """One connection. `feed` turns bytes into events; `replies` collects what the protocol itself has to answer."""

    replies: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Event]:
        self._rest += data
        while len(self._rest) >= 8:
            first, second = struct.unpack_from(">II", self._rest)
            length = second & 0xFFFFFF
            if length > _LARGEST_FRAME:
                raise ProtocolError("frame too large")
            if len(self._rest) < 8 + length:
                return
            payload, self._rest = self._rest[8 : 8 + length], self._rest[8 + length :]
            if first & 0x80000000:
                yield from self._controlled(first & 0xFFFF, payload)
            else:
                yield Data(first, payload, bool(second >> 24 & _FIN))

    def _controlled(self, kind: int, payload: bytes) -> Iterator[Event]:
        if kind == _SYN_STREAM:
            stream = struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF
            headers = self._headers(payload[10:])
            self.replies += _control(_SYN_REPLY, 0, struct.pack(">I", stream) + self._compressed({}))
            yield Opened(stream, headers)
        elif kind == _PING:
            identity = struct.unpack_from(">I", payload)[0]
            if identity % 2:  # ours would be even
                self.replies += ping(identity)
        elif kind == _RST_STREAM:
            yield Closed(struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF)
        elif kind == _GOAWAY:
            yield Closed(None)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            raw = self._inflate.decompress(block)
            count = struct.unpack_from(">I", raw)[0]
            position, texts = 4, []
            for _ in range(2 * count):
                length = struct.unpack_from(">I", raw, position)[0]
                texts.append(raw[position + 4 : position + 4 + length].decode())
                position += 4 + length
        except (zlib.error, struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"bad headers: {error}") from error
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def _compressed(self, headers: Mapping[str, str]) -> bytes:
        raw = struct.pack(">I", len(headers))
        for name, value in headers.items():
            raw += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(value)) + value.encode()
        return self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
