# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What the handlers of the container API share: finding things, starting operations, GKE's own errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.cloud import container_machines, container_operations
from sandbox.cloud.clusters import Backend, ClusterError, NoClusters, RealClusters
from sandbox.cloud.compute import places
from sandbox.cloud.discovery import Method
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.operations import Operation, OperationFailed
from sandbox.cloud.request import Principal, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

CLUSTERS = "container.projects.locations.clusters"
POOLS = f"{CLUSTERS}.nodePools"
# Who starts GKE's own operations.
GKE = Principal("system:gke", trusted=True)
# How often an operation looks whether the cluster's process is done, in real seconds.
_LOOK_EVERY = 0.1
# Pools wait their turn before GKE starts on them.
PENDING_SECONDS = 15.0


class Gke:
    """The part of a cloud that the container API keeps for itself."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.random = random.Random()
        self.backend: Backend = RealClusters() if cloud.settings.clusters == "real" else NoClusters()

    def look_again(self) -> float:
        """The cloud seconds until an operation looks at a future again."""
        return _LOOK_EVERY * self.cloud.settings.time_scale

    def cluster_directory(self, name: str, location: str) -> Path:
        """Where a cluster keeps its files; two clusters of one name in different places keep apart."""
        root = (self.cloud.settings.directory or Path.cwd()) / "clusters"
        others = [c for c in self.cloud.store.of_kind("clusters") if c.name == name and c.body["location"] != location]
        return root / (f"{name}-{location}" if others else name)


def method_of(cloud: Cloud, method_id: str) -> Method:
    """A method of v1 by its id, for what GKE asks of itself."""
    return next(method for method in cloud.catalog.documents["container.v1"].methods() if method.id == method_id)


def gke_of(cloud: Cloud) -> Gke:
    """The one Gke object of a cloud."""
    return cloud.part(Gke)


def zones_of(location: str) -> tuple[str, ...]:
    """The zones of a region, or of a zone's region; empty when the location does not exist."""
    region = location if location in places.REGIONS else places.region_of(location)
    zones = tuple(places.zones_of(region)) if region in places.REGIONS else ()
    return zones if location == region or location in zones else ()


def offers(zone: str, machine: str) -> bool:
    """Says whether a machine type is offered in a zone."""
    known = container_machines.find(machine)
    return known is not None and places.offers(zone, known.family)


def project_of(request: Request) -> str:
    """The id of the project in the path, whether the path has its id or its number."""
    assert request.project is not None
    return request.project.id


def cluster_path(request: Request) -> str:
    """The path of the cluster that a request is about."""
    location, name = request.params["locationsId"], request.params["clustersId"]
    return f"projects/{project_of(request)}/locations/{location}/clusters/{name}"


def pool_path(request: Request) -> str:
    """The path of the node pool that a request is about."""
    return f"{cluster_path(request)}/nodePools/{request.params['nodePoolsId']}"


def shown(path: str) -> str:
    """A path as GKE's messages write it: zones/ for what is zonal."""
    return container_operations.link(path, "v1", path.split("/")[1]).split("/v1/", 1)[1]


def find_cluster(cloud: Cloud, request: Request) -> Resource:
    """The cluster, or GKE's 404."""
    path = cluster_path(request)
    found = cloud.store.get(path)
    if found is None:
        raise ApiError(404, f"Not found: {shown(path)}.")
    return found


def find_pool(cloud: Cloud, request: Request) -> Resource:
    """The node pool, or GKE's 404 (the cluster's when there is no cluster)."""
    find_cluster(cloud, request)
    found = cloud.store.get(pool_path(request))
    if found is None:
        raise ApiError(404, f'Not found: node pool "{request.params["nodePoolsId"]}" not found.')
    return found


def pools_of(cloud: Cloud, cluster: Resource) -> list[Resource]:
    """The pools of a cluster, oldest first."""
    pools = cloud.store.children(f"{cluster.path}/nodePools")
    return sorted(pools, key=lambda pool: pool.hidden.get("order", 0))


def already_exists(path: str) -> ApiError:
    """GKE's 409."""
    return ApiError(409, f"Already exists: {shown(path)}.")


def check_etag(given: str, current: str) -> None:
    """An etag is optional, but a stale one is refused."""
    if given and given != current:
        message = "The etag does not match: the resource has changed since it was read."
        raise ApiError(409, message, status="ABORTED", reason="aborted")


def check_location(request: Request) -> tuple[str, ...]:
    """The zones that a new cluster could use."""
    location = request.params["locationsId"]
    zones = zones_of(location)
    if not zones:
        raise invalid(f'Location "{location}" does not exist.')
    return zones


def check_may_start(cloud: Cloud, kind: str, target: str, cluster: Resource) -> None:
    """Refuses what GKE would not run beside what is running."""
    running = [operation for operation in cloud.operations.running(cluster.path) if operation.api == "container"]
    container_operations.check_may_start(kind, target, cluster.path, cluster.body["status"], running)


def start(
    cloud: Cloud,
    request: Request,
    kind: str,
    target: str,
    *,
    effect: Callable[[Operation], float | None] | None = None,
    on_failed: Callable[[Operation], None] | None = None,
    details: Json | None = None,
    duration: float | None = None,
) -> Json:
    """Starts the operation and answers it; what concerns a pool is PENDING first."""
    location = target.split("/")[3]
    pending = PENDING_SECONDS if "/nodePools/" in target else 0.0
    operation = cloud.operations.start(
        request,
        kind=kind,
        target=target,
        scope=f"locations/{location}",
        pending=pending,
        duration=duration,
        on_done=effect,
        on_failed=on_failed,
        details=details,
    )
    first = rendered(cloud, request, operation)
    first.pop("progress", None)  # the first answer never tells any
    return first


def rendered(cloud: Cloud, request: Request, operation: Operation) -> Json:
    """The operation in the version of the API that was called."""
    project = cloud.project(operation.project)
    number = project.number if project else operation.project
    return container_operations.render(operation, request.method.version, number)


def outcome(future: Future[Any]) -> Any:
    """The result of a finished future; what went wrong becomes the operation's error."""
    try:
        return future.result(0)
    except ClusterError as error:
        raise OperationFailed("INTERNAL", str(error), form=container_operations.FULL) from error


def mark_failed(resource: Resource, operation: Operation) -> None:
    """Leaves a resource as a failed operation leaves it: its state, and the reason in both of its places."""
    failure = operation.failure
    assert failure is not None
    status = failure.leaves or ("ERROR" if operation.kind.startswith(("CREATE_", "DELETE_")) else "RUNNING")
    if status == "RUNNING":
        mark_running(resource)
        return
    resource.body["status"] = status
    resource.body["statusMessage"] = failure.message
    resource.body["conditions"] = container_operations.conditions(failure)


def mark_running(resource: Resource) -> None:
    """Good again: no reason left over."""
    resource.body["status"] = "RUNNING"
    resource.body.pop("statusMessage", None)
    resource.body.pop("conditions", None)
