# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Policies: what is ours comes and goes, what is others' stays."""

from __future__ import annotations

from copy import deepcopy

from ansible_collections.llm_d.gke.plugins.module_utils._resources.policies import (
    Grant,
    all_held,
    held,
    none_held,
    with_grants,
    without_grants,
)

VIEWER = "roles/storage.objectViewer"
OURS = Grant(VIEWER, "serviceAccount:ours")
OTHER = {"role": "roles/editor", "members": ["user:a"]}
CONDITIONAL = {"role": VIEWER, "members": ["serviceAccount:ours"], "condition": {"expression": "request.time < x"}}
POLICY = {"version": 1, "etag": "abc", "bindings": [OTHER, CONDITIONAL, {"role": VIEWER, "members": ["user:b"]}]}


def test_a_grant_joins_the_binding_of_its_role_and_leaves_the_rest() -> None:
    before = deepcopy(POLICY)
    assert with_grants(POLICY, [OURS, OURS]) == {
        "version": 3,
        "etag": "abc",
        "bindings": [OTHER, CONDITIONAL, {"role": VIEWER, "members": ["user:b", "serviceAccount:ours"]}],
    }
    assert before == POLICY, "what was read is not changed"


def test_a_conditional_binding_is_another_grant() -> None:
    assert held(POLICY, [OURS]) == []
    assert without_grants(POLICY, [OURS])["bindings"] == POLICY["bindings"]


def test_there_and_back_is_where_it_began() -> None:
    assert without_grants(with_grants(POLICY, [OURS]), [OURS]) == {**POLICY, "version": 3}


def test_an_emptied_policy_has_no_bindings_at_all() -> None:
    alone = {"etag": "abc", "version": 3, "bindings": [{"role": VIEWER, "members": [OURS.member]}]}
    assert without_grants(alone, [OURS]) == {"etag": "abc", "version": 3}
    assert with_grants({"etag": "ACAB"}, [OURS])["bindings"] == [{"role": VIEWER, "members": [OURS.member]}]


def test_more_than_is_wanted_is_no_drift() -> None:
    assert all_held(["a"], ["b", "a"], {}) and not all_held(["a"], ["b"], {}) and not all_held(["a"], None, {})
    assert none_held([], [], {}) and not none_held([], ["a"], {})
