# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Node pools: answers, defaults, TPU topologies, reservations."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.cloud import container_nodes
from sandbox.cloud.container_pool_rules import TOPOLOGY_REFUSED
from tests.sandbox.container.gke import CLUSTER, PROJECT, TPU_CONFIG, Gke, tpu_pool

SPECIFIC = TPU_CONFIG["reservationAffinity"]


def test_first_answer_is_pending_and_the_target_is_the_pool(slow_gke: Gke) -> None:
    slow_gke.cluster()
    answer = slow_gke.ask_pool(tpu_pool("tpu"))
    assert (answer.body["status"], answer.body["operationType"]) == ("PENDING", "CREATE_NODE_POOL")
    assert answer.body["targetLink"].endswith("/clusters/c/nodePools/tpu")
    assert slow_gke.read(f"{CLUSTER}/nodePools/tpu")["status"] == "PROVISIONING"
    assert "progress" not in slow_gke.end(answer)
    assert slow_gke.read(f"{CLUSTER}/nodePools/tpu")["status"] == "RUNNING"


def test_server_defaults_of_a_pool(gke: Gke) -> None:
    gke.cluster(workloadIdentityConfig={"workloadPool": f"{PROJECT}.svc.id.goog"})
    pool = gke.pool({"name": "p", "initialNodeCount": 1})
    config = pool["config"]
    assert config["machineType"] == "e2-medium"
    assert (config["diskSizeGb"], config["diskType"]) == (100, "pd-balanced")
    assert config["bootDisk"] == {"diskType": "pd-balanced", "sizeGb": "100"}
    assert config["resourceLabels"] == {"goog-gke-node-pool-provisioning-model": "on-demand"}
    assert config["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
    assert len(config["oauthScopes"]) == 6
    assert pool["maxPodsConstraint"] == {"maxPodsPerNode": "110"}
    assert pool["podIpv4CidrSize"] == 24
    assert pool["upgradeSettings"] == {"maxSurge": 1, "strategy": "SURGE"}
    assert pool["management"] == {"autoRepair": True, "autoUpgrade": True}
    assert sorted(pool["locations"]) == ["us-east5-a", "us-east5-b", "us-east5-c"]


def test_a_tpu_pool_gets_its_taint_and_takes_from_the_reservation(gke: Gke) -> None:
    gke.cluster()
    pool = gke.pool(tpu_pool("tpu"))
    assert {"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"} in pool["config"]["taints"]
    assert gke.reservation_use() == 1
    gke.succeed("DELETE", f"{CLUSTER}/nodePools/tpu")
    assert gke.reservation_use() == 0


def test_nodes_carry_gke_labels_taints_and_resources(gke: Gke) -> None:
    gke.cluster()
    gke.pool(tpu_pool("tpu-v6e-single-1"))
    stored = gke.cloud.store.get(f"projects/{PROJECT}/{CLUSTER}/nodePools/tpu-v6e-single-1")
    assert stored is not None
    (node,) = container_nodes.node_objects(stored.body, stored.hidden["nodes"])
    prefix, group, suffix = node["name"].rsplit("-", 2)
    assert (prefix, len(group), len(suffix)) == ("gke-c-tpu-v6e-single-1", 8, 4)
    labels = node["labels"]
    assert labels["cloud.google.com/gke-nodepool"] == "tpu-v6e-single-1"
    assert labels["cloud.google.com/gke-tpu-accelerator"] == "tpu-v6e-slice"
    assert labels["cloud.google.com/gke-tpu-topology"] == "2x2"
    assert labels["topology.kubernetes.io/zone"] == "us-east5-a"
    assert labels["topology.kubernetes.io/region"] == "us-east5"
    assert labels["node.kubernetes.io/instance-type"] == "ct6e-standard-4t"
    assert {"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"} in node["taints"]
    assert node["capacity"]["google.com/tpu"] == node["allocatable"]["google.com/tpu"] == "4"
    assert (node["capacity"]["cpu"], node["allocatable"]["cpu"]) == ("180", "179480m")
    assert node["internal_ip"].startswith("10.10.0.")


def test_absent_pool_and_absent_cluster(gke: Gke) -> None:
    gke.cluster()
    missing = gke.container("GET", f"{CLUSTER}/nodePools/x")
    assert (missing.status, missing.message) == (404, 'Not found: node pool "x" not found.')
    no_cluster = gke.container("GET", "locations/us-east5/clusters/y/nodePools/x")
    assert no_cluster.message == f"Not found: projects/{PROJECT}/locations/us-east5/clusters/y."


def test_second_create_is_a_conflict(gke: Gke) -> None:
    gke.cluster()
    again = gke.ask_pool({"name": "default-pool", "initialNodeCount": 1})
    assert (again.status, again.reason) == (409, "alreadyExists")
    assert again.message == f"Already exists: projects/{PROJECT}/{CLUSTER}/nodePools/default-pool."


@pytest.mark.parametrize(
    ("machine", "topology", "count", "message"),
    [
        ("ct6e-standard-4t", "3x3", 1, 'Invalid TPU topology "3x3" for machine type "ct6e-standard-4t".'),
        ("ct6e-standard-1t", "1x1", 1, TOPOLOGY_REFUSED),
        ("ct6e-standard-8t", "2x4", 1, TOPOLOGY_REFUSED),
        (
            "ct6e-standard-4t",
            "4x4",
            1,
            "Initial node count 1 is not a valid size of TPU pod slice with topology 4x4",
        ),
        ("e2-standard-4", "2x2", 1, 'TPU topology "2x2" is not supported with machine type "e2-standard-4".'),
        ("ct6e-huge", "2x2", 1, 'Invalid machine type "ct6e-huge" in zone "us-east5-a": GCE_NOT_FOUND.'),
    ],
)
def test_topology_must_fit(gke: Gke, machine: str, topology: str, count: int, message: str) -> None:
    gke.cluster()
    pool = tpu_pool("t", initialNodeCount=count, config={"machineType": machine})
    answer = gke.ask_pool(pool | {"placementPolicy": {"tpuTopology": topology}})
    assert (answer.status, answer.reason, answer.message) == (400, "badRequest", message)
    assert gke.container("GET", f"{CLUSTER}/nodePools/t").status == 404


def test_machines_stand_in_some_zones_only(gke: Gke) -> None:
    gke.cluster()
    answer = gke.ask_pool(tpu_pool("t", locations=["us-east5-c"]))
    assert answer.message == 'Invalid machine type "ct6e-standard-4t" in zone "us-east5-c": GCE_NOT_FOUND.'


def test_multi_host_slice_takes_all_its_hosts(gke: Gke) -> None:
    gke.cluster()
    gke.pool(tpu_pool("slice", initialNodeCount=4, placementPolicy={"tpuTopology": "4x4"}))
    assert gke.reservation_use() == 4
    refused = gke.container("POST", f"{CLUSTER}/nodePools/slice:setSize", {"nodeCount": 3})
    assert refused.message == "Node count 3 is not a valid size of TPU pod slice with topology 4x4"


def test_the_single_host_refusal_can_be_injected(gke: Gke) -> None:
    gke.cluster()
    gke.fault(
        api_method="*.nodePools.create",
        status=400,
        message=TOPOLOGY_REFUSED,
        reason="badRequest",
        error_status="INVALID_ARGUMENT",
    )
    assert gke.ask_pool(tpu_pool("t")).message == TOPOLOGY_REFUSED
    gke.pool(tpu_pool("t"))


def _with_reservation(value: str, **pool: Any) -> dict[str, Any]:
    config = TPU_CONFIG | {"reservationAffinity": {**SPECIFIC, "values": [value]}}
    return tpu_pool("t", config=config, **pool)


def test_unknown_reservation(gke: Gke) -> None:
    gke.cluster()
    answer = gke.ask_pool(_with_reservation("nope"))
    text = 'Google Compute Engine: reservation "nope" not found for node pool "t" at zone "us-east5-a".'
    assert (answer.status, answer.message) == (404, text)


def test_reservation_of_another_zone(gke: Gke) -> None:
    gke.cluster()
    answer = gke.ask_pool(_with_reservation("tpu-v6e-reservation", locations=["us-east5-b"]))
    assert answer.status == 404
    assert 'at zone "us-east5-b"' in answer.message


def test_reservation_of_another_machine_type(gke: Gke) -> None:
    gke.cluster()
    config = TPU_CONFIG | {"machineType": "ct6e-standard-8t"}
    answer = gke.ask_pool({"name": "t", "initialNodeCount": 1, "locations": ["us-east5-a"], "config": config})
    assert answer.status == 429
    assert "required 1 and short of 1 VM count of machine type ct6e-standard-8t" in answer.message


def test_full_reservation_is_refused_and_a_growing_pool_too(gke: Gke) -> None:
    gke.cluster()
    gke.pool(tpu_pool("most", initialNodeCount=7, placementPolicy={}))
    answer = gke.ask_pool(tpu_pool("two", initialNodeCount=2, placementPolicy={}))
    assert (answer.status, answer.error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert answer.message == (
        'Reservation does not have enough resources for the request: specific reservation "tpu-v6e-reservation" is '
        'insufficient for node pool "two" at zone "us-east5-a": required 2 and short of 1 VM count of machine type '
        "ct6e-standard-4t."
    )
    grown = gke.container("POST", f"{CLUSTER}/nodePools/most:setSize", {"nodeCount": 9})
    assert grown.status == 429
    gke.succeed("POST", f"{CLUSTER}/nodePools/most:setSize", {"nodeCount": 2})
    assert gke.reservation_use() == 2


def test_reservations_are_given_back_with_the_cluster(gke: Gke) -> None:
    gke.cluster()
    gke.pool(tpu_pool("tpu"))
    gke.succeed("DELETE", CLUSTER)
    assert gke.reservation_use() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": TPU_CONFIG | {"spot": True}}, "Spot VMs cannot be combined"),
        ({"queuedProvisioning": {"enabled": True}}, "Queued_provisioning requires reservation affinity to be set"),
        (
            {"config": {"machineType": "ct6e-standard-4t", "flexStart": True}},
            "Flex start requires reservation affinity to be set to none",
        ),
        ({"name": "Wrong_Name"}, 'Invalid value for field "node_pool.name"'),
        ({"maxPodsConstraint": {"maxPodsPerNode": "300"}}, "Invalid value for maxPodsPerNode: 300."),
        ({"locations": ["us-central1-b"]}, 'Location "us-central1-b" does not exist'),
        ({"version": "1.2.3"}, 'Node version "1.2.3" is unsupported.'),
        (
            {"config": TPU_CONFIG | {"serviceAccount": f"x@{PROJECT}.iam.gserviceaccount.com"}},
            "The user does not have access to service account",
        ),
        (
            {"config": TPU_CONFIG | {"workloadMetadataConfig": {"mode": "GKE_METADATA"}}},
            "Workload metadata mode GKE_METADATA requires Workload Identity",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(gke: Gke, change: dict[str, Any], message: str) -> None:
    gke.cluster()
    answer = gke.ask_pool(tpu_pool("t") | change)
    assert answer.status == 400
    assert answer.message.startswith(message)
    assert gke.reservation_use() == 0


def test_flex_start_as_gcloud_sends_it(gke: Gke) -> None:
    gke.cluster()
    config = {
        "machineType": "ct6e-standard-4t",
        "flexStart": True,
        "maxRunDuration": "3600s",
        "reservationAffinity": {"consumeReservationType": "NO_RESERVATION"},
    }
    pool = gke.pool(
        {
            "name": "flex",
            "initialNodeCount": 0,
            "locations": ["us-east5-a"],
            "config": config,
            "autoscaling": {"enabled": True, "totalMinNodeCount": 0, "totalMaxNodeCount": 1},
            "management": {"autoRepair": False, "autoUpgrade": True},
            "placementPolicy": {"tpuTopology": "2x2"},
        }
    )
    assert pool["status"] == "RUNNING"
    assert pool["config"]["resourceLabels"]["goog-gke-node-pool-provisioning-model"] == "flex-start"


def test_unknown_enum_value_names_the_field(gke: Gke) -> None:
    gke.cluster()
    config = TPU_CONFIG | {"workloadMetadataConfig": {"mode": "PULL"}}
    answer = gke.ask_pool(tpu_pool("t", config=config))
    assert answer.status == 400
    assert "Invalid value at 'node_pool.config.workload_metadata_config.mode'" in answer.message
