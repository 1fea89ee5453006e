# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What goes wrong in a seed: faults of Google, kills of ours, changes behind our back. Drawn from the seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.scene import Scene
from tests.chaos.world import Trap, World

Json = dict[str, Any]
CLUSTERS = "container.projects.locations.clusters"
POOLS = f"{CLUSTERS}.nodePools"

UP = (
    "compute.networks.insert",
    "compute.subnetworks.insert",
    "compute.firewalls.insert",
    f"{CLUSTERS}.create",
    f"{POOLS}.create",
)
DOWN = (
    f"{POOLS}.delete",
    f"{CLUSTERS}.delete",
    "compute.firewalls.delete",
    "compute.subnetworks.delete",
    "compute.networks.delete",
    "compute.forwardingRules.delete",
    "compute.regionTargetHttpProxies.delete",
    "compute.regionUrlMaps.delete",
    "compute.regionBackendServices.delete",
    "compute.regionHealthChecks.delete",
    "compute.networkEndpointGroups.delete",
)
LOOKS = (
    "compute.*.get",
    "compute.*.list",
    "compute.*.aggregatedList",
    "compute.*Operations.wait",
    f"{CLUSTERS}.get",
    f"{POOLS}.list",
    f"{POOLS}.get",
    "container.projects.locations.operations.*",
    "serviceusage.*",
)
STOCKOUT = (
    "Instance 'gke-chaos-1' creation failed: The zone does not have enough resources available to fulfill the request."
)
RUNNING = "Cluster is running incompatible operation operation-1-2."
TOO_MANY = 'Too many operations: cluster "c" hits the concurrent operations quota 5, please try again later.'


def faults(rng: random.Random, during: Sequence[str]) -> list[Json]:
    """Up to six troubles on calls of one half of the story."""
    makers: list[Callable[[random.Random, Sequence[str]], Json]] = [
        _unavailable, _unavailable, _reset, _reset, _busy, _too_many, _operation, _operation, _denied,
    ]  # fmt: skip
    return [rng.choice(makers)(rng, during) for _ in range(rng.choice((0, 1, 2, 3, 4, 6)))]


def _any_call(rng: random.Random, during: Sequence[str]) -> str:
    return rng.choice([*during, *during, *LOOKS])


def _base(rng: random.Random, api_method: str) -> Json:
    return {"api_method": api_method, "nth": rng.randint(1, 4), "times": rng.randint(1, 3)}


def _unavailable(rng: random.Random, during: Sequence[str]) -> Json:
    status, word = rng.choice(((500, "INTERNAL"), (502, "UNAVAILABLE"), (503, "UNAVAILABLE")))
    when = rng.choice(("before", "after"))
    return {**_base(rng, _any_call(rng, during)), "status": status, "error_status": word, "when": when}


def _reset(rng: random.Random, during: Sequence[str]) -> Json:
    return {**_base(rng, _any_call(rng, during)), "kind": "reset", "when": rng.choice(("before", "after"))}


def _busy(rng: random.Random, during: Sequence[str]) -> Json:
    method = rng.choice([name for name in during if name.startswith("container.")])
    refusal = {"status": 400, "error_status": "FAILED_PRECONDITION", "reason": "failedPrecondition", "message": RUNNING}
    return {**_base(rng, method), **refusal}


def _too_many(rng: random.Random, during: Sequence[str]) -> Json:
    method = rng.choice([name for name in during if ".nodePools." in name])
    refusal = {"status": 429, "error_status": "RESOURCE_EXHAUSTED", "reason": "rateLimitExceeded", "message": TOO_MANY}
    return {**_base(rng, method), **refusal, "times": rng.randint(1, 12)}


def _denied(rng: random.Random, during: Sequence[str]) -> Json:
    """For a moment, as right after a change of policy: that run ends, the next one gets through."""
    refusal = {"status": 403, "error_status": "PERMISSION_DENIED", "reason": "forbidden", "message": "Not for you."}
    return {**_base(rng, _any_call(rng, during)), **refusal, "times": 1}


def _operation(rng: random.Random, during: Sequence[str]) -> Json:
    """Accepted, and then it fails."""
    method = rng.choice(during)
    failure: Json = {"code": "INTERNAL", "message": "Internal error."}
    if method.startswith("container."):
        failure["form"] = rng.choice(("error", "statusMessage", "conditions"))
        if method == f"{POOLS}.create":
            condition = rng.choice(("GCE_STOCKOUT", "GCE_QUOTA_EXCEEDED"))
            failure |= {"code": "RESOURCE_EXHAUSTED", "message": f"[{condition}]: {STOCKOUT}", "condition": condition}
            failure["leaves"] = rng.choice(("ERROR", "ERROR", "RUNNING_WITH_ERROR"))
    return {"api_method": method, "nth": rng.randint(1, 3), "kind": "operation", "operation": failure}


def traps(rng: random.Random, steps: int) -> list[Trap]:
    """Kills, one for each run at most: as often at a change as at any request."""
    return [
        Trap(rng.randint(1, steps if mutating else steps * 6), mutating, rng.random() < 0.6)
        for mutating in (rng.random() < 0.6 for _ in range(rng.choice((0, 1, 1, 2, 3))))
    ]


# ---- behind our back -----------------------------------------------------------------------------------------------


def drift(rng: random.Random, world: World, scene: Scene) -> list[str]:
    """Somebody changes some of what is ours; says what."""
    changes: list[Callable[[World, Scene, random.Random], str]] = [
        _firewall, _private_access, _cluster_labels, _pool_labels, _pool_gone, _pool_size, _telemetry, _pool_broken,
    ]  # fmt: skip
    return [change(world, scene, rng) for change in rng.sample(changes, rng.randint(1, 3))]


def _firewall(world: World, scene: Scene, _rng: random.Random) -> str:
    world.call("PATCH", f"compute/v1/{scene.firewall}", {"sourceRanges": ["0.0.0.0/0"]})
    return "firewall opened"


def _private_access(world: World, scene: Scene, _rng: random.Random) -> str:
    found = world.body(scene.subnetwork) or {}
    body = {"privateIpGoogleAccess": False}
    world.call("POST", f"compute/v1/{scene.subnetwork}/setPrivateIpGoogleAccess", body)
    return f"private access off (was {found.get('privateIpGoogleAccess')})"


def _cluster_labels(world: World, scene: Scene, _rng: random.Random) -> str:
    found = world.call("GET", f"v1/{scene.cluster}")
    labels = {**found.get("resourceLabels", {}), "team": "other"}
    world.call(
        "POST",
        f"v1/{scene.cluster}:setResourceLabels",
        {"resourceLabels": labels, "labelFingerprint": found["labelFingerprint"]},
    )
    return "cluster relabelled"


def _telemetry(world: World, scene: Scene, _rng: random.Random) -> str:
    monitoring = {"desiredMonitoringConfig": {"managedPrometheusConfig": {"enabled": False}}}
    world.call("PUT", f"v1/{scene.cluster}", {"update": monitoring})
    return "managed Prometheus off"


def _pool_labels(world: World, scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.pool_names)
    if _absent(world, scene, name):
        return f"{name} is gone already"
    world.call("PUT", f"v1/{scene.pool(name)}", {"labels": {"labels": {"role": "other"}}})
    return f"{name} relabelled"


def _pool_size(world: World, scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.pool_names)
    if _absent(world, scene, name):
        return f"{name} is gone already"
    world.call("POST", f"v1/{scene.pool(name)}:setSize", {"nodeCount": 0})
    return f"{name} without nodes"


def _pool_gone(world: World, scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.pool_names)
    if not _absent(world, scene, name):
        world.call("DELETE", f"v1/{scene.pool(name)}")
    return f"{name} deleted"


def _pool_broken(world: World, scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.pool_names)
    if not _absent(world, scene, name):
        state = rng.choice(("ERROR", "RUNNING_WITH_ERROR"))
        body = {"resource": scene.pool(name), "status": state, "message": "The node does not come up."}
        world.call("POST", "_sandbox/gke/status", body, wait=False)
    return f"{name} broken"


def _absent(world: World, scene: Scene, name: str) -> bool:
    return world.body(scene.pool(name)) is None
