# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A teardown is judged by what is still there, kind by kind."""

from __future__ import annotations

from typing import Any

from plugins.plugin_utils._leftover_checks import AGAIN, FOREIGN, teardown_checks

KINDS = ["cluster", "node pool", "network"]
NOTHING: dict[str, Any] = {"resources": [], "counts": {"forwarding rule": 0, "firewall rule": 0}}


def by_name(*arguments: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in teardown_checks(*arguments)}


def test_nothing_left_is_a_check_for_each_kind() -> None:
    checks = teardown_checks(KINDS, [], NOTHING)
    assert [check["name"] for check in checks] == [
        "no cluster is left",
        "no node pool is left",
        "no network is left",
        "no forwarding rule is left",
        "no firewall rule is left",
    ]
    assert all(check["passed"] and check["actual"] == "none" and check["remedy"] == "" for check in checks)


def test_what_modules_would_still_delete_is_left() -> None:
    plans = [{"action": "delete", "resource": "node pool tpu-2"}, {"action": "delete", "resource": "node pool tpu-1"}]
    checks = by_name(KINDS, plans, NOTHING)
    assert checks["no node pool is left"]["actual"] == "tpu-1, tpu-2"
    assert checks["no node pool is left"]["passed"] is False
    assert checks["no node pool is left"]["remedy"] == AGAIN
    assert checks["no cluster is left"]["passed"] is True


def test_what_is_on_the_way_out_is_still_there() -> None:
    """A cluster that is being deleted bills until it is gone."""
    assert not by_name(KINDS, [{"action": "wait", "resource": "cluster c"}], NOTHING)["no cluster is left"]["passed"]


def test_leftovers_count_whoever_made_them_but_the_remedy_differs() -> None:
    resources = [
        {"kind": "forwarding rule", "name": "gkegw1-a", "foreign": False},
        {"kind": "firewall rule", "name": "somebodys", "foreign": True},
    ]
    checks = by_name(KINDS, [], {**NOTHING, "resources": resources})
    assert checks["no forwarding rule is left"]["remedy"] == AGAIN
    assert checks["no firewall rule is left"]["remedy"] == FOREIGN


def test_a_kind_nobody_announced_is_not_lost() -> None:
    checks = by_name([], [{"action": "delete", "resource": "subnetwork s"}], {})
    assert checks["no subnetwork is left"]["passed"] is False
