# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: the declaration of a TPU node pool, in the words of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._capacity import tpu_slice

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
    labels: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A pool of one slice: as many nodes as the topology has hosts."""
    config: dict[str, Any] = {
        "machine_type": machine_type,
        "disk_size_gb": disk_size_gb,
        # Pods get Google's identities through the metadata server, never the node's own.
        "workload_metadata_config": {"mode": "GKE_METADATA"},
        **_capacity_fields(capacity, reservation),
    }
    if labels:
        config["labels"] = dict(labels)
    pool: dict[str, Any] = {
        "name": name,
        "initial_node_count": tpu_slice(machine_type, topology).hosts,
        "locations": [zone],
        "config": config,
        "management": {"auto_repair": True, "auto_upgrade": True},
    }
    if topology:
        pool["placement_policy"] = {"tpu_topology": topology}
    return _laid_over(pool, overrides or {})


def _capacity_fields(capacity: str, reservation: str) -> dict[str, Any]:
    if capacity == "spot":
        return {"spot": True}
    if capacity == "on_demand":
        return {"reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"}}
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
