# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Who has which address: node addresses in the subnet, a /24 of the pod range a node, pod addresses in it."""

from __future__ import annotations

import ipaddress

_POD_RANGE_PREFIX = 24
# The first addresses of a subnet: network, gateway, and some for addresses that are reserved by hand or by controllers.
_FIRST_NODE = 16


class PoolExhausted(Exception):
    """No address is left."""


class NodeAddresses:
    """Hands out node addresses and pod ranges; the same node gets the same again until it is released."""

    def __init__(self, subnet: str, pod_cidr: str) -> None:
        self._subnet = ipaddress.IPv4Network(subnet)
        self._pods = ipaddress.IPv4Network(pod_cidr)
        self._addresses: dict[str, ipaddress.IPv4Address] = {}
        self._ranges: dict[str, int] = {}

    def address(self, node: str, wanted: str | None = None) -> str:
        if node not in self._addresses:
            if wanted:
                self._addresses[node] = ipaddress.IPv4Address(wanted)
            else:
                taken = set(self._addresses.values())
                last = self._subnet.num_addresses - 2
                free = (self._subnet[index] for index in range(_FIRST_NODE, last) if self._subnet[index] not in taken)
                found = next(free, None)
                if found is None:
                    raise PoolExhausted(f"no address is left in {self._subnet}")
                self._addresses[node] = found
        return str(self._addresses[node])

    def pod_range(self, node: str) -> str:
        if node not in self._ranges:
            count = 2 ** (_POD_RANGE_PREFIX - self._pods.prefixlen) if self._pods.prefixlen < _POD_RANGE_PREFIX else 1
            taken = set(self._ranges.values())
            index = next((index for index in range(count) if index not in taken), None)
            if index is None:
                raise PoolExhausted(f"no pod range is left in {self._pods}")
            self._ranges[node] = index
        start = int(self._pods.network_address) + self._ranges[node] * 2 ** (32 - _POD_RANGE_PREFIX)
        prefix = max(self._pods.prefixlen, _POD_RANGE_PREFIX)
        return f"{ipaddress.IPv4Address(start)}/{prefix}"

    def release(self, node: str) -> None:
        self._addresses.pop(node, None)
        self._ranges.pop(node, None)


class PodAddresses:
    """Pod addresses, round and round through a node's range so that a new pod rarely gets a dead one's address."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def take(self, pod_range: str) -> str:
        network = ipaddress.IPv4Network(pod_range)
        usable = network.num_addresses - 3  # network, .1 (the node's own bridge on a real node), broadcast
        start = self._last.get(pod_range, -1)
        for step in range(1, usable + 1):
            index = (start + step) % usable
            address = str(network[2 + index])
            if address not in self._taken:
                self._taken.add(address)
                self._last[pod_range] = index
                return address
        raise PoolExhausted(f"no address is left in {pod_range}")

    def release(self, address: str) -> None:
        self._taken.discard(address)
