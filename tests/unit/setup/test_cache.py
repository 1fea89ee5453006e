# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of set-up: whole or not there, resumable, one maker at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandbox.setup import cache
from sandbox.setup.console import SetupError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_folder_is_made_once() -> None:
    calls: list[Path] = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "file").write_text("whole", encoding="utf-8")

    first = cache.made_once("thing", "1", make)
    assert cache.made_once("thing", "1", make) == first
    assert (first / "file").read_text(encoding="utf-8") == "whole"
    assert len(calls) == 1
    assert cache.made_once("thing", "2", make) != first


def test_an_interrupted_maker_leaves_nothing_that_looks_whole_and_goes_on_from_there() -> None:
    def interrupted(folder: Path) -> None:
        (folder / "first half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.made_once("thing", "1", interrupted)
    assert not (cache.cache_root() / "thing-1").exists()

    def resumed(folder: Path) -> None:
        assert (folder / "first half").exists()

    assert cache.made_once("thing", "1", resumed).is_dir()


def test_two_set_ups_at_once_make_a_thing_once() -> None:
    made = []
    barrier = threading.Barrier(2)

    def make(folder: Path) -> None:
        made.append(folder)

    def set_up() -> None:
        barrier.wait(timeout=10)
        cache.made_once("thing", "1", make)

    threads = [threading.Thread(target=set_up) for _each in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(made) == 1


def test_too_little_space_is_said_before_the_work_starts(own_cache: Path) -> None:
    with pytest.raises(SetupError, match="needs about 1e\\+09 GB") as caught:
        cache.require_space(own_cache, 1e9, "The build")
    assert "LLM_D_CACHE" in caught.value.remedy


def test_a_link_replaces_whatever_was_there(tmp_path: Path) -> None:
    for number, place in enumerate(("a", "b")):
        (tmp_path / place).mkdir()
        cache.link(tmp_path / place, tmp_path / "link")
        assert (tmp_path / "link").resolve() == tmp_path / place, number
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    cache.link(tmp_path / "a", tmp_path / "folder")
    assert (tmp_path / "folder").is_symlink()


def test_set_up_needs_nothing_but_the_standard_library() -> None:
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import sandbox.setup.__main__"]
    subprocess.run(command, cwd=cache.CHECKOUT, check=True, timeout=60)
