# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Address ranges and addresses: what is well formed, what overlaps, what is free."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute.kinds import invalid_value
from sandbox.cloud.compute.links import path_of
from sandbox.cloud.store import Resource, Store

if TYPE_CHECKING:
    from sandbox.cloud.compute.state import State

Json = dict[str, Any]
Net = ipaddress.IPv4Network
Address = ipaddress.IPv4Address

SMALLEST_PREFIX, LARGEST_PREFIX = 4, 29
FORBIDDEN = tuple(
    Net(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "199.36.153.4/30")
)
# Google's external addresses, for load balancers.
EXTERNAL_RANGE = Net("34.128.0.0/10")


def parse(field: str, text: Any) -> Net:
    """A range of a subnetwork, or the refusal that Google gives."""
    try:
        net = Net(str(text), strict=False)
        prefix_given = "/" in str(text)
    except ValueError:
        prefix_given = False
    if not prefix_given:
        raise invalid_value(field, text, "Must be a CIDR address range.")
    if str(net) != str(text):
        raise invalid_value(field, text, f"The first address of the range must be its network address, as in {net}.")
    if not SMALLEST_PREFIX <= net.prefixlen <= LARGEST_PREFIX or any(net.overlaps(other) for other in FORBIDDEN):
        raise invalid_value(field, text, "The range is not allowed for subnetworks.")
    return net


def subnet_ranges(body: Json) -> list[Net]:
    texts = [body["ipCidrRange"], *(item["ipCidrRange"] for item in body.get("secondaryIpRanges", []))]
    return [Net(text) for text in texts]


def conflict(store: Store, state: State, network_path: str, net: Net, *, but: str = "") -> str:
    """The path of a subnetwork of the network whose ranges overlap; one being made counts, ``but`` does not."""
    candidates = [(item.path, item.body) for item in store.of_kind("subnetworks")]
    candidates += [(path, body) for path, body in state.creating.items() if path.split("/")[-2] == "subnetworks"]
    for path, body in candidates:
        same_network = path != but and path_of(body["network"]) == network_path
        if same_network and any(net.overlaps(other) for other in subnet_ranges(body)):
            return path
    return ""


def addresses_in_use(store: Store) -> Iterator[str]:
    for rule in store.of_kind("forwardingRules"):
        yield str(rule.body.get("IPAddress", ""))
    for address in store.of_kind("addresses"):
        yield str(address.body.get("address", ""))
    for instance in store.of_kind("instances"):
        for interface in instance.body.get("networkInterfaces", []):
            yield str(interface.get("networkIP", ""))


def free_internal(store: Store, subnet: Resource) -> str:
    """From the upper end down, so that nodes, which are numbered from the lower end up, stay clear of it."""
    net = Net(subnet.body["ipCidrRange"])
    used = set(addresses_in_use(store))
    for number in range(int(net.broadcast_address) - 2, int(net.network_address) + 1, -1):
        if (address := str(Address(number))) not in used:
            return address
    raise invalid_value("IPAddress", "", f"The subnetwork '{subnet.path}' has no free address.")


def free_external(store: Store) -> str:
    used = set(addresses_in_use(store))
    while (address := str(EXTERNAL_RANGE[random.randrange(1, EXTERNAL_RANGE.num_addresses - 1)])) in used:
        pass
    return address
