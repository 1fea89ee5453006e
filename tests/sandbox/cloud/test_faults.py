# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Injected trouble: refusals, lost replies, operations that fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.cloud.client import Client

INSERT = "compute.networks.insert"
BODY = {"name": "net", "autoCreateSubnetworks": False}


def fault(api: Client, **fields: Any) -> None:
    answer = api.call("POST", "/_sandbox/faults", {"api_method": INSERT, **fields})
    assert answer.status == 200, answer.body


def test_refusal_before_the_effect_strikes_the_nth_time_only(api: Client) -> None:
    fault(api, status=503, nth=2)
    assert api.compute("POST", "global/networks", BODY).status == 200
    refused = api.compute("POST", "global/networks", {**BODY, "name": "second"})
    assert (refused.status, refused.reason) == (503, "backendError")
    api.done("POST", "global/networks", {**BODY, "name": "second"})


def test_refusal_after_the_effect_leaves_the_effect(api: Client) -> None:
    fault(api, status=500, when="after", message="Internal error.")
    assert api.compute("POST", "global/networks", BODY).status == 500
    again = api.compute("POST", "global/networks", BODY)
    assert again.status == 409


@pytest.mark.parametrize(("when", "status"), [("before", 200), ("after", 409)])
def test_reset_loses_the_reply(api: Client, when: str, status: int) -> None:
    fault(api, kind="reset", when=when)
    with pytest.raises(ConnectionError):
        api.compute("POST", "global/networks", BODY)
    assert api.compute("POST", "global/networks", BODY).status == status


def test_operation_fails_and_leaves_nothing(api: Client) -> None:
    error = {"code": "QUOTA_EXCEEDED", "message": "Quota 'NETWORKS' exceeded. Limit: 5.0 globally.", "http_status": 403}
    fault(api, operation=error)
    ended = api.operation(api.compute("POST", "global/networks", BODY))
    assert ended["error"]["errors"] == [{"code": error["code"], "message": error["message"]}]
    assert (ended["httpErrorStatusCode"], ended["httpErrorMessage"]) == (403, "FORBIDDEN")
    assert api.compute("GET", "global/networks/net").status == 404
    api.done("POST", "global/networks", BODY)


def test_pattern_path_times_and_clearing(api: Client) -> None:
    fault(api, api_method="compute.*", path="*/networks/chosen", status=429, times=0, reason="rateLimitExceeded")
    for _attempt in range(3):
        assert api.compute("GET", "global/networks/chosen").status == 429
    assert api.compute("GET", "global/networks/other").status == 404
    assert api.call("GET", "/_sandbox/faults").body["faults"][0]["hits"] == 3
    api.call("DELETE", "/_sandbox/faults")
    assert api.compute("GET", "global/networks/chosen").status == 404


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ({}, "api_method is missing"),
        ({"api_method": INSERT, "colour": "red"}, "unknown: colour"),
        ({"api_method": INSERT, "kind": "flood"}, "kind is one of"),
        ({"api_method": INSERT, "kind": "operation"}, "says which operation error"),
        ({"api_method": INSERT, "operation": {"form": "shout"}}, "form is one of"),
        ({"api_method": INSERT, "operation": {"colour": "red"}}, "operation:"),
    ],
)
def test_nonsense_is_refused(api: Client, text: dict[str, Any], why: str) -> None:
    answer = api.call("POST", "/_sandbox/faults", text)
    assert answer.status == 400
    assert why in answer.body["error"]
