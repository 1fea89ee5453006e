# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: the declaration of a TPU node pool, in the words of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._capacity import FLEX, tpu_slice

_RESERVATION_NAME = "compute.googleapis.com/reservation-name"


def tpu_node_pool(
    name: str,
    *,
    zone: str,
    machine_type: str,
    topology: str,
    capacity: str,
    disk_size_gb: int,
    reservation: str = "",
    max_run_duration: str = "",
    labels: Mapping[str, str] | None = None,
    resource_labels: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A pool of one slice: as many nodes as the topology has hosts."""
    config: dict[str, Any] = {
        "machine_type": machine_type,
        "disk_size_gb": disk_size_gb,
        # Pods get Google's identities through the metadata server, never the node's own.
        "workload_metadata_config": {"mode": "GKE_METADATA"},
        **_capacity_fields(capacity, reservation, max_run_duration),
    }
    if labels:
        config["labels"] = dict(labels)
    if resource_labels:
        config["resource_labels"] = dict(resource_labels)
    hosts = tpu_slice(machine_type, topology).hosts
    pool: dict[str, Any] = {"name": name, "locations": [zone], "config": config, **_sizing(capacity, hosts)}
    if topology:
        pool["placement_policy"] = {"tpu_topology": topology}
    return _laid_over(pool, overrides or {})


def _sizing(capacity: str, hosts: int) -> dict[str, Any]:
    """Flexible capacity begins with no node, and grows when pods (or a request for them) wait; Google asks that its
    nodes are not repaired."""
    if capacity not in FLEX:
        return {"initial_node_count": hosts, "management": {"auto_repair": True, "auto_upgrade": True}}
    scaling = {"enabled": True, "total_min_node_count": 0, "total_max_node_count": hosts}
    sizing: dict[str, Any] = {
        "initial_node_count": 0,
        "autoscaling": scaling,
        "management": {"auto_repair": False, "auto_upgrade": True},
    }
    if capacity == "queued":
        sizing["queued_provisioning"] = {"enabled": True}
    return sizing


def _capacity_fields(capacity: str, reservation: str, max_run_duration: str) -> dict[str, Any]:
    if capacity == "spot":
        return {"spot": True}
    if capacity in FLEX:
        return {
            "flex_start": True,
            "max_run_duration": max_run_duration,
            "reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"},
        }
    if capacity == "on_demand":
        return {"reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"}}
    if capacity == "any_reservation":
        return {"reservation_affinity": {"consume_reservation_type": "ANY_RESERVATION"}}
    return {
        "reservation_affinity": {
            "consume_reservation_type": "SPECIFIC_RESERVATION",
            "key": _RESERVATION_NAME,
            "values": [reservation],
        }
    }


def _laid_over(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; anything else is replaced."""
    merged = dict(base)
    for key, value in overrides.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _laid_over(below, value) if both and below is not None else value
    return merged
