# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE runs side by side, and how it refuses the rest."""

from __future__ import annotations

import re

from tests.sandbox.container.gke import CLUSTER, Gke, tpu_pool


def _precondition(answer: object) -> str:
    status, error = answer.status, answer.error  # type: ignore[attr-defined]
    assert (status, error["status"], error["errors"][0]["reason"]) == (400, "FAILED_PRECONDITION", "failedPrecondition")
    return str(error["message"])


def test_five_pools_at_once_and_no_more(slow_gke: Gke) -> None:
    slow_gke.cluster()
    started = [slow_gke.ask_pool(tpu_pool(f"tpu-{number}")) for number in range(5)]
    sixth = slow_gke.ask_pool(tpu_pool("tpu-5"))
    assert (sixth.status, sixth.error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert sixth.message == (
        'Too many operations: cluster "c" hits the concurrent operations quota 5, please try again later.'
    )
    assert slow_gke.container("GET", f"{CLUSTER}/nodePools/tpu-5").status == 404
    slow_gke.end(started[0])
    slow_gke.end(slow_gke.ask_pool(tpu_pool("tpu-5")))
    assert slow_gke.reservation_use() == 6


def test_nothing_beside_a_create_of_the_cluster(slow_gke: Gke) -> None:
    slow_gke.place()
    operation = slow_gke.ask_cluster()
    pool = _precondition(slow_gke.ask_pool(tpu_pool("tpu")))
    assert pool == f"Cluster is running incompatible operation {operation.body['name']}."
    name = operation.body["name"]
    delete = _precondition(slow_gke.container("DELETE", CLUSTER))
    assert delete == f"Operation {name} is currently creating cluster c. Please wait and try again once it is done."
    slow_gke.end(operation)


def test_a_cluster_operation_waits_for_the_pools(slow_gke: Gke) -> None:
    slow_gke.cluster()
    pool = slow_gke.ask_pool(tpu_pool("tpu"))
    update = {"update": {"desiredReleaseChannel": {"channel": "RAPID"}}}
    message = _precondition(slow_gke.container("PUT", CLUSTER, update))
    assert re.fullmatch(r"Operation \S+ is currently creating a node pool for cluster c\. Please wait .*", message)
    slow_gke.end(pool)
    slow_gke.succeed("PUT", CLUSTER, update)


def test_two_cluster_operations_exclude_each_other(slow_gke: Gke) -> None:
    slow_gke.cluster()
    first = slow_gke.container("PUT", CLUSTER, {"update": {"desiredReleaseChannel": {"channel": "RAPID"}}})
    assert slow_gke.read(CLUSTER)["status"] == "RECONCILING"
    second = slow_gke.container("PUT", CLUSTER, {"update": {"desiredShieldedNodes": {"enabled": True}}})
    assert _precondition(second).startswith("Cluster is currently being created, deleted, updated or repaired")
    slow_gke.end(first)


def test_one_operation_per_pool(slow_gke: Gke) -> None:
    slow_gke.cluster()
    pool = f"{CLUSTER}/nodePools/default-pool"
    first = slow_gke.container("POST", f"{pool}:setSize", {"nodeCount": 2})
    message = _precondition(slow_gke.container("DELETE", pool))
    assert message == f"Cluster is running incompatible operation {first.body['name']}."
    other = slow_gke.ask_pool(tpu_pool("tpu"))
    slow_gke.end(first)
    slow_gke.end(other)


def test_management_runs_beside_everything(slow_gke: Gke) -> None:
    slow_gke.cluster()
    pool = f"{CLUSTER}/nodePools/default-pool"
    size = slow_gke.container("POST", f"{pool}:setSize", {"nodeCount": 2})
    management = {"management": {"autoRepair": False, "autoUpgrade": True}}
    slow_gke.succeed("POST", f"{pool}:setManagement", management)
    slow_gke.end(size)


def test_operations_are_listed_without_a_filter(slow_gke: Gke) -> None:
    slow_gke.cluster()
    running = slow_gke.ask_pool(tpu_pool("tpu"))
    found = slow_gke.read("locations/us-east5/operations")["operations"]
    assert {operation["operationType"] for operation in found} == {"CREATE_CLUSTER", "CREATE_NODE_POOL"}
    assert [op["name"] for op in found if op["status"] != "DONE"] == [running.body["name"]]
    assert slow_gke.read("locations/us-central1/operations") == {}
    slow_gke.end(running)


def test_a_create_cannot_be_cancelled_and_an_upgrade_can(slow_gke: Gke) -> None:
    slow_gke.cluster()
    create = slow_gke.ask_pool(tpu_pool("tpu"))
    path = f"locations/us-east5/operations/{create.body['name']}:cancel"
    assert slow_gke.container("POST", path, {}).message == "Operation type CREATE_NODE_POOL cannot be cancelled"
    slow_gke.end(create)
    pool = f"{CLUSTER}/nodePools/default-pool"
    upgrade = slow_gke.container("PUT", pool, {"machineType": "e2-standard-8"})
    operation = f"locations/us-east5/operations/{upgrade.body['name']}"
    while slow_gke.read(operation)["status"] == "PENDING":
        pass
    assert slow_gke.container("POST", f"{operation}:cancel", {}).status == 200
    assert slow_gke.read(operation)["error"]["code"] == 1
    assert slow_gke.read(pool)["config"]["machineType"] == "e2-medium"


def test_absent_operation(gke: Gke) -> None:
    answer = gke.container("GET", "locations/us-east5/operations/operation-nope")
    assert (answer.status, answer.reason) == (404, "notFound")
