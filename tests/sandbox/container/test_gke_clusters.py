# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Clusters: what a create answers and leaves, what the server fills in and changes around it, what goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.container.gke import CLUSTER, PROJECT, REGION, Gke

NUMBER = "415104041262"


def test_first_answer_of_a_create_is_running_with_the_project_number(gke: Gke) -> None:
    gke.place()
    answer = gke.ask_cluster()
    base = f"https://container.googleapis.com/v1/projects/{NUMBER}/locations/{REGION}"
    assert answer.body["status"] == "RUNNING"
    assert answer.body["operationType"] == "CREATE_CLUSTER"
    assert answer.body["selfLink"] == f"{base}/operations/{answer.body['name']}"
    assert answer.body["targetLink"] == f"{base}/clusters/c"
    assert answer.body["zone"] == REGION
    assert gke.read(CLUSTER)["status"] == "PROVISIONING"


def test_progress_of_a_create_ends_with_one_health_check_of_two(gke: Gke) -> None:
    gke.place()
    operation = gke.end(gke.ask_cluster())
    metrics = {metric["name"]: metric["intValue"] for metric in operation["progress"]["metrics"]}
    assert metrics["CLUSTER_CONFIGURING"] == metrics["CLUSTER_CONFIGURING_TOTAL"] == "8"
    assert metrics["CLUSTER_DEPLOYING"] == metrics["CLUSTER_DEPLOYING_TOTAL"] == "12"
    assert (metrics["CLUSTER_HEALTHCHECKING"], metrics["CLUSTER_HEALTHCHECKING_TOTAL"]) == ("1", "2")


def test_regional_cluster_has_three_zones_and_the_count_in_each(gke: Gke) -> None:
    cluster = gke.cluster()
    assert sorted(cluster["locations"]) == ["us-east5-a", "us-east5-b", "us-east5-c"]
    assert (cluster["currentNodeCount"], cluster["initialNodeCount"]) == (3, 1)
    assert len(cluster["instanceGroupUrls"]) == 3
    assert cluster["selfLink"] == f"https://container.googleapis.com/v1/projects/{PROJECT}/{CLUSTER}"


def test_zonal_cluster_links_say_zones(gke: Gke) -> None:
    cluster = gke.cluster("us-east5-b")
    assert cluster["locations"] == ["us-east5-b"]
    assert "/zones/us-east5-b/clusters/c" in cluster["selfLink"]
    missing = gke.container("GET", "locations/us-east5-b/clusters/x")
    assert missing.message == f"Not found: projects/{PROJECT}/zones/us-east5-b/clusters/x."


def test_lists_of_zones_come_in_any_order(gke: Gke) -> None:
    gke.cluster()
    orders = {tuple(gke.read(CLUSTER)["locations"]) for _look in range(40)}
    assert len(orders) > 1


def test_false_is_left_out_and_what_is_empty_stays(gke: Gke) -> None:
    addons = {"httpLoadBalancing": {"disabled": False}, "gcsFuseCsiDriverConfig": {"enabled": False}}
    cluster = gke.cluster(addonsConfig=addons)
    assert cluster["addonsConfig"]["httpLoadBalancing"] == {}
    assert cluster["addonsConfig"]["gcsFuseCsiDriverConfig"] == {}
    assert cluster["addonsConfig"]["dnsCacheConfig"] == {"enabled": True}
    assert cluster["addonsConfig"]["gcePersistentDiskCsiDriverConfig"] == {"enabled": True}
    kubelet = cluster["nodePools"][0]["config"]["kubeletConfig"]
    assert kubelet == {"insecureKubeletReadonlyPortEnabled": False, "maxParallelImagePulls": 2}


def test_server_defaults_of_a_cluster(gke: Gke) -> None:
    cluster = gke.cluster()
    assert (cluster["network"], cluster["subnetwork"]) == ("net", "sub")
    assert cluster["networkConfig"]["network"] == f"projects/{PROJECT}/global/networks/net"
    assert cluster["releaseChannel"] == {"channel": "REGULAR"}
    assert cluster["servicesIpv4Cidr"] == "34.118.224.0/20"
    assert "JOBSET" in cluster["monitoringConfig"]["componentConfig"]["enableComponents"]
    assert cluster["monitoringConfig"]["managedPrometheusConfig"] == {"enabled": True}
    assert cluster["nodeConfig"] == cluster["nodePools"][0]["config"]
    assert cluster["masterAuth"]["clusterCaCertificate"]
    assert cluster["endpoint"] == "127.0.0.1:1"


def test_v1beta1_shows_more(gke: Gke) -> None:
    gke.cluster(workloadIdentityConfig={"workloadPool": f"{PROJECT}.svc.id.goog"})
    beta, plain = gke.read(CLUSTER, version="v1beta1"), gke.read(CLUSTER)
    assert beta["privateCluster"] is True and "privateCluster" not in plain
    assert "identityProvider" in beta["workloadIdentityConfig"]
    assert plain["workloadIdentityConfig"] == {"workloadPool": f"{PROJECT}.svc.id.goog"}
    assert beta["selfLink"].startswith("https://container.googleapis.com/v1beta1/")


def test_a_cluster_changes_its_subnetwork_and_leaves_private_access_on(gke: Gke) -> None:
    cluster = gke.cluster()
    subnet = gke.get(f"regions/{REGION}/subnetworks/sub")
    pods = f"gke-c-pods-{cluster['id'][:8]}"
    assert subnet["privateIpGoogleAccess"] is True
    assert [item["rangeName"] for item in subnet["secondaryIpRanges"]] == [pods]
    assert subnet["secondaryIpRanges"][0]["reservedInternalRange"].endswith(f"/internalRanges/{pods}")
    assert cluster["ipAllocationPolicy"]["clusterSecondaryRangeName"] == pods
    gke.succeed("DELETE", CLUSTER)
    subnet = gke.get(f"regions/{REGION}/subnetworks/sub")
    assert subnet["privateIpGoogleAccess"] is True
    assert "secondaryIpRanges" not in subnet


def test_two_clusters_get_different_pod_ranges(gke: Gke) -> None:
    first = gke.cluster()
    second = gke.cluster(name="d")
    assert first["clusterIpv4Cidr"] == "10.64.0.0/14"
    assert second["clusterIpv4Cidr"] != first["clusterIpv4Cidr"]


def test_firewalls_and_instances_come_and_go_with_the_cluster(gke: Gke) -> None:
    cluster = gke.cluster()
    names = sorted(rule["name"] for rule in gke.get("global/firewalls")["items"])
    digits = cluster["id"][:8]
    assert names == [f"gke-c-{digits}-{kind}" for kind in ("all", "exkubelet", "inkubelet", "vms")]
    refused = gke.compute("DELETE", f"regions/{REGION}/subnetworks/sub")
    assert refused.reason == "resourceInUseByAnotherResource"
    assert "/instances/gke-c-default-pool-" in refused.message
    gke.succeed("DELETE", CLUSTER)
    assert "items" not in gke.get("global/firewalls")
    gke.done("DELETE", f"regions/{REGION}/subnetworks/sub")


def test_delete_stops_then_removes(slow_gke: Gke) -> None:
    slow_gke.cluster()
    operation = slow_gke.container("DELETE", CLUSTER)
    assert (operation.body["operationType"], operation.body["status"]) == ("DELETE_CLUSTER", "RUNNING")
    assert slow_gke.read(CLUSTER)["status"] == "STOPPING"
    slow_gke.end(operation)
    assert slow_gke.container("GET", CLUSTER).message == f"Not found: projects/{PROJECT}/{CLUSTER}."


def test_second_create_of_a_name_is_a_conflict(gke: Gke) -> None:
    gke.cluster()
    again = gke.ask_cluster()
    assert (again.status, again.reason) == (409, "alreadyExists")
    assert again.message == f"Already exists: projects/{PROJECT}/{CLUSTER}."


def test_list_in_all_locations(gke: Gke) -> None:
    gke.cluster()
    gke.cluster("us-east5-a", name="zonal")
    names = {cluster["name"] for cluster in gke.read("locations/-/clusters")["clusters"]}
    assert names == {"c", "zonal"}
    assert [cluster["name"] for cluster in gke.read("locations/us-east5-a/clusters")["clusters"]] == ["zonal"]
    assert gke.read("locations/us-central1/clusters") == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "nope"}, f'Project "{PROJECT}" has no network named "nope".'),
        ({"subnetwork": ""}, 'Network "net" uses manual subnet mode and requires specifying a subnetwork.'),
        (
            {"subnetwork": "nope"},
            f'Subnetwork "projects/{PROJECT}/regions/{REGION}/subnetworks/nope" is not valid for Network "net".',
        ),
        ({"initialNodeCount": 0}, "Cluster.initial_node_count must be greater than zero."),
        ({"initialClusterVersion": "1.19"}, 'Master version "1.19" is unsupported.'),
        ({"locations": ["us-east1-b"]}, f'Location "us-east1-b" does not exist in "{REGION}".'),
        ({"workloadIdentityConfig": {"workloadPool": "x.svc.id.goog"}}, 'Workload pool "x.svc.id.goog" is invalid'),
        (
            {"ipAllocationPolicy": {"clusterSecondaryRangeName": "pods"}},
            'Pod secondary range "pods" not found in network',
        ),
        ({"ipAllocationPolicy": {"clusterIpv4CidrBlock": "10.10.0.0/20"}}, "Requested CIDR 10.10.0.0/20"),
        (
            {"monitoringConfig": {"advancedDatapathObservabilityConfig": {"enableMetrics": True}}},
            "Advanced datapath observability requires",
        ),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(gke: Gke, change: dict[str, Any], message: str) -> None:
    gke.place()
    answer = gke.ask_cluster(**change)
    assert (answer.status, answer.error["status"], answer.reason) == (400, "INVALID_ARGUMENT", "badRequest")
    assert answer.message.startswith(message)
    assert gke.read("locations/-/clusters") == {}
    assert gke.read(f"locations/{REGION}/operations") == {}
    assert gke.get(f"regions/{REGION}/subnetworks/sub")["privateIpGoogleAccess"] is False


def test_unknown_location_is_refused(gke: Gke) -> None:
    gke.place()
    assert gke.ask_cluster("us-east9").message == 'Location "us-east9" does not exist.'


def test_named_secondary_ranges_are_used_and_kept(gke: Gke) -> None:
    gke.network("net")
    ranges = [
        {"rangeName": "pods", "ipCidrRange": "10.96.0.0/14"},
        {"rangeName": "services", "ipCidrRange": "10.100.0.0/20"},
    ]
    gke.subnet("sub", "10.10.0.0/18", secondaryIpRanges=ranges)
    policy = {"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"}
    cluster = gke.cluster(ipAllocationPolicy=policy)
    assert (cluster["clusterIpv4Cidr"], cluster["servicesIpv4Cidr"]) == ("10.96.0.0/14", "10.100.0.0/20")
    gke.succeed("DELETE", CLUSTER)
    kept = gke.get(f"regions/{REGION}/subnetworks/sub")["secondaryIpRanges"]
    assert [item["rangeName"] for item in kept] == ["pods", "services"]


def test_server_config_knows_the_version_that_clusters_get(gke: Gke) -> None:
    config = gke.read(f"locations/{REGION}/serverConfig")
    assert gke.cluster()["currentMasterVersion"] == config["defaultClusterVersion"]
    assert {channel["channel"] for channel in config["channels"]} >= {"RAPID", "REGULAR", "STABLE"}


def test_the_links_of_a_zonal_cluster_can_be_followed(gke: Gke) -> None:
    """They say zones/, an older form of the same methods."""
    zone = "zones/us-east5-a"
    gke.place()
    started = gke.ask_cluster("us-east5-a")
    gke.end(started)
    for link in (started.body["selfLink"], started.body["targetLink"]):
        path = link.removeprefix("https://container.googleapis.com")
        assert f"/{zone}/" in path
        assert gke.call("GET", path).status == 200
    assert [item["name"] for item in gke.read(f"{zone}/clusters")["clusters"]] == ["c"]
    assert gke.read(f"{zone}/clusters/c/nodePools/default-pool")["status"] == "RUNNING"
    assert gke.container("GET", f"{zone}/clusters/absent").status == 404
    old_labels = gke.container("POST", f"{zone}/clusters/c/resourceLabels", {})
    assert (old_labels.status, "zones.clusters.resourceLabels" in old_labels.message) == (501, True)
    assert gke.container("DELETE", f"{zone}/clusters/c").status == 200
