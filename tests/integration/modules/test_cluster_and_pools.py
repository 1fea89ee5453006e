# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""gke_cluster, gke_node_pools, gke_credentials and gcp_leftovers, as Ansible runs them, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud

from .ansible_run import Task, one, run, secret_in, writes

HOME = {"location": "us-east5", "deployment": "blue"}
CLUSTER: dict[str, Any] = {
    **HOME,
    "name": "main",
    "network": "net",
    "subnetwork": "nodes",
    "release_channel": {"channel": "RAPID"},
    "addons_config": {"gcs_fuse_csi_driver_config": {"enabled": True}, "http_load_balancing": {"disabled": False}},
    "ip_allocation_policy": {"use_ip_aliases": True},
    "monitoring_config": {"managed_prometheus_config": {"enabled": True}},
    "network_config": {
        "datapath_provider": "ADVANCED_DATAPATH",
        "gateway_api_config": {"channel": "CHANNEL_STANDARD"},
    },
    "workload_identity_config": {"workload_pool": "llm-d-sandbox.svc.id.goog"},
    "default_pool": {"name": "default-pool", "initial_node_count": 1, "config": {"machine_type": "e2-standard-8"}},
    "resource_labels": {"team": "x"},
}


def tpu_pool(name: str, **changes: Any) -> dict[str, Any]:
    affinity = {
        "consume_reservation_type": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": ["tpu-v6e-reservation"],
    }
    return {
        "name": name,
        "initial_node_count": 1,
        "locations": ["us-east5-a"],
        "config": {
            "machine_type": "ct6e-standard-4t",
            "reservation_affinity": affinity,
            "workload_metadata_config": {"mode": "GKE_METADATA"},
        },
        "placement_policy": {"tpu_topology": "2x2"},
        "management": {"auto_repair": True, "auto_upgrade": True},
        **changes,
    }


def pools(*names: str, **changes: Any) -> dict[str, Any]:
    return {**HOME, "cluster": "main", "node_pools": [tpu_pool(name) for name in names], **changes}


@pytest.fixture(scope="module", autouse=True)
def network(cloud: RunningCloud) -> Iterator[None]:
    cloud.enable("compute", "container")
    project = cloud.info["project"]
    base = f"compute/v1/projects/{project}"
    made = cloud.call("POST", f"{base}/global/networks", {"name": "net", "autoCreateSubnetworks": False})
    cloud.wait_compute(made)
    subnet = {"name": "nodes", "network": f"projects/{project}/global/networks/net", "ipCidrRange": "10.10.0.0/18"}
    cloud.wait_compute(cloud.call("POST", f"{base}/regions/us-east5/subnetworks", subnet))
    yield


def changed(**changes: Any) -> dict[str, Any]:
    return {**CLUSTER, **changes}


def test_cluster_created_once(cloud: RunningCloud) -> None:
    planned, made, again = run(
        cloud,
        Task("gke_cluster", CLUSTER, check=True),
        Task("gke_cluster", CLUSTER),
        Task("gke_cluster", CLUSTER),
    )
    assert planned.changed and planned.writes == [] and "release_channel.channel: RAPID" in planned.diff
    assert "default_pool.config.machine_type: e2-standard-8" in planned.diff
    assert made.changed and not made.failed, made.result.get("msg")
    assert len(made.writes) == 1
    assert made.result["cluster"]["status"] == "RUNNING"
    assert made.result["cluster"]["resourceLabels"] == {"team": "x", "llm-d-deployment": "blue"}
    assert not again.changed and again.writes == [] and len(again.result["gcp_actions"]) == 1
    assert not secret_in(cloud, made.output)


def test_cluster_changes_one_field_a_request(cloud: RunningCloud) -> None:
    wanted = changed(
        release_channel={"channel": "STABLE"},
        addons_config={"ray_operator_config": {"enabled": True}, "dns_cache_config": {"enabled": False}},
        monitoring_config={"managed_prometheus_config": {"enabled": False}},
        resource_labels={"team": "y"},
    )
    planned, made, again = run(
        cloud,
        Task("gke_cluster", wanted, check=True),
        Task("gke_cluster", wanted),
        Task("gke_cluster", wanted),
    )
    assert planned.writes == [] and len(planned.result["plan"]) == 4
    assert made.changed and not made.failed, made.result.get("msg")
    assert [write.split()[0] for write in made.writes] == ["PUT", "PUT", "PUT", "POST"]
    assert "release_channel.channel: RAPID" in made.diff and "release_channel.channel: STABLE" in made.diff
    assert not again.changed and again.writes == []
    assert made.result["cluster"]["addonsConfig"]["gcsFuseCsiDriverConfig"]["enabled"], "what is not named stays"


def test_cluster_refusals(cloud: RunningCloud) -> None:
    datapath, theirs, unknown = run(
        cloud,
        Task("gke_cluster", changed(network_config={"datapath_provider": "LEGACY_DATAPATH"})),
        Task("gke_cluster", changed(deployment="green")),
        Task("gke_cluster", changed(release_channel={"channel": "FASTEST"})),
    )
    for outcome in (datapath, theirs, unknown):
        assert outcome.failed and outcome.writes == []
    assert "datapath_provider is 'ADVANCED_DATAPATH', wanted 'LEGACY_DATAPATH'" in datapath.result["msg"]
    assert "recreate: true" in datapath.result["failure"]["remedy"]
    assert "'blue'" in theirs.result["msg"]
    assert "FASTEST" in unknown.result["msg"]


def test_credentials(cloud: RunningCloud, tmp_path: Path) -> None:
    where = {"cluster": "main", "location": "us-east5", "kubeconfig": str(tmp_path / "deep" / "config")}
    dry, made, again, missing = run(
        cloud,
        Task("gke_credentials", where, check=True),
        Task("gke_credentials", where),
        Task("gke_credentials", where),
        Task("gke_credentials", {**where, "cluster": "nowhere"}),
    )
    assert dry.changed and made.changed and not again.changed
    assert (tmp_path / "deep" / "config").stat().st_mode & 0o777 == 0o600
    assert made.result["host"].startswith("https://") and "BEGIN CERTIFICATE" in made.result["ca_cert"]
    assert "api_key" not in made.result
    assert missing.failed and missing.result["failure"]["code"] == 404
    token = (tmp_path / "deep" / "config").read_text().split('"token": "')[1].split('"')[0]
    assert token not in made.output and not secret_in(cloud, made.output)


EIGHT = [f"tpu-{number}" for number in range(1, 9)]


def test_eight_pools_together(cloud: RunningCloud) -> None:
    planned, made, again = run(
        cloud,
        Task("gke_node_pools", pools(*EIGHT), check=True),
        Task("gke_node_pools", pools(*EIGHT)),
        Task("gke_node_pools", pools(*EIGHT)),
    )
    assert planned.writes == [] and len(planned.result["plan"]) == 8
    assert made.changed and not made.failed, made.result.get("msg")
    assert [pool["status"] for pool in made.result["node_pools"]] == ["RUNNING"] * 8
    assert len(made.writes) == 8 and made.result["gcp_retries"] == 0, "the queue keeps within GKE's quota by itself"
    assert not again.changed and len(again.result["gcp_actions"]) == 1


def test_pools_change_and_drift(cloud: RunningCloud) -> None:
    path = f"v1/projects/{cloud.info['project']}/locations/us-east5/clusters/main/nodePools/tpu-1"
    cloud.wait(cloud.call("POST", f"{path}:setManagement", {"management": {"autoUpgrade": True}}))
    tainted = tpu_pool("tpu-2")
    tainted["config"] = {**tainted["config"], "taints": [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}]}
    wanted = {**pools("tpu-1"), "node_pools": [tpu_pool("tpu-1"), tainted]}
    moved = tpu_pool("tpu-1")
    moved["config"] = {
        "reservation_affinity": {
            "consume_reservation_type": "SPECIFIC_RESERVATION",
            "key": "compute.googleapis.com/reservation-name",
            "values": ["another"],
        }
    }
    planned, made, again, refused, twice = run(
        cloud,
        Task("gke_node_pools", wanted, check=True),
        Task("gke_node_pools", wanted),
        Task("gke_node_pools", wanted),
        Task("gke_node_pools", {**wanted, "node_pools": [moved]}),
        Task("gke_node_pools", pools("tpu-1", "tpu-1")),
    )
    assert planned.writes == []
    assert sorted(s["differences"][0]["field"] for s in planned.result["plan"]) == [
        "config.taints",
        "management.auto_repair",
    ]
    assert made.changed and not made.failed, made.result.get("msg")
    assert len(made.writes) == 2
    assert not again.changed and again.writes == []
    assert refused.failed and refused.writes == [] and "another" in refused.result["msg"]
    assert twice.failed and "more than once" in twice.result["msg"]


def test_one_stockout_hides_nothing_and_is_repaired(cloud: RunningCloud) -> None:
    run(cloud, Task("gke_node_pools", pools("tpu-7", "tpu-8", state="absent")))
    text = "[GCE_STOCKOUT]: The zone 'us-east5-a' does not have enough resources available to fulfill the request."
    cloud.fault(
        "container.projects.locations.clusters.nodePools.create",
        kind="operation",
        times=1,
        operation={"code": "RESOURCE_EXHAUSTED", "message": text, "leaves": "ERROR"},
    )
    failed = one(cloud, "gke_node_pools", **pools(*EIGHT))
    assert failed.failed and failed.changed
    assert text in failed.result["msg"] and "run the same task again" in failed.result["msg"]
    assert failed.result["failure"]["reason"] == "GCE_STOCKOUT"
    statuses = sorted(pool["status"] for pool in failed.result["node_pools"])
    assert statuses == ["ERROR"] + ["RUNNING"] * 7
    repaired = one(cloud, "gke_node_pools", **pools(*EIGHT))
    assert not repaired.failed and [write.split()[0] for write in repaired.writes] == ["DELETE", "POST"]
    assert "GCE_STOCKOUT" in str(repaired.result["plan"]) or "ERROR" in str(repaired.result["plan"])


def test_lost_replies_and_refusals_that_pass(cloud: RunningCloud) -> None:
    create = "container.projects.locations.clusters.nodePools.create"
    run(cloud, Task("gke_node_pools", pools("tpu-7", "tpu-8", state="absent")))
    cloud.fault(create, kind="reset", when="after", times=1)
    before = len(cloud.requests())
    made = one(cloud, "gke_node_pools", **pools("tpu-7"))
    assert made.changed and not made.failed, made.result.get("msg")
    assert len([w for w in writes(cloud, before) if w.startswith("POST")]) == 1, "not sent twice"
    cloud.fault(
        create,
        kind="status",
        status=429,
        times=3,
        message='Too many operations: cluster "main" hits the concurrent operations quota 5, please try again later.',
        error_status="RESOURCE_EXHAUSTED",
    )
    made = one(cloud, "gke_node_pools", **pools("tpu-8"))
    assert not made.failed and made.result["gcp_retries"] >= 3


def test_time_is_over_and_the_next_run_goes_on(cloud: RunningCloud) -> None:
    run(cloud, Task("gke_node_pools", pools("tpu-8", state="absent")))
    started, late, done = run(
        cloud,
        Task("gke_node_pools", pools("tpu-8", wait=False)),
        Task("gke_node_pools", pools("tpu-8", wait_timeout=0)),
        Task("gke_node_pools", pools("tpu-8")),
    )
    assert started.changed and len(started.result["operations"]) == 1
    assert late.writes == []
    assert not done.failed and done.writes == [] and done.result["node_pools"][0]["status"] == "RUNNING"


def test_prune_and_absent(cloud: RunningCloud) -> None:
    keep = pools("tpu-1", prune=True)
    everything = {**HOME, "cluster": "main", "state": "absent", "prune": True}
    run(cloud, Task("gke_node_pools", pools("tpu-1", "tpu-2")))
    planned, pruned, gone, again, no_cluster = run(
        cloud,
        Task("gke_node_pools", keep, check=True),
        Task("gke_node_pools", keep),
        Task("gke_node_pools", everything),
        Task("gke_node_pools", everything),
        Task("gke_node_pools", {**everything, "cluster": "nowhere"}),
    )
    assert planned.writes == [] and pruned.changed
    assert all("tpu-" in write for write in pruned.writes + gone.writes), "the default pool is the cluster's"
    assert gone.changed and not again.changed and again.writes == []
    assert not no_cluster.failed and not no_cluster.changed


def test_cluster_absent_and_what_it_left(cloud: RunningCloud) -> None:
    project = cloud.info["project"]
    network = f"projects/{project}/global/networks/net"
    zone = f"compute/v1/projects/{project}/zones/us-east5-a/networkEndpointGroups"
    neg = {
        "name": "k8s1-0a1b2c3d-ns-svc-80-9f8e7d6c",
        "network": network,
        "subnetwork": f"projects/{project}/regions/us-east5/subnetworks/nodes",
        "networkEndpointType": "GCE_VM_IP_PORT",
    }
    cloud.wait_compute(cloud.call("POST", zone, neg))
    absent = {**HOME, "name": "main", "state": "absent"}
    sweep = {"network": "net", "cluster": "main"}
    busy, theirs, planned, gone, again, listed, dry, swept, empty = run(
        cloud,
        Task("gcp_leftovers", sweep),
        Task("gke_cluster", {**absent, "deployment": "green"}),
        Task("gke_cluster", absent, check=True),
        Task("gke_cluster", absent),
        Task("gke_cluster", absent),
        Task("gcp_leftovers_info", sweep),
        Task("gcp_leftovers", sweep, check=True),
        Task("gcp_leftovers", sweep),
        Task("gcp_leftovers", sweep),
    )
    assert busy.failed and busy.writes == [] and "clusters/main" in busy.result["msg"]
    assert not theirs.changed and theirs.writes == []
    assert planned.changed and planned.writes == []
    assert gone.changed and len(gone.writes) == 1 and gone.result["exists"] is False
    assert not again.changed and again.writes == []
    assert neg["name"] in [left["name"] for left in listed.result["leftovers"]]
    assert dry.changed and dry.writes == []
    assert swept.changed and any(neg["name"] in write for write in swept.writes)
    assert not empty.changed and empty.result["leftovers"] == []
