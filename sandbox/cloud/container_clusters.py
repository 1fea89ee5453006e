# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""container.projects.locations.clusters: create, get, list, delete and every kind of update."""

from __future__ import annotations

import copy
import os
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.cloud import (
    container_answers,
    container_instances,
    container_network,
    container_pool_rules,
    policies,
)
from sandbox.cloud import container_defaults as defaults
from sandbox.cloud import container_node_pools as node_pools
from sandbox.cloud import container_operations as ops
from sandbox.cloud import container_provision as provision
from sandbox.cloud import container_updates as updates
from sandbox.cloud import container_world as world
from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.compute import places
from sandbox.cloud.container_pools import Json
from sandbox.cloud.container_world import CLUSTERS
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.operations import Operation
from sandbox.cloud.registry import method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud


def _region(location: str) -> str:
    return location if location in places.REGIONS else places.region_of(location)


def _locations(asked: Json, location: str, zones: tuple[str, ...]) -> tuple[str, ...]:
    """The zones of the nodes: as asked, the cluster's own zone, or three of its region."""
    if asked.get("locations"):
        container_pool_rules.check_zones(asked["locations"], zones, location)
        return tuple(asked["locations"])
    return (location,) if location in zones else zones[:3]


def _check_asked(asked: Json, project: str) -> None:
    container_pool_rules.check_name(asked.get("name", ""), "cluster.name")
    if asked.get("nodePools") and (asked.get("initialNodeCount") or asked.get("nodeConfig")):
        raise invalid("Cluster.node_pools cannot be given together with initial_node_count or node_config.")
    if asked.get("autopilot", {}).get("enabled"):
        raise ApiError(501, "The sandbox does not implement Autopilot clusters.")
    for pool in defaults.default_pools(asked):
        if not pool.get("initialNodeCount") and not pool.get("autoscaling", {}).get("enabled"):
            raise invalid("Cluster.initial_node_count must be greater than zero.")
    names = [pool.get("name") for pool in defaults.default_pools(asked)]
    if len(set(names)) != len(names):
        raise invalid("Cluster.node_pools must have different names.")
    updates.check_workload_pool(asked.get("workloadIdentityConfig", {}), project)


def _new_cluster(cloud: Cloud, request: Request, asked: Json, path: str) -> Resource:
    """Checks everything, then stores the cluster with its pools."""
    project, location = world.project_of(request), request.params["locationsId"]
    zones = world.check_location(request)
    _check_asked(asked, project)
    version = container_pool_rules.check_version(asked.get("initialClusterVersion", ""), "Master")
    cluster_id = cloud.store.hex(64)
    place = container_network.choose_place(cloud.store, project, _region(location), asked, cluster_id)
    control_plane = next(container_instances.free_addresses(cloud.store, place.subnetwork), "")
    context = defaults.ClusterContext(
        project=project,
        location=location,
        locations=_locations(asked, location, zones),
        cluster_id=cluster_id,
        network=place.network,
        subnetwork=place.subnetwork,
        pods_range=place.pods_range,
        pods_cidr=place.pods_cidr,
        services_cidr=place.services_cidr,
        version=version,
        endpoint="",
        private_endpoint=control_plane,
        create_time=utc_timestamp(),
        link=ops.link(path, "v1", project),
    )
    cluster = Resource(path, defaults.filled_cluster(asked, context))
    updates.check_features(cluster.body)
    pools = [node_pools.checked_pool(cloud, cluster, pool) for pool in defaults.default_pools(asked)]
    stored = cloud.store.put(path, cluster.body, place=place, control_plane_address=control_plane)
    for pool in pools:
        node_pools.store_pool(cloud, stored, pool)
    policies.make_workload_pool(cloud, asked.get("workloadIdentityConfig", {}).get("workloadPool", ""))
    container_network.occupy(cloud.store, place, project)
    stored.hidden["firewalls"] = container_network.make_firewalls(cloud.store, project, cluster.name, cluster_id, place)
    return stored


def features_of(body: Json) -> Json:
    """What the process behind a cluster has to have or not, by the cluster's configuration."""
    gateway = body["networkConfig"].get("gatewayApiConfig", {}).get("channel", "")
    return {
        "gateway_api": gateway in ("CHANNEL_STANDARD", "CHANNEL_EXPERIMENTAL"),
        "managed_prometheus": bool(body["monitoringConfig"].get("managedPrometheusConfig", {}).get("enabled")),
    }


def process_config(cloud: Cloud, cluster: Resource) -> Json:
    """What the process behind a cluster is told, but for the sockets it is given."""
    body, place, settings = cluster.body, cluster.hidden["place"], cloud.settings
    directory = world.gke_of(cloud).cluster_directory(cluster.name, body["location"])
    run_dir = settings.run_dir or directory
    return {
        **features_of(body),
        "name": cluster.name,
        "project": provision.project_in(cluster.path),
        "location": body["location"],
        "zones": sorted(body["locations"]),
        "version": body["currentMasterVersion"],
        "pod_cidr": place.pods_cidr,
        "service_cidr": place.services_cidr,
        "subnet_range": place.subnet_cidr,
        "network": place.network,
        "subnetwork": place.subnetwork,
        "dir": str(directory),
        "cloud_socket": str(run_dir / "cloud.sock"),
        "control_socket": str(run_dir / f"cluster-{body['id'][:8]}.sock"),
        "addons": body["addonsConfig"],
        "workload_pool": body.get("workloadIdentityConfig", {}).get("workloadPool", ""),
        "time_scale": settings.time_scale,
        "tools": str(settings.tools or os.environ.get("LLM_D_TOOLS") or Path(__file__).resolve().parents[2] / ".tools"),
    }


def _broken(cloud: Cloud, cluster: Resource, why: str) -> None:
    """The process behind a cluster ended by itself."""
    with cloud.store.lock:
        if cluster.body["status"] in ("RUNNING", "RECONCILING"):
            condition = {"canonicalCode": "INTERNAL", "message": why}
            cluster.body |= {"status": "ERROR", "statusMessage": why, "conditions": [condition]}


def _connect(cluster: Resource, endpoint: str, certificate: str) -> None:
    body = cluster.body
    body["endpoint"] = endpoint
    body["masterAuth"] = {"clientCertificateConfig": {}, "clusterCaCertificate": certificate}
    body["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["publicEndpoint"] = endpoint
    body["privateClusterConfig"]["publicEndpoint"] = endpoint


@method(f"{CLUSTERS}.create")
def create(cloud: Cloud, request: Request) -> Json:
    asked = copy.deepcopy(request.body.get("cluster", {}))
    location = f"projects/{world.project_of(request)}/locations/{request.params['locationsId']}"
    path = f"{location}/clusters/{asked.get('name', '')}"
    if cloud.store.get(path) is not None:
        raise world.already_exists(path)
    cluster = _new_cluster(cloud, request, asked, path)
    gke = world.gke_of(cloud)
    started = gke.backend.start(path, process_config(cloud, cluster), lambda why: _broken(cloud, cluster, why))

    def connect() -> None:
        state = started.result(0)
        _connect(cluster, state["endpoint"], state["ca_certificate"])

    pools = world.pools_of(cloud, cluster)
    builders = [lambda pool=pool: provision.build_nodes(cloud, gke, pool) for pool in pools]

    def running() -> None:
        for resource in (cluster, *pools):
            world.mark_running(resource)

    def failed(operation: Operation) -> None:
        for resource in (cluster, *pools):
            world.mark_failed(resource, operation)
        if cluster.body["status"] == "ERROR":
            for pool in pools:
                provision.drop_nodes(cloud, pool)
        _delete_later(cloud, request, cluster, operation)

    effect = provision.Steps(gke, lambda: started, connect, *builders, running)
    return world.start(cloud, request, ops.CREATE_CLUSTER, path, effect=effect, on_failed=failed)


def _answer(cloud: Cloud, request: Request, cluster: Resource) -> Json:
    found = world.pools_of(cloud, cluster)
    pools, nodes = [pool.body for pool in found], [len(pool.hidden.get("built", [])) for pool in found]
    rng = world.gke_of(cloud).random
    return container_answers.cluster_answer(cluster.body, pools, nodes, request.method.version, rng)


@method(f"{CLUSTERS}.get")
def get(cloud: Cloud, request: Request) -> Json:
    return _answer(cloud, request, world.find_cluster(cloud, request))


@method(f"{CLUSTERS}.list")
def list_clusters(cloud: Cloud, request: Request) -> Json:
    """Of one location, or of all of them (-)."""
    project, location = world.project_of(request), request.params["locationsId"]
    if location != "-":
        world.check_location(request)
    clusters = [
        _answer(cloud, request, cluster)
        for cluster in cloud.store.of_kind("clusters")
        if provision.project_in(cluster.path) == project and location in ("-", cluster.body["location"])
    ]
    return {"clusters": clusters} if clusters else {}


@method(f"{CLUSTERS}.delete")
def delete(cloud: Cloud, request: Request) -> Json:
    cluster = world.find_cluster(cloud, request)
    world.check_may_start(cloud, ops.DELETE_CLUSTER, cluster.path, cluster)
    return _start_delete(cloud, request, cluster)


def _delete_later(cloud: Cloud, request: Request, cluster: Resource, operation: Operation) -> None:
    """What a failed create or delete leaves behind GKE deletes by itself, some day."""
    after = operation.failure.deleted_after if operation.failure else None
    if after is None:
        return

    def try_again() -> None:
        with cloud.store.lock:
            still_there = cloud.store.get(cluster.path) is cluster and cluster.body["status"] == "ERROR"
            if still_there and not cloud.operations.running(cluster.path):
                own = Request(world.method_of(cloud, f"{CLUSTERS}.delete"), {}, {}, world.GKE, project=request.project)
                _start_delete(cloud, own, cluster)

    cloud.clock.call_after(after, try_again)


def _start_delete(cloud: Cloud, request: Request, cluster: Resource) -> Json:
    gke, pools = world.gke_of(cloud), world.pools_of(cloud, cluster)
    for resource in (cluster, *pools):
        resource.body["status"] = "STOPPING"

    def gone() -> None:
        """Instances, rules and ranges that came with the cluster go; what its load balancers made stays."""
        for pool in pools:
            provision.drop_nodes(cloud, pool)
            cloud.store.delete(pool.path)
        for firewall in cluster.hidden["firewalls"]:
            cloud.store.delete(firewall)
        container_network.vacate(cloud.store, cluster.hidden["place"])
        cloud.store.delete(cluster.path)

    def failed(operation: Operation) -> None:
        world.mark_failed(cluster, operation)
        _delete_later(cloud, request, cluster, operation)

    effect = provision.Steps(gke, lambda: gke.backend.stop(cluster.path), gone)
    return world.start(cloud, request, ops.DELETE_CLUSTER, cluster.path, effect=effect, on_failed=failed)


def _start_change(cloud: Cloud, request: Request, cluster: Resource, new_body: Json) -> Json:
    """Starts an operation at whose end the cluster is ``new_body``."""
    world.check_may_start(cloud, ops.UPDATE_CLUSTER, cluster.path, cluster)
    cluster.body["status"] = "RECONCILING"

    def apply() -> None:
        cluster.body = new_body
        policies.make_workload_pool(cloud, new_body.get("workloadIdentityConfig", {}).get("workloadPool", ""))
        world.mark_running(cluster)

    gke = world.gke_of(cloud)

    def configure() -> Future[None] | None:
        """Only what the process behind the cluster has to know."""
        wanted = features_of(new_body)
        return None if wanted == features_of(cluster.body) else gke.backend.configure(cluster.path, wanted)

    effect = provision.Steps(gke, configure, apply)
    return world.start(
        cloud,
        request,
        ops.UPDATE_CLUSTER,
        cluster.path,
        effect=effect,
        on_failed=lambda op: world.mark_failed(cluster, op),
    )


@method(f"{CLUSTERS}.update")
def update(cloud: Cloud, request: Request) -> Json:
    cluster = world.find_cluster(cloud, request)
    asked = request.body.get("update", {})
    world.check_etag(asked.get("etag", ""), container_answers.cluster_etag(cluster.body))
    if updates.requested_fields(asked) == ["desiredNodePoolAutoscaling"]:
        return _autoscaling(cloud, request, cluster, asked)
    new_body = updates.updated_cluster(cluster.body, asked, world.project_of(request))
    return _start_change(cloud, request, cluster, new_body)


def _autoscaling(cloud: Cloud, request: Request, cluster: Resource, asked: Json) -> Json:
    name = asked.get("desiredNodePoolId", "")
    pool = cloud.store.get(f"{cluster.path}/nodePools/{name}")
    if pool is None:
        raise ApiError(404, f'Not found: node pool "{name}" not found.')
    return node_pools.start_autoscaling(cloud, request, pool, asked["desiredNodePoolAutoscaling"])


@method(f"{CLUSTERS}.setResourceLabels")
def set_resource_labels(cloud: Cloud, request: Request) -> Json:
    """The map replaces the old one; whoever changes it must have seen the old one."""
    cluster = world.find_cluster(cloud, request)
    current = container_answers.label_fingerprint(cluster.body.get("resourceLabels", {}))
    if request.body.get("labelFingerprint", "") != current:
        raise ApiError(412, "Labels could not be set due to fingerprint mismatch.")
    labels = request.body.get("resourceLabels", {})
    return _start_change(cloud, request, cluster, copy.deepcopy(cluster.body) | {"resourceLabels": labels})


@method(f"{CLUSTERS}.setMaintenancePolicy")
def set_maintenance_policy(cloud: Cloud, request: Request) -> Json:
    cluster = world.find_cluster(cloud, request)
    policy = request.body.get("maintenancePolicy", {})
    current = container_answers.resource_version(cluster.body.get("maintenancePolicy", {}))
    if policy.get("resourceVersion", "") != current:
        raise ApiError(412, "The resource version of the maintenance policy does not match; read it again.")
    kept = {key: value for key, value in policy.items() if key != "resourceVersion"}
    return _start_change(cloud, request, cluster, copy.deepcopy(cluster.body) | {"maintenancePolicy": kept})
