# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""container.projects.locations.clusters.nodePools: create, get, list, delete and every kind of update."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from sandbox.cloud import container_answers, container_machines, container_pool_rules, container_pools
from sandbox.cloud import container_names as names
from sandbox.cloud import container_operations as ops
from sandbox.cloud import container_provision as provision
from sandbox.cloud import container_updates as updates
from sandbox.cloud import container_world as world
from sandbox.cloud.container_pools import Json, PoolContext
from sandbox.cloud.container_world import POOLS
from sandbox.cloud.errors import invalid
from sandbox.cloud.operations import Operation
from sandbox.cloud.registry import method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud


def context_of(cluster: Resource) -> PoolContext:
    """What a new pool takes over from its cluster."""
    body = cluster.body
    return PoolContext(
        project=provision.project_in(cluster.path),
        cluster=cluster.name,
        locations=tuple(body["locations"]),
        version=body["currentMasterVersion"],
        subnetwork=body["networkConfig"]["subnetwork"],
        pods_range=body["ipAllocationPolicy"]["clusterSecondaryRangeName"],
        pods_cidr=body["clusterIpv4Cidr"],
        max_pods=int(body["defaultMaxPodsConstraint"]["maxPodsPerNode"]),
        workload_pool=body.get("workloadIdentityConfig", {}).get("workloadPool", ""),
        link=body["selfLink"],
    )


def check_service_account(cloud: Cloud, project: str, config: Json) -> None:
    """Nodes run as an account that exists, or as the project's default one."""
    account = config.get("serviceAccount", "default")
    if account == "default" or account.endswith("-compute@developer.gserviceaccount.com"):
        return
    if cloud.store.get(f"projects/{project}/serviceAccounts/{account}") is None:
        raise invalid(
            f'The user does not have access to service account "{account}". Ask a project owner to grant you the '
            "iam.serviceAccountUser role on the service account."
        )


def _check_placement(cloud: Cloud, project: str, policy: str, zone: str) -> None:
    """A named placement policy is a resource policy of compute, in the pool's region."""
    path = f"projects/{project}/regions/{zone.rpartition('-')[0]}/resourcePolicies/{policy}"
    if policy and cloud.store.get(path) is None:
        raise invalid(f"Placement policy '{path}' was not found.")


def _refuses_topology(cloud: Cloud, cluster: Resource, asked: Json) -> bool:
    """Reports of what Google does with a topology on single-host pools differ; the sandbox can do either."""
    if not asked.get("placementPolicy", {}).get("tpuTopology"):
        return False
    return cloud.faults.habit("topology_refused", f"{cluster.path}/nodePools/{asked.get('name', '')}") is not None


def checked_pool(cloud: Cloud, cluster: Resource, asked: Json) -> Json:
    """The body to store for a pool that is asked for, or GKE's refusal."""
    context = context_of(cluster)
    zones = list(asked.get("locations") or context.locations)
    container_pool_rules.check_pool(
        asked,
        location=cluster.body["location"],
        zones=zones,
        known_zones=world.zones_of(cluster.body["location"]),
        workload_pool=context.workload_pool,
        offered=world.offers,
        refuse_single_host_topology=_refuses_topology(cloud, cluster, asked),
    )
    check_service_account(cloud, context.project, asked.get("config", {}))
    _check_placement(cloud, context.project, asked.get("placementPolicy", {}).get("policyName", ""), zones[0])
    gke = world.gke_of(cloud)
    pool = container_pools.filled_pool(asked, context, gke.random)
    provision.check_reservation(cloud, cluster, pool, container_pools.nodes_per_zone(pool))
    return pool


def store_pool(cloud: Cloud, cluster: Resource, pool: Json) -> Resource:
    """Stores a new pool and takes what it needs out of its reservation."""
    order = cluster.hidden["pools_made"] = cluster.hidden.get("pools_made", 0) + 1
    resource = cloud.store.put(f"{cluster.path}/nodePools/{pool['name']}", pool, order=order)
    provision.plan_nodes(cloud, world.gke_of(cloud), resource, container_pools.nodes_per_zone(pool))
    return resource


@method(f"{POOLS}.create")
def create(cloud: Cloud, request: Request) -> Json:
    cluster = world.find_cluster(cloud, request)
    asked = copy.deepcopy(request.body.get("nodePool", {}))
    path = f"{cluster.path}/nodePools/{asked.get('name', '')}"
    if cloud.store.get(path) is not None:
        raise world.already_exists(path)
    world.check_may_start(cloud, ops.CREATE_POOL, path, cluster)
    pool = store_pool(cloud, cluster, checked_pool(cloud, cluster, asked))
    gke = world.gke_of(cloud)

    def failed(operation: Operation) -> None:
        world.mark_failed(pool, operation)
        if pool.body["status"] == "RUNNING_WITH_ERROR" and len(pool.hidden["nodes"]) > 1:
            pool.hidden["nodes"] = pool.hidden["nodes"][: len(pool.hidden["nodes"]) // 2]
            provision.build_nodes(cloud, gke, pool)
        elif pool.body["status"] != "RUNNING_WITH_ERROR":
            provision.drop_nodes(cloud, pool)

    effect = provision.Steps(
        gke,
        lambda: provision.check_quota(cloud, pool),
        lambda: provision.build_nodes(cloud, gke, pool),
        lambda: world.mark_running(pool),
    )
    return world.start(cloud, request, ops.CREATE_POOL, path, effect=effect, on_failed=failed)


@method(f"{POOLS}.get")
def get(cloud: Cloud, request: Request) -> Json:
    pool = world.find_pool(cloud, request)
    return container_answers.pool_answer(pool.body, request.method.version, world.gke_of(cloud).random)


@method(f"{POOLS}.list")
def list_pools(cloud: Cloud, request: Request) -> Json:
    cluster = world.find_cluster(cloud, request)
    rng, version = world.gke_of(cloud).random, request.method.version
    pools = [container_answers.pool_answer(pool.body, version, rng) for pool in world.pools_of(cloud, cluster)]
    return {"nodePools": pools} if pools else {}


@method(f"{POOLS}.delete")
def delete(cloud: Cloud, request: Request) -> Json:
    pool = world.find_pool(cloud, request)
    cluster = provision.cluster_of(cloud.store, pool)
    world.check_may_start(cloud, ops.DELETE_POOL, pool.path, cluster)
    pool.body["status"] = "STOPPING"
    gke = world.gke_of(cloud)

    def gone() -> None:
        provision.drop_nodes(cloud, pool)
        cloud.store.delete(pool.path)

    effect = provision.Steps(gke, lambda: gke.backend.delete_pool(cluster.path, pool.name), gone)
    return world.start(
        cloud, request, ops.DELETE_POOL, pool.path, effect=effect, on_failed=lambda op: world.mark_failed(pool, op)
    )


def _change(
    cloud: Cloud, request: Request, pool: Resource, kind: str, new_body: Json, per_zone: int, *, anew: bool
) -> Json:
    """Starts an operation that turns the pool into ``new_body`` with that many nodes in each zone."""
    gke = world.gke_of(cloud)
    pool.body["status"] = "RECONCILING"
    replaced = len(pool.hidden.get("built", [])) if anew else 0

    def apply() -> None:
        pool.body = new_body | {"etag": names.etag(gke.random), "status": "RECONCILING"}
        provision.plan_nodes(cloud, gke, pool, per_zone, anew=anew)

    effect = provision.Steps(
        gke, apply, lambda: provision.build_nodes(cloud, gke, pool), lambda: world.mark_running(pool)
    )
    details = {"nodes_total": replaced} if kind == ops.UPGRADE_NODES else {}
    return world.start(
        cloud,
        request,
        kind,
        pool.path,
        effect=effect,
        on_failed=lambda op: world.mark_failed(pool, op),
        details=details,
    )


def _current_per_zone(pool: Resource) -> int:
    zones = max(1, len(container_pools.groups_by_zone(pool.body)))
    return len(pool.hidden.get("built", [])) // zones


@method(f"{POOLS}.update")
def update(cloud: Cloud, request: Request) -> Json:
    pool = world.find_pool(cloud, request)
    cluster = provision.cluster_of(cloud.store, pool)
    world.check_etag(request.body.get("etag", ""), pool.body["etag"])
    workload_pool = cluster.body.get("workloadIdentityConfig", {}).get("workloadPool", "")
    new_body, anew = updates.updated_pool(pool.body, request.body, workload_pool)
    container_pool_rules.check_zones(
        new_body["locations"], world.zones_of(cluster.body["location"]), cluster.body["location"]
    )
    container_pool_rules.check_machine(new_body["config"], new_body["locations"], world.offers)
    world.check_may_start(cloud, ops.UPGRADE_NODES, pool.path, cluster)
    new_zones = [zone for zone in new_body["locations"] if zone not in pool.body["locations"]]
    provision.check_reservation(cloud, cluster, new_body | {"locations": new_zones}, _current_per_zone(pool))
    return _change(cloud, request, pool, ops.UPGRADE_NODES, new_body, _current_per_zone(pool), anew=anew)


def _check_slice(pool: Json, count: int) -> None:
    """A multi-host slice can't be cut or stretched: all of its hosts, or none."""
    machine = container_machines.find(pool["config"]["machineType"])
    topology = pool.get("placementPolicy", {}).get("tpuTopology", "")
    hosts = container_machines.hosts_of(machine.tpu, topology) if machine and machine.tpu else 1
    if hosts > 1 and count not in (0, hosts):
        raise invalid(f"Node count {count} is not a valid size of TPU pod slice with topology {topology}")


@method(f"{POOLS}.setSize")
def set_size(cloud: Cloud, request: Request) -> Json:
    pool = world.find_pool(cloud, request)
    cluster = provision.cluster_of(cloud.store, pool)
    count = int(request.body.get("nodeCount", 0))
    if count < 0:
        raise invalid("Node count must not be negative.")
    _check_slice(pool.body, count)
    world.check_may_start(cloud, ops.SET_SIZE, pool.path, cluster)
    provision.check_reservation(cloud, cluster, pool.body, count - _current_per_zone(pool))
    new_body = copy.deepcopy(pool.body) | {"initialNodeCount": count}
    return _change(cloud, request, pool, ops.SET_SIZE, new_body, count, anew=False)


@method(f"{POOLS}.setManagement")
def set_management(cloud: Cloud, request: Request) -> Json:
    pool = world.find_pool(cloud, request)
    if "management" not in request.body:
        raise invalid("NodeManagement must be set.")
    cluster = provision.cluster_of(cloud.store, pool)
    world.check_may_start(cloud, ops.SET_MANAGEMENT, pool.path, cluster)
    asked = request.body["management"]
    wanted = {"autoRepair": bool(asked.get("autoRepair")), "autoUpgrade": bool(asked.get("autoUpgrade"))}
    if cluster.body.get("releaseChannel", {}).get("channel") and not wanted["autoUpgrade"]:
        raise invalid("Auto_upgrade must be true when the cluster is enrolled in a release channel.")

    def apply() -> None:
        pool.body["management"] = wanted
        pool.body["etag"] = names.etag(world.gke_of(cloud).random)

    effect = provision.Steps(world.gke_of(cloud), apply)
    return world.start(cloud, request, ops.SET_MANAGEMENT, pool.path, effect=effect)


def start_autoscaling(cloud: Cloud, request: Request, pool: Resource, scaling: Json) -> Json:
    """The two ways to change autoscaling (by the cluster, by the pool) do the same."""
    cluster = provision.cluster_of(cloud.store, pool)
    low, high = int(scaling.get("minNodeCount", 0)), int(scaling.get("maxNodeCount", 0))
    total_low, total_high = int(scaling.get("totalMinNodeCount", 0)), int(scaling.get("totalMaxNodeCount", 0))
    if scaling.get("enabled") and (low > high or total_low > total_high or not (high or total_high)):
        raise invalid("Autoscaling needs a maximum node count of at least one and not below the minimum.")
    world.check_may_start(cloud, ops.UPDATE_CLUSTER, pool.path, cluster)

    def apply() -> None:
        pool.body.pop("autoscaling", None)
        if scaling.get("enabled"):
            pool.body["autoscaling"] = {"locationPolicy": "BALANCED"} | scaling
        pool.body["etag"] = names.etag(world.gke_of(cloud).random)

    effect = provision.Steps(world.gke_of(cloud), apply)
    details = {"nodes_total": 0}
    return world.start(cloud, request, ops.UPDATE_CLUSTER, pool.path, effect=effect, details=details, duration=30)


@method(f"{POOLS}.setAutoscaling")
def set_autoscaling(cloud: Cloud, request: Request) -> Json:
    pool = world.find_pool(cloud, request)
    if "autoscaling" not in request.body:
        raise invalid("NodePoolAutoscaling must be set.")
    return start_autoscaling(cloud, request, pool, request.body["autoscaling"])
