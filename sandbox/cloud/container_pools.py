# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE stores for a node pool that was asked for: the request, and everything the server fills in."""

from __future__ import annotations

import copy
import random
import time
from dataclasses import dataclass
from typing import Any

from sandbox.cloud import container_machines, container_names

Json = dict[str, Any]

COMPUTE_LINK = "https://www.googleapis.com/compute/v1"
SCOPE = "https://www.googleapis.com/auth/"
DEFAULT_SCOPES = tuple(
    SCOPE + name
    for name in (
        "devstorage.read_only",
        "logging.write",
        "monitoring",
        "service.management.readonly",
        "servicecontrol",
        "trace.append",
    )
)
DEFAULT_MACHINE = "e2-medium"
HYPERDISK_FAMILIES = frozenset({"n4", "c4"})
NODE_IMAGE = "gke-1354-gke1000000-cos-125-19216-220-106-c-pre"
PROVISIONING_LABEL = "goog-gke-node-pool-provisioning-model"


@dataclass(frozen=True)
class PoolContext:
    """What a pool takes over from its cluster."""

    project: str
    cluster: str
    locations: tuple[str, ...]
    version: str
    subnetwork: str
    pods_range: str
    pods_cidr: str
    max_pods: int
    workload_pool: str
    link: str


def expand_aliases(config: Json) -> None:
    """gcloud and others may send scopes by their short names; GKE answers with URLs."""
    scopes = config.get("oauthScopes")
    if scopes:
        config["oauthScopes"] = [scope if scope.startswith("https://") else SCOPE + scope for scope in scopes]


def _default_disk(machine: str) -> str:
    """The newest families take no persistent disks."""
    return "hyperdisk-balanced" if machine.split("-", 1)[0] in HYPERDISK_FAMILIES else "pd-balanced"


def _provisioning_model(config: Json) -> str:
    if config.get("spot") or config.get("preemptible"):
        return "spot"
    if config.get("flexStart"):
        return "flex-start"
    affinity = config.get("reservationAffinity", {}).get("consumeReservationType")
    return "reservation" if affinity == "SPECIFIC_RESERVATION" else "on-demand"


def filled_node_config(asked: Json, workload_pool: str) -> Json:
    """A node configuration with the server's defaults."""
    config = copy.deepcopy(asked)
    config.setdefault("machineType", DEFAULT_MACHINE)
    disk = config.get("bootDisk", {})
    size = int(disk.get("sizeGb") or config.get("diskSizeGb") or 100)
    kind = disk.get("diskType") or config.get("diskType") or _default_disk(config["machineType"])
    config |= {"diskSizeGb": size, "diskType": kind, "bootDisk": disk | {"diskType": kind, "sizeGb": str(size)}}
    config["imageType"] = config.get("imageType", "COS_CONTAINERD").upper()
    config["effectiveCgroupMode"] = "EFFECTIVE_CGROUP_MODE_V2"
    config["kubeletConfig"] = {"insecureKubeletReadonlyPortEnabled": False, "maxParallelImagePulls": 2} | config.get(
        "kubeletConfig", {}
    )
    config["nodeImageConfig"] = {"image": NODE_IMAGE, "imageProject": "gke-node-images"}
    config["metadata"] = {"disable-legacy-endpoints": "true"} | config.get("metadata", {})
    config["resourceLabels"] = config.get("resourceLabels", {}) | {PROVISIONING_LABEL: _provisioning_model(config)}
    config.setdefault("serviceAccount", "default")
    config["shieldedInstanceConfig"] = {"enableIntegrityMonitoring": True} | config.get("shieldedInstanceConfig", {})
    config["windowsNodeConfig"] = {}
    expand_aliases(config)
    if not config.get("oauthScopes"):
        config["oauthScopes"] = list(DEFAULT_SCOPES)
    _fill_workload_metadata(config, workload_pool)
    _fill_tpu(config)
    return config


def _fill_workload_metadata(config: Json, workload_pool: str) -> None:
    metadata = config.get("workloadMetadataConfig")
    if metadata is None and workload_pool:
        metadata = {"mode": "GKE_METADATA"}
    if metadata is None:
        return
    mode = metadata.get("mode", "GKE_METADATA")
    old_name = {"GKE_METADATA": "GKE_METADATA_SERVER", "GCE_METADATA": "EXPOSE"}
    config["workloadMetadataConfig"] = metadata | {"nodeMetadata": old_name.get(mode, "UNSPECIFIED")}


def _fill_tpu(config: Json) -> None:
    machine = container_machines.find(config["machineType"])
    if machine is None or machine.tpu is None:
        return
    taint = {"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"}
    if taint not in config.setdefault("taints", []):
        config["taints"].append(taint)


def filled_pool(asked: Json, context: PoolContext, rng: random.Random) -> Json:
    """The stored node pool, PROVISIONING."""
    pool = copy.deepcopy(asked)
    pool["config"] = filled_node_config(pool.get("config", {}), context.workload_pool)
    pool["etag"] = container_names.etag(rng)
    pool["locations"] = list(pool.get("locations") or context.locations)
    pool["management"] = {"autoRepair": True, "autoUpgrade": True} | pool.get("management", {})
    pool["maxPodsConstraint"] = {"maxPodsPerNode": str(context.max_pods)} | pool.get("maxPodsConstraint", {})
    max_pods = int(pool["maxPodsConstraint"]["maxPodsPerNode"])
    pool["podIpv4CidrSize"] = 32 - max(2 * max_pods - 1, 7).bit_length()
    pool["networkConfig"] = {
        "networkTierConfig": {"networkTier": "NETWORK_TIER_DEFAULT"},
        "podIpv4CidrBlock": context.pods_cidr,
        "podRange": context.pods_range,
        "subnetwork": context.subnetwork,
    } | pool.get("networkConfig", {})
    pool["upgradeSettings"] = {"maxSurge": 1, "strategy": "SURGE"} | pool.get("upgradeSettings", {})
    pool.setdefault("version", context.version)
    in_five_years = time.gmtime(time.time() + 5 * 365 * 24 * 3600)
    pool["kubeletCertInfo"] = {"tpmBootstrapCertExpireTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", in_five_years)}
    pool["selfLink"] = f"{context.link}/nodePools/{pool['name']}"
    pool["status"] = "PROVISIONING"
    if pool.get("autoscaling", {}).get("enabled"):
        pool["autoscaling"].setdefault("locationPolicy", "ANY" if _is_spot(pool["config"]) else "BALANCED")
    pool["instanceGroupUrls"] = [
        instance_group_url(context.project, zone, context.cluster, pool["name"], container_names.hex8(rng))
        for zone in pool["locations"]
    ]
    return pool


def _is_spot(config: Json) -> bool:
    return bool(config.get("spot") or config.get("preemptible") or config.get("flexStart"))


def instance_group_url(project: str, zone: str, cluster: str, pool: str, group: str) -> str:
    """Where the managed instance group of one zone of a pool is found."""
    name = f"{container_names.group_prefix(cluster, pool)}-{group}-grp"
    return f"{COMPUTE_LINK}/projects/{project}/zones/{zone}/instanceGroupManagers/{name}"


def groups_by_zone(pool: Json) -> dict[str, str]:
    """Zone → the eight digits of the pool's instance group there."""
    found = {}
    for url in pool.get("instanceGroupUrls", []):
        zone, group = url.split("/zones/")[1].split("/instanceGroupManagers/")
        found[zone] = group.split("-")[-2]
    return found


def nodes_per_zone(pool: Json) -> int:
    """How many nodes a pool starts with in each of its zones."""
    scaling = pool.get("autoscaling", {})
    if scaling.get("enabled"):
        total = int(scaling.get("totalMinNodeCount", 0))
        spread = -(-total // max(1, len(pool["locations"])))
        return max(int(pool.get("initialNodeCount", 0)), int(scaling.get("minNodeCount", 0)), spread)
    return int(pool.get("initialNodeCount", 0))
