# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Settings for a controller, and what its failures mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.plugin_utils._awx import failure, findings, there

GOOD = {"host": "https://awx.example.com", "token": "t", "state": "present", "project_url": "https://g.example.com/x.git",
        "image": "r.example.com/ee", "inventory_path": "inventories/mine/hosts.yml", "key_file": ""}  # fmt: skip


def test_good_settings_have_no_findings() -> None:
    assert list(findings(GOOD)) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"host": ""}, "CONTROLLER_HOST"),
        ({"token": ""}, "CONTROLLER_OAUTH_TOKEN"),
        ({"project_url": ""}, "awx_project_url"),
        ({"image": ""}, "awx_image"),
        ({"inventory_path": ""}, "awx_inventory_path"),
        ({"inventory_path": "../other/hosts.yml"}, "awx_inventory_path"),
        ({"key_file": "/no/such/file"}, "awx_google_key_file"),
    ],
)
def test_each_finding_says_what_to_set(setting: dict[str, str], words: str) -> None:
    [found] = findings({**GOOD, **setting})
    assert words in found


def test_nothing_but_the_controller_is_needed_to_remove() -> None:
    assert list(findings({**GOOD, "state": "absent", "project_url": "", "image": ""})) == []


def test_of_a_loop_only_what_failed_is_told() -> None:
    result: dict[str, Any] = {
        "msg": "One or more items failed",
        "results": [
            {"failed": False, "item": {"name": "good"}},
            {"failed": True, "item": {"name": "bad"}, "msg": "You don't have permission to POST to x (HTTP 403)."},
        ],
    }
    first, second = failure(result).splitlines()
    assert first.startswith("bad: You don't have permission")
    assert "system administrators" in second


def test_what_nobody_knows_is_told_as_it_is() -> None:
    assert failure({"msg": "something   new\nhappened"}) == "something new happened"


def test_names_of_what_is_there() -> None:
    assert there({"projects": {"a": {}}, "schedules": {}}, [{"identifier": "up"}]) == ["projects/a", "nodes/up"]
