# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Trouble by name, random plans, and what Google does otherwise than usual in compute and IAM."""

from __future__ import annotations

import json
import time

import pytest

from sandbox.cloud.fault_catalog import CATALOG, HABITS
from sandbox.cloud.faults import Fault, random_plan
from tests.sandbox.cloud.client import PROJECT, Client

BODY = {"name": "net", "autoCreateSubnetworks": False}
RESERVATION = "zones/us-east5-a/reservations/tpu-v6e-reservation"


def fault(api: Client, *faults: object) -> None:
    answer = api.call("POST", "/_sandbox/faults", list(faults))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("name", CATALOG)
def test_every_name_is_a_whole_fault_that_can_be_changed(api: Client, name: str) -> None:
    parsed = Fault.parse({"name": name})
    assert Fault.parse({"name": name, "nth": 3, "path": "*/x"}).nth == 3
    fault(api, name)
    assert api.call("GET", "/_sandbox/faults").body["faults"][0]["api_method"] == parsed.api_method
    assert CATALOG[name].passes in ("itself", "rerun", "never")
    assert CATALOG[name].says


def test_every_habit_has_a_name_in_the_catalogue() -> None:
    assert {Fault.parse({"name": name}).api_method for name in CATALOG} >= {f"habit:{name}" for name in HABITS}


def test_a_part_of_an_operations_error_can_be_changed() -> None:
    changed = Fault.parse({"name": "stockout", "operation": {"leaves": "RUNNING_WITH_ERROR"}}).operation
    assert changed is not None
    assert (changed.leaves, changed.condition) == ("RUNNING_WITH_ERROR", "GCE_STOCKOUT")


def test_nonsense_sets_nothing(api: Client) -> None:
    refused = api.call("POST", "/_sandbox/faults", ["unavailable", "earthquake"])
    assert refused.status == 400
    assert "there is no fault earthquake" in refused.body["error"]
    assert api.call("GET", "/_sandbox/faults").body["faults"] == []


def test_a_plan_is_its_seeds_and_passes() -> None:
    assert random_plan(7) == random_plan(7) == random_plan("7")
    assert len({json.dumps(random_plan(seed)) for seed in range(100)}) == 100
    drawn = [planned for seed in range(400) for planned in random_plan(seed)]
    assert {planned["name"] for planned in drawn} == {
        name for name, trouble in CATALOG.items() if trouble.passes != "never"
    }
    assert all(Fault.parse(planned) for planned in drawn)
    lasting = {planned["name"] for seed in range(400) for planned in random_plan(seed, lasting=True)}
    assert lasting == set(CATALOG)


def test_a_plan_by_http(api: Client) -> None:
    answer = api.call("POST", "/_sandbox/chaos", {"seed": 3})
    assert answer.body["plan"] == random_plan(3)
    assert [item["name"] for item in answer.body["faults"]] == [item["name"] for item in random_plan(3)]
    assert api.call("POST", "/_sandbox/chaos", {"weather": 3}).status == 400


def test_an_answer_that_is_no_json_and_one_that_is_an_error(api: Client) -> None:
    fault(api, {"name": "error_in_200", "api_method": "compute.networks.insert"})
    answer = api.call("POST", f"/compute/v1/projects/{PROJECT}/global/networks", BODY, **{"$alt": "json"})
    assert (answer.status, answer.body["error"]["status"]) == (200, "UNAVAILABLE")
    assert api.compute("GET", "global/networks/net").status == 404
    fault(api, {"name": "not_json", "api_method": "compute.networks.insert", "when": "after", "status": 502})
    with pytest.raises(json.JSONDecodeError):
        api.compute("POST", "global/networks", BODY)
    assert api.compute("POST", "global/networks", BODY).status == 409


def test_a_delay_takes_real_time(api: Client) -> None:
    fault(api, {"api_method": "compute.networks.list", "kind": "delay", "seconds": 0.2})
    start = time.monotonic()
    assert api.compute("GET", "global/networks").status == 200
    assert time.monotonic() - start >= 0.2


def test_an_expired_token_looks_like_googles(api: Client) -> None:
    fault(api, {"name": "expired_token", "api_method": "compute.networks.list"})
    refused = api.compute("GET", "global/networks")
    assert (refused.status, refused.error["status"]) == (401, "UNAUTHENTICATED")
    assert refused.error["details"][0]["reason"] == "ACCESS_TOKEN_EXPIRED"
    assert "WWW-Authenticate".lower() in refused.headers


def test_a_refused_request_keeps_the_fault_of_its_operation(api: Client) -> None:
    fault(api, {"name": "compute_operation_fails", "api_method": "compute.networks.insert"})
    assert api.compute("POST", "global/networks", {"name": "net"}).status == 400
    ended = api.operation(api.compute("POST", "global/networks", BODY))
    assert ended["error"]["errors"][0]["code"] == "INTERNAL_ERROR"


def test_an_enforcers_firewall_comes_back(api: Client) -> None:
    api.network()
    fault(api, "enforcer_firewall")
    seen = []
    for _attempt in range(2):
        error = api.operation(api.compute("DELETE", "global/networks/net"))["error"]["errors"][0]
        assert error["code"] == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
        rule = api.get("global/firewalls")["items"][0]["name"]
        assert f"projects/{PROJECT}/global/firewalls/{rule}'" in error["message"]
        assert rule.startswith("net-")
        api.done("DELETE", f"global/firewalls/{rule}")
        seen.append(rule)
    assert seen[0] != seen[1]
    api.done("DELETE", "global/networks/net")


def test_wait_may_return_at_once(api: Client) -> None:
    started = api.compute("POST", "global/networks", BODY).body
    fault(api, {"name": "wait_at_once", "path": f"*/{'nothing'}"})
    assert api.compute("POST", f"global/operations/{started['name']}/wait").body["status"] == "DONE"
    fault(api, {"name": "slow_operation", "api_method": "compute.networks.insert"}, "wait_at_once")
    started = api.compute("POST", "global/networks", {**BODY, "name": "slow"}).body
    assert api.compute("POST", f"global/operations/{started['name']}/wait").body["status"] == "RUNNING"


def test_an_aggregated_list_may_be_incomplete(api: Client) -> None:
    fault(api, {"name": "incomplete_list", "times": 1})
    answer = api.get("aggregated/reservations")
    assert answer["unreachables"] == ["zones/us-east5-a"]
    assert answer["items"]["zones/us-east5-a"]["warning"]["code"] == "UNREACHABLE"
    whole = api.get("aggregated/reservations")
    assert "unreachables" not in whole
    assert len(whole["items"]["zones/us-east5-a"]["reservations"]) == 1


def test_reservations_absent_and_full(api: Client) -> None:
    fault(api, "reservation_full")
    specific = api.get(RESERVATION)["specificReservation"]
    assert specific["inUseCount"] == specific["count"] == "8"
    api.call("DELETE", "/_sandbox/faults")
    fault(api, "reservation_absent")
    assert api.compute("GET", RESERVATION).status == 404
    assert "items" not in api.get("zones/us-east5-a/reservations")
    api.call("DELETE", "/_sandbox/faults")
    assert api.get(RESERVATION)["specificReservation"]["inUseCount"] == "0"


def test_quota_zero_shows_in_the_region(api: Client) -> None:
    fault(api, "quota_zero")
    assert {item["limit"] for item in api.get("regions/us-east5")["quotas"]} == {0.0}
