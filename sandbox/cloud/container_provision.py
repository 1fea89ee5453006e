# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The nodes of a pool, from a pool's body to instances, reservations and the cluster's process, and back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from sandbox.cloud import (
    container_groups,
    container_instances,
    container_machines,
    container_nodes,
    container_pools,
    container_reservations,
)
from sandbox.cloud.compute import reservations as compute_reservations
from sandbox.cloud.container_operations import FULL
from sandbox.cloud.container_pools import Json
from sandbox.cloud.container_world import Gke, outcome
from sandbox.cloud.operations import OperationFailed
from sandbox.cloud.store import Resource, Store

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud


def cluster_of(store: Store, pool: Resource) -> Resource:
    """The cluster that a pool belongs to."""
    cluster = store.get(pool.path.rsplit("/nodePools/", 1)[0])
    assert cluster is not None
    return cluster


def project_in(path: str) -> str:
    """The project's id in a path."""
    return path.split("/")[1]


def _reservation(cloud: Cloud, claim: container_reservations.Claim, zone: str, ours: str) -> Resource | None:
    """The reservation, if it is there and shared with us."""
    path = f"projects/{claim.project}/zones/{zone}/reservations/{claim.name}"
    found = cloud.store.get(path)
    if found is None or cloud.faults.has_habit("reservation_absent", path):
        return None
    if claim.project == ours:
        return found
    if cloud.faults.has_habit("reservation_not_shared", path):
        return None
    shared = found.body.get("shareSettings", {})
    projects = shared.get("projectMap", {})
    numbers = {project.id: project.number for project in cloud.settings.projects}
    ours_in_map = ours in projects or numbers.get(ours, "") in projects
    return found if shared.get("shareType") == "SPECIFIC_PROJECTS" and ours_in_map else None


def check_reservation(cloud: Cloud, cluster: Resource, pool: Json, more_per_zone: int) -> None:
    """Refuses a pool (or its growth) that its reservation can't carry in one of its zones."""
    project = project_in(cluster.path)
    claim = container_reservations.claim_of(pool, project)
    if claim is None or more_per_zone <= 0:
        return
    machine = pool["config"]["machineType"]
    for zone in sorted(pool["locations"]):
        reservation = _reservation(cloud, claim, zone, project)
        body = compute_reservations.seen(cloud, reservation) if reservation else None
        container_reservations.check(claim, body, pool["name"], zone, machine, more_per_zone)


def _settle_reservation(cloud: Cloud, pool: Resource, per_zone: int) -> None:
    """Makes the reservation carry ``per_zone`` machines of this pool in each zone."""
    project = project_in(pool.path)
    claim = container_reservations.claim_of(pool.body, project)
    if claim is None:
        return
    used: dict[str, int] = pool.hidden.setdefault("reserved", {})
    for zone in sorted(set(used) | set(pool.body["locations"])):
        reservation = _reservation(cloud, claim, zone, project)
        wanted = per_zone if zone in pool.body["locations"] else 0
        if reservation is not None:
            reservation.body = container_reservations.with_use(reservation.body, wanted - used.get(zone, 0))
        used[zone] = wanted


def plan_nodes(cloud: Cloud, gke: Gke, pool: Resource, per_zone: int, *, anew: bool = False) -> None:
    """Decides the pool's nodes and takes their machines out of the reservation."""
    cluster = cluster_of(cloud.store, pool)
    zones = container_pools.groups_by_zone(pool.body)
    for zone in pool.body["locations"]:
        if zone not in zones:
            group = f"{gke.random.getrandbits(32):08x}"
            url = container_pools.instance_group_url(project_in(pool.path), zone, cluster.name, pool.name, group)
            pool.body["instanceGroupUrls"].append(url)
    pool.body["instanceGroupUrls"] = [
        url for url in pool.body["instanceGroupUrls"] if url.split("/zones/")[1].split("/")[0] in pool.body["locations"]
    ]
    old = pool.hidden.get("nodes", [])
    kept = [] if anew else old
    pool.hidden["nodes"] = container_nodes.node_names(cluster.name, pool.body, per_zone, gke.random, kept)
    _settle_reservation(cloud, pool, per_zone)


def build_nodes(cloud: Cloud, gke: Gke, pool: Resource) -> Future[None]:
    """Makes instances and nodes what ``plan_nodes`` decided."""
    cluster = cluster_of(cloud.store, pool)
    project, nodes = project_in(pool.path), pool.hidden["nodes"]
    built = pool.hidden.get("built", [])
    staying = {node["name"] for node in nodes}
    container_instances.remove(cloud.store, project, [node for node in built if node["name"] not in staying])
    container_instances.make(cloud.store, project, cluster.body, pool.body, nodes)
    pool.hidden["built"] = list(nodes)
    owner = cloud.project(project)
    assert owner is not None
    groups = pool.hidden.get("groups", [])
    pool.hidden["groups"] = container_groups.settle(cloud.store, owner, pool.body, nodes, groups)
    objects = container_nodes.node_objects(pool.body, nodes)
    late = _registers_late(cloud, pool)
    if late is None:
        return gke.backend.put_pool(cluster.path, pool.name, objects)

    def register() -> None:
        with cloud.store.lock:
            if cloud.store.get(pool.path) is pool and pool.hidden.get("built") == nodes:
                gke.backend.put_pool(cluster.path, pool.name, objects)

    cloud.clock.call_after(late, register)
    return gke.backend.put_pool(cluster.path, pool.name, container_nodes.without_devices(objects))


def _registers_late(cloud: Cloud, pool: Resource) -> float | None:
    """After how many cloud seconds the device plugin of a TPU pool's new nodes registers, if not at once."""
    machine = container_machines.find(pool.body["config"]["machineType"])
    if machine is None or machine.tpu is None or not pool.hidden["nodes"]:
        return None
    habit = cloud.faults.habit("tpu_not_registered", pool.path)
    return habit.seconds if habit else None


def check_quota(cloud: Cloud, pool: Resource) -> None:
    """A pool on demand finds out at its end that there is no quota; reserved machines need none."""
    region = "-".join(pool.body["locations"][0].split("-")[:2])
    reserved = container_reservations.claim_of(pool.body, project_in(pool.path)) is not None
    if reserved or not cloud.faults.has_habit("quota_zero", f"projects/{project_in(pool.path)}/regions/{region}"):
        return
    message = (
        "Google Compute Engine: Not all instances running in IGM after 35s. Expect "
        f"{len(pool.hidden['nodes'])}. Current errors: [GCE_QUOTA_EXCEEDED]: Instance creation failed: Quota 'CPUS' "
        f"exceeded. Limit: 0.0 in region {region}."
    )
    raise OperationFailed("RESOURCE_EXHAUSTED", message, form=FULL, condition="GCE_QUOTA_EXCEEDED", leaves="ERROR")


def drop_nodes(cloud: Cloud, pool: Resource) -> None:
    """Gives back instances and reserved machines; the nodes themselves are the backend's."""
    container_instances.remove(cloud.store, project_in(pool.path), pool.hidden.get("built", []))
    pool.hidden["built"] = pool.hidden["nodes"] = []
    container_groups.remove(cloud.store, pool.hidden.pop("groups", []))
    _settle_reservation(cloud, pool, 0)


class Steps:
    """An effect made of steps that answer futures: each look goes on as far as it can without waiting.

    A step is called once; the effect waits for its future and hands the result to the next step's turn.
    """

    def __init__(self, gke: Gke, *steps: Callable[[], Future[Any] | None]) -> None:
        self._gke = gke
        self._steps = list(steps)
        self._waiting: Future[Any] | None = None

    def __call__(self, _operation: object) -> float | None:
        while True:
            if self._waiting is not None:
                if not self._waiting.done():
                    return self._gke.look_again()
                finished, self._waiting = self._waiting, None
                outcome(finished)
            if not self._steps:
                return None
            self._waiting = self._steps.pop(0)()
