# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Statuses: what GKE writes, and nothing written twice."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.loadbalancer import attach, status
from sandbox.cluster.loadbalancer.model import Gateway, Verdict
from sandbox.cluster.loadbalancer.status import Programming
from tests.sandbox.loadbalancer import lb_objects as objects

DONE = Programming(done=True, reason="Programmed", message="", address="10.0.0.5")
FAILED = Programming(failed=True, reason="Pending", message="error cause: gceSync: no")


def made() -> Gateway:
    store = objects.filled(gateways=[objects.gateway()], httproutes=[objects.route("r", objects.pool_ref())])
    (gateway,) = attach.gateways(store, {})
    return gateway


def by_type(conditions: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in conditions}


def test_a_gateway_that_serves() -> None:
    found = status.gateway_status(made(), DONE, "T1")
    assert found["addresses"] == [{"type": "IPAddress", "value": "10.0.0.5"}]
    assert by_type(found["conditions"]) == {
        "Scheduled": ("True", "Scheduled"),
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
        "Ready": ("True", "Ready"),
        "networking.gke.io/GatewayHealthy": ("True", "Healthy"),
    }
    (listener,) = found["listeners"]
    assert listener["attachedRoutes"] == 1
    assert by_type(listener["conditions"])["Programmed"] == ("True", "Programmed")
    assert all(item["observedGeneration"] == 1 for item in found["conditions"] + listener["conditions"])


def test_a_gateway_under_way_is_unknown_not_false() -> None:
    found = by_type(status.gateway_status(made(), Programming(), "T1")["conditions"])
    assert found["Programmed"] == ("Unknown", "Pending")
    assert "Ready" not in found


def test_a_gateway_that_failed_says_why() -> None:
    found = status.gateway_status(made(), FAILED, "T1")
    conditions = {item["type"]: item for item in found["conditions"]}
    assert conditions["Programmed"]["status"] == "False"
    assert conditions["networking.gke.io/GatewayHealthy"]["message"] == "Gateway: Pending : error cause: gceSync: no"


def test_times_move_with_the_status_alone() -> None:
    wanted = [("Accepted", Verdict(True, "Accepted"))]
    first = status.conditions(wanted, [], 1, "T1")
    assert status.conditions(wanted, first, 1, "T2") == first
    newer = status.conditions(wanted, first, 2, "T2")
    assert (newer[0]["lastTransitionTime"], newer[0]["observedGeneration"]) == ("T1", 2)
    turned = status.conditions([("Accepted", Verdict(False, "No"))], first, 2, "T2")
    assert turned[0]["lastTransitionTime"] == "T2"
    unknown = status.conditions([("Programmed", Verdict(None, "Pending"))], [], 1, "T1")
    assert status.conditions([("Programmed", Verdict(None, "Pending"))], unknown, 1, "T2") == unknown


def test_a_route_keeps_what_other_controllers_wrote() -> None:
    gateway = made()
    (bound,) = gateway.routes
    foreign = {"controllerName": "istio.io/gateway-controller", "parentRef": {"name": "mesh"}, "conditions": []}
    stale = {"controllerName": "networking.gke.io/gateway", "parentRef": {"name": "gone"}, "conditions": []}
    bound.route["status"] = {"parents": [foreign, stale]}
    parents = status.route_status(bound.route, [(bound, DONE)], "T1")["parents"]
    assert [parent["parentRef"]["name"] for parent in parents] == ["mesh", "gw"]
    assert by_type(parents[1]["conditions"]) == {
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Accepted": ("True", "Accepted"),
        "Reconciled": ("True", "ReconciliationSucceeded"),
    }


def test_a_route_is_not_reconciled_before_its_gateway() -> None:
    gateway = made()
    (bound,) = gateway.routes
    found = status.route_status(bound.route, [(bound, Programming())], "T1")["parents"][0]["conditions"]
    assert "Reconciled" not in by_type(found)
    failed = status.route_status(bound.route, [(bound, FAILED)], "T1")["parents"][0]["conditions"]
    assert by_type(failed)["Reconciled"] == ("False", "ReconciliationFailed")


def test_a_pool_names_its_gateway_and_the_missing_picker() -> None:
    pool = objects.pool()
    (parent,) = status.pool_status(pool, [made()], "", "T1")["parents"]
    assert parent["parentRef"]["name"] == "gw"
    assert by_type(parent["conditions"]) == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    (parent,) = status.pool_status(pool, [made()], "service x not found", "T1")["parents"]
    assert by_type(parent["conditions"])["ResolvedRefs"] == ("False", "InvalidExtensionRef")
    assert status.pool_status(objects.pool("unused"), [made()], "", "T1")["parents"] == []
