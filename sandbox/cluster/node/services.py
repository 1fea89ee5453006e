# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Cluster addresses of services: each is an address of this namespace, with a relay a port to the ready endpoints."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from .. import netlink
from ..config import Config
from ..relay import Address, Relay

log = logging.getLogger(__name__)

Object = Mapping[str, Any]
_SETTLE = 0.05
_BACKLOG = 512


def is_ready(endpoint: Object) -> bool:
    """Absent means ready."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def service_addresses(services: Iterable[Object]) -> set[str]:
    found = {service["spec"].get("clusterIP") or "None" for service in services}
    return found - {"None", ""}


def routes(services: Iterable[Object], slices: Iterable[Object]) -> dict[Address, tuple[Address, ...]]:
    """For every service address and TCP port that has ready endpoints: where connections go."""
    by_service: dict[tuple[str, str], list[Object]] = {}
    for item in slices:
        name = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        by_service.setdefault((item["metadata"]["namespace"], name), []).append(item)
    found: dict[Address, tuple[Address, ...]] = {}
    for service in services:
        address = service["spec"].get("clusterIP")
        if not address or address == "None":
            continue
        mine = by_service.get((service["metadata"]["namespace"], service["metadata"]["name"]), [])
        for port in service["spec"].get("ports") or []:
            if port.get("protocol", "TCP") != "TCP":
                continue
            targets = sorted({
                (target, int(number["port"]))
                for item in mine
                if item.get("addressType") == "IPv4"
                for number in item.get("ports") or []
                if (number.get("name") or "") == (port.get("name") or "") and number.get("port")
                for endpoint in item.get("endpoints") or []
                if is_ready(endpoint)
                for target in endpoint["addresses"]
            })  # fmt: skip
            if targets:
                found[(address, int(port["port"]))] = tuple(targets)
    return found


class _Port:
    """One service port: takes its endpoints in turn."""

    def __init__(self, listener: socket.socket, targets: tuple[Address, ...]) -> None:
        self.targets = targets
        self._turn = 0
        self.relay = Relay(listener, self._next)

    def _next(self) -> Address | None:
        if not self.targets:
            return None
        self._turn += 1
        return self.targets[self._turn % len(self.targets)]


class ServiceProxy:
    """What kube-proxy is on a node. Where nothing is ready nothing listens, so that connections are refused."""

    def __init__(self, config: Config) -> None:
        self.sources: tuple[Mapping[Any, Object], Mapping[Any, Object]] = ({}, {})
        self._own = {config.api_address, config.dns_address}
        self._changed = asyncio.Event()
        self._addresses: set[str] = set()
        self._ports: dict[Address, _Port] = {}

    def changed(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(_SETTLE)
            self._changed.clear()
            services, slices = (list(source.values()) for source in self.sources)
            await self._follow(service_addresses(services) - self._own, routes(services, slices))

    async def _follow(self, addresses: set[str], wanted: Mapping[Address, tuple[Address, ...]]) -> None:
        for address in addresses - self._addresses:
            netlink.add_address("lo", f"{address}/32")
        for where in list(self._ports):
            if where not in wanted:
                await self._ports.pop(where).relay.stop()
        for where, targets in wanted.items():
            if where[0] in self._own:
                continue
            if where in self._ports:
                self._ports[where].targets = targets
            else:
                await self._listen(where, targets)
        for address in self._addresses - addresses:
            netlink.delete_address("lo", f"{address}/32")
        self._addresses = addresses

    async def _listen(self, address: Address, targets: tuple[Address, ...]) -> None:
        try:
            listener = socket.create_server(address, backlog=_BACKLOG)
        except OSError as error:
            log.warning("service address %s:%d: %s", *address, error)
            return
        port = _Port(listener, targets)
        await port.relay.start()
        self._ports[address] = port

    async def stop(self) -> None:
        for port in self._ports.values():
            await port.relay.stop()
        self._ports.clear()
