# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE's controllers made on a network, and nobody removes when the cluster goes first: found, and removed.

This file is private to the collection. What of all that is listed is left over stands in leftover_chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from .. import _ownership as ownership
from .._clients import Cloud
from .._clock import Deadline
from .._errors import DisabledError, GcpError, Json, NotFoundError
from .._fields import link_path, same_link
from .._module import connect
from .._plan import Kind, Policy, Target
from .leftover_chain import (
    BY_COLLECTION,
    LISTS,
    PARTS,
    Inventory,
    Part,
    chain,
    described,
    last_of_all,
    left_over,
    place,
)

NOTHING_THERE = "NO_RESULTS_ON_PAGE"

OPTIONS: Json = {
    "network": {"type": "str", "required": True},
    "cluster": {"type": "str"},
    "deployment": {"type": "str"},
}


# ---- looking -------------------------------------------------------------------------------------------------------


def take_inventory(cloud: Cloud, deadline: Deadline, project: str, network: str, *, owned: bool = False) -> Inventory:
    """Lists every kind, beside each other; and whose the network is, if that matters."""
    lists = {**LISTS, "subnetworks": "compute.subnetworks.aggregatedList"}
    looks = {
        collection: partial(_listed, cloud, deadline, method, project, aggregated=method.endswith("aggregatedList"))
        for collection, method in lists.items()
    }
    with ThreadPoolExecutor(len(looks) + 2) as pool:
        answers = {collection: pool.submit(look) for collection, look in looks.items()}
        clusters = pool.submit(_clusters, cloud, deadline, project, network)
        owner = pool.submit(_owner_of, cloud, deadline, network) if owned else None
        living, on_network, missing = clusters.result()
        inventory = Inventory(unreachable=missing, clusters=on_network, living=living)
        inventory.owner = owner.result() if owner else None
        for collection, answer in answers.items():
            items, unreachable = answer.result()
            inventory.items[collection] = items
            inventory.unreachable += unreachable
    homes = {place(path): item.get("network") for path, item in inventory.items.pop("subnetworks").items()}
    for item in inventory.everything().values():
        if not item.get("network") and item.get("subnetwork"):
            item["_network"] = homes.get(place(link_path(str(item["subnetwork"]))))
    return inventory


def _listed(
    cloud: Cloud, deadline: Deadline, method: str, project: str, *, aggregated: bool
) -> tuple[dict[str, Json], list[str]]:
    params: Json = {"project": project, "maxResults": 500}
    if aggregated:
        params["includeAllScopes"] = True
    items: list[Json] = []
    unreachable: list[str] = []
    for page in cloud.pages(method, params, deadline=deadline):
        unreachable += [str(scope) for scope in page.get("unreachables") or []]
        if not aggregated:
            items += page.get("items") or []
            continue
        for scope, part in (page.get("items") or {}).items():
            for value in part.values():
                if isinstance(value, list):
                    items += value
            # A place with nothing in it carries a warning that says so; any other means that something is missing.
            if (part.get("warning") or {}).get("code", NOTHING_THERE) != NOTHING_THERE:
                unreachable.append(scope)
    return {link_path(str(item["selfLink"])): item for item in items if item.get("selfLink")}, unreachable


def _clusters(cloud: Cloud, deadline: Deadline, project: str, network: str) -> tuple[list[str], list[str], list[str]]:
    """All clusters, those that live on the network, and the zones that could not be asked. Where their API is off,
    there are none."""
    parent = f"projects/{project}/locations/-"
    try:
        answer = cloud.call("container.projects.locations.clusters.list", {"parent": parent}, deadline=deadline)
    except DisabledError:
        return [], [], []
    found = {
        f"projects/{project}/locations/{cluster.get('location')}/clusters/{cluster.get('name')}": cluster
        for cluster in answer.get("clusters") or []
    }
    networks = {
        path: (cluster.get("networkConfig") or {}).get("network") or cluster.get("network")
        for path, cluster in found.items()
    }
    on_network = [path for path, link in networks.items() if same_link(network, link, found[path])]
    return list(found), on_network, [str(zone) for zone in answer.get("missingZones") or []]


def _owner_of(cloud: Cloud, deadline: Deadline, network: str) -> str | None:
    """The deployment whose mark the network carries, empty for none; None when there is no network."""
    _projects, project, _global, _networks, name = network.split("/")
    try:
        found = cloud.call("compute.networks.get", {"project": project, "network": name}, deadline=deadline)
    except NotFoundError:
        return None
    return ownership.owner(found, "description")


# ---- declaration ---------------------------------------------------------------------------------------------------


def _kind(part: Part, family: str, scope: str) -> Kind:
    place = {"global": "global", "regions": "regions/{region}", "zones": "zones/{zone}"}[scope]
    return Kind(
        noun=part.noun,
        rows=(),
        family=family,
        path=f"projects/{{project}}/{place}/{part.collection}/{{name}}",
        item=part.item,
        mark="",
    )


def target_of(path: str, project: str, after: frozenset[str] = frozenset()) -> Target:
    """A leftover as something to be removed."""
    parts = path.split("/")
    part = BY_COLLECTION[parts[-2]]
    where = {"regions": "region", "zones": "zone"}.get(parts[2])
    scope = {"project": project, **({where: parts[3]} if where else {})}
    return Target(_kind(part, part.families[parts[2]], parts[2]), parts[-1], scope, {}, False, after)


@dataclass
class LeftoversDeclaration:
    """What is left on one network, to be removed."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "leftovers"
    limit: int = 8
    inventory: Inventory = field(default_factory=Inventory)
    left: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The network tells whose these are: GKE's controllers leave nobody's mark on what they make.
        self.policy = replace(self.policy, deployment="")

    @property
    def network(self) -> str:
        name = str(self.params["network"])
        return link_path(name) if "/" in name else f"projects/{self.project}/global/networks/{name}"

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        deployment = str(self.params.get("deployment") or "")
        listed = take_inventory(cloud, deadline, self.project, self.network, owned=bool(deployment))
        self.inventory = listed.seen_by(deployment)
        self.left = left_over(self.inventory, self.network, str(self.params.get("cluster") or ""))
        return self.left

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        if self.inventory.clusters and found:
            raise GcpError(
                "the network still carries the cluster " + ", ".join(self.inventory.clusters),
                action="sweep",
                resource=self.network,
                remedy="Delete the cluster first: what it uses is not left over.",
            )
        edges = chain(self.inventory)
        # By the project's id: links may carry its number.
        users: dict[str, set[str]] = {}
        for user, used in edges.items():
            for path in used & set(found):
                if user in found:
                    users.setdefault(path, set()).add(user)
        for path, before in last_of_all(found).items():
            users.setdefault(path, set()).update(before)
        names = {path: target_of(path, self.project).path for path in found}
        return [
            target_of(path, self.project, frozenset(names[user] for user in users.get(path, set()))) for path in found
        ]

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        try:
            return cloud.call(target.kind.get, target.params(target.kind.get), deadline=deadline)
        except NotFoundError:
            return None

    def operation_parent(self) -> str:
        return ""

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        return {
            "leftovers": described(self.left, chain(self.inventory)),
            "incomplete": sorted(set(self.inventory.unreachable)),
            "clusters": self.inventory.clusters,
        }


def list_leftovers(params: Mapping[str, Any]) -> Json:
    """What is left, told and not touched."""
    identity, cloud, deadline = connect(params)
    cloud.patience.activation = 0
    declaration = LeftoversDeclaration(params, identity.project, Policy())
    try:
        declaration.find(cloud, deadline)
    except DisabledError:
        # Without the compute API there is no network, and nothing on it.
        declaration.inventory = Inventory({part.collection: {} for part in PARTS})
    return {"changed": False, "gcp_actions": list(cloud.actions), **declaration.result({}, {})}
