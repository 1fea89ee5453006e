# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Lists: pages, filters, aggregated answers, and what Google has by itself."""

from __future__ import annotations

import pytest

from sandbox.cloud.compute import places
from sandbox.cloud.compute.filters import compile_filter
from sandbox.cloud.errors import ApiError
from tests.sandbox.cloud.client import PROJECT, Client

BODY = {
    "name": "gke-x-1234-all",
    "network": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networks/qwen-serving-main",
    "priority": 1000,
    "disabled": False,
    "labels": {"goog-gke-volume": "", "llm-d-deployment": "one"},
    "allowed": [{"IPProtocol": "tcp"}, {"IPProtocol": "udp"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        (r'network eq ".*\bqwen-serving-main\b.*"', True),
        (r'network eq ".*\bqwen\b.*"', True),
        (r'network eq ".*\bserv\b.*"', False),
        ("name eq gke-.*", True),
        ("name eq gke", False),
        ("name ne gke-.*", False),
        ("(name eq gke-.*) (priority eq 1000)", True),
        ("(name eq gke-.*) (disabled eq true)", False),
        ('name = "gke-x-1234-all"', True),
        ("name=gke-x-1234-all AND priority>=1000", True),
        ("name=gke-* AND NOT disabled=true", True),
        ("name != gke-x-1234-all", False),
        ("name=other OR labels.llm-d-deployment=one", True),
        ("labels.goog-gke-volume:*", True),
        ("labels.other:*", False),
        ("network:qwen-serving", True),
        ("allowed.IPProtocol = udp", True),
        ("priority < 1000", False),
        ("(name=a OR name=gke-x-1234-all) priority=1000", True),
        ("missing = x", False),
        ("missing != x", True),
    ],
)
def test_filter(text: str, expected: bool) -> None:
    assert compile_filter(text)(BODY) is expected


@pytest.mark.parametrize(
    "text", ["name", "name eq", "name eq a AND name = b", "(name = a", "= a", 'name eq "("', "a ~ b"]
)
def test_bad_filter_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        compile_filter(text)
    assert "Invalid list filter expression" in refused.value.message


def test_pages_follow_each_other_and_filters_apply(api: Client) -> None:
    for number in range(5):
        api.network(f"net-{number}")
    first = api.get("global/networks", maxResults=2)
    second = api.get("global/networks", maxResults=2, pageToken=first["nextPageToken"])
    third = api.get("global/networks", maxResults=2, pageToken=second["nextPageToken"])
    names = [item["name"] for page in (first, second, third) for item in page["items"]]
    assert names == [f"net-{number}" for number in range(5)]
    assert "nextPageToken" not in third
    api.done("DELETE", "global/networks/net-1")
    after = api.get("global/networks", maxResults=2, pageToken=first["nextPageToken"])
    assert [item["name"] for item in after["items"]] == ["net-2", "net-3"]
    chosen = api.get("global/networks", filter="name eq net-[34]")
    assert [item["name"] for item in chosen["items"]] == ["net-3", "net-4"]
    assert api.compute("GET", "global/networks", pageToken="%").status == 400
    assert api.compute("GET", "global/networks", maxResults=501).status == 400


def test_empty_list_has_no_items(api: Client) -> None:
    answer = api.get("global/firewalls")
    assert answer["kind"] == "compute#firewallList"
    assert "items" not in answer


def test_aggregated_list_warns_of_every_empty_scope(api: Client) -> None:
    api.network()
    api.subnet("tpu", "10.10.0.0/18")
    answer = api.get("aggregated/subnetworks", includeAllScopes="True", maxResults=500, returnPartialSuccess="True")
    items = answer["items"]
    assert [subnet["name"] for subnet in items["regions/us-east5"]["subnetworks"]] == ["tpu"]
    assert "warning" not in items["regions/us-east5"]
    assert items["zones/us-east5-a"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    zones = sum(len(places.zones_of(region)) for region in places.REGIONS)
    assert len(items) == 1 + len(places.REGIONS) + zones
    assert len(api.get("aggregated/subnetworks")["items"]) == len(places.REGIONS)


def test_aggregated_pages(api: Client) -> None:
    api.network(auto=True)
    seen: list[str] = []
    token = ""
    for _page in range(10):
        answer = api.get("aggregated/subnetworks", maxResults=20, **({"pageToken": token} if token else {}))
        seen += [item["selfLink"] for entry in answer["items"].values() for item in entry.get("subnetworks", [])]
        token = answer.get("nextPageToken", "")
        if not token:
            break
    assert len(seen) == len(set(seen)) == len(places.REGIONS)


def test_aggregated_lists_exist_for_everything_a_sweep_looks_at(api: Client) -> None:
    kinds = (
        "addresses backendServices disks forwardingRules healthChecks instanceGroupManagers instanceGroups instances "
        "networkEndpointGroups reservations routers sslCertificates subnetworks targetHttpProxies targetHttpsProxies "
        "urlMaps machineTypes operations"
    )
    for kind in kinds.split():
        assert api.get(f"aggregated/{kind}", maxResults=500)["items"], kind


def test_fields_selects_a_part_of_the_answer(api: Client) -> None:
    api.network()
    assert api.get("global/networks", fields="items(name,routingConfig/routingMode)") == {
        "items": [{"name": "net", "routingConfig": {"routingMode": "REGIONAL"}}]
    }


def test_regions_zones_and_machine_types(api: Client) -> None:
    region = api.get("regions/us-east5")
    assert region["status"] == "UP"
    assert [zone.rpartition("/")[2] for zone in region["zones"]] == ["us-east5-a", "us-east5-b", "us-east5-c"]
    assert {"metric": "CPUS", "limit": 2400.0, "usage": 0.0} in region["quotas"]
    assert api.get("zones/us-east5-a")["region"].endswith("/regions/us-east5")
    machine = api.get("zones/us-east5-a/machineTypes/ct6e-standard-4t")
    assert machine["accelerators"] == [{"guestAcceleratorType": "ct6e", "guestAcceleratorCount": 4}]
    assert api.compute("GET", "zones/us-east5-c/machineTypes/ct6e-standard-4t").status == 404
    assert api.compute("GET", "regions/moon1").status == 404
    assert api.compute("GET", "zones/moon1-a").status == 404
    assert api.compute("GET", "zones/moon1-a/machineTypes/e2-standard-8").message.endswith("Unknown zone.")
    assert len(api.get("regions")["items"]) == len(places.REGIONS)
    assert api.get("zones", filter="name eq us-east5-.*")["items"][0]["name"] == "us-east5-a"
    assert api.call("GET", f"/compute/v1/projects/{PROJECT}").body["name"] == PROJECT


def test_quota_usage_counts_what_is_there(api: Client) -> None:
    api.done("POST", "regions/us-east5/addresses", {"name": "ip"})
    quotas = {quota["metric"]: quota["usage"] for quota in api.get("regions/us-east5")["quotas"]}
    assert quotas["STATIC_ADDRESSES"] == 1.0
