# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is wrong with a deployment's settings is told at once, with a remedy, and without its secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.plugin_utils._rules import RULES, findings

GOOD: dict[str, Any] = {
    "name": "qwen-east",
    "project": "my-project",
    "zone": "us-east5-a",
    "region": "us-east5",
    "resource_names": {
        "deployment_network": "qwen-serving-main",
        "deployment_cluster": "qwen-serving-cluster",
        "deployment_pool_prefix": "tpu-v6e-single-8",
    },
    "ranges": {
        "deployment_subnetwork_range": "10.10.0.0/18",
        "deployment_proxy_range": "172.16.0.0/26",
        "deployment_pod_range": "",
        "deployment_service_range": "",
    },
    "capacity": "reservation",
    "reservation": "my-reservation",
    "machine_type": "ct6e-standard-4t",
    "topology": "2x2",
    "pool_count": 8,
    "replicas": 8,
    "tensor_parallel": 4,
    "hf_token": "a-token-that-nobody-may-see",
}


def with_ranges(**ranges: str) -> dict[str, Any]:
    return {"ranges": {**GOOD["ranges"], **{f"deployment_{name}_range": value for name, value in ranges.items()}}}


def with_name(variable: str, value: str) -> dict[str, Any]:
    return {"resource_names": {**GOOD["resource_names"], variable: value}}


def test_the_tutorials_settings_are_fine() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"project": ""}, "No project"),
        ({"project": "My Project"}, "no project id"),
        ({"project": "12345"}, "no project id"),
        ({"zone": ""}, "No zone"),
        ({"zone": "us-east5"}, "no zone"),
        ({"region": "europe-west4"}, "Zone us-east5-a is not in region 'europe-west4'"),
        ({"region": "us-east"}, "not in region"),
        ({"name": "Host.Example"}, "cannot be a label"),
        (with_name("deployment_network", "Main"), "deployment_network"),
        (with_name("deployment_cluster", "c" * 41), "at most 40"),
        (with_ranges(subnetwork="10.10.0.1/18"), "deployment_subnetwork_range is no IPv4 range"),
        (with_ranges(proxy="172.16.0.0/27"), "too small"),
        (with_ranges(proxy="10.10.63.0/26"), "overlap"),
        (with_ranges(pod="10.8.0.0/14"), "overlap"),
        ({"capacity": "luck"}, "none of reservation, any_reservation, on_demand, spot"),
        ({"reservation": ""}, "No reservation"),
        ({"reservation": "Mine!"}, "is no reservation"),
        ({"capacity": "spot"}, "draws on none by name"),
        ({"capacity": "flex_start", "max_run_duration": "3600s"}, "draws on none by name"),
        ({"capacity": "queued", "reservation": "", "max_run_duration": "9d"}, "is no run of queued"),
        ({"capacity": "flex_start", "reservation": "", "max_run_duration": "604801s"}, "is no run of flex_start"),
        ({"machine_type": "e2-standard-4"}, "no TPU machine type"),
        ({"machine_type": "ct6e-standard-8t"}, "does not fit machine type"),
        ({"topology": "two"}, "does not read like 2x2"),
        ({"tensor_parallel": 8}, "does not fit a host of 4 chips"),
        ({"tensor_parallel": 0}, "does not fit a host of 4 chips"),
        ({"pool_count": 7}, "8 model servers"),
        ({"hf_token": ""}, "No Hugging Face token"),
        ({"hf_token": "a-token-that-nobody-may-see\n"}, "newline"),
    ],
)
def test_each_mistake_is_named_alone(change: dict[str, Any], expected: str) -> None:
    (finding,) = findings({**GOOD, **change})
    assert expected in finding


def test_everything_is_told_at_once() -> None:
    told = findings({**GOOD, "project": "", "zone": "", "reservation": "", "hf_token": ""})
    assert len(told) == 4


def test_only_the_topics_asked_for() -> None:
    assert findings({**GOOD, "hf_token": "", "project": ""}, ["place"]) == findings({**GOOD, "project": ""})


@pytest.mark.parametrize("token", ["secret with a space", "secret\n", "\tsecret"])
def test_the_token_is_never_quoted(token: str) -> None:
    (finding,) = findings({**GOOD, "hf_token": token})
    assert "secret" not in finding


@pytest.mark.parametrize("change", [{"capacity": "spot"}, {"capacity": "on_demand"}])
def test_other_capacity_needs_no_reservation(change: dict[str, Any]) -> None:
    assert findings({**GOOD, **change, "reservation": ""}) == []


def test_smaller_model_servers_share_a_host() -> None:
    assert findings({**GOOD, "tensor_parallel": 2, "replicas": 16}) == []
    assert findings({**GOOD, "tensor_parallel": 2, "replicas": 17})


def test_numbers_that_come_as_text_count() -> None:
    """Inventories and surveys give strings."""
    assert findings({**GOOD, "pool_count": "8", "replicas": "8", "tensor_parallel": "4"}) == []


def test_every_rule_has_a_topic() -> None:
    assert list(RULES) == ["place", "names", "ranges", "capacity", "token"]
