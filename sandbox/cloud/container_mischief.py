# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE does to a cluster without being asked, on request: operations of its own, states that nobody wished for.

``POST /_sandbox/gke/operation {"cluster": "projects/P/locations/L/clusters/C", "kind": "UPGRADE_MASTER",
"seconds": 300}`` holds the cluster's lock for so many cloud seconds, as an automatic upgrade does.
``POST /_sandbox/gke/status {"resource": path of a cluster or pool, "status": "DEGRADED", "message": "…"}`` puts it
into a state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud.errors import ApiError
from sandbox.cloud.registry import route
from sandbox.cloud.request import HttpRequest, HttpResponse, Principal, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

GKE = Principal("system:gke", trusted=True)
STATES = ("PROVISIONING", "RUNNING", "RECONCILING", "STOPPING", "ERROR", "DEGRADED", "RUNNING_WITH_ERROR")


def _named(cloud: Cloud, path: Any) -> Resource:
    found = cloud.store.get(str(path))
    if found is None or found.kind not in ("clusters", "nodePools"):
        raise ApiError(404, f"There is no cluster or node pool {path}.")
    return found


@route("POST", "/_sandbox/gke/operation")
def own_operation(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Starts an operation that GKE starts by itself."""
    body: Json = http.json() or {}
    with cloud.store.lock:
        cluster = _named(cloud, body.get("cluster"))
        method = cloud.catalog.match("PUT", f"/v1/{cluster.path}")[0].method
        request = Request(method, {}, {}, GKE, project=cloud.project(cluster.path.split("/")[1]))
        operation = cloud.operations.start(
            request,
            kind=str(body.get("kind", "UPGRADE_MASTER")),
            target=cluster.path,
            scope="/".join(cluster.path.split("/")[2:4]),
            duration=float(body.get("seconds", 300)),
        )
    return HttpResponse(200, {"operation": operation.name})


@route("POST", "/_sandbox/gke/status")
def set_status(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Puts a cluster or a pool into a state."""
    body: Json = http.json() or {}
    status = str(body.get("status", ""))
    if status not in STATES:
        raise ApiError(400, f"status is one of {', '.join(STATES)}")
    with cloud.store.lock:
        resource = _named(cloud, body.get("resource"))
        resource.body["status"] = status
        resource.body.pop("statusMessage", None)
        if body.get("message"):
            resource.body["statusMessage"] = str(body["message"])
    return HttpResponse(200, {"status": status})
