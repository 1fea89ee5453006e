# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Seeds one after the other, in a process that keeps what is dear: the parsed documents of Google's APIs, and the
process from which workers are forked."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.by_ansible import AnsibleStory
from tests.chaos.story import CONTEXT, Broken, Story

# Every 25th seed is told by playbooks.
WITH_ANSIBLE = 25


@dataclass
class Outcome:
    """How a seed ended: empty ``wrong`` is well."""

    seed: int
    wrong: str
    said: list[str]
    figures: dict[str, float]


def tell(seed: int, kept: str) -> Outcome:
    """One seed in a process of its own kind; what it leaves is kept when it went wrong."""
    directory = Path(tempfile.mkdtemp(prefix=f"llm-d-chaos-{seed}-"))
    story = (AnsibleStory if seed % WITH_ANSIBLE == 0 else Story)(seed, directory)
    wrong = ""
    try:
        story.tell()
    except Exception as error:
        wrong = str(error) if isinstance(error, Broken) else traceback.format_exc()
    if wrong and kept:
        shutil.copytree(directory, Path(kept) / str(seed), dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
    shutil.rmtree(directory, ignore_errors=True)
    return Outcome(seed, wrong, story.said, vars(story.figures))


def get_ready() -> None:
    """Workers are forked from a process that has imported everything already."""
    CONTEXT.set_forkserver_preload(["tests.chaos.worker"])
