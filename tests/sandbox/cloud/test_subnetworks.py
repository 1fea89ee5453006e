# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Subnetworks: ranges, proxy-only subnets, changes, use."""

from __future__ import annotations

import pytest

from tests.sandbox.cloud.client import Client

LINK = "https://www.googleapis.com/compute/v1/projects/llm-d-sandbox"
TPU = "regions/us-east5/subnetworks/tpu"


def test_answer_has_the_fields_that_google_fills_in(api: Client) -> None:
    api.network()
    subnet = api.subnet("tpu", "10.10.0.0/18")
    for given in ("creationTimestamp", "id", "fingerprint"):
        subnet.pop(given)
    assert subnet == {
        "kind": "compute#subnetwork",
        "name": "tpu",
        "network": f"{LINK}/global/networks/net",
        "ipCidrRange": "10.10.0.0/18",
        "gatewayAddress": "10.10.0.1",
        "region": f"{LINK}/regions/us-east5",
        "selfLink": f"{LINK}/{TPU}",
        "privateIpGoogleAccess": False,
        "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        "allowSubnetCidrRoutesOverlap": False,
        "enableFlowLogs": False,
        "purpose": "PRIVATE",
        "stackType": "IPV4_ONLY",
    }


@pytest.mark.parametrize(
    "network",
    [
        "https://compute.googleapis.com/compute/v1/projects/llm-d-sandbox/global/networks/net",
        "https://www.googleapis.com/compute/v1/projects/415104041262/global/networks/net",
        "projects/llm-d-sandbox/global/networks/net",
        "global/networks/net",
    ],
)
def test_network_may_be_written_in_many_ways(api: Client, network: str) -> None:
    api.network()
    api.done("POST", "regions/us-east5/subnetworks", {"name": "tpu", "network": network, "ipCidrRange": "10.0.0.0/24"})
    assert api.get(TPU)["network"] == f"{LINK}/global/networks/net"


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"network": "net"}, 400, "The URL is malformed."),
        ({"network": "global/networks/other"}, 404, "global/networks/other' was not found"),
        ({"network": ""}, 400, "Required field 'resource.network' not specified"),
        ({"ipCidrRange": "10.0.0.1/24"}, 400, "Invalid value for field 'resource.ipCidrRange': '10.0.0.1/24'."),
        ({"ipCidrRange": "10.0.0.0/30"}, 400, "not allowed"),
        ({"ipCidrRange": "127.0.0.0/16"}, 400, "not allowed"),
        ({"ipCidrRange": "ten"}, 400, "Must be a CIDR address range."),
        ({"role": "ACTIVE"}, 400, "has no role"),
        ({"purpose": "REGIONAL_MANAGED_PROXY"}, 400, "Required field 'resource.role' not specified"),
        ({"purpose": "NOTHING"}, 400, "Invalid value at 'purpose'"),
        ({"purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE", "ipCidrRange": "10.0.0.0/27"}, 400, "/26 or larger"),
        (
            {"secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.0.0.0/16"}]},
            400,
            "Invalid IPCidrRange: 10.0.0.0/16 conflicts with existing subnetwork 'tpu'",
        ),
    ],
)
def test_bad_subnet_is_refused(api: Client, fields: dict[str, object], status: int, text: str) -> None:
    api.network()
    body = {"name": "tpu", "network": "global/networks/net", "ipCidrRange": "10.0.0.0/24", **fields}
    answer = api.compute("POST", "regions/us-east5/subnetworks", body)
    assert answer.status == status
    assert text in answer.message


def test_overlap_within_the_network_is_refused_also_across_regions(api: Client) -> None:
    api.network()
    api.network("elsewhere")
    api.subnet("tpu", "10.10.0.0/18", secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "10.64.0.0/14"}])
    for cidr in ("10.10.32.0/20", "10.64.0.0/16"):
        body = {"name": "more", "network": "global/networks/net", "ipCidrRange": cidr}
        answer = api.compute("POST", "regions/us-west1/subnetworks", body)
        assert (answer.status, answer.reason) == (400, "invalid")
        expected = f"Invalid IPCidrRange: {cidr} conflicts with existing subnetwork 'tpu' in region 'us-east5'."
        assert answer.message == expected
    api.subnet("tpu", "10.10.0.0/18", "elsewhere", region="us-west1")


def test_unknown_region_is_refused(api: Client) -> None:
    answer = api.compute("GET", "regions/us-east9/subnetworks")
    assert (answer.status, answer.reason) == (400, "invalid")
    assert answer.message == "Invalid value for field 'region': 'us-east9'. Unknown region."


def test_private_google_access_is_switched_by_its_own_method(api: Client) -> None:
    api.network()
    before = api.subnet("tpu", "10.10.0.0/18")
    api.done("POST", f"{TPU}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})
    after = api.get(TPU)
    assert after["privateIpGoogleAccess"] is True
    assert after["fingerprint"] != before["fingerprint"]


def test_range_grows_but_never_shrinks_or_collides(api: Client) -> None:
    api.network()
    api.subnet("tpu", "10.10.0.0/18")
    api.subnet("next", "10.10.128.0/18")
    expand = f"{TPU}/expandIpCidrRange"
    for cidr in ("10.10.0.0/18", "10.10.0.0/19", "10.20.0.0/16", "10.10.0.0/16"):
        assert api.compute("POST", expand, {"ipCidrRange": cidr}).status == 400, cidr
    api.done("POST", expand, {"ipCidrRange": "10.10.0.0/17"})
    assert api.get(TPU)["ipCidrRange"] == "10.10.0.0/17"
    routes = api.get("global/routes")["items"]
    assert "10.10.0.0/17" in {route["destRange"] for route in routes}


def test_patch_needs_the_current_fingerprint(api: Client) -> None:
    api.network()
    fresh = api.subnet("tpu", "10.10.0.0/18")["fingerprint"]
    pods = {"secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.64.0.0/14"}]}
    assert api.compute("PATCH", TPU, pods).reason == "required"
    api.done("PATCH", TPU, {**pods, "fingerprint": fresh})
    stale = api.compute("PATCH", TPU, {"secondaryIpRanges": [], "fingerprint": fresh})
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
    current = api.get(TPU)["fingerprint"]
    immutable = api.compute("PATCH", TPU, {"ipCidrRange": "10.0.0.0/8", "fingerprint": current})
    assert immutable.status == 400
    assert api.get(TPU)["secondaryIpRanges"] == pods["secondaryIpRanges"]


def test_only_one_active_proxy_subnet_in_region_and_network(api: Client) -> None:
    api.network()
    proxy = api.proxy_subnet()
    assert (proxy["purpose"], proxy["role"]) == ("REGIONAL_MANAGED_PROXY", "ACTIVE")
    assert "stackType" not in proxy
    second = {
        "name": "second",
        "network": "global/networks/net",
        "ipCidrRange": "172.17.0.0/26",
        "purpose": "REGIONAL_MANAGED_PROXY",
        "role": "ACTIVE",
    }
    answer = api.compute("POST", "regions/us-east5/subnetworks", second)
    assert (answer.status, answer.reason) == (400, "invalidResourceUsage")
    api.done("POST", "regions/us-east5/subnetworks", {**second, "role": "BACKUP"})


def test_subnet_in_use_is_refused_at_once(api: Client) -> None:
    api.network()
    api.subnet("tpu", "10.10.0.0/18")
    address = {"name": "ip", "addressType": "INTERNAL", "subnetwork": TPU}
    api.done("POST", "regions/us-east5/addresses", address)
    answer = api.compute("DELETE", TPU)
    assert (answer.status, answer.reason) == (400, "resourceInUseByAnotherResource")
    assert answer.message == (
        f"The subnetwork resource 'projects/llm-d-sandbox/{TPU}' is already being used by "
        "'projects/llm-d-sandbox/regions/us-east5/addresses/ip'"
    )
