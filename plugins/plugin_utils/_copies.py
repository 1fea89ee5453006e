# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: which copy of it is in use, and whether others get in its way.

An execution environment may bring one, a project another; Ansible takes the first on its path and says nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

NAME = ("llm_d", "gke")


@dataclass(frozen=True)
class Copy:
    """A copy of the collection, installed or checked out."""

    path: Path
    version: str


def copy_at(path: Path) -> Copy | None:
    """The copy in a folder, if there is one: an archive's has a manifest, a checkout its galaxy.yml."""
    for name, part in (("MANIFEST.json", "collection_info"), ("galaxy.yml", "")):
        try:
            text = (path / name).read_text(encoding="utf-8")
            told = json.loads(text)[part] if part else yaml.safe_load(text)
            if (told["namespace"], told["name"]) == NAME:
                return Copy(path.resolve(), str(told["version"]))
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
    return None


def others(used: Copy, places: Iterable[Path]) -> Iterator[Copy]:
    """Copies elsewhere on the path."""
    seen = {used.path}
    for place in places:
        found = copy_at(place / "ansible_collections" / NAME[0] / NAME[1])
        if found and found.path not in seen:
            seen.add(found.path)
            yield found


def copy_lines(used: Copy, rest: Iterable[Copy]) -> list[str]:
    """For a person: the copy in use, and a warning of those that are of another version."""
    warnings = [
        f"WARNING    llm_d.gke {one.version} is installed as well, in {one.path}, and not used: remove one of them"
        for one in rest
        if one.version != used.version
    ]
    return [f"collection llm_d.gke {used.version} ({used.path})", *warnings]


def mixture(used: Copy, playbook_dir: Path) -> Iterator[str]:
    """What is wrong when the playbook is of another version than the roles and modules it calls."""
    for folder in (playbook_dir, playbook_dir.parent):
        here = copy_at(folder)
        if here:
            if here.version != used.version:
                yield (
                    f"The playbook is of llm_d.gke {here.version} ({here.path}), but roles and modules are of"
                    f" {used.version} ({used.path}), which comes first on the path for collections: install"
                    f" {here.version} (in AWX: synchronise the project), or run the playbooks of {used.version}."
                )
            return
