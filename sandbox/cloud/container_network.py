# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a cluster needs from the network, and what GKE changes there: ranges, Private Google Access, firewall rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.cloud import container_names
from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.container_defaults import DEFAULT_SERVICES_CIDR
from sandbox.cloud.errors import invalid
from sandbox.cloud.store import Resource, Store

Json = dict[str, Any]
Net = ipaddress.IPv4Network

LINK = "https://www.googleapis.com/compute/v1/"
# Where GKE looks for a free /14 first; the rest of 10.0.0.0/8 comes after.
_FIRST_PODS = Net("10.64.0.0/14")


@dataclass(frozen=True)
class Place:
    """The subnetwork that a cluster lives in, and its ranges."""

    network: str
    subnetwork: str
    subnet_cidr: str
    pods_range: str
    pods_cidr: str
    services_cidr: str
    makes_range: bool


def relative(reference: str) -> str:
    """projects/P/… of a link; what is not a link stays."""
    return reference[reference.index("projects/") :] if "projects/" in reference else reference


def find_network(store: Store, project: str, reference: str) -> Resource:
    """The network by name, path or link; 'default' when none is given."""
    reference = relative(reference or "default")
    path = reference if "/" in reference else f"projects/{project}/global/networks/{reference}"
    found = store.get(path)
    if found is None:
        raise invalid(f'Project "{path.split("/")[1]}" has no network named "{path.rsplit("/", 1)[-1]}".')
    return found


def find_subnetwork(store: Store, project: str, region: str, network: Resource, reference: str) -> Resource:
    """The subnetwork by name, path or link; the region's own one of an auto mode network when none is given."""
    if not reference:
        if not network.body.get("autoCreateSubnetworks"):
            raise invalid(f'Network "{network.name}" uses manual subnet mode and requires specifying a subnetwork.')
        reference = network.name
    reference = relative(reference)
    path = reference if "/" in reference else f"projects/{project}/regions/{region}/subnetworks/{reference}"
    if f"/regions/{region}/" not in path:
        raise invalid(f'Subnet "{path}" does not exist in specified region "{region}".')
    found = store.get(path)
    if found is None or relative(found.body["network"]) != network.path:
        raise invalid(f'Subnetwork "{path}" is not valid for Network "{network.name}".')
    if found.body.get("purpose", "PRIVATE") != "PRIVATE":
        raise invalid(f'Subnetwork "{path}" has purpose {found.body["purpose"]} and cannot be used by a cluster.')
    return found


def ranges_in_use(store: Store, network: Resource) -> Iterator[Net]:
    """Every range of the network: subnetworks, their secondary ranges, and the clusters' pods."""
    for subnet in store.of_kind("subnetworks"):
        if relative(subnet.body.get("network", "")) == network.path:
            yield Net(subnet.body["ipCidrRange"])
            for secondary in subnet.body.get("secondaryIpRanges", []):
                yield Net(secondary["ipCidrRange"])
    for cluster in store.of_kind("clusters"):
        if cluster.body.get("networkConfig", {}).get("network") == network.path:
            yield Net(cluster.body["clusterIpv4Cidr"])


def free_pods_range(network: str, used: Iterable[Net], prefix: int = 14) -> str:
    """A free range for pods in 10.0.0.0/8."""
    taken = list(used)
    candidates = sorted(Net("10.0.0.0/8").subnets(new_prefix=prefix), key=lambda net: net < _FIRST_PODS)
    for candidate in candidates:
        if not any(candidate.overlaps(net) for net in taken):
            return str(candidate)
    raise invalid(
        f'Retry budget exhausted (80 attempts): The network "{network}" does not have available private IP space in '
        f"10.0.0.0/8 to reserve a /{prefix} block for pods"
    )


def _secondary(subnet: Resource, name: str, purpose: str, network: Resource) -> str:
    for secondary in subnet.body.get("secondaryIpRanges", []):
        if secondary["rangeName"] == name:
            return str(secondary["ipCidrRange"])
    raise invalid(
        f'{purpose} secondary range "{name}" not found in network "{LINK}{network.path}", subnetwork "{subnet.name}".'
    )


def _requested_pods(policy: Json, network: Resource, used: list[Net]) -> str:
    asked = policy.get("clusterIpv4CidrBlock") or policy.get("clusterIpv4Cidr") or ""
    if not asked or asked.startswith("/"):
        return free_pods_range(network.name, used, int(asked[1:] or 14) if asked else 14)
    try:
        wanted = Net(asked)
    except ValueError as error:
        raise invalid(f'Invalid value for field "cluster.ip_allocation_policy": {error}.') from error
    if any(wanted.overlaps(net) for net in used):
        raise invalid(f'Requested CIDR {asked} for containers is not available in network "{network.name}".')
    return asked


def choose_place(store: Store, project: str, region: str, asked: Json, cluster_id: str) -> Place:
    """Checks the network side of a cluster that is asked for, and chooses its ranges."""
    network_config = asked.get("networkConfig", {})
    network = find_network(store, project, asked.get("network") or network_config.get("network", ""))
    subnet_reference = asked.get("subnetwork") or network_config.get("subnetwork", "")
    subnet = find_subnetwork(store, project, region, network, subnet_reference)
    policy = asked.get("ipAllocationPolicy", {})
    named = policy.get("clusterSecondaryRangeName", "")
    if named:
        pods = _secondary(subnet, named, "Pod", network)
    else:
        pods = _requested_pods(policy, network, list(ranges_in_use(store, network)))
    services = policy.get("servicesIpv4CidrBlock", "")
    if policy.get("servicesSecondaryRangeName"):
        services = _secondary(subnet, policy["servicesSecondaryRangeName"], "Services", network)
    return Place(
        network=network.path,
        subnetwork=subnet.path,
        subnet_cidr=subnet.body["ipCidrRange"],
        pods_range=named or container_names.pods_range(asked["name"], cluster_id),
        pods_cidr=pods,
        services_cidr=services if services and not services.startswith("/") else DEFAULT_SERVICES_CIDR,
        makes_range=not named,
    )


def occupy(store: Store, place: Place, project: str) -> None:
    """GKE switches Private Google Access on, and adds the pods' range unless the user brought one."""
    subnet = store.get(place.subnetwork)
    if subnet is None:
        return
    subnet.body["privateIpGoogleAccess"] = True
    subnet.body["fingerprint"] = store.fingerprint()
    if place.makes_range:
        internal_range = f"projects/{project}/locations/global/internalRanges/{place.pods_range}"
        subnet.body.setdefault("secondaryIpRanges", []).append(
            {
                "rangeName": place.pods_range,
                "ipCidrRange": place.pods_cidr,
                "reservedInternalRange": f"https://networkconnectivity.googleapis.com/v1/{internal_range}",
            }
        )


def vacate(store: Store, place: Place) -> None:
    """The range goes with the cluster; Private Google Access stays on."""
    subnet = store.get(place.subnetwork)
    if subnet is None or not place.makes_range:
        return
    ranges = [item for item in subnet.body.get("secondaryIpRanges", []) if item["rangeName"] != place.pods_range]
    subnet.body.pop("secondaryIpRanges", None)
    if ranges:
        subnet.body["secondaryIpRanges"] = ranges
    subnet.body["fingerprint"] = store.fingerprint()


def _firewall_bodies(cluster: str, cluster_id: str, place: Place) -> Iterator[Json]:
    tag = container_names.node_tag(cluster, cluster_id)
    names = container_names.firewalls(cluster, cluster_id)
    everything = [{"IPProtocol": protocol} for protocol in ("esp", "ah", "sctp", "tcp", "udp", "icmp")]
    from_machines: list[Json] = [
        {"IPProtocol": "icmp"},
        {"IPProtocol": "tcp", "ports": ["1-65535"]},
        {"IPProtocol": "udp", "ports": ["1-65535"]},
    ]
    kubelet: list[Json] = [{"IPProtocol": "tcp", "ports": ["10255"]}]
    to_nodes = {"targetTags": [tag]}
    yield {"name": names["all"], "allowed": everything, "sourceRanges": [place.pods_cidr], **to_nodes}
    yield {"name": names["vms"], "allowed": from_machines, "sourceRanges": [place.subnet_cidr], **to_nodes}
    yield {"name": names["exkubelet"], "denied": kubelet, "sourceRanges": ["0.0.0.0/0"], **to_nodes}
    yield {
        "name": names["inkubelet"],
        "allowed": kubelet,
        "sourceRanges": [place.pods_cidr],
        "sourceTags": [tag],
        "priority": 999,
        **to_nodes,
    }


def make_firewalls(store: Store, project: str, cluster: str, cluster_id: str, place: Place) -> list[str]:
    """Makes the cluster's firewall rules; returns their paths."""
    paths = []
    for rule in _firewall_bodies(cluster, cluster_id, place):
        path = f"projects/{project}/global/firewalls/{rule['name']}"
        defaults: Json = {
            "kind": "compute#firewall",
            "id": store.new_id(),
            "creationTimestamp": compute_timestamp(),
            "description": "",
            "direction": "INGRESS",
            "disabled": False,
            "logConfig": {"enable": False},
            "network": LINK + place.network,
            "priority": 1000,
            "selfLink": LINK + path,
        }
        store.put(path, defaults | rule)
        paths.append(path)
    return paths
