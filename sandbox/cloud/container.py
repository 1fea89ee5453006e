# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The container API (v1, and v1beta1 with the same bodies): operations and server config here, the rest beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud import container_clusters, container_mischief, container_node_pools
from sandbox.cloud import container_operations as ops
from sandbox.cloud import container_world as world
from sandbox.cloud.container_defaults import DEFAULT_VERSION
from sandbox.cloud.errors import ApiError
from sandbox.cloud.operations import Operation, OperationFailed
from sandbox.cloud.registry import method, on_start, on_stop
from sandbox.cloud.request import Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

__all__ = ["container_clusters", "container_mischief", "container_node_pools"]

Json = dict[str, Any]

OPERATIONS = "container.projects.locations.operations"
CHANNELS = ("RAPID", "REGULAR", "STABLE", "EXTENDED")


@on_start
def start(cloud: Cloud) -> None:
    world.gke_of(cloud)


@on_stop
def stop(cloud: Cloud) -> None:
    world.gke_of(cloud).backend.close()


def _find(cloud: Cloud, request: Request) -> Operation:
    name, location = request.params["operationsId"], request.params["locationsId"]
    found = cloud.operations.get(name)
    ours = found is not None and found.api == "container" and found.project == world.project_of(request)
    if found is None or not ours or found.scope != f"locations/{location}":
        place = world.shown(f"projects/{world.project_of(request)}/locations/{location}/operations/{name}")
        raise ApiError(404, f"Not found: {place}.")
    return found


@method(f"{OPERATIONS}.get")
def get_operation(cloud: Cloud, request: Request) -> Json:
    return world.rendered(cloud, request, _find(cloud, request))


@method(f"{OPERATIONS}.list")
def list_operations(cloud: Cloud, request: Request) -> Json:
    """All of a location, or of the project (-); neither filtered nor paged."""
    location = request.params["locationsId"]
    found = [
        world.rendered(cloud, request, operation)
        for operation in cloud.operations.find(api="container", project=world.project_of(request))
        if location == "-" or operation.scope == f"locations/{location}"
    ]
    return {"operations": found} if found else {}


@method(f"{OPERATIONS}.cancel")
def cancel_operation(cloud: Cloud, request: Request) -> Json:
    operation = _find(cloud, request)
    ops.check_may_cancel(operation)
    cloud.operations.finish(operation, OperationFailed("CANCELLED", "Operation was cancelled.", leaves="RUNNING"))
    return {}


@method("container.projects.locations.getServerConfig")
def server_config(cloud: Cloud, request: Request) -> Json:
    """One version in every channel: that of the control plane that the sandbox runs."""
    world.check_location(request)
    versions = [DEFAULT_VERSION]
    return {
        "channels": [
            {"channel": channel, "defaultVersion": DEFAULT_VERSION, "validVersions": versions} for channel in CHANNELS
        ],
        "defaultClusterVersion": DEFAULT_VERSION,
        "defaultImageType": "COS_CONTAINERD",
        "validImageTypes": ["COS_CONTAINERD", "UBUNTU_CONTAINERD"],
        "validMasterVersions": versions,
        "validNodeVersions": versions,
    }
