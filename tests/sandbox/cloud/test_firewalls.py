# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Firewall rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.cloud.client import Client

RULE: dict[str, Any] = {
    "name": "rule",
    "network": "global/networks/net",
    "direction": "INGRESS",
    "allowed": [{"IPProtocol": "all"}],
    "sourceRanges": ["172.16.0.0/12", "10.0.0.0/8"],
}


def test_answer_has_the_defaults(api: Client) -> None:
    api.network()
    api.done("POST", "global/firewalls", RULE)
    rule = api.get("global/firewalls/rule")
    assert rule["network"] == "https://www.googleapis.com/compute/v1/projects/llm-d-sandbox/global/networks/net"
    assert (rule["priority"], rule["disabled"], rule["logConfig"]) == (1000, False, {"enable": False})
    assert rule["sourceRanges"] == ["172.16.0.0/12", "10.0.0.0/8"]


def test_rule_without_source_is_open_to_everybody(api: Client) -> None:
    api.network()
    api.done("POST", "global/firewalls", {name: RULE[name] for name in ("name", "network", "allowed")})
    assert api.get("global/firewalls/rule")["sourceRanges"] == ["0.0.0.0/0"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"allowed": []}, "Exactly one of"),
        ({"denied": [{"IPProtocol": "tcp"}]}, "Exactly one of"),
        ({"allowed": [{"ports": ["80"]}]}, "Required field 'resource.allowed[0].IPProtocol' not specified"),
        ({"allowed": [{"IPProtocol": "smtp"}]}, "'resource.allowed[0].IPProtocol': 'smtp'"),
        ({"allowed": [{"IPProtocol": "tcp", "ports": ["99-22"]}]}, "'resource.allowed[0].ports': '99-22'"),
        ({"allowed": [{"IPProtocol": "icmp", "ports": ["22"]}]}, "'resource.allowed[0].ports': '22'"),
        ({"priority": 70000}, "Must be between 0 and 65535."),
        ({"sourceRanges": ["10.0.0.1/8"]}, "'resource.sourceRanges[0]': '10.0.0.1/8'"),
        ({"direction": "EGRESS", "sourceRanges": [], "sourceTags": ["web"]}, "An egress rule cannot have it."),
        ({"network": "global/networks/none"}, "global/networks/none' was not found"),
    ],
)
def test_bad_rule_is_refused(api: Client, fields: dict[str, Any], text: str) -> None:
    api.network()
    answer = api.compute("POST", "global/firewalls", {**RULE, **fields})
    assert answer.status in (400, 404)
    assert text in answer.message


def test_rule_without_a_network_means_default_which_is_not_there(api: Client) -> None:
    answer = api.compute("POST", "global/firewalls", {"name": "rule", "allowed": [{"IPProtocol": "tcp"}]})
    assert (answer.status, answer.reason) == (404, "notFound")


def test_patch_changes_what_it_names_and_update_replaces_all(api: Client) -> None:
    api.network()
    api.done("POST", "global/firewalls", {**RULE, "description": "ours"})
    api.done("PATCH", "global/firewalls/rule", {"priority": 900, "sourceRanges": ["10.0.0.0/9"]})
    rule = api.get("global/firewalls/rule")
    assert (rule["priority"], rule["sourceRanges"], rule["description"]) == (900, ["10.0.0.0/9"], "ours")
    api.done("PUT", "global/firewalls/rule", {**RULE, "sourceRanges": ["10.0.0.0/10"]})
    rule = api.get("global/firewalls/rule")
    assert (rule["priority"], rule["sourceRanges"], rule["description"]) == (1000, ["10.0.0.0/10"], "")


@pytest.mark.parametrize("fields", [{"direction": "EGRESS"}, {"network": "global/networks/other"}])
def test_direction_and_network_are_immutable(api: Client, fields: dict[str, Any]) -> None:
    api.network()
    api.network("other")
    api.done("POST", "global/firewalls", RULE)
    answer = api.compute("PATCH", "global/firewalls/rule", fields)
    assert (answer.status, answer.reason) == (400, "invalid")
    assert "immutable" in answer.message


def test_null_in_a_patch_takes_a_field_away(api: Client) -> None:
    api.network()
    api.done("POST", "global/firewalls", {**RULE, "targetTags": ["tpu"]})
    api.done("PATCH", "global/firewalls/rule", {"targetTags": None})
    assert "targetTags" not in api.get("global/firewalls/rule")
    assert api.compute("PATCH", "global/firewalls/rule", {"network": None}).status == 400
    assert api.compute("PATCH", "global/firewalls/rule", {"allowed": None}).status == 400
