# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Names that are taken and ranges that are not free. PRIVATE to this collection."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import _ownership as ownership
from .._errors import Json
from .._fields import link_path
from .._findings import Check, error, good, listed
from .look import Hidden, Look, Seen

NAMES = "names of the network are free or ours"
THERE = "the network exists"
RANGES = "ranges are free"
PROXY = "the region has one proxy-only subnetwork"
PROXY_PURPOSE = "REGIONAL_MANAGED_PROXY"
# Where auto mode puts its subnetworks.
AUTO_MODE = ipaddress.IPv4Network("10.128.0.0/9")


@dataclass(frozen=True)
class Found:
    """The network with what is on it; None: it does not exist."""

    network: Seen
    # Those of the whole project, so that a taken name is seen whatever network it is on.
    subnetworks: list[Json] | Hidden = field(default_factory=list)
    # By name.
    firewalls: Mapping[str, Seen] = field(default_factory=dict)


def look(want: Json, looking: Look) -> Found:
    project = want["project"]
    network = looking.get("compute.networks.get", project=project, network=want["name"])
    if isinstance(network, Hidden):
        return Found(network)
    subnetworks = looking.aggregated("compute.subnetworks.aggregatedList", "subnetworks", project=project)
    names = want.get("firewall_rules") or []
    firewalls = {name: looking.get("compute.firewalls.get", project=project, firewall=name) for name in names}
    return Found(network, subnetworks, firewalls)


def judge(want: Json, found: Found, deployment: str) -> Iterator[Check]:
    if isinstance(found.network, Hidden):
        yield found.network.check(NAMES if want["manage"] else THERE, want["name"])
        return
    if not want["manage"]:
        yield from _existing(want, found)
        return
    yield from _names(want, found, deployment)
    yield from _ranges(want, found)


def _existing(want: Json, found: Found) -> Iterator[Check]:
    """A network of somebody else's that is used: it has to have what we need."""
    needed = f"{want['name']} of project {want['project']}"
    if found.network is None:
        yield error(
            THERE,
            needed,
            f"Network {want['name']} of project {want['project']} does not exist",
            "correct deployment_network (and deployment_network_project), or set deployment_network_manage to true.",
        )
        return
    yield good(THERE, needed, "found")
    if isinstance(found.subnetworks, Hidden):
        yield found.subnetworks.check(PROXY, "one")
        return
    here = _on(want, found.subnetworks)
    cluster = want["subnetworks"][0]["name"] if want.get("subnetworks") else ""
    if cluster and not any(one.get("name") == cluster and _region(one) == want["region"] for one in here):
        yield error(
            THERE,
            f"subnetwork {cluster} in {want['region']}",
            f"Network {want['name']} has no subnetwork {cluster} in {want['region']}",
            "set deployment_subnetwork to one it has"
            f" ({listed(sorted(str(one.get('name')) for one in here if _region(one) == want['region'])) or 'none'}).",
        )
    if not _proxies(want, here):
        yield error(
            PROXY,
            "one",
            f"Network {want['name']} has no proxy-only subnetwork in {want['region']}, and the gateway needs one",
            f"have one made: gcloud compute networks subnets create NAME --network {want['name']} --region"
            f" {want['region']} --purpose {PROXY_PURPOSE} --role ACTIVE --range 172.16.0.0/26",
        )


def _names(want: Json, found: Found, deployment: str) -> Iterator[Check]:
    """Everything of ours carries our mark; what carries another, or none, is somebody's."""
    there: list[tuple[str, Json]] = []
    if found.network is not None and not isinstance(found.network, Hidden):
        there.append((f"network {want['name']}", found.network))
    if not isinstance(found.subnetworks, Hidden):
        wanted = {one["name"] for one in want["subnetworks"]}
        there += [
            (f"subnetwork {one['name']}", one)
            for one in found.subnetworks
            if one.get("name") in wanted and _region(one) == want["region"]
        ]
    there += [(f"firewall rule {name}", rule) for name, rule in found.firewalls.items() if isinstance(rule, Mapping)]
    foreign = [(label, ownership.owner(body, "description")) for label, body in there]
    foreign = [(label, owner) for label, owner in foreign if owner != ownership.mark_value(deployment)]
    needed = f"free, or marked as of {deployment}"
    if not foreign:
        yield good(NAMES, needed, f"{len(there)} are ours" if there else "free")
    for label, owner in foreign:
        yield error(
            NAMES,
            needed,
            f"{label} exists, and {ownership.whose(owner)}",
            "set deployment_prefix to another one, or deployment_network_manage to false to use it as it is.",
        )


def _ranges(want: Json, found: Found) -> Iterator[Check]:
    wanted = {name: _range(text) for name, text in _wanted_ranges(want).items()}
    needed = listed(f"{name} {network}" for name, network in wanted.items() if network)
    if isinstance(found.subnetworks, Hidden):
        yield found.subnetworks.check(RANGES, needed)
        return
    ours = {one["name"] for one in want["subnetworks"]}
    taken = [pair for one in _on(want, found.subnetworks) for pair in _taken(one, ours, want["region"])]
    auto = isinstance(found.network, Mapping) and found.network.get("autoCreateSubnetworks")
    if auto:
        taken.append(("auto mode", AUTO_MODE))
    clashes = [
        (name, network, holder, other)
        for name, network in wanted.items()
        for holder, other in taken
        if network and other and network.overlaps(other)
    ]
    if not clashes:
        yield good(RANGES, needed, "free")
    for name, network, holder, other in clashes:
        yield error(
            RANGES,
            needed,
            f"{name} {network} overlaps {other}, which {holder} of network {want['name']} has",
            f"set {name} to a range that does not overlap another one of this network.",
        )
    others = [name for name in _proxies(want, _on(want, found.subnetworks)) if name not in ours]
    if others:
        yield error(
            PROXY,
            "one",
            f"{listed(others)} is the proxy-only subnetwork of {want['region']} already, and there can be one",
            "set deployment_proxy_subnetwork to it and deployment_network_manage to false, or use another network.",
        )


def _wanted_ranges(want: Json) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in (want.get("ranges") or {}).items() if text}


def _range(text: str) -> ipaddress.IPv4Network | None:
    """None for what the settings' own rules have told already, and for a size without a place."""
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def _taken(subnetwork: Json, ours: set[str], region: str) -> Iterator[tuple[str, ipaddress.IPv4Network | None]]:
    """The ranges of a subnetwork that is not ours to make; GKE's own ranges on ours are ours."""
    name = str(subnetwork.get("name"))
    if name in ours and _region(subnetwork) == region:
        return
    yield f"subnetwork {name}", _range(str(subnetwork.get("ipCidrRange") or ""))
    for secondary in subnetwork.get("secondaryIpRanges") or []:
        yield f"subnetwork {name}", _range(str(secondary.get("ipCidrRange") or ""))


def _on(want: Json, subnetworks: list[Json]) -> list[Json]:
    path = f"/global/networks/{want['name']}"
    return [one for one in subnetworks if link_path(str(one.get("network") or "")).endswith(path)]


def _region(subnetwork: Json) -> str:
    return str(subnetwork.get("region") or "").rpartition("/")[2]


def _proxies(want: Json, subnetworks: list[Json]) -> list[str]:
    return [
        str(one["name"])
        for one in subnetworks
        if one.get("purpose") == PROXY_PURPOSE and _region(one) == want["region"] and one.get("role") != "BACKUP"
    ]


def quota_needs(want: Json, found: Found) -> dict[str, float]:
    """What of the project's quotas the making of the network takes up."""
    if not want["manage"] or isinstance(found.network, Hidden):
        return {}
    present: Any = [] if isinstance(found.subnetworks, Hidden) else found.subnetworks
    names = {one.get("name") for one in present if _region(one) == want["region"]}
    return {
        "NETWORKS": int(found.network is None),
        "SUBNETWORKS": sum(one["name"] not in names for one in want["subnetworks"]),
        "FIREWALLS": sum(rule is None for rule in found.firewalls.values()),
    }
