# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Comparison rules, ownership, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _ownership as ownership
from ansible_collections.llm_d.gke.plugins.module_utils._errors import OptionError
from ansible_collections.llm_d.gke.plugins.module_utils._fields import (
    same_labels,
    same_link,
    same_range,
    same_set,
    same_value,
)
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy, Target, plan
from ansible_collections.llm_d.gke.plugins.module_utils._resources import cluster, network, node_pool

API = "https://www.googleapis.com/compute/v1"


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (False, None, True),
        (True, None, False),
        (0, None, True),
        (0, 1, False),
        (110, "110", True),
        ("110", "32", False),
        ("", None, True),
        ("", "x", False),
        ([], None, True),
        ({}, {}, True),
        ("a", "a", True),
    ],
)
def test_values(wanted: Any, found: Any, same: bool) -> None:
    assert same_value(wanted, found, {}) is same


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (["b", "a"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        ([], ["a"], False),
        ([{"key": "k", "value": ""}], [{"key": "k"}], True),
        ([{"IPProtocol": "tcp", "ports": ["1", "2"]}], [{"ports": ["2", "1"], "IPProtocol": "tcp"}], True),
        ([{"IPProtocol": "tcp"}], [{"IPProtocol": "udp"}], False),
    ],
)
def test_lists_have_no_order_and_no_item_too_many(wanted: Any, found: Any, same: bool) -> None:
    assert same_set(wanted, found, {}) is same


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("n", f"{API}/projects/p/global/networks/n", True),
        ("projects/p/global/networks/n", "n", True),
        ("projects/p/global/networks/n", f"{API}/projects/123/global/networks/n", True),
        (
            "projects/p/global/networks/n",
            "https://compute.googleapis.com/compute/v1/projects/p/global/networks/n",
            True,
        ),
        ("projects/p/global/networks/n", "projects/p/global/networks/m", False),
        ("projects/p/regions/a/subnetworks/s", "projects/p/regions/b/subnetworks/s", False),
        ("n", None, False),
    ],
)
def test_links(wanted: Any, found: Any, same: bool) -> None:
    assert same_link(wanted, found, {}) is same


def test_ranges() -> None:
    assert same_range("10.0.0.0/8", "10.0.0.0/8", {})
    assert not same_range("10.0.0.0/8", "10.0.0.0/9", {})
    assert cluster.same_or_sized("/14", "10.4.0.0/14", {})
    assert not cluster.same_or_sized("/14", "10.4.0.0/16", {})


def test_labels_but_googles_own() -> None:
    assert same_labels({"a": "1"}, {"a": "1", "goog-gke-x": "y"}, {})
    assert not same_labels({"a": "1"}, {"a": "1", "b": "2"}, {})


def test_a_cluster_switches_private_access_on() -> None:
    lived_in = {"secondaryIpRanges": [{"rangeName": "gke-c-pods-0a1b2c3d", "reservedInternalRange": "x"}]}
    assert network.same_private_access(False, True, lived_in)
    assert not network.same_private_access(False, True, {})
    assert not network.same_private_access(True, False, lived_in)


def test_tpu_taint_of_gke_is_no_difference() -> None:
    tpu = {"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"}
    assert node_pool.same_taints([], [tpu], {})
    assert not node_pool.same_taints([tpu], [], {})
    assert not node_pool.same_taints([], [{**tpu, "key": "other"}], {})


@pytest.mark.parametrize(
    ("machine", "chips"),
    [("ct6e-standard-4t", 4), ("ct6e-standard-8t", 8), ("tpu7x-standard-4t", 4), ("e2-standard-4", 0)],
)
def test_chips_per_host(machine: str, chips: int) -> None:
    assert node_pool.chips_per_host(machine) == chips


def test_mark_in_words() -> None:
    marked = ownership.marked({"description": "Mine."}, {}, "description", "blue")
    assert marked == {"description": "Mine. [llm-d-deployment: blue]"}
    assert ownership.owner(marked, "description") == "blue"
    assert ownership.unmarked(marked["description"]) == "Mine."
    kept = ownership.marked({}, {"description": "Theirs."}, "description", "blue")
    assert kept == {"description": "Theirs. [llm-d-deployment: blue]"}


def test_mark_as_label_keeps_what_is_there_when_the_user_names_no_labels() -> None:
    found = {"resourceLabels": {"team": "x", "goog-a": "b"}}
    assert ownership.marked({}, found, "resourceLabels", "blue")["resourceLabels"] == {
        "team": "x",
        "goog-a": "b",
        "llm-d-deployment": "blue",
    }
    named = ownership.marked({"resourceLabels": {"team": "y"}}, found, "resourceLabels", "blue")["resourceLabels"]
    assert named == {"team": "y", "goog-a": "b", "llm-d-deployment": "blue"}


def test_mark_value_is_one_that_labels_allow() -> None:
    assert ownership.mark_value("Prod.Example") == "prod-example"
    assert len(ownership.mark_value("x" * 100)) == 63


def test_one_desired_field_a_request() -> None:
    wanted = {
        "releaseChannel": {"channel": "RAPID"},
        "addonsConfig": {"rayOperatorConfig": {"enabled": True}, "httpLoadBalancing": {"disabled": False}},
        "networkConfig": {"gatewayApiConfig": {"channel": "CHANNEL_STANDARD"}},
        "resourceLabels": {"a": "b"},
    }
    target = Target(cluster.CLUSTER, "c", {"project": "p", "location": "l"}, wanted)
    found = {"status": "RUNNING", "addonsConfig": {"httpLoadBalancing": {"disabled": True}}}
    bodies = [step.body for step in plan(target, found, Policy()).steps]
    assert bodies == [
        {"update": {"desiredReleaseChannel": {"channel": "RAPID"}}},
        {
            "update": {
                "desiredAddonsConfig": {
                    "rayOperatorConfig": {"enabled": True},
                    "httpLoadBalancing": {"disabled": False},
                }
            }
        },
        {"update": {"desiredGatewayApiConfig": {"channel": "CHANNEL_STANDARD"}}},
        {"resourceLabels": {"a": "b"}},
    ]


def test_what_only_the_server_knows_is_shown_as_such() -> None:
    target = Target(cluster.CLUSTER, "c", {"project": "p", "location": "l"}, {"resourceLabels": {"a": "b"}})
    step = plan(target, {"status": "RUNNING", "labelFingerprint": "x"}, Policy()).steps[0]
    assert "read from the server" in step.as_dict()["body"]["labelFingerprint"]


def test_a_subnetwork_grows_and_does_not_shrink() -> None:
    target = Target(network.SUBNETWORK, "s", {"project": "p", "region": "r"}, {"ipCidrRange": "10.0.0.0/16"})
    grown = plan(target, {"ipCidrRange": "10.0.0.0/18"}, Policy())
    assert [(s.method, s.body) for s in grown.steps] == [
        ("compute.subnetworks.expandIpCidrRange", {"ipCidrRange": "10.0.0.0/16"})
    ]
    for other in ("10.0.0.0/15", "10.9.0.0/18"):
        refused = plan(target, {"ipCidrRange": other}, Policy())
        assert refused.problem is not None and not refused.steps


def test_a_firewall_range_that_nobody_wants_any_more_is_seen() -> None:
    target = Target(network.FIREWALL, "f", {"project": "p"}, {"sourceRanges": ["10.0.0.0/8"]})
    found = {"sourceRanges": ["10.0.0.0/8", "0.0.0.0/0"]}
    assert plan(target, found, Policy()).steps[0].body == {"sourceRanges": ["10.0.0.0/8"]}


REFUSED = [
    {"config": {"spot": True, "reservation_affinity": {"consume_reservation_type": "ANY_RESERVATION"}}},
    {"config": {"spot": True, "flex_start": True}},
    {"config": {"flex_start": True}, "management": {"auto_repair": True}},
    {"queued_provisioning": {"enabled": True}, "autoscaling": {"total_min_node_count": 1}},
    {"config": {"reservation_affinity": {"consume_reservation_type": "SPECIFIC_RESERVATION"}}},
    {"config": {"machine_type": "e2-standard-4"}, "placement_policy": {"tpu_topology": "2x2"}},
    {"config": {"machine_type": "ct6e-standard-4t"}, "placement_policy": {"tpu_topology": "1x1"}},
    {"config": {"machine_type": "ct6e-standard-4t"}, "placement_policy": {"tpu_topology": "square"}},
    {
        "config": {"machine_type": "ct6e-standard-4t"},
        "placement_policy": {"tpu_topology": "4x4"},
        "initial_node_count": 1,
    },
]


@pytest.mark.parametrize("pool", REFUSED, ids=str)
def test_pools_that_cannot_work_are_refused_by_name(pool: dict[str, Any]) -> None:
    params = {"cluster": "c", "location": "l", "max_operations": 4, "node_pools": [{"name": "bad-one", **pool}]}
    with pytest.raises(OptionError, match="bad-one"):
        node_pool.NodePoolsDeclaration(params, "p", Policy())


def test_two_pools_of_one_name() -> None:
    params = {"cluster": "c", "location": "l", "max_operations": 4, "node_pools": [{"name": "a"}, {"name": "a"}]}
    with pytest.raises(OptionError, match="more than once"):
        node_pool.NodePoolsDeclaration(params, "p", Policy())


def test_ranges_that_overlap() -> None:
    subnetworks = [
        {"name": "a", "region": "r", "ip_cidr_range": "10.0.0.0/16"},
        {"name": "b", "region": "r", "ip_cidr_range": "10.0.8.0/24"},
    ]
    with pytest.raises(OptionError, match="overlap"):
        network.NetworkDeclaration({"name": "n", "subnetworks": subnetworks}, "p", Policy())
