# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: the directories of runs, which a run that is killed leaves behind.

Their names tell which process made them, so that the next run knows those of nobody; and in which namespace of
processes, as one number means different ones there. Where that cannot be told, nothing is removed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from ..module_utils._lifeline import mark_of

START = "llm-d-run-"
NAME = re.compile(rf"{START}(\d+)-(\d+)-(\d+)-.+")


def namespace(link: Path = Path("/proc/self/ns/pid")) -> str:
    """The namespace of processes; empty where there are none."""
    try:
        return str(link.stat().st_ino)
    except OSError:
        return ""


def prefix(mark: str, where: str) -> str:
    """How the name of a run's directory begins."""
    return f"{START}{where}-{mark.replace(':', '-')}-" if mark and where else START


def abandoned(folder: Path, where: str, look: Callable[[int], str] = mark_of) -> list[str]:
    """The directories of ours whose process is gone."""
    return sorted(str(path) for path in folder.glob(f"{START}*") if _is_abandoned(path, where, look))


def _is_abandoned(path: Path, where: str, look: Callable[[int], str]) -> bool:
    match = NAME.fullmatch(path.name)
    if match is None or match[1] != where or look(int(match[2])) == f"{match[2]}:{match[3]}":
        return False
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
