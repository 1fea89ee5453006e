# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Networks: life, modes, and what keeps one from going."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from sandbox.cloud.compute import places
from sandbox.cloud.server import Serving
from tests.sandbox.cloud.client import Client

LINK = "https://www.googleapis.com/compute/v1/projects/llm-d-sandbox"


def test_absent_network_is_404_without_status(api: Client) -> None:
    answer = api.compute("GET", "global/networks/net")
    text = "The resource 'projects/llm-d-sandbox/global/networks/net' was not found"
    assert answer.status == 404
    assert answer.body == {
        "error": {
            "code": 404,
            "message": text,
            "errors": [{"message": text, "domain": "global", "reason": "notFound"}],
        }
    }


def test_insert_answers_a_running_operation_and_then_makes_the_network(
    start: Callable[..., Serving], client_of: Callable[[Serving], Client]
) -> None:
    api = client_of(start(time_scale=100.0))
    body = {"name": "net", "autoCreateSubnetworks": False, "mtu": 8896, "routingConfig": {"routingMode": "REGIONAL"}}
    started = api.compute("POST", "global/networks", body)
    operation = started.body
    assert (operation["kind"], operation["status"], operation["progress"]) == ("compute#operation", "RUNNING", 0)
    assert operation["targetLink"] == f"{LINK}/global/networks/net"
    assert "endTime" not in operation
    assert api.compute("GET", "global/networks/net").status == 404
    assert api.compute("POST", "global/networks", body).status == 409

    ended = api.operation(started)
    network = api.get("global/networks/net")
    assert ended["targetId"] == network["id"] == operation["targetId"]
    assert ended["endTime"] > ended["startTime"]
    for given in ("creationTimestamp", "id", "selfLinkWithId"):
        network.pop(given)
    assert network == {
        "kind": "compute#network",
        "name": "net",
        "autoCreateSubnetworks": False,
        "mtu": 8896,
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        "routingConfig": {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
        "selfLink": f"{LINK}/global/networks/net",
    }


def test_duplicate_is_409(api: Client) -> None:
    api.network()
    answer = api.compute("POST", "global/networks", {"name": "net", "autoCreateSubnetworks": False})
    assert (answer.status, answer.reason) == (409, "alreadyExists")
    assert answer.message == "The resource 'projects/llm-d-sandbox/global/networks/net' already exists"


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"name": "Net"}, "invalid", "Invalid value for field 'resource.name': 'Net'."),
        ({"name": ""}, "required", "Required field 'resource.name' not specified"),
        ({"mtu": 8897}, "invalid", "Must be less than or equal to 8896"),
        ({"mtu": 1000}, "invalid", "Must be greater than or equal to 1300"),
        ({"mtu": "many"}, "invalid", "Invalid value at 'mtu' (TYPE_INT32), \"many\""),
        ({"colour": "red"}, "invalid", 'Invalid JSON payload received. Unknown name "colour": Cannot find field.'),
        ({"routingConfig": {"routingMode": "LOCAL"}}, "invalid", "Invalid value at 'routing_config.routing_mode'"),
    ],
)
def test_bad_network_is_refused(api: Client, fields: dict[str, object], reason: str, text: str) -> None:
    answer = api.compute("POST", "global/networks", {"name": "net", "autoCreateSubnetworks": False, **fields})
    assert (answer.status, answer.reason) == (400, reason)
    assert text in answer.message
    assert "items" not in api.get("global/networks")


def test_auto_mode_makes_a_subnet_in_every_region_and_takes_them_away(api: Client) -> None:
    network = api.network(auto=True)
    assert len(network["subnetworks"]) == len(places.REGIONS)
    assert api.get("regions/us-east5/subnetworks/net")["ipCidrRange"] == "10.202.0.0/20"
    refused = api.compute("DELETE", "regions/us-east5/subnetworks/net")
    assert refused.status == 400
    assert "Cannot delete auto subnetwork from an auto subnet mode network." in refused.message
    api.done("DELETE", "global/networks/net")
    assert "items" not in api.get("regions/us-east5/subnetworks")
    assert "items" not in api.get("global/routes")


def test_custom_subnet_in_an_auto_network_goes_first(api: Client) -> None:
    api.network(auto=True)
    api.subnet("tpu", "10.10.0.0/18")
    ended = api.operation(api.compute("DELETE", "global/networks/net"))
    assert ended["error"]["errors"][0]["message"].endswith("regions/us-east5/subnetworks/tpu'")
    api.done("DELETE", "regions/us-east5/subnetworks/tpu")
    api.done("DELETE", "global/networks/net")


def test_switch_to_custom_mode_is_one_way(api: Client) -> None:
    api.network(auto=True)
    api.done("POST", "global/networks/net/switchToCustomMode")
    assert api.get("global/networks/net")["autoCreateSubnetworks"] is False
    api.done("DELETE", "regions/us-east5/subnetworks/net")
    assert api.compute("POST", "global/networks/net/switchToCustomMode").status == 400


def test_network_in_use_fails_in_the_operation_and_names_the_user(api: Client) -> None:
    api.network()
    rule = {"name": "rule", "network": "global/networks/net", "allowed": [{"IPProtocol": "all"}]}
    api.done("POST", "global/firewalls", rule)
    ended = api.operation(api.compute("DELETE", "global/networks/net"))
    assert ended["error"]["errors"] == [
        {
            "code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
            "message": "The network resource 'projects/llm-d-sandbox/global/networks/net' is already being used by "
            "'projects/llm-d-sandbox/global/firewalls/rule'",
        }
    ]
    assert (ended["httpErrorStatusCode"], ended["httpErrorMessage"]) == (400, "BAD REQUEST")
    api.done("DELETE", "global/firewalls/rule")
    api.done("DELETE", "global/networks/net")
    assert api.compute("GET", "global/networks/net").status == 404


def test_patch_changes_mtu_and_routing_and_refuses_the_rest(api: Client) -> None:
    api.network()
    api.done("PATCH", "global/networks/net", {"mtu": 1500})
    api.done("PATCH", "global/networks/net", {"routingConfig": {"routingMode": "GLOBAL"}})
    network = api.get("global/networks/net")
    assert network["mtu"] == 1500
    assert network["routingConfig"] == {"routingMode": "GLOBAL", "bgpBestPathSelectionMode": "LEGACY"}
    for change in ({"description": "mine"}, {"autoCreateSubnetworks": True}, {"name": "other"}):
        assert api.compute("PATCH", "global/networks/net", change).status == 400
    assert api.compute("PATCH", "global/networks/net", {"mtu": 9000}).status == 400


def test_request_id_makes_a_repeated_request_harmless(api: Client) -> None:
    body = {"name": "net", "autoCreateSubnetworks": False}
    request_id = str(uuid.uuid4())
    first = api.compute("POST", "global/networks", body, requestId=request_id)
    api.operation(first)
    again = api.compute("POST", "global/networks", body, requestId=request_id)
    assert (again.status, again.body["name"], again.body["status"]) == (200, first.body["name"], "DONE")
    assert api.compute("POST", "global/networks", body, requestId=str(uuid.uuid4())).status == 409
    for bad in ("same-as-before", str(uuid.UUID(int=0))):
        assert api.compute("POST", "global/networks", body, requestId=bad).status == 400


def test_what_is_being_made_or_deleted_is_not_ready(
    start: Callable[..., Serving], client_of: Callable[[Serving], Client]
) -> None:
    api = client_of(start(time_scale=60.0))
    started = api.compute("POST", "global/networks", {"name": "net", "autoCreateSubnetworks": False})
    subnet = {"name": "sub", "network": "global/networks/net", "ipCidrRange": "10.0.0.0/24"}
    early = api.compute("POST", "regions/us-east5/subnetworks", subnet)
    assert (early.status, early.reason) == (400, "resourceNotReady")
    api.operation(started)
    deleted = api.compute("DELETE", "global/networks/net")
    late = api.compute("POST", "regions/us-east5/subnetworks", subnet)
    assert (late.status, late.reason) == (400, "resourceNotReady")
    assert api.compute("DELETE", "global/networks/net").status == 400
    api.operation(deleted)


def test_default_routes_come_and_go_with_the_network(api: Client) -> None:
    api.network()
    api.subnet("tpu", "10.10.0.0/18")
    routes = api.get("global/routes", filter='network eq ".*\\bnet\\b.*"')["items"]
    assert {route["destRange"] for route in routes} == {"0.0.0.0/0", "10.10.0.0/18"}
    api.done("DELETE", "regions/us-east5/subnetworks/tpu")
    api.done("DELETE", "global/networks/net")
    assert "items" not in api.get("global/routes")


def test_custom_route_blocks_the_network(api: Client) -> None:
    api.network()
    gateway = "global/gateways/default-internet-gateway"
    body = {"name": "mine", "network": "global/networks/net", "destRange": "10.99.0.0/16", "nextHopGateway": gateway}
    api.done("POST", "global/routes", body)
    ended = api.operation(api.compute("DELETE", "global/networks/net"))
    assert "global/routes/mine" in ended["error"]["errors"][0]["message"]
