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
    contains,
    dig,
    is_zero,
    joined,
    same_attachments,
    same_labels,
    same_link,
    same_or_sized,
    same_set,
    same_value,
    same_word,
    server_decides,
    wanted_body,
    with_google_labels,
    wrong_name,
)
from .._plan import Kind, Policy, Target

POOLS = "container.projects.locations.clusters.nodePools"
TPU_TAINT = "google.com/tpu"
# Of clusters as well.
LONGEST_NAME = 40
GKE_LABELS = ("cloud.google.com/gke-", "goog-")
ANOTHER_POOL = "Make a pool of another name, or set `recreate: true` to have this one deleted and made again."


# ---- rules of our own ----------------------------------------------------------------------------------------------


def same_node_count(wanted: Any, found: Any, pool: Json) -> bool:
    """With an autoscaler, the number of nodes is not ours."""
    return bool(dig(pool, "autoscaling.enabled")) or same_value(wanted, found, pool)


def _gke_taints(wanted: Any, found: Any) -> list[Any]:
    """The taint that TPU nodes get from GKE, unless the user speaks of it."""
    asked = {taint.get("key") for taint in wanted or []}
    return [taint for taint in found or [] if taint.get("key") == TPU_TAINT and TPU_TAINT not in asked]


def same_taints(wanted: Any, found: Any, pool: Json) -> bool:
    theirs = _gke_taints(wanted, found)
    return same_set(wanted, [taint for taint in found or [] if taint not in theirs], pool)


def with_gke_taints(wanted: Any, found: Any) -> Any:
    return [*wanted, *_gke_taints(wanted, found)]


def same_node_labels(wanted: Any, found: Any, pool: Json) -> bool:
    """GKE labels nodes, too: with the chips' kind and topology, for instance."""
    theirs = {key for key in found or {} if key.startswith(GKE_LABELS) and key not in (wanted or {})}
    return same_labels(wanted, {key: value for key, value in (found or {}).items() if key not in theirs}, pool)


def same_scopes(wanted: Any, found: Any, pool: Json) -> bool:
    """gcloud's short names mean URLs."""
    left, right = ([_scope(str(scope)) for scope in scopes or []] for scopes in (wanted, found))
    return same_set(left, right, pool)


def _scope(text: str) -> str:
    return text if "://" in text else f"https://www.googleapis.com/auth/{text}"


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


def _put(base: str, into: str, *, replaces: bool = False) -> Update:
    return Update(f"{POOLS}.update", base=base, into=into, whole=(base,) if replaces else ())


def still_scaled(kept: Json, wanted: Json) -> Json:
    """An autoscaler that is switched off has no bounds; those of a zone and those of the pool exclude each other."""
    if wanted.get("enabled") is False:
        return {}
    zone, total = ("minNodeCount", "maxNodeCount"), ("totalMinNodeCount", "totalMaxNodeCount")
    gone = [*(total if any(key in wanted for key in zone) else ()), *(zone if any(k in wanted for k in total) else ())]
    return {key: value for key, value in kept.items() if key not in gone}


def still_upgraded(kept: Json, wanted: Json) -> Json:
    """Each way of replacing nodes has settings of its own."""
    gone = {
        "BLUE_GREEN": ("maxSurge", "maxUnavailable"),
        "SURGE": ("blueGreenSettings",),
        "SHORT_LIVED": ("maxSurge", "maxUnavailable", "blueGreenSettings"),
    }.get(str(wanted.get("strategy")), ())
    rollout = dig(wanted, "blueGreenSettings.standardRolloutPolicy") or {}
    for one, other in (("batchNodeCount", "batchPercentage"), ("batchPercentage", "batchNodeCount")):
        if one in rollout:
            (dig(kept, "blueGreenSettings.standardRolloutPolicy") or {}).pop(other, None)
    return {key: value for key, value in kept.items() if key not in gone}


def _duration(value: Any) -> str:
    return "" if re.fullmatch(r"\d+(\.\d+)?s", str(value)) else f"{value!r} is not a number of seconds such as 3600s"


def _max_pods(value: Any) -> str:
    return "" if 8 <= value <= 256 else f"{value} is not between 8 and 256"


def _count(value: Any) -> str:
    return "" if value >= 0 else f"{value} is negative"


MACHINE = Update(f"{POOLS}.update", base="config", into="")
BOOT_DISK = _put("config.bootDisk", "bootDisk", replaces=True)
KUBELET = _put("config.kubeletConfig", "kubeletConfig", replaces=True)
LINUX = _put("config.linuxNodeConfig", "linuxNodeConfig", replaces=True)
MANAGEMENT = Update(f"{POOLS}.setManagement", base="management", into="management", whole=("management",))
AUTOSCALING = Update(
    "container.projects.locations.clusters.update",
    base="autoscaling",
    into="update.desiredNodePoolAutoscaling",
    whole=("autoscaling",),
    still=still_scaled,
    constant={"update.desiredNodePoolId": "{name}"},
)
UPGRADES = Update(
    f"{POOLS}.update",
    base="upgradeSettings",
    into="upgradeSettings",
    whole=("upgradeSettings",),
    still=still_upgraded,
)
METADATA_MODES = ("GCE_METADATA", "GKE_METADATA")

ROWS = (
    Field(
        "initial_node_count",
        "int",
        same=same_node_count,
        update=Update(f"{POOLS}.setSize", base="initialNodeCount", into="nodeCount"),
        check=_count,
    ),
    Field("locations", "list", same=same_set, update=_put("locations", "locations")),
    Field("version", same=server_decides),
    Field("config.machine_type", update=MACHINE),
    Field("config.disk_type", update=MACHINE),
    Field("config.disk_size_gb", "int", update=MACHINE),
    Field("config.boot_disk.disk_type", update=BOOT_DISK),
    Field("config.boot_disk.size_gb", "int64", update=BOOT_DISK),
    Field("config.boot_disk.provisioned_iops", "int64", update=BOOT_DISK),
    Field("config.boot_disk.provisioned_throughput", "int64", update=BOOT_DISK),
    Field("config.image_type", same=same_word, update=_put("config.imageType", "imageType")),
    Field("config.labels", "dict", same=same_node_labels, update=_put("config.labels", "labels.labels")),
    Field(
        "config.taints",
        same=same_taints,
        items=(
            Field("key", required=True),
            Field("value", default=""),
            Field("effect", required=True, choices=("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE")),
        ),
        update=_put("config.taints", "taints.taints"),
        along=with_gke_taints,
    ),
    Field("config.tags", "list", same=same_set, update=_put("config.tags", "tags.tags")),
    Field(
        "config.resource_labels",
        "dict",
        same=same_labels,
        update=_put("config.resourceLabels", "resourceLabels.labels"),
        along=with_google_labels,
    ),
    Field("config.gvnic.enabled", "bool", update=_put("config.gvnic", "gvnic")),
    Field("config.gcfs_config.enabled", "bool", update=_put("config.gcfsConfig", "gcfsConfig")),
    Field(
        "config.workload_metadata_config.mode",
        choices=METADATA_MODES,
        update=_put("config.workloadMetadataConfig", "workloadMetadataConfig"),
    ),
    Field(
        "config.logging_config.variant_config.variant",
        choices=("DEFAULT", "MAX_THROUGHPUT"),
        unset="DEFAULT",
        update=_put("config.loggingConfig", "loggingConfig"),
    ),
    Field("config.kubelet_config.cpu_manager_policy", unset="none", update=KUBELET),
    Field("config.kubelet_config.pod_pids_limit", "int64", update=KUBELET),
    Field("config.kubelet_config.max_parallel_image_pulls", "int", update=KUBELET),
    Field("config.kubelet_config.insecure_kubelet_readonly_port_enabled", "bool", update=KUBELET),
    Field("config.linux_node_config.sysctls", "dict", same=contains, along=joined, update=LINUX),
    Field("config.linux_node_config.cgroup_mode", choices=("CGROUP_MODE_V1", "CGROUP_MODE_V2"), update=LINUX),
    Field(
        "config.linux_node_config.transparent_hugepage_enabled",
        choices=tuple(f"TRANSPARENT_HUGEPAGE_ENABLED_{word}" for word in ("ALWAYS", "MADVISE", "NEVER")),
        update=LINUX,
    ),
    Field("config.linux_node_config.hugepages.hugepage_size2m", "int", update=LINUX),
    Field("config.linux_node_config.hugepages.hugepage_size1g", "int", update=LINUX),
    Field("config.service_account", unset="default", remedy=ANOTHER_POOL),
    Field("config.oauth_scopes", "list", same=same_scopes, remedy=ANOTHER_POOL),
    Field("config.metadata", "dict", same=contains, remedy=ANOTHER_POOL),
    Field("config.spot", "bool", remedy=ANOTHER_POOL),
    Field("config.preemptible", "bool", remedy=ANOTHER_POOL),
    Field("config.flex_start", "bool", remedy=ANOTHER_POOL),
    Field("config.max_run_duration", remedy=ANOTHER_POOL, check=_duration),
    Field(
        "config.accelerators",
        same=same_set,
        items=(
            Field("accelerator_type", required=True),
            Field("accelerator_count", "int64", required=True),
            Field("gpu_partition_size"),
        ),
        remedy=ANOTHER_POOL,
    ),
    Field("config.min_cpu_platform", remedy=ANOTHER_POOL),
    Field("config.advanced_machine_features.threads_per_core", "int64", remedy=ANOTHER_POOL),
    Field(
        "config.secondary_boot_disks",
        same=same_set,
        items=(Field("disk_image", required=True), Field("mode", choices=("CONTAINER_IMAGE_CACHE",))),
        remedy=ANOTHER_POOL,
    ),
    Field("config.local_nvme_ssd_block_config.local_ssd_count", "int", remedy=ANOTHER_POOL),
    Field("config.ephemeral_storage_local_ssd_config.local_ssd_count", "int", remedy=ANOTHER_POOL),
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
    Field("placement_policy.type", choices=("COMPACT",), remedy=ANOTHER_POOL),
    Field("placement_policy.policy_name", same=same_link, remedy=ANOTHER_POOL),
    Field("placement_policy.tpu_topology", same=same_topology, remedy=ANOTHER_POOL),
    Field("queued_provisioning.enabled", "bool", remedy=ANOTHER_POOL),
    Field("max_pods_constraint.max_pods_per_node", "int64", remedy=ANOTHER_POOL, check=_max_pods),
    Field("network_config.enable_private_nodes", "bool", update=_put("networkConfig", "nodeNetworkConfig")),
    Field("network_config.create_pod_range", "bool", same=server_decides),
    Field("network_config.pod_range", remedy=ANOTHER_POOL),
    Field("network_config.pod_ipv4_cidr_block", same=same_or_sized, remedy=ANOTHER_POOL),
    Field("network_config.subnetwork", same=same_link, remedy=ANOTHER_POOL),
    Field(
        "network_config.network_performance_config.total_egress_bandwidth_tier",
        choices=("TIER_1",),
        remedy=ANOTHER_POOL,
    ),
    Field(
        "network_config.additional_node_network_configs",
        same=same_attachments,
        items=(Field("network", required=True), Field("subnetwork", required=True)),
        remedy=ANOTHER_POOL,
    ),
    Field(
        "network_config.additional_pod_network_configs",
        same=same_attachments,
        items=(
            Field("subnetwork", required=True),
            Field("secondary_pod_range"),
            Field("max_pods_per_node", "int64", path="maxPodsPerNode.maxPodsPerNode"),
        ),
        remedy=ANOTHER_POOL,
    ),
    Field("autoscaling.enabled", "bool", update=AUTOSCALING),
    Field("autoscaling.min_node_count", "int", update=AUTOSCALING, check=_count),
    Field("autoscaling.max_node_count", "int", update=AUTOSCALING, check=_count),
    Field("autoscaling.total_min_node_count", "int", update=AUTOSCALING, check=_count),
    Field("autoscaling.total_max_node_count", "int", update=AUTOSCALING, check=_count),
    Field("autoscaling.location_policy", choices=("BALANCED", "ANY"), unset="BALANCED", update=AUTOSCALING),
    Field("management.auto_repair", "bool", update=MANAGEMENT),
    Field("management.auto_upgrade", "bool", update=MANAGEMENT),
    Field("upgrade_settings.max_surge", "int", update=UPGRADES, check=_count),
    Field("upgrade_settings.max_unavailable", "int", update=UPGRADES, check=_count),
    Field(
        "upgrade_settings.strategy",
        choices=("SURGE", "BLUE_GREEN", "SHORT_LIVED"),
        unset="SURGE",
        update=UPGRADES,
    ),
    Field("upgrade_settings.blue_green_settings.node_pool_soak_duration", update=UPGRADES, check=_duration),
    Field("upgrade_settings.blue_green_settings.standard_rollout_policy.batch_node_count", "int", update=UPGRADES),
    Field("upgrade_settings.blue_green_settings.standard_rollout_policy.batch_percentage", "float", update=UPGRADES),
    Field(
        "upgrade_settings.blue_green_settings.standard_rollout_policy.batch_soak_duration",
        update=UPGRADES,
        check=_duration,
    ),
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
            bool(config.get("flexStart")) and bool(pool.get("initialNodeCount")),
            "flex_start nodes come by the autoscaler: initial_node_count has to be 0 or left out",
        ),
        (
            bool(config.get("preemptible")) and bool(config.get("spot")),
            "preemptible and spot exclude each other",
        ),
        (
            bool(dig(pool, "autoscaling.minNodeCount") or dig(pool, "autoscaling.maxNodeCount"))
            and bool(dig(pool, "autoscaling.totalMinNodeCount") or dig(pool, "autoscaling.totalMaxNodeCount")),
            "autoscaling has bounds either for each zone or in total",
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
            for complaint in [
                *filter(None, [wrong_name(str(pool["name"]), LONGEST_NAME)]),
                *complaints(wanted_body(ROWS, pool)),
            ]
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
