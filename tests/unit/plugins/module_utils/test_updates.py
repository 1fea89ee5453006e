# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What an update sends: the fields that differ, and of their neighbours what the call would otherwise reset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import googleapiclient
import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _report
from ansible_collections.llm_d.gke.plugins.module_utils._errors import OptionError
from ansible_collections.llm_d.gke.plugins.module_utils._fields import (
    Field,
    Update,
    argument_spec,
    dig,
    link_path,
    same_link,
    same_time,
    wanted_body,
)
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Kind, Policy, Target, plan
from ansible_collections.llm_d.gke.plugins.module_utils._resources.cluster import CLUSTER
from ansible_collections.llm_d.gke.plugins.module_utils._resources.network import FIREWALL, NETWORK, SUBNETWORK
from ansible_collections.llm_d.gke.plugins.module_utils._resources.node_pool import NODE_POOL

Json = dict[str, Any]
SCOPE = {"project": "p", "region": "r", "location": "l", "cluster": "c"}


def target(kind: Kind, params: Json) -> Target:
    scope = {key: value for key, value in SCOPE.items() if f"{{{key}}}" in kind.path}
    return Target(kind, "n", scope, wanted_body(kind.rows, params))


def bodies(kind: Kind, params: Json, found: Json) -> list[Json]:
    made = plan(target(kind, params), {"name": "n", **found}, Policy())
    assert made.problem is None, made.problem
    return [step.body or {} for step in made.steps]


def body(kind: Kind, params: Json, found: Json) -> Json:
    sent = bodies(kind, params, found)
    assert len(sent) == 1, sent
    return sent[0]


# ---- neighbours ----------------------------------------------------------------------------------------------------


def test_one_flag_of_management_leaves_the_other() -> None:
    found = {"management": {"autoRepair": True, "autoUpgrade": True}}
    sent = body(NODE_POOL, {"management": {"auto_repair": False}}, found)
    assert sent == {"management": {"autoRepair": False, "autoUpgrade": True}}


def test_one_bound_of_the_autoscaler_leaves_the_rest() -> None:
    found = {"autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3, "locationPolicy": "ANY"}}
    sent = body(NODE_POOL, {"autoscaling": {"max_node_count": 5}}, found)
    update = sent["update"]
    assert update["desiredNodePoolId"] == "n"
    assert update["desiredNodePoolAutoscaling"] == {**found["autoscaling"], "maxNodeCount": 5}


def test_bounds_in_total_let_go_of_those_of_a_zone() -> None:
    found = {"autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3}}
    sent = body(NODE_POOL, {"autoscaling": {"total_max_node_count": 5}}, found)
    assert sent["update"]["desiredNodePoolAutoscaling"] == {"enabled": True, "totalMaxNodeCount": 5}


def test_an_autoscaler_that_goes_takes_its_bounds_along() -> None:
    found = {"autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3}}
    sent = body(NODE_POOL, {"autoscaling": {"enabled": False}}, found)
    assert sent["update"]["desiredNodePoolAutoscaling"] == {"enabled": False}


def test_another_way_of_upgrading_has_settings_of_its_own() -> None:
    found = {"upgradeSettings": {"strategy": "SURGE", "maxSurge": 1}}
    settings = {"strategy": "BLUE_GREEN", "blue_green_settings": {"node_pool_soak_duration": "60s"}}
    sent = body(NODE_POOL, {"upgrade_settings": settings}, found)
    assert sent["upgradeSettings"] == {"strategy": "BLUE_GREEN", "blueGreenSettings": {"nodePoolSoakDuration": "60s"}}


def test_surge_keeps_what_was_not_named() -> None:
    found = {"upgradeSettings": {"strategy": "SURGE", "maxSurge": 1, "maxUnavailable": 2}}
    sent = body(NODE_POOL, {"upgrade_settings": {"max_surge": 0}}, found)
    assert sent["upgradeSettings"] == {"strategy": "SURGE", "maxSurge": 0, "maxUnavailable": 2}


def test_a_kernel_parameter_joins_those_that_are_there() -> None:
    found = {"config": {"linuxNodeConfig": {"sysctls": {"a": "1"}, "cgroupMode": "CGROUP_MODE_V2"}}}
    sent = body(NODE_POOL, {"config": {"linux_node_config": {"sysctls": {"b": "2"}}}}, found)
    assert sent["linuxNodeConfig"] == {"sysctls": {"a": "1", "b": "2"}, "cgroupMode": "CGROUP_MODE_V2"}


def test_a_window_of_another_kind_replaces_the_first_and_keeps_exclusions() -> None:
    window = {
        "recurringWindow": {"recurrence": "FREQ=DAILY"},
        "maintenanceExclusions": {"q4": {"startTime": "2026-11-01T00:00:00Z", "endTime": "2026-12-01T00:00:00Z"}},
    }
    found = {"maintenancePolicy": {"window": window, "resourceVersion": "abc"}}
    params = {"maintenance_policy": {"window": {"daily_maintenance_window": {"start_time": "03:00"}}}}
    sent = body(CLUSTER, params, found)["maintenancePolicy"]
    assert sent["window"] == {
        "dailyMaintenanceWindow": {"startTime": "03:00"},
        "maintenanceExclusions": window["maintenanceExclusions"],
    }


EXCLUSION = {"name": "q4", "start_time": "2026-11-01T00:00:00Z", "end_time": "2026-12-01T00:00:00Z", "scope": None}


def test_exclusions_are_a_map_in_the_api() -> None:
    params = {"maintenance_policy": {"window": {"maintenance_exclusions": [EXCLUSION]}}}
    window = {"startTime": "2026-11-01T00:00:00Z", "endTime": "2026-12-01T00:00:00Z"}
    assert dig(wanted_body(CLUSTER.rows, params), "maintenancePolicy.window.maintenanceExclusions") == {"q4": window}
    same = {"startTime": "2026-11-01T00:00:00+00:00", "endTime": "2026-12-01T00:00:00Z"}
    found = {"maintenancePolicy": {"window": {"maintenanceExclusions": {"q4": same}}}}
    assert bodies(CLUSTER, params, found) == [], "the same moments, and the scope that Google leaves out"
    none: Json = {"maintenance_policy": {"window": {"maintenance_exclusions": []}}}
    assert body(CLUSTER, none, found)["maintenancePolicy"]["window"] == {"maintenanceExclusions": {}}


def test_authorized_networks_keep_their_switch() -> None:
    found = {"masterAuthorizedNetworksConfig": {"enabled": True, "cidrBlocks": [{"cidrBlock": "192.0.2.0/24"}]}}
    params = {"master_authorized_networks_config": {"cidr_blocks": [{"cidr_block": "198.51.100.0/24"}]}}
    sent = body(CLUSTER, params, found)["update"]["desiredMasterAuthorizedNetworksConfig"]
    assert sent == {"enabled": True, "cidrBlocks": [{"cidrBlock": "198.51.100.0/24"}]}
    none: Json = {"master_authorized_networks_config": {"cidr_blocks": []}}
    assert body(CLUSTER, none, found)["update"]["desiredMasterAuthorizedNetworksConfig"]["cidrBlocks"] == []


def test_only_the_addons_that_differ_go_along() -> None:
    found = {"addonsConfig": {"rayOperatorConfig": {"rayClusterLoggingConfig": {"enabled": True}}, "x": {}}}
    addons = {"ray_operator_config": {"enabled": True}, "gcs_fuse_csi_driver_config": {"enabled": False}}
    sent = body(CLUSTER, {"addons_config": addons}, found)["update"]["desiredAddonsConfig"]
    assert sent == {"rayOperatorConfig": {"enabled": True, "rayClusterLoggingConfig": {"enabled": True}}}


def test_dataplane_metrics_keep_the_relay_and_prometheus_its_own() -> None:
    observed = {"enableMetrics": False, "enableRelay": True}
    found = {
        "monitoringConfig": {
            "advancedDatapathObservabilityConfig": observed,
            "managedPrometheusConfig": {"enabled": True},
        }
    }
    params = {"monitoring_config": {"advanced_datapath_observability_config": {"enable_metrics": True}}}
    sent = body(CLUSTER, params, found)["update"]["desiredMonitoringConfig"]
    assert sent == {"advancedDatapathObservabilityConfig": {"enableMetrics": True, "enableRelay": True}}


def test_one_desired_field_a_request() -> None:
    params = {
        "release_channel": {"channel": "RAPID"},
        "vertical_pod_autoscaling": {"enabled": True},
        "network_config": {"gateway_api_config": {"channel": "CHANNEL_STANDARD"}, "enable_l4ilb_subsetting": True},
    }
    sent = bodies(CLUSTER, params, {})
    assert len(sent) == 4
    assert all(len(each["update"]) == 1 for each in sent)


# ---- what is Google's ----------------------------------------------------------------------------------------------


def test_labels_of_google_go_along() -> None:
    found = {"resourceLabels": {"goog-x": "1", "team": "a"}, "labelFingerprint": "f"}
    assert body(CLUSTER, {"resource_labels": {"team": "b"}}, found)["resourceLabels"] == {"goog-x": "1", "team": "b"}


TPU_TAINT = {"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"}


def test_the_taint_of_tpu_nodes_goes_along() -> None:
    mine = {"key": "k", "value": "v", "effect": "NO_SCHEDULE"}
    sent = body(NODE_POOL, {"config": {"taints": [mine]}}, {"config": {"taints": [TPU_TAINT]}})
    assert sent == {"taints": {"taints": [mine, TPU_TAINT]}}
    assert bodies(NODE_POOL, {"config": {"taints": [mine]}}, {"config": {"taints": [TPU_TAINT, mine]}}) == []


def test_node_labels_of_gke_are_no_difference() -> None:
    labels = {"a": "b", "cloud.google.com/gke-tpu-topology": "2x2", "cloud.google.com/gke-nodepool": "n"}
    assert bodies(NODE_POOL, {"config": {"labels": {"a": "b"}}}, {"config": {"labels": labels}}) == []
    assert bodies(NODE_POOL, {"config": {"labels": {}}}, {"config": {"labels": labels}}) != [], "a is not GKE's"


GKE_RANGE = {"rangeName": "gke-c-pods-0a1b2c3d", "ipCidrRange": "10.8.0.0/14", "reservedInternalRange": "…"}
PODS = {"range_name": "pods", "ip_cidr_range": "10.64.0.0/16"}


def test_secondary_ranges_come_and_go_beside_those_of_gke() -> None:
    params = {"secondary_ip_ranges": [PODS]}
    sent = body(SUBNETWORK, params, {"secondaryIpRanges": [GKE_RANGE]})["secondaryIpRanges"]
    assert sent == [{"rangeName": "pods", "ipCidrRange": "10.64.0.0/16"}, GKE_RANGE]
    there = {"secondaryIpRanges": [GKE_RANGE, sent[0]]}
    assert bodies(SUBNETWORK, params, there) == []
    assert body(SUBNETWORK, {"secondary_ip_ranges": []}, there)["secondaryIpRanges"] == [GKE_RANGE]


def test_a_secondary_range_cannot_be_exchanged() -> None:
    found = {"name": "n", "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.65.0.0/16"}]}
    made = plan(target(SUBNETWORK, {"secondary_ip_ranges": [PODS]}), found, Policy())
    assert made.problem is not None and "another name" in made.problem.remedy and made.steps == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (CLUSTER, {"release_channel": {"channel": "UNSPECIFIED"}}),
        (CLUSTER, {"network_config": {"datapath_provider": "LEGACY_DATAPATH"}}),
        (CLUSTER, {"network_config": {"gateway_api_config": {"channel": "CHANNEL_DISABLED"}}}),
        (CLUSTER, {"ip_allocation_policy": {"stack_type": "IPV4"}}),
        (NODE_POOL, {"upgrade_settings": {"strategy": "SURGE"}}),
        (NODE_POOL, {"config": {"service_account": "default"}}),
        (SUBNETWORK, {"purpose": "PRIVATE"}),
        (SUBNETWORK, {"stack_type": "IPV4_ONLY"}),
        (FIREWALL, {"direction": "INGRESS", "priority": 1000}),
        (NETWORK, {"routing_mode": "REGIONAL"}),
    ],
    ids=lambda value: getattr(value, "noun", str(value))[:60],
)
def test_the_default_by_name_equals_absence(kind: Kind, params: Json) -> None:
    assert bodies(kind, params, {}) == []


def test_another_project_is_another_network() -> None:
    base = "https://www.googleapis.com/compute/v1/"
    assert same_link("projects/p/global/networks/n", f"{base}projects/123456/global/networks/n", {})
    assert same_link("n", f"{base}projects/p/global/networks/n", {})
    assert not same_link("projects/host/global/networks/n", f"{base}projects/p/global/networks/n", {})
    assert link_path(f"{base}projects/p/global/networks/n") == "projects/p/global/networks/n"


def test_moments() -> None:
    assert same_time("2026-01-01T04:00:00+01:00", "2026-01-01T03:00:00Z", {})
    assert not same_time("2026-01-01T04:00:00Z", "2026-01-01T03:00:00Z", {})
    assert same_time("03:00", "03:00", {}) and not same_time("03:00", "04:00", {})


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "params", "told"),
    [
        (SUBNETWORK, {"secondary_ip_ranges": [{"range_name": "x", "ip_cidr_range": "10.0.0.300/8"}]}, "secondary_ip"),
        (SUBNETWORK, {"log_config": {"flow_sampling": 1.5}}, "between 0 and 1"),
        (FIREWALL, {"priority": 70000}, "65535"),
        (NODE_POOL, {"max_pods_constraint": {"max_pods_per_node": 4}}, "between 8 and 256"),
        (NODE_POOL, {"initial_node_count": -1}, "negative"),
        (NODE_POOL, {"config": {"max_run_duration": "1h"}}, "3600s"),
        (CLUSTER, {"master_authorized_networks_config": {"cidr_blocks": [{"cidr_block": "office"}]}}, "CIDR"),
    ],
    ids=lambda value: getattr(value, "noun", str(value))[:60],
)
def test_wrong_values_are_told_before_anything_is_sent(kind: Kind, params: Json, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        wanted_body(kind.rows, params)


DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
SCHEMAS = [
    (NETWORK, "compute.v1", "Network"),
    (SUBNETWORK, "compute.v1", "Subnetwork"),
    (FIREWALL, "compute.v1", "Firewall"),
    (CLUSTER, "container.v1", "Cluster"),
    (NODE_POOL, "container.v1", "NodePool"),
]


def property_of(schemas: Json, schema: str, path: str) -> Json:
    found: Json = {"$ref": schema}
    for part in path.split("."):
        found = schemas[found["$ref"]]["properties"][part]
    return found


@pytest.mark.parametrize(("kind", "document", "schema"), SCHEMAS, ids=lambda value: getattr(value, "noun", str(value)))
def test_words_are_googles(kind: Kind, document: str, schema: str) -> None:
    """Where the API knows a list of words, the options know it as well: a wrong one is refused without a request."""
    schemas = json.loads((DOCUMENTS / f"{document}.json").read_text())["schemas"]
    for row in kind.rows:
        words = set(property_of(schemas, schema, row.api).get("enum") or [])
        assert set(row.choices) <= words and bool(row.choices) == bool(words), row.option


# ---- in words ------------------------------------------------------------------------------------------------------


def text_of(kind: Kind, params: Json, found: Json | None) -> str:
    (block,) = _report.diff([plan(target(kind, params), found, Policy(deployment="d"))])
    return block["before"] + "=>\n" + block["after"]


def test_a_new_resource_reads_like_its_declaration() -> None:
    rule = {
        "direction": "INGRESS",
        "allowed": [{"ip_protocol": "tcp", "ports": ["80"]}],
        "source_ranges": ["10.0.0.0/8"],
    }
    assert text_of(FIREWALL, rule, None) == (
        "=>\n"
        "name: n\n"
        "description: [llm-d-deployment: d]\n"
        "direction: INGRESS\n"
        "allowed:\n"
        "  - ip_protocol: tcp, ports: [80]\n"
        "source_ranges: [10.0.0.0/8]\n"
    )


def test_a_change_names_the_option_and_both_values() -> None:
    found = {"name": "n", "description": "[llm-d-deployment: d]", "allowed": [{"IPProtocol": "all"}], "priority": 1000}
    told = text_of(FIREWALL, {"allowed": [{"ip_protocol": "udp"}], "priority": 900}, found)
    assert told == (
        "priority: 1000\nallowed:\n  - ip_protocol: all\n=>\npriority: 900\nallowed:\n  - ip_protocol: udp\n"
    )


# ---- a new option --------------------------------------------------------------------------------------------------


def test_a_new_option_is_one_row() -> None:
    """From a row come the option, the create request, the comparison, the update, the diff, and what cannot be had."""
    update = Update("container.projects.locations.clusters.update", "podAutoscaling", "update.desiredPodAutoscaling")
    row = Field("pod_autoscaling.hpa_profile", choices=("PERFORMANCE", "NONE"), unset="NONE", update=update)
    kind = replace(CLUSTER, rows=(*CLUSTER.rows, row))
    spec = argument_spec(kind.rows)["pod_autoscaling"]["options"]["hpa_profile"]
    assert spec == {"type": "str", "choices": ["PERFORMANCE", "NONE"]}
    params = {"pod_autoscaling": {"hpa_profile": "PERFORMANCE"}}
    (made,) = plan(target(kind, params), None, Policy()).steps
    assert made.body == {"cluster": {"name": "n", "podAutoscaling": {"hpaProfile": "PERFORMANCE"}}}
    found = {"name": "n", "podAutoscaling": {"hpaProfile": "NONE"}}
    assert bodies(kind, params, found) == [{"update": {"desiredPodAutoscaling": {"hpaProfile": "PERFORMANCE"}}}]
    assert bodies(kind, {"pod_autoscaling": {"hpa_profile": "NONE"}}, {}) == []
    assert "pod_autoscaling.hpa_profile: PERFORMANCE" in text_of(kind, params, None)
    fixed = replace(kind, rows=(*CLUSTER.rows, replace(row, update=None, remedy="Live with it.")))
    problem = plan(target(fixed, params), found, Policy()).problem
    assert problem is not None and "hpa_profile is 'NONE', wanted 'PERFORMANCE'" in problem.message
    assert problem.remedy == "Live with it."
