# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A teardown is judged by what is still there, kind by kind."""

from __future__ import annotations

from typing import Any

from ansible_collections.llm_d.gke.plugins.plugin_utils._leftover_checks import AGAIN, SWEPT_KINDS, teardown_checks

KINDS = ["cluster", "node pool", "network"]
NOTHING: dict[str, Any] = {"leftovers": [], "incomplete": [], "clusters": []}


def by_name(*arguments: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in teardown_checks(*arguments)}


def test_nothing_left_is_a_check_for_each_kind() -> None:
    checks = teardown_checks(KINDS, [], NOTHING)
    names = [check["name"] for check in checks]
    assert names == [*(f"no {kind} is left" for kind in (*KINDS, *SWEPT_KINDS)), "no place was out of sight"]
    assert {"forwarding rule", "network endpoint group", "firewall rule", "disk"} <= set(SWEPT_KINDS)
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


def test_leftovers_count_and_so_does_a_cluster_of_somebody_else_on_our_network() -> None:
    found = {
        **NOTHING,
        "leftovers": [{"kind": "forwarding rule", "name": "gkegw1-a", "path": "projects/p/…", "uses": []}],
        "clusters": ["projects/p/locations/r/clusters/theirs"],
    }
    checks = by_name(["network"], [], found)
    assert checks["no forwarding rule is left"]["actual"] == "gkegw1-a"
    assert checks["no cluster is left"]["actual"] == "theirs"


def test_what_could_not_be_listed_proves_nothing() -> None:
    check = by_name(KINDS, [], {**NOTHING, "incomplete": ["regions/us-east5"]})["no place was out of sight"]
    assert check["passed"] is False
    assert check["actual"] == "regions/us-east5"


def test_without_a_look_at_the_network_only_our_own_kinds_are_judged() -> None:
    """Somebody else's network: what is on it is not ours to judge."""
    assert [check["name"] for check in teardown_checks(["node pool"], [], {"skipped": True})] == [
        "no node pool is left"
    ]


def test_a_kind_nobody_announced_is_not_lost() -> None:
    checks = by_name([], [{"action": "delete", "resource": "subnetwork s"}], {})
    assert checks["no subnetwork is left"]["passed"] is False
