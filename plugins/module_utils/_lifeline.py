# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether the run that asked for something is still there.

This file is private to the collection. A task that Ansible sends into the background outlives its playbook: killed or
interrupted, that leaves a job which goes on making node pools while a teardown takes them away. So the task is told
which process it works for, and asks for nothing more once that is gone. Seen on Linux, on the machine of the process;
elsewhere nothing is watched.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

# What a background task is told of its run.
RUN_PROCESS = "LLM_D_GKE_RUN_PROCESS"


def run_process() -> str:
    """The mark of the process that runs the playbook, asked from itself or from one of its workers."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid is not None else os.getpid()
    return mark_of(pid)


def mark_of(pid: int, proc: Path = Path("/proc")) -> str:
    """A process, told from a later one of the same number by when it began; empty when it is not there."""
    try:
        # The name in brackets may hold anything, so counting begins behind it: state is the first, begin the 20th.
        fields = (proc / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{pid}:{fields[19]}"


def lifeline(mark: str, look: Callable[[int], str] = mark_of) -> Callable[[], bool]:
    """A question to ask again and again: is that process still there? Always yes when it cannot be seen from here."""
    pid = mark.partition(":")[0]
    if not pid.isdecimal() or look(int(pid)) != mark:
        return lambda: True
    return lambda: look(int(pid)) == mark
