# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE refuses about a node pool before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.cloud import container_machines, container_names
from sandbox.cloud.container_defaults import DEFAULT_VERSION
from sandbox.cloud.container_pools import DEFAULT_MACHINE
from sandbox.cloud.errors import invalid

Json = dict[str, Any]

TOPOLOGY_REFUSED = (
    "TPU topology can't be specified with single-host TPU slice pool; please remove the tpu_topology from the node "
    "pool creation request if the node pool is intented to run with single-host TPU slice nodes."
)
RESERVATION_KEY = "compute.googleapis.com/reservation-name"
# Nobody has seen Google refuse 2x2 on this one; on the other single-host types the refusal has been seen.
_TOPOLOGY_ACCEPTED_ON = frozenset({"ct6e-standard-4t", "ct5lp-hightpu-4t"})


def check_name(name: str, field: str) -> None:
    """Lower case letters, digits and dashes, at most 40 of them."""
    if not container_names.CLUSTER_NAME.match(name):
        raise invalid(
            f'Invalid value for field "{field}": "{name}". Names start with a lower case letter followed by up to 39 '
            "lower case letters, digits or dashes, and don't end with a dash."
        )


def check_version(version: str, kind: str) -> str:
    """The exact version behind an alias such as latest, - or 1.35."""
    if version in ("", "-", "latest") or DEFAULT_VERSION.startswith((version + ".", version + "-")):
        return DEFAULT_VERSION
    if version != DEFAULT_VERSION:
        raise invalid(f'{kind} version "{version}" is unsupported.')
    return version


def check_zones(zones: list[str], known: tuple[str, ...], location: str) -> None:
    """Every zone must exist in the cluster's region."""
    for zone in zones:
        if zone not in known:
            raise invalid(f'Location "{zone}" does not exist in "{location}".')


def check_machine(config: Json, zones: list[str], offered: Callable[[str, str], bool]) -> container_machines.Machine:
    """The machine type must be offered in every zone of the pool."""
    name = config.get("machineType", DEFAULT_MACHINE)
    machine = container_machines.find(name)
    for zone in zones:
        if machine is None or not offered(zone, name):
            raise invalid(f'Invalid machine type "{name}" in zone "{zone}": GCE_NOT_FOUND.')
    assert machine is not None
    return machine


def check_topology(pool: Json, machine: container_machines.Machine, *, refuse_single_host: bool) -> None:
    """The topology must be one that hosts of this type form, and the number of nodes must be that of the slice."""
    topology = pool.get("placementPolicy", {}).get("tpuTopology", "")
    if machine.tpu is None:
        if topology:
            raise invalid(f'TPU topology "{topology}" is not supported with machine type "{machine.name}".')
        return
    hosts = container_machines.hosts_of(machine.tpu, topology)
    if hosts == 0:
        raise invalid(f'Invalid TPU topology "{topology}" for machine type "{machine.name}".')
    if hosts == 1:
        if topology and (refuse_single_host or machine.name not in _TOPOLOGY_ACCEPTED_ON):
            raise invalid(TOPOLOGY_REFUSED)
        return
    _check_slice_size(pool, topology, hosts)


def _check_slice_size(pool: Json, topology: str, hosts: int) -> None:
    scaling = pool.get("autoscaling", {})
    counts = {"Initial": int(pool.get("initialNodeCount", 0))}
    if scaling.get("enabled"):
        counts = {"Maximum": int(scaling.get("maxNodeCount", 0))}
    for which, count in counts.items():
        if count != hosts:
            raise invalid(f"{which} node count {count} is not a valid size of TPU pod slice with topology {topology}")


def check_capacity_kind(pool: Json) -> None:
    """Spot, flex-start, queued provisioning and reservations exclude one another."""
    config = pool.get("config", {})
    affinity = config.get("reservationAffinity", {}).get("consumeReservationType", "")
    scaling = pool.get("autoscaling", {})
    reserved = affinity in ("SPECIFIC_RESERVATION", "ANY_RESERVATION")
    if config.get("spot") and (reserved or config.get("flexStart")):
        raise invalid("Spot VMs cannot be combined with a reservation or with flex start.")
    if pool.get("queuedProvisioning", {}).get("enabled"):
        if affinity != "NO_RESERVATION":
            raise invalid("Queued_provisioning requires reservation affinity to be set to none")
        if int(scaling.get("totalMinNodeCount", 0)) or int(scaling.get("minNodeCount", 0)):
            raise invalid("Queued_provisioning requires a minimum node count of zero")
    if config.get("flexStart"):
        if affinity != "NO_RESERVATION":
            raise invalid("Flex start requires reservation affinity to be set to none")
        if pool.get("management", {}).get("autoRepair", True):
            raise invalid("Flex start requires node auto repair to be disabled")
        if not scaling.get("enabled") or int(pool.get("initialNodeCount", 0)):
            raise invalid("Flex start requires autoscaling, with an initial node count of zero")


def check_affinity(config: Json) -> None:
    """A specific reservation is named by exactly one value under the one key that Google knows."""
    affinity = config.get("reservationAffinity", {})
    kind, values = affinity.get("consumeReservationType", ""), affinity.get("values", [])
    specific = kind == "SPECIFIC_RESERVATION"
    if specific and (affinity.get("key") != RESERVATION_KEY or len(values) != 1 or not values[0]):
        raise invalid("Invalid value for field 'resource.reservationAffinity': a specific reservation needs one name.")
    if not specific and values:
        raise invalid(f"Invalid value for field 'resource.reservationAffinity': values given with {kind or 'no type'}.")


def check_pool(
    pool: Json,
    *,
    location: str,
    zones: list[str],
    known_zones: tuple[str, ...],
    workload_pool: str,
    offered: Callable[[str, str], bool],
    refuse_single_host_topology: bool = False,
) -> container_machines.Machine:
    """All of it, in the order in which a person would like to be told; returns the machine type."""
    config = pool.get("config", {})
    check_name(pool.get("name", ""), "node_pool.name")
    check_zones(zones, known_zones, location)
    if pool.get("version"):
        pool["version"] = check_version(pool["version"], "Node")
    machine = check_machine(config, zones, offered)
    check_topology(pool, machine, refuse_single_host=refuse_single_host_topology)
    check_capacity_kind(pool)
    check_affinity(config)
    if int(pool.get("initialNodeCount", 0)) < 0:
        raise invalid("NodePool.initial_node_count must not be negative.")
    max_pods = int(pool.get("maxPodsConstraint", {}).get("maxPodsPerNode", 110))
    if not 8 <= max_pods <= 256:
        raise invalid(f"Invalid value for maxPodsPerNode: {max_pods}. It must be between 8 and 256.")
    disk = int(config.get("bootDisk", {}).get("sizeGb") or config.get("diskSizeGb") or 100)
    if disk < 10:
        raise invalid(f"Invalid disk size {disk} GB: the minimum is 10 GB.")
    if config.get("workloadMetadataConfig", {}).get("mode") == "GKE_METADATA" and not workload_pool:
        raise invalid("Workload metadata mode GKE_METADATA requires Workload Identity to be enabled on the cluster.")
    return machine
