# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Two copies of the collection are told from one, and a playbook of another version is refused."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.llm_d.gke.plugins.plugin_utils._copies import copy_at, copy_lines, mixture, others


def installed(place: Path, version: str) -> Path:
    folder = place / "ansible_collections" / "llm_d" / "gke"
    folder.mkdir(parents=True)
    info = {"namespace": "llm_d", "name": "gke", "version": version}
    (folder / "MANIFEST.json").write_text(json.dumps({"collection_info": info}))
    return folder


def checked_out(folder: Path, version: str) -> Path:
    (folder / "playbooks").mkdir(parents=True)
    (folder / "galaxy.yml").write_text(f"namespace: llm_d\nname: gke\nversion: {version}\n")
    return folder


def test_both_kinds_of_copies_are_read(tmp_path: Path) -> None:
    assert copy_at(installed(tmp_path / "a", "1.2.3")).version == "1.2.3"
    assert copy_at(checked_out(tmp_path / "b", "1.3.0")).version == "1.3.0"


def test_what_is_no_copy_of_ours_is_none(tmp_path: Path) -> None:
    assert copy_at(tmp_path) is None
    (tmp_path / "galaxy.yml").write_text("namespace: other\nname: gke\nversion: 1.0.0\n")
    assert copy_at(tmp_path) is None
    (tmp_path / "galaxy.yml").write_text(": no yaml [")
    (tmp_path / "MANIFEST.json").write_text("no json")
    assert copy_at(tmp_path) is None


def test_another_version_on_the_path_is_warned_of(tmp_path: Path) -> None:
    used = copy_at(installed(tmp_path / "project", "2.0.0"))
    installed(tmp_path / "image", "1.0.0")
    installed(tmp_path / "home", "2.0.0")
    rest = list(others(used, [tmp_path / "project", tmp_path / "home", tmp_path / "image", tmp_path / "nothing"]))
    assert [one.version for one in rest] == ["2.0.0", "1.0.0"]
    first, *warnings = copy_lines(used, rest)
    assert "2.0.0" in first and str(tmp_path / "project") in first
    [warning] = warnings
    assert "1.0.0" in warning and str(tmp_path / "image") in warning and "remove" in warning


def test_the_same_folder_by_two_ways_is_one_copy(tmp_path: Path) -> None:
    used = copy_at(installed(tmp_path / "a", "1.0.0"))
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert list(others(used, [tmp_path / "a", tmp_path / "link"])) == []


def test_a_playbook_of_another_version_is_refused(tmp_path: Path) -> None:
    used = copy_at(installed(tmp_path / "image", "1.0.0"))
    project = checked_out(tmp_path / "project", "2.0.0")
    for folder in (project, project / "playbooks"):
        [finding] = mixture(used, folder)
        for word in ("1.0.0", "2.0.0", str(project), str(used.path), "synchronise the project"):
            assert word in finding


def test_a_playbook_of_the_same_version_or_of_ones_own_is_fine(tmp_path: Path) -> None:
    used = copy_at(installed(tmp_path / "image", "1.0.0"))
    assert list(mixture(used, checked_out(tmp_path / "project", "1.0.0") / "playbooks")) == []
    assert list(mixture(used, tmp_path / "elsewhere" / "playbooks")) == []
