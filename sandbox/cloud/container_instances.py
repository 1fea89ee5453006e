# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The Compute Engine instances behind nodes: they hold addresses of the subnetwork, which can't go while they live."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from sandbox.cloud import container_names
from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.container_network import LINK, relative
from sandbox.cloud.store import Store

Json = dict[str, Any]


def _addresses_in_use(store: Store, subnetwork: str) -> Iterator[str]:
    for instance in store.of_kind("instances"):
        for interface in instance.body.get("networkInterfaces", []):
            if relative(interface.get("subnetwork", "")) == subnetwork:
                yield interface["networkIP"]
    for kind, field in (("addresses", "address"), ("forwardingRules", "IPAddress")):
        for resource in store.of_kind(kind):
            if relative(resource.body.get("subnetwork", "")) == subnetwork:
                yield resource.body.get(field, "")
    for cluster in store.of_kind("clusters"):
        if cluster.body.get("networkConfig", {}).get("subnetwork") == subnetwork:
            yield cluster.hidden.get("control_plane_address", "")


def free_addresses(store: Store, subnetwork: str) -> Iterator[str]:
    """Addresses of the subnetwork that nobody has, lowest first. Google keeps the first two and the last two."""
    subnet = store.get(subnetwork)
    if subnet is None:
        return
    used = set(_addresses_in_use(store, subnetwork))
    net = ipaddress.IPv4Network(subnet.body["ipCidrRange"])
    for number in range(int(net.network_address) + 2, int(net.broadcast_address) - 1):
        address = str(ipaddress.IPv4Address(number))
        if address not in used:
            yield address


def instance_path(project: str, node: Json) -> str:
    """Where the instance of a node is stored."""
    return f"projects/{project}/zones/{node['zone']}/instances/{node['name']}"


def make(store: Store, project: str, cluster: Json, pool: Json, nodes: list[Json]) -> None:
    """Makes the instances of nodes that have none yet, and writes their addresses into the nodes."""
    network = cluster["networkConfig"]
    addresses = free_addresses(store, network["subnetwork"])
    config = pool["config"]
    tag = container_names.node_tag(cluster["name"], cluster["id"])
    for node in nodes:
        path = instance_path(project, node)
        if store.get(path) is not None:
            continue
        node["internal_ip"] = next(addresses)
        zone = f"{LINK}projects/{project}/zones/{node['zone']}"
        interface = {
            "kind": "compute#networkInterface",
            "name": "nic0",
            "network": LINK + network["network"],
            "networkIP": node["internal_ip"],
            "stackType": "IPV4_ONLY",
            "subnetwork": LINK + network["subnetwork"],
        }
        labels = config.get("resourceLabels", {}) | {
            "goog-gke-node": "",
            "goog-k8s-cluster-location": cluster["location"],
            "goog-k8s-cluster-name": cluster["name"],
            "goog-k8s-node-pool-name": pool["name"],
        }
        body: Json = {
            "kind": "compute#instance",
            "id": store.new_id(),
            "name": node["name"],
            "creationTimestamp": compute_timestamp(),
            "description": "",
            "labels": labels,
            "labelFingerprint": store.fingerprint(),
            "machineType": f"{zone}/machineTypes/{config['machineType']}",
            "networkInterfaces": [interface],
            "scheduling": {"provisioningModel": "SPOT" if config.get("spot") else "STANDARD"},
            "selfLink": LINK + path,
            "status": "RUNNING",
            "tags": {"items": [tag, *config.get("tags", [])], "fingerprint": store.fingerprint()},
            "zone": zone,
        }
        if config.get("reservationAffinity"):
            body["reservationAffinity"] = config["reservationAffinity"]
        store.put(path, body)


def remove(store: Store, project: str, nodes: list[Json]) -> None:
    """Removes the instances of nodes."""
    for node in nodes:
        store.delete(instance_path(project, node))
