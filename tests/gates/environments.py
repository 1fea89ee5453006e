# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Virtual environments besides .venv, kept in the cache: other Pythons, and tools that only one gate needs."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.setup.cache import cache_root, digest, locked
from sandbox.setup.console import run, say

_REMEDY = "See above; a package index that does not answer is the usual reason."


def environment(name: str, requirements: Path, python: Path = Path(sys.executable)) -> Path:
    """The folder of programs of the environment `name` with those packages, made if it is not there."""
    folder = cache_root() / f"{name}-{digest(requirements, str(python.resolve()))}"
    stamp = folder / ".ready"
    with locked(name):
        if not stamp.exists():
            say(f"Python packages of {requirements.name} for the environment {name}")
            run([python, "-m", "venv", folder], step="making a virtual environment", remedy=_REMEDY)
            install = [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
            run([*install, "-r", requirements], step="pip install", remedy=_REMEDY)
            stamp.touch()
    return folder / "bin"
