# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Updates of clusters and pools: which call changes what, and what is refused."""

from __future__ import annotations

from tests.sandbox.container.gke import CLUSTER, PROJECT, Gke, tpu_pool

POOL = f"{CLUSTER}/nodePools/default-pool"


def test_one_field_per_update(gke: Gke) -> None:
    gke.cluster()
    both = {"desiredAddonsConfig": {}, "desiredReleaseChannel": {"channel": "RAPID"}}
    answer = gke.container("PUT", CLUSTER, {"update": both})
    assert (answer.status, answer.reason) == (400, "badRequest")
    assert "desiredAddonsConfig, desiredReleaseChannel" in answer.message
    assert gke.container("PUT", CLUSTER, {"update": {}}).message == "Must specify a field to update."


def test_the_old_service_fields_go_together_and_rewrite_the_new_ones(gke: Gke) -> None:
    gke.cluster()
    gke.succeed("PUT", CLUSTER, {"update": {"desiredLoggingService": "none", "desiredMonitoringService": "none"}})
    cluster = gke.read(CLUSTER)
    assert cluster["loggingService"] == "none"
    assert cluster["loggingConfig"] == {"componentConfig": {}}


def test_addons_that_are_not_named_stay(gke: Gke) -> None:
    gke.cluster(addonsConfig={"gcsFuseCsiDriverConfig": {"enabled": True}})
    update = {"desiredAddonsConfig": {"rayOperatorConfig": {"enabled": True}}}
    operation = gke.container("PUT", CLUSTER, {"update": update})
    assert (operation.body["operationType"], operation.body["status"]) == ("UPDATE_CLUSTER", "RUNNING")
    gke.end(operation)
    addons = gke.read(CLUSTER)["addonsConfig"]
    assert addons["rayOperatorConfig"] == addons["gcsFuseCsiDriverConfig"] == {"enabled": True}


def test_gateway_needs_the_load_balancing_addon(gke: Gke) -> None:
    gke.cluster(addonsConfig={"httpLoadBalancing": {"disabled": True}})
    gateway = {"desiredGatewayApiConfig": {"channel": "CHANNEL_STANDARD"}}
    assert gke.container("PUT", CLUSTER, {"update": gateway}).status == 400
    gke.succeed("PUT", CLUSTER, {"update": {"desiredAddonsConfig": {"httpLoadBalancing": {"disabled": False}}}})
    gke.succeed("PUT", CLUSTER, {"update": gateway})
    assert gke.read(CLUSTER)["networkConfig"]["gatewayApiConfig"] == {"channel": "CHANNEL_STANDARD"}


def test_what_is_not_implemented_says_so_by_name(gke: Gke) -> None:
    gke.cluster()
    answer = gke.container("PUT", CLUSTER, {"update": {"desiredStackType": "IPV4_IPV6"}})
    assert answer.status == 501
    assert "desiredStackType" in answer.message


def test_locations_stay_in_the_region(gke: Gke) -> None:
    gke.cluster()
    gke.succeed("PUT", CLUSTER, {"update": {"desiredLocations": ["us-east5-a"]}})
    assert gke.read(CLUSTER)["locations"] == ["us-east5-a"]
    assert gke.container("PUT", CLUSTER, {"update": {"desiredLocations": ["us-east1-b"]}}).status == 400


def test_labels_need_the_fingerprint_and_replace(gke: Gke) -> None:
    gke.cluster(resourceLabels={"a": "1"})
    path = f"{CLUSTER}:setResourceLabels"
    assert gke.container("POST", path, {"resourceLabels": {"b": "2"}}).status == 412
    fingerprint = gke.read(CLUSTER)["labelFingerprint"]
    gke.succeed("POST", path, {"resourceLabels": {"b": "2"}, "labelFingerprint": fingerprint})
    cluster = gke.read(CLUSTER)
    assert cluster["resourceLabels"] == {"b": "2"}
    assert cluster["labelFingerprint"] != fingerprint
    stale = gke.container("POST", path, {"resourceLabels": {}, "labelFingerprint": fingerprint})
    assert (stale.status, stale.error["status"]) == (412, "FAILED_PRECONDITION")


def test_maintenance_policy_needs_its_resource_version(gke: Gke) -> None:
    gke.cluster()
    window = {"window": {"dailyMaintenanceWindow": {"startTime": "03:00"}}}
    path = f"{CLUSTER}:setMaintenancePolicy"
    assert gke.container("POST", path, {"maintenancePolicy": window}).status == 412
    version = gke.read(CLUSTER)["maintenancePolicy"]["resourceVersion"]
    gke.succeed("POST", path, {"maintenancePolicy": window | {"resourceVersion": version}})
    policy = gke.read(CLUSTER)["maintenancePolicy"]
    assert policy["window"]["dailyMaintenanceWindow"]["startTime"] == "03:00"
    assert policy["resourceVersion"] != version


def test_stale_etag_is_aborted(gke: Gke) -> None:
    etag = gke.cluster()["etag"]
    gke.succeed("PUT", CLUSTER, {"update": {"desiredReleaseChannel": {"channel": "RAPID"}, "etag": etag}})
    late = gke.container("PUT", CLUSTER, {"update": {"desiredReleaseChannel": {"channel": "STABLE"}, "etag": etag}})
    assert (late.status, late.error["status"]) == (409, "ABORTED")


def test_autoscaling_is_a_cluster_update_on_the_pool(gke: Gke) -> None:
    gke.cluster()
    update = {
        "desiredNodePoolAutoscaling": {"enabled": True, "totalMinNodeCount": 0, "totalMaxNodeCount": 2},
        "desiredNodePoolId": "default-pool",
    }
    started = gke.container("PUT", CLUSTER, {"update": update})
    assert (started.body["operationType"], started.body["status"]) == ("UPDATE_CLUSTER", "PENDING")
    assert started.body["targetLink"].endswith("/clusters/c/nodePools/default-pool")
    ended = gke.end(started)
    assert ended["progress"]["metrics"] == [{"name": "NODES_TOTAL", "intValue": "0"}]
    pool = gke.read(POOL)
    assert pool["autoscaling"] == {"enabled": True, "totalMaxNodeCount": 2, "locationPolicy": "BALANCED"}
    assert "initialNodeCount" not in pool


def test_size_is_per_zone_and_shows_as_the_initial_count(gke: Gke) -> None:
    gke.cluster()
    before = {item["name"] for item in gke.get("zones/us-east5-a/instances")["items"]}
    started = gke.container("POST", f"{POOL}:setSize", {"nodeCount": 2})
    assert (started.body["operationType"], started.body["status"]) == ("SET_NODE_POOL_SIZE", "PENDING")
    assert "progress" not in gke.end(started)
    assert gke.read(POOL)["initialNodeCount"] == 2
    assert gke.read(CLUSTER)["currentNodeCount"] == 6
    after = {item["name"] for item in gke.get("zones/us-east5-a/instances")["items"]}
    assert before < after and len(after) == 2


def test_workload_metadata_replaces_the_nodes(gke: Gke) -> None:
    gke.cluster(workloadIdentityConfig={"workloadPool": f"{PROJECT}.svc.id.goog"})
    before = {item["name"] for item in gke.get("zones/us-east5-b/instances")["items"]}
    started = gke.container("PUT", POOL, {"workloadMetadataConfig": {"mode": "GCE_METADATA"}})
    assert (started.body["operationType"], started.body["status"]) == ("UPGRADE_NODES", "PENDING")
    metrics = {metric["name"]: metric["intValue"] for metric in gke.end(started)["progress"]["metrics"]}
    assert metrics["NODES_TOTAL"] == metrics["NODES_DONE"] == "3"
    assert gke.read(POOL)["config"]["workloadMetadataConfig"]["mode"] == "GCE_METADATA"
    after = {item["name"] for item in gke.get("zones/us-east5-b/instances")["items"]}
    assert not before & after


def test_taints_replace_but_the_tpu_one_stays(gke: Gke) -> None:
    gke.cluster()
    gke.pool(tpu_pool("tpu"))
    ours = {"key": "k", "value": "v", "effect": "NO_SCHEDULE"}
    gke.succeed("PUT", f"{CLUSTER}/nodePools/tpu", {"taints": {"taints": [ours]}})
    taints = gke.read(f"{CLUSTER}/nodePools/tpu")["config"]["taints"]
    assert {taint["key"] for taint in taints} == {"k", "google.com/tpu"}


def test_locations_of_a_pool_add_and_remove_nodes(gke: Gke) -> None:
    gke.cluster()
    gke.succeed("PUT", POOL, {"locations": ["us-east5-b"]})
    pool = gke.read(POOL)
    assert pool["locations"] == ["us-east5-b"]
    assert len(pool["instanceGroupUrls"]) == 1
    assert gke.read(CLUSTER)["currentNodeCount"] == 1
    assert "items" not in gke.get("zones/us-east5-a/instances")


def test_an_update_of_nothing_is_refused(gke: Gke) -> None:
    gke.cluster()
    answer = gke.container("PUT", POOL, {"name": f"projects/{PROJECT}/{POOL}"})
    assert answer.message.startswith("At least one of ['node_version', 'image_type', ")


def test_immutable_fields_are_not_fields_of_an_update(gke: Gke) -> None:
    gke.cluster()
    answer = gke.container("PUT", POOL, {"reservationAffinity": {"consumeReservationType": "NO_RESERVATION"}})
    assert answer.status == 400
    assert 'Unknown name "reservationAffinity"' in answer.message


def test_management_keeps_auto_upgrade_in_a_release_channel(gke: Gke) -> None:
    gke.cluster()
    path = f"{POOL}:setManagement"
    gke.succeed("POST", path, {"management": {"autoRepair": False, "autoUpgrade": True}})
    assert gke.read(POOL)["management"] == {"autoUpgrade": True}
    refused = gke.container("POST", path, {"management": {"autoRepair": True, "autoUpgrade": False}})
    assert refused.message.startswith("Auto_upgrade must be true")
