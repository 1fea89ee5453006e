# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A copy of the collection where Ansible's own tools look for one: they refuse links and other paths."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sandbox.setup.cache import CHECKOUT, cache_root, digest

# Outside the checkout: in a folder that git ignores, ansible-test finds nothing to test.
COLLECTIONS = cache_root() / f"gates-{digest(str(CHECKOUT))}" / "ansible_collections"
# Not part of the collection: the sandbox, and the tests that need it.
LEFT_OUT = ("sandbox/", "inventories/sandbox/", "tests/")
TAKEN = (
    "tests/config.yml",
    "tests/sanity/",
    "tests/unit/plugins/",
    "tests/unit/llm_d/",
    "tests/unit/conftest.py",
    "tests/unit/requirements.txt",
)


def belongs(path: str) -> bool:
    """Whether a file of the checkout is part of the copy."""
    return path.startswith(TAKEN) or not path.startswith(LEFT_OUT)


def stage() -> Path:
    """Make the copy anew, of all that git tracks or would track, and return its folder."""
    place = COLLECTIONS / "llm_d" / "gke"
    # What the tools keep in tests/output is worth keeping.
    for old in place.iterdir() if place.is_dir() else ():
        if old.name != "tests":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for part in ("config.yml", "sanity", "unit"):
        shutil.rmtree(place / "tests" / part, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    for path in filter(belongs, filter(None, listed.stdout.split("\0"))):
        source, target = CHECKOUT / path, place / path
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return place
