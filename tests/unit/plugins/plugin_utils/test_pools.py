# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Declarations of TPU pools say what the API wants to hear."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.plugin_utils._capacity import CapacityError, tpu_slice
from ansible_collections.llm_d.gke.plugins.plugin_utils._pools import tpu_node_pool

TUTORIAL: dict[str, Any] = {
    "zone": "us-east5-a",
    "machine_type": "ct6e-standard-4t",
    "topology": "2x2",
    "capacity": "reservation",
    "reservation": "my-res",
    "disk_size_gb": 300,
}


def test_the_tutorials_pool() -> None:
    assert tpu_node_pool("tpu-v6e-single-1", **TUTORIAL) == {
        "name": "tpu-v6e-single-1",
        "initial_node_count": 1,
        "locations": ["us-east5-a"],
        "config": {
            "machine_type": "ct6e-standard-4t",
            "disk_size_gb": 300,
            "workload_metadata_config": {"mode": "GKE_METADATA"},
            "reservation_affinity": {
                "consume_reservation_type": "SPECIFIC_RESERVATION",
                "key": "compute.googleapis.com/reservation-name",
                "values": ["my-res"],
            },
        },
        "management": {"auto_repair": True, "auto_upgrade": True},
        "placement_policy": {"tpu_topology": "2x2"},
    }


def test_spot_asks_for_no_reservation() -> None:
    config = tpu_node_pool("p", **{**TUTORIAL, "capacity": "spot"})["config"]
    assert config["spot"] is True
    assert "reservation_affinity" not in config


def test_any_reservation_needs_no_name() -> None:
    config = tpu_node_pool("p", **{**TUTORIAL, "capacity": "any_reservation", "reservation": ""})["config"]
    assert config["reservation_affinity"] == {"consume_reservation_type": "ANY_RESERVATION"}


@pytest.mark.parametrize(("capacity", "queued"), [("flex_start", None), ("queued", {"enabled": True})])
def test_flexible_capacity_begins_without_nodes(capacity: str, queued: Any) -> None:
    settings = {**TUTORIAL, "capacity": capacity, "reservation": "", "topology": "4x4", "max_run_duration": "3600s"}
    pool = tpu_node_pool("p", **settings)
    assert pool["initial_node_count"] == 0
    assert pool["autoscaling"] == {"enabled": True, "total_min_node_count": 0, "total_max_node_count": 4}
    assert pool["management"]["auto_repair"] is False
    assert pool.get("queued_provisioning") == queued
    config = pool["config"]
    assert (config["flex_start"], config["max_run_duration"]) == (True, "3600s")
    assert config["reservation_affinity"] == {"consume_reservation_type": "NO_RESERVATION"}


def test_pools_carry_labels_of_google_cloud() -> None:
    config = tpu_node_pool("p", **TUTORIAL, resource_labels={"llm-d-ttl": "8h"})["config"]
    assert config["resource_labels"] == {"llm-d-ttl": "8h"}


def test_on_demand_does_not_eat_a_reservation() -> None:
    config = tpu_node_pool("p", **{**TUTORIAL, "capacity": "on_demand"})["config"]
    assert config["reservation_affinity"] == {"consume_reservation_type": "NO_RESERVATION"}


def test_the_topology_can_be_left_out() -> None:
    pool = tpu_node_pool("p", **{**TUTORIAL, "topology": ""})
    assert "placement_policy" not in pool
    assert pool["initial_node_count"] == 1


def test_a_slice_of_several_hosts_has_a_node_for_each() -> None:
    assert tpu_node_pool("p", **{**TUTORIAL, "topology": "4x4"})["initial_node_count"] == 4


def test_overrides_are_merged_key_by_key_and_lists_replaced() -> None:
    pool = tpu_node_pool(
        "p", **TUTORIAL, overrides={"config": {"disk_type": "hyperdisk-balanced"}, "locations": ["us-east5-b"]}
    )
    assert pool["config"]["disk_type"] == "hyperdisk-balanced"
    assert pool["config"]["machine_type"] == "ct6e-standard-4t"
    assert pool["locations"] == ["us-east5-b"]


@pytest.mark.parametrize(
    ("machine_type", "topology", "hosts"),
    [
        ("ct6e-standard-1t", "1x1", 1),
        ("ct6e-standard-4t", "2x2", 1),
        ("ct6e-standard-8t", "2x4", 1),
        ("ct6e-standard-4t", "2x4", 2),
        ("ct6e-standard-4t", "16x16", 64),
    ],
)
def test_slices_that_exist(machine_type: str, topology: str, hosts: int) -> None:
    assert tpu_slice(machine_type, topology).hosts == hosts


@pytest.mark.parametrize(
    ("machine_type", "topology"),
    [("ct6e-standard-8t", "4x4"), ("ct6e-standard-1t", "2x2"), ("ct6e-standard-4t", "1x1"), ("n2-standard-8", "2x2")],
)
def test_slices_that_do_not(machine_type: str, topology: str) -> None:
    with pytest.raises(CapacityError, match="deployment_"):
        tpu_slice(machine_type, topology)
