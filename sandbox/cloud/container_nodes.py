# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The Kubernetes nodes of a node pool, with GKE's labels, taints and resources."""

from __future__ import annotations

import random
from typing import Any

from sandbox.cloud import container_machines, container_names, container_pools

Json = dict[str, Any]

_EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
    "NO_EXECUTE": "NoExecute",
}


def node_names(
    cluster: str, pool: Json, per_zone: int, rng: random.Random, kept: list[Json] | None = None
) -> list[Json]:
    """{"name", "zone"} for each node of a pool; nodes that are kept (a resize keeps them) come first in their zone."""
    wanted: list[Json] = []
    groups = container_pools.groups_by_zone(pool)
    for zone in sorted(groups):
        here = [node for node in kept or [] if node["zone"] == zone][:per_zone]
        while len(here) < per_zone:
            here.append({"name": container_names.node_name(cluster, pool["name"], groups[zone], rng), "zone": zone})
        wanted += here
    return wanted


def taints(pool: Json) -> list[Json]:
    """The taints in Kubernetes' words."""
    return [
        {"key": taint["key"], "value": taint.get("value", ""), "effect": _EFFECTS[taint["effect"]]}
        for taint in pool["config"].get("taints", [])
    ]


def _tpu_labels(pool: Json, machine: container_machines.Machine) -> dict[str, str]:
    if machine.tpu is None:
        return {}
    topology = pool.get("placementPolicy", {}).get("tpuTopology") or machine.tpu.single_host
    return {
        "cloud.google.com/gke-tpu-accelerator": machine.tpu.accelerator,
        "cloud.google.com/gke-tpu-topology": topology,
        "cloud.google.com/gke-accelerator-count": str(machine.tpu.chips),
    }


def _kind_labels(config: Json) -> dict[str, str]:
    labels = {"cloud.google.com/gke-provisioning": "standard"}
    if config.get("spot"):
        labels = {"cloud.google.com/gke-provisioning": "spot", "cloud.google.com/gke-spot": "true"}
    if config.get("flexStart"):
        labels["cloud.google.com/gke-flex-start"] = "true"
    affinity = config.get("reservationAffinity", {})
    if affinity.get("consumeReservationType") == "SPECIFIC_RESERVATION" and affinity.get("values"):
        labels["cloud.google.com/reservation-name"] = container_names.short(affinity["values"][0])
    if config.get("workloadMetadataConfig", {}).get("mode") == "GKE_METADATA":
        labels["iam.gke.io/gke-metadata-server-enabled"] = "true"
    return labels


def labels(pool: Json, node: Json, machine: container_machines.Machine) -> dict[str, str]:
    """All labels of a node. The user's own come last, as GKE refuses those that would clash."""
    config, zone = pool["config"], node["zone"]
    region = zone.rsplit("-", 1)[0]
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": machine.name,
        "beta.kubernetes.io/os": "linux",
        "cloud.google.com/gke-boot-disk": config["diskType"],
        "cloud.google.com/gke-container-runtime": "containerd",
        "cloud.google.com/gke-cpu-scaling-level": str(machine.cpus),
        "cloud.google.com/gke-logging-variant": "DEFAULT",
        "cloud.google.com/gke-max-pods-per-node": pool["maxPodsConstraint"]["maxPodsPerNode"],
        "cloud.google.com/gke-memory-gb-scaling-level": str(int(machine.memory_gib)),
        "cloud.google.com/gke-nodepool": pool["name"],
        "cloud.google.com/gke-os-distribution": "cos",
        "cloud.google.com/gke-stack-type": "IPV4",
        "cloud.google.com/machine-family": machine.family,
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node["name"],
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": machine.name,
        "topology.gke.io/zone": zone,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
        **_kind_labels(config),
        **_tpu_labels(pool, machine),
        **config.get("labels", {}),
    }


def without_devices(objects: list[Json]) -> list[Json]:
    """The same nodes before the TPU's device plugin has registered: Ready, with no chips."""
    nothing = {"google.com/tpu": "0"}
    return [
        node | {"capacity": node["capacity"] | nothing, "allocatable": node["allocatable"] | nothing}
        for node in objects
    ]


def node_objects(pool: Json, nodes: list[Json]) -> list[Json]:
    """What the cluster process is told about the nodes of a pool."""
    config = pool["config"]
    machine = container_machines.find(config["machineType"])
    if machine is None:
        raise ValueError(f"machine type {config['machineType']} is not known")
    max_pods = int(pool["maxPodsConstraint"]["maxPodsPerNode"])
    capacity, allocatable = container_machines.resources(machine, config["diskSizeGb"], max_pods)
    return [
        {
            "name": node["name"],
            "zone": node["zone"],
            "machine_type": machine.name,
            "labels": labels(pool, node, machine),
            "taints": taints(pool),
            "capacity": capacity,
            "allocatable": allocatable,
            **({"internal_ip": node["internal_ip"]} if "internal_ip" in node else {}),
        }
        for node in nodes
    ]
