# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""GKE node pools: their fields, and a set of them as one declaration.

This file is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import _ownership as ownership
from .._clients import Cloud
from .._clock import Deadline
from .._errors import Json, NotFoundError, OptionError
from .._fields import (
    Field,
    Update,
    argument_spec,
    dig,
    is_zero,
    same_labels,
    same_set,
    same_value,
    server_decides,
    wanted_body,
)
from .._plan import Kind, Policy, Target

POOLS = "container.projects.locations.clusters.nodePools"
TPU_TAINT = "google.com/tpu"
ANOTHER_POOL = "Make a pool of another name, or set `recreate: true` to have this one deleted and made again."


# ---- rules of our own ----------------------------------------------------------------------------------------------


def same_node_count(wanted: Any, found: Any, pool: Json) -> bool:
    """With an autoscaler, the number of nodes is not ours."""
    return bool(dig(pool, "autoscaling.enabled")) or same_value(wanted, found, pool)


def same_taints(wanted: Any, found: Any, pool: Json) -> bool:
    """TPU nodes get a taint from GKE."""
    asked = {taint.get("key") for taint in wanted or []}
    return same_set(wanted, [t for t in found or [] if t.get("key") != TPU_TAINT or TPU_TAINT in asked], pool)


def contains(wanted: Any, found: Any, _pool: Json) -> bool:
    """GKE adds entries of its own, so only those that are wanted count."""
    return all(str((found or {}).get(key)) == str(value) for key, value in (wanted or {}).items())


def chips_per_host(machine_type: str) -> int:
    """ct6e-standard-4t has 4; 0 when the name does not say."""
    match = re.fullmatch(r"(?:ct|tpu)\w*-.*?(\d+)t", machine_type)
    return int(match.group(1)) if match else 0


def chips_of(topology: str) -> int:
    """2x2 has 4, 2x2x4 has 16; 0 when it is not a topology."""
    if not re.fullmatch(r"\d+(x\d+){1,2}", topology):
        return 0
    product = 1
    for side in topology.split("x"):
        product *= int(side)
    return product


def same_topology(wanted: Any, found: Any, pool: Json) -> bool:
    """A single-host pool may have been made without the topology that it has anyway."""
    if same_value(wanted, found, pool):
        return True
    one_host = chips_of(str(wanted)) == chips_per_host(str(dig(pool, "config.machineType") or "")) > 0
    return is_zero(found) and one_host


# ---- table ---------------------------------------------------------------------------------------------------------


def _put(base: str, into: str, whole: bool = False) -> Update:
    return Update(f"{POOLS}.update", base=base, into=into, whole=whole)


MACHINE = Update(f"{POOLS}.update", base="config", into="")
MANAGEMENT = Update(f"{POOLS}.setManagement", base="management", into="management", whole=True)
AUTOSCALING = Update(
    "container.projects.locations.clusters.update",
    base="autoscaling",
    into="update.desiredNodePoolAutoscaling",
    whole=True,
    constant={"update.desiredNodePoolId": "{name}"},
)
SURGE = _put("upgradeSettings", "upgradeSettings", whole=True)
METADATA_MODES = ("GCE_METADATA", "GKE_METADATA")

ROWS = (
    Field(
        "initial_node_count",
        "int",
        same=same_node_count,
        update=Update(f"{POOLS}.setSize", base="initialNodeCount", into="nodeCount"),
    ),
    Field("locations", "list", same=same_set, update=_put("locations", "locations")),
    Field("version", same=server_decides),
    Field("config.machine_type", update=MACHINE),
    Field("config.disk_type", update=MACHINE),
    Field("config.disk_size_gb", "int", update=MACHINE),
    Field("config.image_type", update=_put("config.imageType", "imageType")),
    Field("config.labels", "dict", same=same_labels, update=_put("config.labels", "labels.labels")),
    Field(
        "config.taints",
        same=same_taints,
        items=(
            Field("key", required=True),
            Field("value", default=""),
            Field("effect", required=True, choices=("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE")),
        ),
        update=_put("config.taints", "taints.taints"),
    ),
    Field("config.tags", "list", same=same_set, update=_put("config.tags", "tags.tags")),
    Field(
        "config.resource_labels",
        "dict",
        same=same_labels,
        update=_put("config.resourceLabels", "resourceLabels.labels"),
    ),
    Field("config.gvnic.enabled", "bool", update=_put("config.gvnic", "gvnic")),
    Field("config.gcfs_config.enabled", "bool", update=_put("config.gcfsConfig", "gcfsConfig")),
    Field(
        "config.workload_metadata_config.mode",
        choices=METADATA_MODES,
        update=_put("config.workloadMetadataConfig", "workloadMetadataConfig"),
    ),
    Field("config.kubelet_config.cpu_manager_policy", update=_put("config.kubeletConfig", "kubeletConfig", whole=True)),
    Field(
        "config.kubelet_config.pod_pids_limit",
        "int64",
        update=_put("config.kubeletConfig", "kubeletConfig", whole=True),
    ),
    Field(
        "config.linux_node_config.sysctls",
        "dict",
        same=contains,
        update=_put("config.linuxNodeConfig", "linuxNodeConfig"),
    ),
    Field("config.service_account", remedy=ANOTHER_POOL),
    Field("config.oauth_scopes", "list", same=same_set, remedy=ANOTHER_POOL),
    Field("config.metadata", "dict", same=contains, remedy=ANOTHER_POOL),
    Field("config.spot", "bool", remedy=ANOTHER_POOL),
    Field("config.flex_start", "bool", remedy=ANOTHER_POOL),
    Field("config.max_run_duration", remedy=ANOTHER_POOL),
    Field("config.local_nvme_ssd_block_config.local_ssd_count", "int", remedy=ANOTHER_POOL),
    Field("config.boot_disk_kms_key", remedy=ANOTHER_POOL),
    Field("config.shielded_instance_config.enable_secure_boot", "bool", remedy=ANOTHER_POOL),
    Field("config.shielded_instance_config.enable_integrity_monitoring", "bool", remedy=ANOTHER_POOL),
    Field(
        "config.reservation_affinity.consume_reservation_type",
        choices=("NO_RESERVATION", "ANY_RESERVATION", "SPECIFIC_RESERVATION"),
        remedy=ANOTHER_POOL,
    ),
    Field("config.reservation_affinity.key", remedy=ANOTHER_POOL),
    Field("config.reservation_affinity.values", "list", same=same_set, remedy=ANOTHER_POOL),
    Field("placement_policy.type", remedy=ANOTHER_POOL),
    Field("placement_policy.policy_name", remedy=ANOTHER_POOL),
    Field("placement_policy.tpu_topology", same=same_topology, remedy=ANOTHER_POOL),
    Field("queued_provisioning.enabled", "bool", remedy=ANOTHER_POOL),
    Field("max_pods_constraint.max_pods_per_node", "int64", remedy=ANOTHER_POOL),
    Field("network_config.enable_private_nodes", "bool", update=_put("networkConfig", "nodeNetworkConfig")),
    Field("network_config.create_pod_range", "bool", same=server_decides),
    Field("network_config.pod_range", remedy=ANOTHER_POOL),
    Field("network_config.pod_ipv4_cidr_block", remedy=ANOTHER_POOL),
    Field("autoscaling.enabled", "bool", update=AUTOSCALING),
    Field("autoscaling.min_node_count", "int", update=AUTOSCALING),
    Field("autoscaling.max_node_count", "int", update=AUTOSCALING),
    Field("autoscaling.total_min_node_count", "int", update=AUTOSCALING),
    Field("autoscaling.total_max_node_count", "int", update=AUTOSCALING),
    Field("autoscaling.location_policy", choices=("BALANCED", "ANY"), update=AUTOSCALING),
    Field("management.auto_repair", "bool", update=MANAGEMENT),
    Field("management.auto_upgrade", "bool", update=MANAGEMENT),
    Field("upgrade_settings.max_surge", "int", update=SURGE),
    Field("upgrade_settings.max_unavailable", "int", update=SURGE),
    Field("upgrade_settings.strategy", choices=("SURGE", "BLUE_GREEN", "SHORT_LIVED"), update=SURGE),
)

NODE_POOL = Kind(
    noun="node pool",
    family=POOLS,
    path="projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}",
    envelope="nodePool",
    mark="config.resourceLabels",
    mark_later=True,
    busy=frozenset({"PROVISIONING", "RECONCILING", "STOPPING"}),
    broken=frozenset({"ERROR", "RUNNING_WITH_ERROR"}),
    repaired=True,
    rows=ROWS,
)

POOL_OPTIONS: Json = {"name": {"type": "str", "required": True}, **argument_spec(ROWS)}
OPTIONS: Json = {
    "cluster": {"type": "str", "required": True},
    "location": {"type": "str", "required": True},
    "node_pools": {"type": "list", "elements": "dict", "default": [], "options": POOL_OPTIONS},
    "max_operations": {"type": "int", "default": 4},
    "prune": {"type": "bool", "default": False},
    "recreate": {"type": "bool", "default": False},
    "topology_refused": {"type": "str", "choices": ["fail", "omit"], "default": "omit"},
}


# ---- what cannot work ----------------------------------------------------------------------------------------------


def complaints(pool: Json) -> list[str]:
    """What Google would refuse, or worse, accept and never fulfil. From the request, before anything is sent."""
    config = pool.get("config") or {}
    affinity = dig(config, "reservationAffinity.consumeReservationType")
    reserved = affinity in ("ANY_RESERVATION", "SPECIFIC_RESERVATION")
    topology = str(dig(pool, "placementPolicy.tpuTopology") or "")
    machine = str(config.get("machineType") or "")
    rules = (
        (bool(config.get("spot")) and reserved, "spot nodes do not come out of a reservation"),
        (bool(config.get("spot")) and bool(config.get("flexStart")), "spot and flex_start exclude each other"),
        (bool(config.get("flexStart")) and reserved, "flex_start nodes do not come out of a reservation"),
        (
            bool(config.get("flexStart")) and bool(dig(pool, "management.autoRepair")),
            "flex_start needs management.auto_repair: false",
        ),
        (
            bool(dig(pool, "queuedProvisioning.enabled")) and bool(dig(pool, "autoscaling.totalMinNodeCount")),
            "queued_provisioning excludes a minimum of nodes (autoscaling.total_min_node_count)",
        ),
        (
            affinity == "SPECIFIC_RESERVATION" and not dig(config, "reservationAffinity.values"),
            "SPECIFIC_RESERVATION needs the reservation's name in reservation_affinity.values",
        ),
        (bool(topology) and not chips_of(topology), f"tpu_topology {topology!r} is not of the form 2x2 or 2x2x4"),
        (bool(topology) and bool(machine) and not _fits(topology, machine, pool), _misfit(topology, machine)),
    )
    return [text for wrong, text in rules if wrong]


def _fits(topology: str, machine: str, pool: Json) -> bool:
    per_host, chips = chips_per_host(machine), chips_of(topology)
    if not chips:
        return True
    if not per_host or chips % per_host:
        return False
    count = pool.get("initialNodeCount")
    return chips == per_host or not count or int(count) == chips // per_host


def _misfit(topology: str, machine: str) -> str:
    per_host, chips = chips_per_host(machine), chips_of(topology)
    if not per_host:
        return f"machine type {machine} has no TPU chips, so no tpu_topology"
    if chips % per_host:
        return f"tpu_topology {topology} ({chips} chips) cannot be made of {machine} ({per_host} chips a host)"
    return f"tpu_topology {topology} on {machine} needs initial_node_count {chips // per_host}"


# ---- declaration ---------------------------------------------------------------------------------------------------


@dataclass
class NodePoolsDeclaration:
    """A set of pools of one cluster."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "node pools"

    def __post_init__(self) -> None:
        names = [pool["name"] for pool in self._declared()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionError(f"node_pools names {', '.join(twice)} more than once")
        if self.limit < 1:
            raise OptionError("max_operations has to be at least 1")
        if self.params.get("prune") and not self.policy.deployment:
            raise OptionError("prune needs `deployment`: only what is known to be ours is removed")
        wrong = [
            f"{pool['name']}: {complaint}"
            for pool in (self._declared() if self.present else [])
            for complaint in complaints(wanted_body(ROWS, pool))
        ]
        if wrong:
            raise OptionError("; ".join(wrong))

    def _declared(self) -> list[Json]:
        return self.params.get("node_pools") or []

    @property
    def present(self) -> bool:
        return str(self.params.get("state", "present")) == "present"

    @property
    def limit(self) -> int:
        return int(self.params.get("max_operations") or 0)

    @property
    def cluster_path(self) -> str:
        return f"{self.operation_parent()}/clusters/{self.params['cluster']}"

    def operation_parent(self) -> str:
        return f"projects/{self.project}/locations/{self.params['location']}"

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        answer = cloud.call(f"{POOLS}.list", {"parent": self.cluster_path}, deadline=deadline)
        return {f"{self.cluster_path}/nodePools/{pool['name']}": pool for pool in answer.get("nodePools") or []}

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        scope = {
            "project": self.project,
            "location": self.params["location"],
            "cluster": self.params["cluster"],
        }
        declared = [
            Target(NODE_POOL, pool["name"], scope, wanted_body(ROWS, pool), self.present) for pool in self._declared()
        ]
        if not self.params.get("prune"):
            return declared
        named = {target.path for target in declared}
        surplus = [
            Target(NODE_POOL, str(pool["name"]), scope, {}, False)
            for path, pool in found.items()
            if path not in named and ownership.owner(pool, NODE_POOL.mark) == self.policy.deployment
        ]
        return [*declared, *surplus]

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        return look_at_pool(target, cloud, deadline)

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        pools = []
        for path, report in reports.items():
            pool = resources.get(path)
            name = path.rpartition("/")[2]
            pools.append({"name": name, "status": (pool or {}).get("status", "ABSENT"), **report, "node_pool": pool})
        return {"node_pools": pools}


def look_at_pool(target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
    try:
        return cloud.call(f"{POOLS}.get", target.params(f"{POOLS}.get"), deadline=deadline, resource=target.label)
    except NotFoundError:
        return None
