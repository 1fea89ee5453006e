# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which of the listed resources GKE's controllers left behind, and what hangs on what. Pure functions.

This file is private to the collection. The key is the network, never a name alone: other clusters of the project use
the same names. What has no network of its own (URL maps, health checks, backend services) is reached by walking from
what has one, in both directions, before anything is deleted. A sweep can be interrupted: so what has no network goes
first, and what leads to it last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import _ownership as ownership
from .._errors import Json
from .._fields import link_path, same_link


@dataclass(frozen=True)
class Part:
    """A kind of leftover: how it is listed, and the collections it lives in, by scope."""

    noun: str
    # The collection's name in a path.
    collection: str
    item: str
    # Scope → family of methods.
    families: Mapping[str, str]
    # Where others are named that this one uses: those can only go after it.
    uses: tuple[str, ...] = ()


def _regional(name: str) -> dict[str, str]:
    return {"global": f"compute.{name}", "regions": f"compute.region{name[0].upper()}{name[1:]}"}


# In the order in which they can go.
PARTS = (
    Part(
        "forwarding rule",
        "forwardingRules",
        "forwardingRule",
        {"global": "compute.globalForwardingRules", "regions": "compute.forwardingRules"},
        ("target", "backendService", "IPAddress"),
    ),
    Part("target proxy", "targetHttpProxies", "targetHttpProxy", _regional("targetHttpProxies"), ("urlMap",)),
    Part(
        "target proxy",
        "targetHttpsProxies",
        "targetHttpsProxy",
        _regional("targetHttpsProxies"),
        ("urlMap", "sslCertificates"),
    ),
    Part(
        "URL map",
        "urlMaps",
        "urlMap",
        _regional("urlMaps"),
        # GKE names the backends in actions; defaultService is what other clients fill in.
        ("defaultService", "defaultRouteAction", "pathMatchers", "tests"),
    ),
    Part("certificate", "sslCertificates", "sslCertificate", _regional("sslCertificates")),
    Part(
        "backend service",
        "backendServices",
        "backendService",
        _regional("backendServices"),
        ("backends", "healthChecks"),
    ),
    Part("health check", "healthChecks", "healthCheck", _regional("healthChecks")),
    Part(
        "network endpoint group",
        "networkEndpointGroups",
        "networkEndpointGroup",
        {
            "zones": "compute.networkEndpointGroups",
            "regions": "compute.regionNetworkEndpointGroups",
            "global": "compute.globalNetworkEndpointGroups",
        },
    ),
    Part(
        "address",
        "addresses",
        "address",
        {"global": "compute.globalAddresses", "regions": "compute.addresses"},
    ),
    Part("disk", "disks", "disk", {"zones": "compute.disks"}),
    Part("firewall rule", "firewalls", "firewall", {"global": "compute.firewalls"}),
    Part("route", "routes", "route", {"global": "compute.routes"}),
)
BY_COLLECTION = {part.collection: part for part in PARTS}
LISTS = {
    **{part.collection: f"compute.{part.collection}.aggregatedList" for part in PARTS},
    "firewalls": "compute.firewalls.list",
    "routes": "compute.routes.list",
}
# Names that GKE's controllers give. Only looked at for what lies on the network, or cannot lie on one.
GKE_NAMES = re.compile(r"^(gke-|gkegw\d|gkemcg|k8s\d?-|k8s-fw-|mcrt-|pvc-)")
CSI_DRIVER = "pd.csi.storage.gke.io"
# What leads to parts that have no network: it has to outlive them.
EVIDENCE = frozenset({"firewalls", "networkEndpointGroups"})


# ---- pure: what of all this is left over ---------------------------------------------------------------------------


@dataclass
class Inventory:
    """All that was listed, by collection and path; and what makes the lists incomplete."""

    items: dict[str, dict[str, Json]] = field(default_factory=dict)
    unreachable: list[str] = field(default_factory=list)
    # Clusters that live on the network, by path; and all of the project.
    clusters: list[str] = field(default_factory=list)
    living: list[str] = field(default_factory=list)
    # Whose mark the network carries; None when there is no network, or nobody asked.
    owner: str | None = None

    def seen_by(self, deployment: str) -> Inventory:
        """On somebody else's network nothing is left over, and no cluster is in the way: all of it is theirs."""
        if not deployment or self.owner in (None, ownership.mark_value(deployment)):
            return self
        return Inventory({part.collection: {} for part in PARTS}, self.unreachable, owner=self.owner)

    def everything(self) -> dict[str, Json]:
        return {path: item for items in self.items.values() for path, item in items.items()}


def links(value: Any) -> Iterator[str]:
    """All paths of resources that a value mentions, however deep."""
    if isinstance(value, str):
        if "projects/" in value and "/" in link_path(value):
            yield link_path(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from links(inner)


def collection_of(path: str) -> str:
    return path.split("/")[-2] if "/" in path else ""


def chain(inventory: Inventory) -> dict[str, set[str]]:
    """Who uses whom among what was listed: path → paths. By place, as a project has an id and a number."""
    by_place = {place(path): path for path in inventory.everything()}
    addresses = {str(item.get("address")): path for path, item in inventory.items.get("addresses", {}).items()}
    edges: dict[str, set[str]] = {}
    for collection, items in inventory.items.items():
        for path, item in items.items():
            mentioned = {
                by_place[place(link)]
                for key in BY_COLLECTION[collection].uses
                for link in links(item.get(key))
                if place(link) in by_place
            }
            # A rule shows the address itself, whatever resource it came from.
            if collection == "forwardingRules" and (address := addresses.get(str(item.get("IPAddress")))):
                mentioned.add(address)
            edges[path] = mentioned - {path}
    return edges


def place(path: str) -> str:
    """The path without its project."""
    return "/".join(path.split("/")[2:])


def left_over(inventory: Inventory, network: str, cluster: str) -> dict[str, Json]:
    """What GKE's controllers left on the network, with everything that hangs on it; in the order in which it can go."""
    edges = chain(inventory)
    everything = inventory.everything()
    roots = {path for path, item in everything.items() if _is_root(path, item, network, cluster)}
    elsewhere = {path for path, item in everything.items() if has_network(item) and not same_network(item, network)}
    theirs = _belonging(elsewhere, edges, everything)
    found = _belonging(roots, edges, everything)
    found |= {path for path in _relatives(found, inventory) | _told_of(inventory, cluster) if path not in theirs}
    found |= _reach(found, edges, everything)
    order = [part.collection for part in PARTS]
    return {
        path: item
        for path, item in sorted(everything.items(), key=lambda pair: (order.index(collection_of(pair[0])), pair[0]))
        if path in found - theirs
    }


def last_of_all(found: Mapping[str, Json]) -> dict[str, set[str]]:
    """What has to go after all that has no network, since it is what leads there: path → paths."""
    lost_without = {path for path, item in found.items() if not has_network(item) and collection_of(path) != "disks"}
    return {path: lost_without for path in found if collection_of(path) in EVIDENCE}


def _belonging(start: set[str], edges: Mapping[str, set[str]], everything: Mapping[str, Json]) -> set[str]:
    """Down from rules to endpoint groups, and up from endpoint groups whose rule is gone already."""
    users: dict[str, set[str]] = {}
    for user, used in edges.items():
        for path in used:
            users.setdefault(path, set()).add(user)
    groups = {path for path in start if collection_of(path) == "networkEndpointGroups"}
    found = _reach(start, edges, everything) | _reach(groups, users, everything)
    return found | _reach(found, edges, everything)


def _reach(start: set[str], edges: Mapping[str, set[str]], everything: Mapping[str, Json]) -> set[str]:
    """Everything that can be got to, but for what is not GKE's: a user's own backend may be used by it."""
    seen: set[str] = set()
    stack = list(start)
    while stack:
        path = stack.pop()
        if path in seen or (path not in start and not _by_gke(everything[path])):
            continue
        seen.add(path)
        stack += edges.get(path, set())
    return seen


def _relatives(found: set[str], inventory: Inventory) -> set[str]:
    """Parts of a gateway that hang on nothing any more: their names carry the hash of one that is on the network."""
    hashes = {match.group(0) for path in found if (match := re.match(r"gkegw\w*-\w{4,}", path.rpartition("/")[2]))}
    return {
        path
        for path, item in inventory.everything().items()
        if any(str(item.get("name", "")).startswith(f"{prefix}-") for prefix in hashes) and not has_network(item)
    }


def _told_of(inventory: Inventory, cluster: str) -> set[str]:
    """Parts of no network whose description names the cluster, where no cluster of that name lives any more."""
    alive = {path.partition("/locations/")[2] for path in inventory.living}
    return {
        path
        for path, item in inventory.everything().items()
        if cluster
        and not has_network(item)
        and (home := _home(item)).endswith(f"/clusters/{cluster}")
        and home not in alive
    }


def _home(item: Json) -> str:
    """`L/clusters/C`, as GKE's controllers write it into a description; empty when they did not."""
    try:
        told = json.loads(str(item.get("description") or ""))
    except ValueError:
        return ""
    return str(told.get("K8sCluster") or "").partition("/locations/")[2] if isinstance(told, dict) else ""


def _by_gke(item: Json) -> bool:
    told = str(item.get("description") or "")
    return bool(GKE_NAMES.match(str(item.get("name") or "")) or "kubernetes.io" in told or "K8sCluster" in told)


def _is_root(path: str, item: Json, network: str, cluster: str) -> bool:
    """Is it on the network, and GKE's?"""
    collection = collection_of(path)
    if collection == "disks":
        labels = item.get("labels") or {}
        return bool(cluster) and not item.get("users") and labels.get("goog-k8s-cluster-name") == cluster
    if not same_network(item, network) or ownership.owner(item, "description"):
        return False
    if collection == "routes":
        # Google's own default and subnetwork routes go with the network, and cannot be deleted.
        return _by_gke(item) and not item.get("nextHopNetwork")
    if collection == "addresses":
        return _by_gke(item) and not item.get("users")
    if collection == "firewalls" and _by_policy(item, network):
        return True
    return _by_gke(item)


def _by_policy(item: Json, network: str) -> bool:
    """A rule that an organisation's policy puts on every network: the network's name (cut, as names end at 63
    characters) and 24 characters."""
    start = re.escape(network.rpartition("/")[2][:38])
    return bool(re.fullmatch(start + r"-[a-z0-9]{24}", str(item.get("name") or "")))


def has_network(item: Json) -> bool:
    return bool(item.get("network") or item.get("subnetwork") or item.get("_network"))


def same_network(item: Json, network: str) -> bool:
    """By the whole path; a subnetwork tells its network only by the inventory, so it is put there when listing."""
    link = item.get("network") or item.get("_network")
    return bool(link) and same_link(network, link, item)


def described(left: Mapping[str, Json], edges: Mapping[str, set[str]]) -> list[Json]:
    """Leftovers for a result: what, where, and what each of them holds on to."""
    return [
        {
            "kind": BY_COLLECTION[collection_of(path)].noun,
            "name": path.rpartition("/")[2],
            "path": path,
            "uses": sorted(used for used in edges.get(path, set()) if used in left),
        }
        for path in left
    ]
