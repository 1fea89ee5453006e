# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a cluster and its load balancers left on a network: found by the network, not by a name alone, and swept.

This file is private to the collection. URL maps, backend services and health checks carry no network: they are reached
by walking from the forwarding rules down, and from the endpoint groups up, before anything is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ._converge import Run, carry_out
from ._errors import DisabledError, GcpError, Json
from ._fields import link_path
from ._module import Session
from ._plan import DELETE, Kind, ResourcePlan, Step, Target

# Names that Google's controllers give; they count only on our network, for other clusters use the same.
MADE_BY_GOOGLE = re.compile(r"^(gkegw1|gkemcg1|k8s1?-|k8s2-|gke-csm-|mcrt-)")


@dataclass(frozen=True)
class Collection:
    """A collection of compute resources: what it is called, and where its parts live."""

    noun: str
    name: str
    item: str
    # Scope → family of methods there.
    families: Mapping[str, str]

    def kind(self, scope: str) -> Kind:
        where = {"global": "global", "region": "regions/{region}", "zone": "zones/{zone}"}[scope]
        plural = self.families[scope]
        return Kind(self.noun, (), f"compute.{plural}", f"projects/{{project}}/{where}/{self.name}/{{name}}", self.item)


# In the order in which they let go of each other.
COLLECTIONS = (
    Collection(
        "forwarding rule", "forwardingRules", "forwardingRule",
        {"region": "forwardingRules", "global": "globalForwardingRules"},
    ),
    Collection(
        "target HTTP proxy", "targetHttpProxies", "targetHttpProxy",
        {"region": "regionTargetHttpProxies", "global": "targetHttpProxies"},
    ),
    Collection(
        "target HTTPS proxy", "targetHttpsProxies", "targetHttpsProxy",
        {"region": "regionTargetHttpsProxies", "global": "targetHttpsProxies"},
    ),
    Collection("URL map", "urlMaps", "urlMap", {"region": "regionUrlMaps", "global": "urlMaps"}),
    Collection(
        "backend service", "backendServices", "backendService",
        {"region": "regionBackendServices", "global": "backendServices"},
    ),
    Collection(
        "health check", "healthChecks", "healthCheck", {"region": "regionHealthChecks", "global": "healthChecks"}
    ),
    Collection(
        "network endpoint group", "networkEndpointGroups", "networkEndpointGroup",
        {
            "zone": "networkEndpointGroups",
            "region": "regionNetworkEndpointGroups",
            "global": "globalNetworkEndpointGroups",
        },
    ),
    Collection("address", "addresses", "address", {"region": "addresses", "global": "globalAddresses"}),
    Collection("disk", "disks", "disk", {"zone": "disks"}),
)  # fmt: skip
FIREWALL = Collection("firewall rule", "firewalls", "firewall", {"global": "firewalls"})
ROUTE = Collection("route", "routes", "route", {"global": "routes"})
ALL = (*COLLECTIONS, FIREWALL, ROUTE)
_BY_NAME = {collection.name: collection for collection in ALL}


@dataclass
class Leftover:
    """One resource that is still there, and why it counts as ours to remove."""

    collection: Collection
    body: Json
    why: str
    # What is on the network but nobody we know of made: named, never removed.
    foreign: bool = False

    @property
    def link(self) -> str:
        return link_path(str(self.body.get("selfLink") or ""))

    @property
    def name(self) -> str:
        return str(self.body["name"])

    def target(self) -> Target:
        parts = self.link.split("/")
        scope = {"project": parts[1]}
        level = {"regions": "region", "zones": "zone"}.get(parts[2], "global")
        if level != "global":
            scope[level] = parts[3]
        return Target(self.collection.kind(level), self.name, scope, present=False)

    def as_dict(self) -> Json:
        return {
            "kind": self.collection.noun,
            "name": self.name,
            "self_link": self.link,
            "why": self.why,
            "foreign": self.foreign,
        }


@dataclass
class World:
    """All that was listed, by path; each list is complete, or listing failed."""

    by_collection: dict[str, dict[str, Json]] = field(default_factory=dict)

    def of(self, name: str) -> dict[str, Json]:
        return self.by_collection.get(name, {})


Taker = Callable[..., bool]


def spec() -> Json:
    return {"network": {"type": "str", "required": True}, "cluster": {"type": "str"}}


def list_leftovers(session: Session) -> Json:
    """What is there, by kind; the kinds with nothing are listed too, for a proof of absence."""
    found = find(session)
    return {
        "changed": False,
        "resources": [leftover.as_dict() for leftover in found],
        "counts": {c.noun: sum(leftover.collection is c for leftover in found) for c in ALL},
    }


def remove_leftovers(session: Session) -> Json:
    """Deletes what is ours, in the order in which it lets go of each other."""
    found = find(session)
    ours = [leftover for leftover in found if not leftover.foreign]
    plans = []
    earlier: frozenset[str] = frozenset()
    for collection in ALL:
        targets = [(leftover, leftover.target()) for leftover in ours if leftover.collection is collection]
        for leftover, target in targets:
            ordered = Target(target.kind, target.name, target.scope, present=False, after=earlier)
            step = Step(DELETE, ordered, f"{target.kind.family}.delete", None, (), leftover.why)
            plans.append(ResourcePlan(ordered, [step]))
        earlier |= frozenset(target.path for _leftover, target in targets)
    for leftover in found:
        if leftover.foreign:
            session.run.warnings.append(f"{leftover.collection.noun} {leftover.name} is left: {leftover.why}")
    report = carry_out(session.run, plans, {}, lambda target: None)
    return {**report.as_result(), "resources": [leftover.as_dict() for leftover in found]}


def find(session: Session) -> list[Leftover]:
    """Everything on the network that it did not have from the beginning."""
    network = f"projects/{session.project}/global/networks/{session.params['network']}"
    return judge(_list_all(session.run, session.project), network, session.params.get("cluster") or "")


def judge(world: World, network: str, cluster: str) -> list[Leftover]:
    """Which of all resources were left on this network."""
    found: dict[str, Leftover] = {}

    def take(name: str, path: str, why: str, foreign: bool = False) -> bool:
        body = world.of(name).get(path)
        if body is None or path in found:
            return False
        found[path] = Leftover(_BY_NAME[name], body, why, foreign)
        return True

    for name in ("forwardingRules", "networkEndpointGroups"):
        for path, body in world.of(name).items():
            if _on(body, network):
                take(name, path, "it is on the network")
    _walk_down(world, found, take)
    _walk_up(world, found, take)
    for path, body in world.of("addresses").items():
        if _on(body, network) and (MADE_BY_GOOGLE.match(body["name"]) or body["name"].startswith("gke-")):
            take("addresses", path, "a controller of GKE reserved it on the network")
    for path, body in world.of("disks").items():
        if cluster and _disk_of(body, cluster) and not body.get("users"):
            take("disks", path, f"a volume of the cluster {cluster} that nothing uses")
    for name in ("firewalls", "routes"):
        for path, body in world.of(name).items():
            if not _on(body, network) or _comes_with_network(body):
                continue
            made = MADE_BY_GOOGLE.match(body["name"]) or (cluster and body["name"].startswith(f"gke-{cluster}-"))
            why = (
                "a controller of GKE made it on the network"
                if made
                else "it is on the network, and not known to be ours"
            )
            take(name, path, why, not made)
    return list(found.values())


def _walk_down(world: World, found: Mapping[str, Leftover], take: Taker) -> None:
    """Forwarding rule → target proxy → URL map → backend service → endpoint groups and health checks."""
    why = "it serves a forwarding rule on the network"
    for path, leftover in list(found.items()):
        if leftover.collection.name != "forwardingRules":
            continue
        proxy = link_path(str(leftover.body.get("target") or ""))
        for name in ("targetHttpProxies", "targetHttpsProxies"):
            body = world.of(name).get(proxy)
            if body is not None:
                take(name, proxy, why)
                _take_url_map(world, link_path(str(body.get("urlMap") or "")), why, take)
        _take_backend(world, link_path(str(leftover.body.get("backendService") or "")), why, take)


def _take_url_map(world: World, path: str, why: str, take: Taker) -> None:
    body = world.of("urlMaps").get(path)
    if body is None:
        return
    take("urlMaps", path, why)
    for service in _links_below(body, "backendServices"):
        _take_backend(world, service, why, take)


def _take_backend(world: World, path: str, why: str, take: Taker) -> None:
    body = world.of("backendServices").get(path)
    if body is None:
        return
    take("backendServices", path, why)
    for check in body.get("healthChecks") or []:
        take("healthChecks", link_path(str(check)), why)
    for backend in body.get("backends") or []:
        take("networkEndpointGroups", link_path(str(backend.get("group") or "")), why)


def _walk_up(world: World, found: Mapping[str, Leftover], take: Taker) -> None:
    """What an interrupted sweep left without its forwarding rule hangs on the endpoint groups."""
    why = "it serves an endpoint group on the network"
    groups = {path for path, leftover in found.items() if leftover.collection.name == "networkEndpointGroups"}
    for path, body in world.of("backendServices").items():
        if groups & {link_path(str(backend.get("group") or "")) for backend in body.get("backends") or []}:
            _take_backend(world, path, why, take)
    services = {path for path, leftover in found.items() if leftover.collection.name == "backendServices"}
    for path, body in world.of("urlMaps").items():
        if services & set(_links_below(body, "backendServices")):
            take("urlMaps", path, why)
    maps = {path for path, leftover in found.items() if leftover.collection.name == "urlMaps"}
    for name in ("targetHttpProxies", "targetHttpsProxies"):
        for path, body in world.of(name).items():
            if link_path(str(body.get("urlMap") or "")) in maps:
                take(name, path, why)


def _links_below(tree: object, collection: str) -> Iterator[str]:
    """Every link to a resource of that collection, wherever it stands in a URL map."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key != "selfLink":
                yield from _links_below(value, collection)
    elif isinstance(tree, list):
        for value in tree:
            yield from _links_below(value, collection)
    elif isinstance(tree, str) and f"/{collection}/" in tree:
        yield link_path(tree)


def _list_all(run: Run, project: str) -> World:
    world = World()
    for collection in ALL:
        entries = _list(run, project, collection)
        world.by_collection[collection.name] = {link_path(str(body.get("selfLink"))): body for body in entries}
    return world


def _list(run: Run, project: str, collection: Collection) -> list[Json]:
    """All of a collection in all scopes. An incomplete list proves nothing, so it is an error."""
    family = collection.families.get("global") or collection.name
    aggregated = collection not in (FIREWALL, ROUTE)
    if aggregated:
        family = collection.name
    method = f"compute.{family}.{'aggregatedList' if aggregated else 'list'}"
    found: list[Json] = []
    try:
        for page in run.cloud.pages(method, {"project": project}, deadline=run.deadline):
            if page.get("unreachables"):
                raise GcpError(
                    f"the list is not complete: {', '.join(page['unreachables'])} did not answer",
                    action=method,
                    resource=collection.noun,
                    remedy="Run the same task again: what cannot be listed cannot be proved to be gone.",
                )
            scopes = (page.get("items") or {}).values() if aggregated else [page]
            for scope in scopes:
                found += scope.get(collection.name if aggregated else "items") or []
    except DisabledError as error:
        if run.cloud.patience.activation:
            raise
        run.warn_disabled(error)
    return found


def _on(body: Json, network: str) -> bool:
    return link_path(str(body.get("network") or "")) == network


def _comes_with_network(body: Json) -> bool:
    """Routes that Google makes and deletes with the network and its subnetworks."""
    return "nextHopNetwork" in body or str(body["name"]).startswith("default-route-")


def _disk_of(body: Json, cluster: str) -> bool:
    labels = body.get("labels") or {}
    description = str(body.get("description") or "")
    return labels.get("goog-k8s-cluster-name") == cluster or (
        "pd.csi.storage.gke.io" in description and str(body["name"]).startswith("pvc-")
        and labels.get("goog-k8s-cluster-name") in (None, cluster)
    )  # fmt: skip
