# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Operations in the form the container API shows them, and which of them may run side by side."""

from __future__ import annotations

import re
from typing import Any

from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.errors import ApiError, failed_precondition
from sandbox.cloud.operations import DONE, RUNNING, Operation, OperationFailed

Json = dict[str, Any]

CREATE_CLUSTER, DELETE_CLUSTER, UPDATE_CLUSTER = "CREATE_CLUSTER", "DELETE_CLUSTER", "UPDATE_CLUSTER"
CREATE_POOL, DELETE_POOL, UPGRADE_NODES = "CREATE_NODE_POOL", "DELETE_NODE_POOL", "UPGRADE_NODES"
SET_SIZE, SET_MANAGEMENT = "SET_NODE_POOL_SIZE", "SET_NODE_POOL_MANAGEMENT"
CONCURRENT_OPERATIONS = 5
# Everything of a failure at once, as GKE shows its own; injected faults choose one place.
FULL = "full"

_DOING = {
    CREATE_CLUSTER: "creating cluster",
    DELETE_CLUSTER: "deleting cluster",
    UPDATE_CLUSTER: "updating cluster",
    CREATE_POOL: "creating a node pool for cluster",
    DELETE_POOL: "deleting a node pool for cluster",
    UPGRADE_NODES: "upgrading nodes for cluster",
    "UPGRADE_MASTER": "upgrading cluster",
    "AUTO_UPGRADE_NODES": "upgrading nodes for cluster",
    SET_SIZE: "resizing a node pool for cluster",
}
RPC_CODES = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}
_CANONICAL_OF_CONDITION = {
    "GCE_STOCKOUT": "RESOURCE_EXHAUSTED",
    "GCE_QUOTA_EXCEEDED": "RESOURCE_EXHAUSTED",
    "GKE_SERVICE_ACCOUNT_DELETED": "FAILED_PRECONDITION",
    "NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS": "PERMISSION_DENIED",
    "CLOUD_KMS_KEY_ERROR": "FAILED_PRECONDITION",
}
_CREATE_STEPS = (("CLUSTER_CONFIGURING", 8, 8), ("CLUSTER_DEPLOYING", 12, 12), ("CLUSTER_HEALTHCHECKING", 1, 2))
_PATH = re.compile(r"^projects/[^/]+/locations/(?P<location>[^/]+)/(?P<rest>.+)$")


def link(path: str, version: str, project: str) -> str:
    """The link of a cluster, a pool or an operation: zones/ for zonal ones, whatever the request said."""
    match = _PATH.match(path)
    assert match is not None, path
    place = "locations" if match["location"].count("-") == 1 else "zones"
    return f"https://container.googleapis.com/{version}/projects/{project}/{place}/{match['location']}/{match['rest']}"


def _metrics(operation: Operation) -> list[Json]:
    def metric(name: str, value: int) -> Json:
        return {"name": name, "intValue": str(value)}

    if operation.kind == CREATE_CLUSTER:
        steps = []
        for index, (name, last, total) in enumerate(_CREATE_STEPS):
            share = min(1.0, max(0.0, operation.fraction * len(_CREATE_STEPS) - index))
            steps += [metric(name, int(last * share)), metric(f"{name}_TOTAL", total)]
        return steps if operation.status != "PENDING" else []
    nodes = operation.details.get("nodes_total")
    if nodes is None:
        return []
    if nodes == 0:
        return [metric("NODES_TOTAL", 0)]
    finished = nodes if operation.done else int(nodes * operation.fraction)
    return [
        metric("NODES_TOTAL", nodes),
        metric("NODES_FAILED", 0),
        metric("NODES_COMPLETE", finished),
        metric("NODES_DONE", finished),
        metric("NODE_PDB_DELAY_SECONDS", 0),
    ]


def canonical_code(failure: OperationFailed) -> str:
    """The name of the google.rpc code."""
    if failure.code in RPC_CODES:
        return failure.code
    return _CANONICAL_OF_CONDITION.get(failure.condition or failure.code, "INTERNAL")


def conditions(failure: OperationFailed) -> list[Json]:
    """The failure as a list of status conditions."""
    condition: Json = {"canonicalCode": canonical_code(failure), "message": failure.message}
    if failure.condition:
        condition["code"] = failure.condition
    return [condition]


def _failure(operation: Operation, failure: OperationFailed) -> Json:
    fields: Json = {}
    if failure.form in ("error", FULL):
        fields["error"] = {"code": RPC_CODES[canonical_code(failure)], "message": failure.message}
    if failure.form in ("statusMessage", FULL):
        fields |= {"statusMessage": failure.message, "detail": failure.message}
    if failure.form in ("conditions", FULL):
        where = "nodepoolConditions" if "/nodePools/" in operation.target else "clusterConditions"
        fields[where] = conditions(failure)
    return fields


def render(operation: Operation, version: str, project_number: str) -> Json:
    """The operation as GET and the first answer show it."""
    location = operation.scope.removeprefix("locations/")
    path = f"projects/{operation.project}/locations/{location}/operations/{operation.name}"
    answer: Json = {
        "name": operation.name,
        "operationType": operation.kind,
        "status": operation.status,
        "selfLink": link(path, version, project_number),
        "targetLink": link(operation.target, version, project_number),
        "startTime": utc_timestamp(operation.inserted),
        "zone": location,
    }
    metrics = _metrics(operation)
    if metrics:
        answer["progress"] = {"metrics": metrics}
    if operation.status == DONE:
        answer["endTime"] = utc_timestamp(operation.ended)
        if operation.failure is not None:
            answer |= _failure(operation, operation.failure)
    return answer


def _busy(blocker: Operation, cluster: str) -> ApiError:
    doing = _DOING.get(blocker.kind, "updating cluster")
    return failed_precondition(
        f"Operation {blocker.name} is currently {doing} {cluster}. Please wait and try again once it is done."
    )


def check_may_start(kind: str, target: str, cluster_path: str, status: str, running: list[Operation]) -> None:
    """GKE takes one operation on the cluster at a time, or one on each of several pools, up to its quota.

    ``running`` are the operations on the cluster and on its pools that are not done.
    """
    cluster = cluster_path.rsplit("/", 1)[-1]
    if kind == SET_MANAGEMENT:
        return
    holding = [operation for operation in running if operation.kind != SET_MANAGEMENT]
    on_cluster = [operation for operation in holding if operation.target == cluster_path]
    if target == cluster_path and holding:
        if on_cluster and kind != DELETE_CLUSTER:
            raise failed_precondition(
                "Cluster is currently being created, deleted, updated or repaired and cannot be updated."
            )
        raise _busy((on_cluster or holding)[0], cluster)
    blockers = on_cluster or [operation for operation in holding if operation.target == target]
    if blockers:
        raise failed_precondition(f"Cluster is running incompatible operation {blockers[0].name}.")
    if status in ("PROVISIONING", "STOPPING"):
        raise failed_precondition(
            "Cluster is currently being created, deleted, updated or repaired and cannot be updated."
        )
    if len(holding) >= CONCURRENT_OPERATIONS:
        raise ApiError(
            429,
            f'Too many operations: cluster "{cluster}" hits the concurrent operations quota {CONCURRENT_OPERATIONS}, '
            "please try again later.",
        )


def check_may_cancel(operation: Operation) -> None:
    """Only some upgrades can be cancelled."""
    if operation.kind != UPGRADE_NODES or operation.status != RUNNING:
        raise ApiError(400, f"Operation type {operation.kind} cannot be cancelled")
