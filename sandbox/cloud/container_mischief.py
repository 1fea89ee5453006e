# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE does to a cluster without being asked, on request: operations of its own, states that nobody wished for.

``POST /_sandbox/gke/operation {"cluster": "projects/P/locations/L/clusters/C", "kind": "UPGRADE_MASTER",
"seconds": 300}`` holds the cluster's lock for so many cloud seconds, as an automatic upgrade does.
``POST /_sandbox/gke/status {"resource": path of a cluster or pool, "status": "DEGRADED", "message": "…"}`` puts it
into a state. The faults ``own_operation`` and ``state`` (faults.py) do the same when a request comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud import container_world as world
from sandbox.cloud.errors import ApiError
from sandbox.cloud.faults import Fault
from sandbox.cloud.operations import Operation
from sandbox.cloud.registry import route, trouble
from sandbox.cloud.request import HttpRequest, HttpResponse, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

STATES = ("PROVISIONING", "RUNNING", "RECONCILING", "STOPPING", "ERROR", "DEGRADED", "RUNNING_WITH_ERROR")


def _named(cloud: Cloud, path: Any) -> Resource:
    found = cloud.store.get(str(path))
    if found is None or found.kind not in ("clusters", "nodePools"):
        raise ApiError(404, f"There is no cluster or node pool {path}.")
    return found


def _start_own(cloud: Cloud, cluster: Resource, kind: str, seconds: float) -> Operation:
    method = world.method_of(cloud, f"{world.CLUSTERS}.update")
    request = Request(method, {}, {}, world.GKE, project=cloud.project(cluster.path.split("/")[1]))
    return cloud.operations.start(
        request, kind=kind, target=cluster.path, scope="/".join(cluster.path.split("/")[2:4]), duration=seconds
    )


def _set_state(resource: Resource, status: str, message: str) -> None:
    if status not in STATES:
        raise ApiError(400, f"status is one of {', '.join(STATES)}")
    resource.body["status"] = status
    resource.body.pop("statusMessage", None)
    if message:
        resource.body["statusMessage"] = message


@trouble("own_operation")
def own_operation_strikes(cloud: Cloud, request: Request, fault: Fault) -> bool:
    """Only on a cluster that is there and has nothing to do."""
    with cloud.store.lock:
        cluster = _cluster_of(cloud, request)
        if cluster is None or cluster.body["status"] != "RUNNING" or cloud.operations.running(cluster.path):
            return False
        _start_own(cloud, cluster, fault.own, fault.seconds)
    return True


@trouble("state")
def state_strikes(cloud: Cloud, request: Request, fault: Fault) -> bool:
    """The pool of the request, or its cluster; back to RUNNING after a while, unless something happened to it."""
    with cloud.store.lock:
        cluster = _cluster_of(cloud, request)
        name = request.params.get("nodePoolsId", "")
        resource = cloud.store.get(f"{cluster.path}/nodePools/{name}") if cluster and name else cluster
        if resource is None or resource.body["status"] != "RUNNING":
            return False
        status = str(fault.state.get("status", ""))
        _set_state(resource, status, str(fault.state.get("message", "")))

    def recover() -> None:
        with cloud.store.lock:
            if resource.body["status"] == status:
                world.mark_running(resource)

    if fault.seconds:
        cloud.clock.call_after(fault.seconds, recover)
    return True


def _cluster_of(cloud: Cloud, request: Request) -> Resource | None:
    if "clustersId" not in request.params or request.project is None:
        return None
    return cloud.store.get(world.cluster_path(request))


@route("POST", "/_sandbox/gke/operation")
def own_operation(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Starts an operation that GKE starts by itself."""
    body: Json = http.json() or {}
    with cloud.store.lock:
        cluster = _named(cloud, body.get("cluster"))
        kind = str(body.get("kind", "UPGRADE_MASTER"))
        operation = _start_own(cloud, cluster, kind, float(body.get("seconds", 300)))
    return HttpResponse(200, {"operation": operation.name})


@route("POST", "/_sandbox/gke/status")
def set_status(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Puts a cluster or a pool into a state."""
    body: Json = http.json() or {}
    status = str(body.get("status", ""))
    with cloud.store.lock:
        _set_state(_named(cloud, body.get("resource")), status, str(body.get("message", "")))
    return HttpResponse(200, {"status": status})
