# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Security policies with their rules, and the backend services behind them; resource policies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.cloud.client import PROJECT, Client

POLICIES = "regions/us-east5/securityPolicies"
OFFICE = {
    "priority": 1000,
    "action": "allow",
    "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["203.0.113.0/24"]}},
}
DENY = {
    "priority": 2**31 - 1,
    "action": "deny(403)",
    "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}},
}


@pytest.mark.parametrize("policies", ["global/securityPolicies", POLICIES])
def test_the_life_of_a_policy(api: Client, policies: str) -> None:
    api.done("POST", policies, {"name": "office", "rules": [DENY, OFFICE]})
    policy = api.get(f"{policies}/office")
    assert policy["type"] == "CLOUD_ARMOR"
    assert [rule["priority"] for rule in policy["rules"]] == [1000, 2**31 - 1]
    assert policy["rules"][0]["kind"] == "compute#securityPolicyRule"
    api.done("PATCH", f"{policies}/office", {"description": "ours", "fingerprint": policy["fingerprint"]})
    stale = api.compute("PATCH", f"{policies}/office", {"description": "x", "fingerprint": policy["fingerprint"]})
    assert stale.status == 412
    api.done("POST", f"{policies}/office/addRule", {**OFFICE, "priority": 900, "action": "deny(404)"})
    assert api.get(f"{policies}/office/getRule", priority=900)["action"] == "deny(404)"
    api.done("POST", f"{policies}/office/patchRule", {"action": "allow"}, priority=900)
    assert api.get(f"{policies}/office/getRule", priority=900)["match"] == OFFICE["match"]
    api.done("POST", f"{policies}/office/removeRule", priority=900)
    assert len(api.get(f"{policies}/office")["rules"]) == 2
    assert [item["name"] for item in api.get(policies)["items"]] == ["office"]
    scope = policies.rpartition("/")[0]
    assert api.get("aggregated/securityPolicies")["items"][scope]["securityPolicies"][0]["name"] == "office"
    api.done("DELETE", f"{policies}/office")
    assert api.compute("GET", f"{policies}/office").status == 404


def test_without_rules_everything_is_allowed(api: Client) -> None:
    api.done("POST", POLICIES, {"name": "open"})
    (rule,) = api.get(f"{POLICIES}/open")["rules"]
    assert (rule["priority"], rule["action"], rule["match"]["config"]) == (2**31 - 1, "allow", {"srcIpRanges": ["*"]})


@pytest.mark.parametrize(
    ("path", "body", "query", "message"),
    [
        ("", {"name": "b", "rules": [OFFICE]}, {}, "There must be a default rule"),
        ("", {"name": "b", "rules": [DENY, DENY]}, {}, "Cannot have rules with the same priorities"),
        ("", {"name": "b", "rules": [DENY, {**OFFICE, "action": "welcome"}]}, {}, "'welcome'"),
        ("/a/addRule", OFFICE, {}, "Cannot have rules with the same priorities"),
        ("/a/addRule", {**OFFICE, "priority": 1, "match": {}}, {}, "match"),
        ("/a/removeRule", None, {"priority": 5}, "no rule with this priority"),
        ("/a/removeRule", None, {"priority": 2**31 - 1}, "default rule cannot be removed"),
        ("/a/removeRule", None, {}, "'priority' not specified"),
    ],
)
def test_what_is_refused(api: Client, path: str, body: Any, query: dict[str, int], message: str) -> None:
    api.done("POST", POLICIES, {"name": "a", "rules": [DENY, OFFICE]})
    refused = api.compute("POST", f"{POLICIES}{path}", body, **query)
    assert refused.status == 400
    assert message in refused.message


def test_too_many_ranges_and_bad_ones(api: Client) -> None:
    for ranges in ([f"10.0.{number}.0/24" for number in range(11)], ["10.0.0.1/24"], []):
        match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ranges}}
        refused = api.compute("POST", POLICIES, {"name": "a", "rules": [DENY, {**OFFICE, "match": match}]})
        assert (refused.status, "srcIpRanges" in refused.message) == (400, True)


def test_a_policy_guards_a_backend_service(api: Client) -> None:
    services = "regions/us-east5/backendServices"
    api.done("POST", POLICIES, {"name": "office", "rules": [DENY, OFFICE]})
    api.done("POST", "global/securityPolicies", {"name": "world"})
    api.done("POST", services, {"name": "llm", "loadBalancingScheme": "EXTERNAL_MANAGED"})
    absent = api.compute("POST", f"{services}/llm/setSecurityPolicy", {"securityPolicy": f"{POLICIES}/absent"})
    assert absent.status == 404
    elsewhere = {"securityPolicy": "global/securityPolicies/world"}
    assert api.compute("POST", f"{services}/llm/setSecurityPolicy", elsewhere).status == 400
    api.done("POST", f"{services}/llm/setSecurityPolicy", {"securityPolicy": f"{POLICIES}/office"})
    link = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{POLICIES}/office"
    assert api.get(f"{services}/llm")["securityPolicy"] == link
    refused = api.compute("DELETE", f"{POLICIES}/office")
    assert refused.reason == "resourceInUseByAnotherResource"
    api.done("POST", f"{services}/llm/setSecurityPolicy", {"securityPolicy": ""})
    assert "securityPolicy" not in api.get(f"{services}/llm")
    api.done("DELETE", f"{POLICIES}/office")


def test_resource_policies(api: Client) -> None:
    place = "regions/us-east5/resourcePolicies"
    assert api.compute("POST", place, {"name": "pp"}).status == 400
    api.done("POST", place, {"name": "pp", "groupPlacementPolicy": {"collocation": "COLLOCATED"}})
    assert api.get(f"{place}/pp")["status"] == "READY"
    api.done("DELETE", f"{place}/pp")
