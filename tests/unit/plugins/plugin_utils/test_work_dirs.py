# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What killed runs leave is found; what belongs to somebody is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.llm_d.gke.plugins.module_utils._lifeline import mark_of
from ansible_collections.llm_d.gke.plugins.plugin_utils._work_dirs import abandoned, namespace, prefix


def test_only_directories_of_processes_that_are_gone(tmp_path: Path) -> None:
    here = namespace()
    gone = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    alive_then = mark_of(gone.pid)
    gone.kill()
    gone.wait()
    left = tmp_path / f"{prefix(alive_then, here)}abc"
    left.mkdir(mode=0o700)
    for name in (
        f"{prefix(mark_of(os.getpid()), here)}abc",
        f"{prefix(alive_then, '1')}abc",
        f"{prefix('', here)}abc",
        "llm-d-run-by-hand",
        "llm-d-abc",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / f"{prefix(alive_then, here)}link").symlink_to(tmp_path)
    (tmp_path / f"{prefix(alive_then, here)}file").touch()
    assert abandoned(tmp_path, here) == [str(left)]


def test_a_number_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    left = tmp_path / f"{prefix('77:1000', '5')}abc"
    left.mkdir()
    assert abandoned(tmp_path, "5", {77: "77:1000"}.__getitem__) == []
    assert abandoned(tmp_path, "5", {77: "77:2000"}.__getitem__) == [str(left)]


def test_where_processes_cannot_be_told_nothing_is_removed(tmp_path: Path) -> None:
    assert namespace(tmp_path / "none") == ""
    (tmp_path / f"{prefix('', '')}abc").mkdir()
    assert abandoned(tmp_path, "") == []
