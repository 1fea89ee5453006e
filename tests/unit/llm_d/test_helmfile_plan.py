# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is declared, what a release holds and what is live decide together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_manifests import by_key
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_plan import (
    Live,
    ReleasePlan,
    plan_absent,
    plan_present,
    refused,
    with_namespace,
)
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_releases import Release, Stored

RELEASE = Release("r", "n", "./c", "v1.0.0")
HELD = Stored("r", "n", 1, "deployed", "c", "1.0.0", "", 0.0, "sh.helm.release.v1.r.v1")


def thing(value: int = 1, name: str = "a", **extra: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "n"},
        "data": value,
        **extra,
    }


def plan(wanted: Any, held: Any, live: Live, record: Stored | None = HELD) -> ReleasePlan:
    rendered = by_key([wanted] if wanted else [])
    return plan_present(RELEASE, rendered, record, by_key([held] if held else []), {key: live for key in rendered})


def changes(found: ReleasePlan) -> list[str]:
    return [difference.change for difference in found.differences]


def test_all_as_it_should_be() -> None:
    found = plan(thing(), thing(), Live(thing(), thing()))
    assert (found.action, found.reasons, changes(found)) == ("none", [], [])
    assert found.result()["objects"] == [{"kind": "ConfigMap", "name": "a", "namespace": "n", "change": "none"}]


def test_what_the_server_adds_is_no_change() -> None:
    live = thing(defaulted=True)
    merged = {**live, "metadata": {**live["metadata"], "resourceVersion": "9"}, "status": {"x": 1}}
    assert plan(thing(), thing(), Live(live, merged)).action == "none"


@pytest.mark.parametrize(
    ("wanted", "held", "live", "change"),
    [
        (thing(2), thing(1), Live(thing(1), thing(2)), "update"),
        (thing(1), thing(1), Live(thing(5), thing(1)), "repair"),
        (thing(1), thing(1), Live(None), "create"),
        (thing(1), None, Live(None), "create"),
        (thing(2), thing(1), Live(thing(1), immutable="field is immutable"), "recreate"),
        (None, thing(1), Live(None), "delete"),
    ],
)
def test_each_kind_of_difference(wanted: Any, held: Any, live: Live, change: str) -> None:
    found = plan(wanted, held, live)
    assert changes(found) == [change]
    assert found.action == "upgrade"
    assert found.reasons == [f"objects to {change}: 1"]


def test_a_hand_edit_is_shown_as_it_is_in_the_cluster() -> None:
    (entry,) = plan(thing(1), thing(1), Live(thing(5), thing(1))).diff()
    assert "data: 5" in entry["before"]
    assert "data: 1" in entry["after"]
    assert "as it is in the cluster" in entry["before_header"]


def test_not_installed() -> None:
    found = plan(thing(), None, Live(None), record=None)
    assert (found.action, found.reasons) == ("install", ["it is not installed"])
    assert found.result()["status"] == "absent"


@pytest.mark.parametrize("status", ["failed", "pending-install", "pending-upgrade", "uninstalling"])
def test_a_release_in_a_bad_state_is_upgraded_though_nothing_differs(status: str) -> None:
    found = plan(thing(), thing(), Live(thing(), thing()), record=replace(HELD, status=status))
    assert found.action == "upgrade"
    assert status in found.reasons[0]


def test_another_chart_version_is_a_change_by_itself() -> None:
    found = plan(thing(), thing(), Live(thing(), thing()), record=replace(HELD, version="0.9.0"))
    assert found.reasons == ["chart c 0.9.0 becomes v1.0.0"]


def test_immutable_differences_are_found_before_anything_is_done() -> None:
    found = plan(thing(2), thing(1), Live(thing(1), immutable="field is immutable"))
    assert [difference.note for _target, difference in refused([found])] == ["field is immutable"]


def test_destroying() -> None:
    assert plan_absent(RELEASE, None, {}).action == "none"
    found = plan_absent(RELEASE, HELD, by_key([thing()]))
    assert (found.action, changes(found)) == ("destroy", ["delete"])


def test_objects_land_in_the_release_s_namespace_unless_they_say_otherwise() -> None:
    bare = {"kind": "X", "metadata": {"name": "a"}}
    assert with_namespace(bare, "n", True)["metadata"]["namespace"] == "n"
    assert "namespace" not in with_namespace(bare, "n", False)["metadata"]
    assert (
        with_namespace({"kind": "X", "metadata": {"name": "a", "namespace": "m"}}, "n", True)["metadata"]["namespace"]
        == "m"
    )
