# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The cluster's name server: names of services and of pods behind headless ones. Of the rest
only what the metadata server stands for exists in here."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..config import CLUSTER_DOMAIN, Config
from .services import is_ready

Object = Mapping[str, Any]
Lookup = Callable[[str], list[str] | None]

_A, _ANY, _IN = 1, 255, 1
_NO_ERROR, _FORMAT_ERROR, _NAME_ERROR = 0, 1, 3
_TTL = 5
_SUFFIX = f".svc.{CLUSTER_DOMAIN}"
_LARGEST_UDP = 512
# What metadata_server.py answers for.
_METADATA = "169.254.169.254"
_OF_GOOGLE = (
    "metadata.google.internal",
    "metadata",
    "storage.sandbox.internal",
    "hub.sandbox.internal",
    "cdn.sandbox.internal",
)


def resolve(name: str, services: Mapping[tuple[str, str], Object], slices: Iterable[Object]) -> list[str] | None:
    """IPv4 addresses of a name, [] where the name exists without any, None where it does not exist."""
    name = name.rstrip(".").lower()
    if name in _OF_GOOGLE:
        return [_METADATA]
    if not name.endswith(_SUFFIX):
        return None
    labels = name.removesuffix(_SUFFIX).split(".")
    if len(labels) < 2:
        return None
    namespace, service_name, host = labels[-1], labels[-2], ".".join(labels[:-2])
    service = services.get((namespace, service_name))
    if service is None:
        return None
    address = service["spec"].get("clusterIP")
    if address and address != "None":
        return None if host else [address]
    endpoints = [
        endpoint
        for item in slices
        if item["metadata"]["namespace"] == namespace
        and (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service_name
        for endpoint in item.get("endpoints") or []
        if is_ready(endpoint) or service["spec"].get("publishNotReadyAddresses")
    ]
    if host:
        endpoints = [item for item in endpoints if host in (item.get("hostname"), _dashed(item))]
        if not endpoints:
            return None
    return sorted({address for item in endpoints for address in item["addresses"]})


def _dashed(endpoint: Object) -> str:
    """A pod without a host name is called by its address."""
    return str(endpoint["addresses"][0]).replace(".", "-")


def parse_question(query: bytes) -> tuple[str, int, int]:
    """Name, type and end of the first question. Raises ValueError."""
    labels: list[str] = []
    position = 12
    while True:
        if position >= len(query):
            raise ValueError("truncated name")
        length = query[position]
        if length == 0:
            break
        if length > 63:
            raise ValueError("compressed name in a question")
        labels.append(query[position + 1 : position + 1 + length].decode("ascii"))
        position += 1 + length
    end = position + 5
    if end > len(query):
        raise ValueError("truncated question")
    kind = struct.unpack_from(">H", query, position + 1)[0]
    return ".".join(labels), kind, end


def answer(query: bytes, lookup: Lookup) -> bytes | None:
    """The reply to one query; None where there is nothing sensible to say."""
    if len(query) < 12:
        return None
    identity, flags, questions = struct.unpack_from(">HHH", query)
    if flags & 0x8000:
        return None
    keep = flags & 0x7900  # operation and "recursion desired" as asked
    base = 0x8480 | keep  # a response, authoritative, recursion available
    try:
        name, kind, end = parse_question(query)
    except (ValueError, struct.error):
        return struct.pack(">HHHHHH", identity, base | _FORMAT_ERROR, 0, 0, 0, 0)
    if questions != 1:
        return struct.pack(">HHHHHH", identity, base | _FORMAT_ERROR, 0, 0, 0, 0)
    addresses = lookup(name)
    code = _NAME_ERROR if addresses is None else _NO_ERROR
    records = [
        struct.pack(">HHHIH", 0xC00C, _A, _IN, _TTL, 4) + ipaddress.IPv4Address(item).packed
        for item in (addresses or [])
        if kind in (_A, _ANY)
    ]
    head = struct.pack(">HHHHHH", identity, base | code, 1, len(records), 0, 0)
    return head + query[12:end] + b"".join(records)


def for_udp(reply: bytes) -> bytes:
    """Too long for a datagram: say so, the client asks again over TCP."""
    if len(reply) <= _LARGEST_UDP:
        return reply
    identity, flags = struct.unpack_from(">HH", reply)
    _, _, end = parse_question(reply)
    return struct.pack(">HHHHHH", identity, flags | 0x0200, 1, 0, 0, 0) + reply[12:end]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: Python 3.11's datagram transport is not a subclass of the class of that name.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = answer(data, self._lookup)
        if reply is not None and self._transport is not None:
            self._transport.sendto(for_udp(reply), addr)


class NameServer:
    def __init__(
        self,
        config: Config,
        services: Mapping[tuple[str, str], Object],
        slices: Mapping[tuple[str, str], Object],
    ) -> None:
        self._address = config.dns_address
        self._services = services
        self._slices = slices
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    def _lookup(self, name: str) -> list[str] | None:
        return resolve(name, self._services, self._slices.values())

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._lookup), local_addr=(self._address, 53)
        )
        self._server = await asyncio.start_server(self._stream, self._address, 53)

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(10):
                length = struct.unpack(">H", await reader.readexactly(2))[0]
                reply = answer(await reader.readexactly(length), self._lookup)
                if reply is not None:
                    writer.write(struct.pack(">H", len(reply)) + reply)
                    await writer.drain()
        writer.close()
