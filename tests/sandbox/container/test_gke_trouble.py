# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Trouble of GKE's by its name: what a client sees of it, and that it passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from sandbox.cloud import container_world
from tests.sandbox.container.gke import CLUSTER, PROJECT, TPU_CONFIG, Gke, tpu_pool

POOLS = "container.projects.locations.clusters.nodePools"


def trouble(gke: Gke, name: str, **fields: Any) -> None:
    gke.fault(name=name, **fields)


def until(look: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_an_operation_may_abort(slow_gke: Gke) -> None:
    slow_gke.cluster()
    trouble(slow_gke, "aborting", api_method=f"{POOLS}.create")
    started = slow_gke.ask_pool(tpu_pool("tpu")).body
    path = f"locations/us-east5/operations/{started['name']}"
    until(lambda: slow_gke.read(path)["status"] == "ABORTING")
    ended = until(lambda: (found := slow_gke.read(path))["status"] == "DONE" and found)
    assert ended["statusMessage"] == "Operation was aborted."
    assert "error" not in ended
    assert slow_gke.read(f"{CLUSTER}/nodePools/tpu")["status"] == "ERROR"


def test_gke_repeats_a_delete_that_failed(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "delete_fails_first", operation={"deleted_after": 1200})
    assert gke.end(gke.container("DELETE", CLUSTER))["error"]["code"] == 13
    assert gke.read(CLUSTER)["status"] == "ERROR"
    until(lambda: gke.container("GET", CLUSTER).status == 404)
    kinds = [item["operationType"] for item in gke.read("locations/us-east5/operations")["operations"]]
    assert kinds.count("DELETE_CLUSTER") == 2


def test_gke_deletes_a_cluster_whose_create_failed(gke: Gke) -> None:
    gke.place()
    trouble(gke, "cluster_create_fails")
    gke.end(gke.ask_cluster())
    until(lambda: gke.container("GET", CLUSTER).status == 404)


def test_a_failed_update_leaves_things_as_they_were(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "error_only", api_method="container.projects.locations.clusters.update")
    body = {"update": {"desiredAddonsConfig": {"rayOperatorConfig": {"enabled": True}}}}
    assert gke.end(gke.container("PUT", CLUSTER, body))["error"]["code"] == 13
    cluster = gke.read(CLUSTER)
    assert cluster["status"] == "RUNNING"
    assert "rayOperatorConfig" not in cluster["addonsConfig"]


def test_an_own_operation_comes_just_before_the_request(slow_gke: Gke) -> None:
    slow_gke.cluster()
    trouble(slow_gke, "own_operation", api_method=f"{POOLS}.create")
    refused = slow_gke.ask_pool(tpu_pool("tpu"))
    assert (refused.status, refused.reason) == (400, "failedPrecondition")
    assert refused.message.startswith("Cluster is running incompatible operation operation-")
    until(lambda: slow_gke.ask_pool(tpu_pool("tpu")).status == 200)


def test_a_cluster_is_degraded_for_a_while(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "degraded", seconds=3000)
    cluster = gke.read(CLUSTER)
    assert (cluster["status"], cluster["statusMessage"]) == ("DEGRADED", "The cluster requires user action.")
    until(lambda: gke.read(CLUSTER)["status"] == "RUNNING")


def test_slow_and_stuck_operations(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "stuck", path="*", times=1)
    stuck = gke.ask_pool(tpu_pool("stuck")).body
    assert gke.read(f"{CLUSTER}/nodePools/stuck")["status"] == "PROVISIONING"
    trouble(gke, "slow_operation", seconds=6000)
    slow = gke.end(gke.ask_pool(tpu_pool("slow")))
    assert "error" not in slow
    assert gke.read(f"locations/us-east5/operations/{stuck['name']}")["status"] in ("PENDING", "RUNNING")


def test_the_topology_refusal(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "topology_refused")
    refused = gke.ask_pool(tpu_pool("tpu"))
    assert (refused.status, refused.error["status"]) == (400, "INVALID_ARGUMENT")
    assert refused.message.startswith("TPU topology can't be specified with single-host TPU slice pool; please remove")
    plain = tpu_pool("tpu")
    del plain["placementPolicy"]
    gke.pool(plain)


def test_reservations_absent_full_and_not_shared(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "reservation_absent")
    assert gke.ask_pool(tpu_pool("tpu")).status == 404
    gke.call("DELETE", "/_sandbox/faults")
    trouble(gke, "reservation_full")
    refused = gke.ask_pool(tpu_pool("tpu"))
    assert (refused.status, "short of 1 VM count" in refused.message) == (429, True)
    gke.call("DELETE", "/_sandbox/faults")
    shared = {"shareType": "SPECIFIC_PROJECTS", "projectMap": {PROJECT: {"projectId": PROJECT}}}
    body = {
        "name": "theirs",
        "specificReservationRequired": True,
        "specificReservation": {"count": "2", "instanceProperties": {"machineType": "ct6e-standard-4t"}},
        "shareSettings": shared,
    }
    made = gke.call("POST", "/compute/v1/projects/other/zones/us-east5-a/reservations", body)
    path = made.body["selfLink"].removeprefix("https://www.googleapis.com")
    gke.call("POST", f"{path}/wait")
    affinity = TPU_CONFIG["reservationAffinity"] | {"values": ["projects/other/reservations/theirs"]}
    pool = tpu_pool("tpu", config=TPU_CONFIG | {"reservationAffinity": affinity})
    trouble(gke, "reservation_not_shared")
    assert gke.ask_pool(pool).status == 404
    gke.call("DELETE", "/_sandbox/faults")
    gke.pool(pool)


def test_quota_zero_fails_pools_on_demand_only(gke: Gke) -> None:
    gke.cluster()
    trouble(gke, "quota_zero")
    gke.pool(tpu_pool("reserved"))
    ended = gke.end(gke.ask_pool(tpu_pool("demand", config={"machineType": "ct6e-standard-4t"})))
    assert ended["nodepoolConditions"][0]["code"] == "GCE_QUOTA_EXCEEDED"
    assert gke.read(f"{CLUSTER}/nodePools/demand")["status"] == "ERROR"


def test_policies_do_not_know_a_new_account(gke: Gke) -> None:
    gke.call("POST", f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "reader-sa"})
    member = f"serviceAccount:reader-sa@{PROJECT}.iam.gserviceaccount.com"
    # A policy replaces the one that is there: without its bindings, the caller may do nothing more.
    there = gke.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {}).body["bindings"]
    policy = {"policy": {"bindings": [*there, {"role": "roles/viewer", "members": [member]}]}}
    target = f"/v1/projects/{PROJECT}:setIamPolicy"
    until(lambda: gke.call("POST", target, policy).status == 200)
    trouble(gke, "account_not_visible")
    assert [gke.call("POST", target, policy).status for _attempt in range(4)] == [400, 400, 400, 200]


def test_chips_register_late(gke: Gke) -> None:
    """What the cluster's process is told about the nodes: no chips first, all of them later."""
    gke.cluster()
    told: list[list[str]] = []

    def put_pool(_key: str, _pool: str, nodes: list[dict[str, Any]]) -> Future[None]:
        told.append([node["allocatable"]["google.com/tpu"] for node in nodes])
        done: Future[None] = Future()
        done.set_result(None)
        return done

    container_world.gke_of(gke.cloud).backend.put_pool = put_pool  # type: ignore[method-assign]
    trouble(gke, "tpu_not_registered")
    gke.pool(tpu_pool("tpu"))
    assert until(lambda: len(told) == 2 and told) == [["0"], ["4"]]
