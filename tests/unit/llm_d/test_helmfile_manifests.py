# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Manifests are compared as Kubernetes reads them, and shown without their secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_manifests import (
    HIDDEN,
    HIDDEN_CHANGED,
    Difference,
    as_diff,
    by_key,
    extra_items,
    key_of,
    load,
    settled,
    without_fields_of,
)


def secret(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": data}


def test_documents_lists_and_empty_documents() -> None:
    text = "---\n# nothing\n---\nkind: A\n---\nkind: ConfigMapList\nitems:\n- kind: B\n- kind: C\n"
    assert [each["kind"] for each in load(text)] == ["A", "B", "C"]


def test_a_date_stays_a_string() -> None:
    assert load("kind: A\nwhen: 2026-01-01\n")[0]["when"] == "2026-01-01"


def test_the_version_of_a_kind_is_not_who_an_object_is() -> None:
    old = {"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "d"}}
    assert key_of(old) == key_of({**old, "apiVersion": "apps/v1"})


def test_hooks_are_no_part_of_a_release() -> None:
    hook = {"kind": "Job", "metadata": {"name": "j", "annotations": {"helm.sh/hook": "pre-install"}}}
    assert by_key([hook]) == {}


def test_settled_leaves_what_a_manifest_decides() -> None:
    live = {
        "kind": "Gateway",
        "metadata": {"name": "g", "labels": {"a": "b"}, "resourceVersion": "7", "managedFields": [], "generation": 2},
        "spec": {"x": 1},
        "status": {"addresses": []},
    }
    assert settled(live) == {"kind": "Gateway", "metadata": {"name": "g", "labels": {"a": "b"}}, "spec": {"x": 1}}


def owned(manager: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": [{"manager": manager, "fieldsV1": fields}]}}


def test_fields_of_a_respected_writer_are_not_compared() -> None:
    manifest = {"spec": {"targetRef": {"name": "p"}, "default": {"timeoutSec": 300, "logging": {"enabled": True}}}}
    live = owned("ours", {"f:spec": {"f:default": {"f:timeoutSec": {}}}})
    assert without_fields_of(manifest, live, ["ours"]) == {
        "spec": {"targetRef": {"name": "p"}, "default": {"logging": {"enabled": True}}}
    }
    assert without_fields_of(manifest, live, ["theirs"]) == manifest


def test_names_are_never_given_up() -> None:
    manifest = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"b": 1}}
    live = owned("ours", {"f:metadata": {"f:name": {}}, "f:kind": {}, "f:spec": {".": {}, "f:b": {}}})
    assert without_fields_of(manifest, live, ["ours"]) == {**manifest, "spec": {}}


@pytest.mark.parametrize(
    ("wanted", "found", "paths"),
    [
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
        ({"a": {"b": [{"name": "x"}]}}, {"a": {"b": [{"name": "y"}, {"name": "x"}]}}, ["a.b"]),
        # In a list of named entries the partner is found by its name.
        (
            {"c": [{"name": "x", "env": [1]}, {"name": "y"}]},
            {"c": [{"name": "y"}, {"name": "x", "env": [1, 2]}]},
            ["c[0].env"],
        ),
        ({"metadata": {"finalizers": []}}, {"metadata": {"finalizers": ["a"]}}, []),
        # Keys of maps are other people's business.
        ({"labels": {"a": "1"}}, {"labels": {"a": "1", "b": "2"}}, []),
    ],
)
def test_entries_added_to_lists(wanted: Any, found: Any, paths: list[str]) -> None:
    assert extra_items(wanted, found) == paths


def test_a_secret_is_hidden_but_its_change_is_seen() -> None:
    shown = as_diff("r", Difference(secret(), "update", secret(a="old", b="same"), secret(a="new", b="same", c="more")))
    both = shown["before"] + shown["after"]
    assert not any(value in both for value in ("old", "new", "same", "more"))
    assert f"a: {HIDDEN_CHANGED}" in shown["after"].replace("'", "")
    assert f"b: {HIDDEN}\n" in shown["after"].replace("'", "")
    assert f"c: {HIDDEN}\n" in shown["after"].replace("'", "")


def test_a_secret_that_comes_or_goes_is_hidden_too() -> None:
    for before, after in ((None, secret(a="value")), (secret(a="value"), None)):
        shown = as_diff("r", Difference(secret(), "create", before, after))
        assert "value" not in shown["before"] + shown["after"]


def test_masking_does_not_touch_the_object_itself() -> None:
    wanted = secret(a="value")
    as_diff("r", Difference(wanted, "create", None, wanted))
    assert wanted["data"] == {"a": "value"}
