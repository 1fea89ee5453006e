# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Making, changing and deleting compute resources, against a compute API in memory that knows who uses what."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sandbox.cluster.loadbalancer import attach
from sandbox.cluster.loadbalancer.compute_client import Compute, ComputeError
from sandbox.cluster.loadbalancer.compute_plan import STAGE, Resource, World, path_of, resources
from sandbox.cluster.loadbalancer.names import Names
from sandbox.cluster.loadbalancer.provisioner import Provisioner, same
from sandbox.cluster.loadbalancer.store import Store
from tests.sandbox.loadbalancer import lb_objects as objects

WORLD = World(
    project="p",
    cluster="c",
    location="us-east5-a",
    region="us-east5",
    zones=("us-east5-a", "us-east5-b"),
    network="projects/p/global/networks/net",
    subnetwork="projects/p/regions/us-east5/subnetworks/sub",
    proxy_ranges=("172.16.0.0/26",),
    names=Names("uid"),
)


class MemoryCompute(Compute):
    """Refuses what Google refuses: links to nothing, deleting what is used."""

    def __init__(self) -> None:
        super().__init__("/nowhere", "p")
        self.held: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse: dict[str, ComputeError] = {}

    async def get(self, path: str) -> dict[str, Any] | None:
        return self.held.get(path)

    async def list(self, path: str, collection: str = "items") -> list[dict[str, Any]]:
        return [body for held, body in self.held.items() if held.rpartition("/")[0] == path]

    async def change(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        self.calls.append((method, path))
        await asyncio.sleep(0)
        for part, error in self.refuse.items():
            if part in path:
                raise error
        if method == "POST":
            assert body is not None
            for other in self._links(body):
                assert other in self.held, f"{path} refers to {other}, which is not there"
            self.held[f"{path}/{body['name']}"] = {**body, "fingerprint": "f", "creationTimestamp": "now"}
        elif method == "PATCH":
            self.held[path].update(body or {})
        else:
            users = [held for held, found in self.held.items() if path in self._links(found)]
            assert not users, f"{path} is used by {users}"
            del self.held[path]

    @staticmethod
    def _links(body: dict[str, Any]) -> set[str]:
        words = json.dumps(body).replace('"', " ").split()
        made = ("/networks/", "/subnetworks/")
        return {
            w.removeprefix("projects/p/")
            for w in words
            if w.startswith("projects/p/") and not any(m in w for m in made)
        }


def plan(store: Store) -> list[Resource]:
    return [resource for gateway in attach.gateways(store, {}) for resource in resources(gateway, WORLD, {})]


def serving_pool() -> Store:
    return objects.filled(gateways=[objects.gateway()], httproutes=[objects.route("r", objects.pool_ref())])


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def provisioner(compute: MemoryCompute, clock: Clock | None = None) -> Provisioner:
    return Provisioner(compute, WORLD, collect_after=180, now=clock or Clock())


def apply(made: Provisioner, wanted: list[Resource]) -> tuple[bool, dict[Any, str]]:
    return asyncio.run(made.apply(wanted))


def test_everything_is_made_once_and_in_order() -> None:
    compute = MemoryCompute()
    made = provisioner(compute)
    assert apply(made, plan(serving_pool())) == (True, {})
    collections = {path.split("/")[-2] for path in compute.held}
    assert collections == set(STAGE) - {"sslCertificates", "targetHttpsProxies"}
    # Pool and picker each have a group in each zone.
    assert sum("networkEndpointGroups" in path for path in compute.held) == 4
    calls = len(compute.calls)
    assert apply(made, plan(serving_pool())) == (False, {})
    assert len(compute.calls) == calls


def test_a_new_controller_finds_what_the_old_one_made() -> None:
    compute = MemoryCompute()
    apply(provisioner(compute), plan(serving_pool()))
    calls = len(compute.calls)
    successor = provisioner(compute)
    asyncio.run(successor.look())
    assert apply(successor, plan(serving_pool())) == (False, {})
    assert len(compute.calls) == calls


def test_what_differs_is_changed_in_place() -> None:
    compute = MemoryCompute()
    made = provisioner(compute)
    apply(made, plan(serving_pool()))
    store = serving_pool()
    store.put("gcpbackendpolicies", objects.policy("p", "GCPBackendPolicy", timeoutSec=900))
    calls = len(compute.calls)
    apply(made, plan(store))
    ((method, path),) = compute.calls[calls:]
    assert method == "PATCH" and "backendServices" in path and "54321" in path
    assert compute.held[path]["timeoutSec"] == 900


def test_deletion_starts_at_the_forwarding_rule_and_groups_go_late() -> None:
    compute, clock = MemoryCompute(), Clock()
    made = provisioner(compute, clock)
    apply(made, plan(serving_pool()))
    calls = len(compute.calls)
    assert apply(made, []) == (True, {})
    gone = [path.split("/")[-2] for method, path in compute.calls[calls:] if method == "DELETE"]
    assert gone[0] == "forwardingRules"
    assert [STAGE[name] for name in gone] == sorted((STAGE[name] for name in gone), reverse=True)
    assert {path.split("/")[-2] for path in compute.held} == {"networkEndpointGroups"}
    assert made.next_collection() == 180
    clock.time = 181
    apply(made, [])
    assert compute.held == {}
    assert made.next_collection() is None


def test_a_group_that_is_wanted_again_stays() -> None:
    compute, clock = MemoryCompute(), Clock()
    made = provisioner(compute, clock)
    apply(made, plan(serving_pool()))
    apply(made, [])
    clock.time = 100
    apply(made, plan(serving_pool()))
    clock.time = 200
    assert apply(made, plan(serving_pool())) == (False, {})
    assert sum("networkEndpointGroups" in path for path in compute.held) == 4


def test_a_refusal_is_reported_in_googles_words_and_tried_again() -> None:
    compute = MemoryCompute()
    made = provisioner(compute)
    compute.refuse["backendServices"] = ComputeError(400, "invalid", "quota of backend services")
    changed, errors = apply(made, plan(serving_pool()))
    rule = next(r for r in plan(serving_pool()) if r.collection == "forwardingRules")
    assert changed
    assert errors[rule.key] == "gceSync: generic::invalid_argument: Insert: quota of backend services"
    assert not any("urlMaps" in path for _method, path in compute.calls)
    compute.refuse.clear()
    assert apply(made, plan(serving_pool())) == (True, {})
    assert path_of(rule.key) in compute.held


def test_two_gateways_share_backends_and_firewall() -> None:
    compute = MemoryCompute()
    made = provisioner(compute)
    store = serving_pool()
    store.put("gateways", objects.gateway("second"))
    store.put("httproutes", objects.route("r2", objects.pool_ref(), parent={"name": "second"}))
    apply(made, plan(store))
    assert sum("forwardingRules" in path for path in compute.held) == 2
    assert sum("54321" in path and "backendServices" in path for path in compute.held) == 1
    assert apply(made, plan(serving_pool()))[1] == {}
    assert sum("forwardingRules" in path for path in compute.held) == 1
    assert sum("firewalls" in path for path in compute.held) == 1


def test_comparing_what_the_server_writes_its_own_way() -> None:
    full = "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"
    assert same({"a": ["projects/p/global/networks/n"]}, {"a": [full], "more": 1})
    assert same({"enable": False, "list": []}, {})
    assert not same({"a": 1}, {"a": 2})
    assert not same([1], [1, 2])
    assert not same("projects/p/global/networks/n", full + "2")
