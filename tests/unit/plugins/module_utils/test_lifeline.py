# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A module in the background knows whether its run is still there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._clients import Cloud, Patience
from ansible_collections.llm_d.gke.plugins.module_utils._clock import Clock, Deadline, Pace
from ansible_collections.llm_d.gke.plugins.module_utils._errors import Abandoned, Json
from ansible_collections.llm_d.gke.plugins.module_utils._lifeline import lifeline, mark_of, run_process
from ansible_collections.llm_d.gke.plugins.module_utils._methods import Method


def test_a_process_is_seen_until_it_ends() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        there = lifeline(mark_of(process.pid))
        assert there()
        process.kill()
        process.wait()
        assert not there()


def test_a_later_process_of_the_same_number_is_another() -> None:
    marks = iter(["7:100", "7:100", "7:200"])
    there = lifeline("7:100", lambda pid: next(marks))
    assert there()
    assert not there()


@pytest.mark.parametrize("mark", ["", "nonsense", "999999999:1"])
def test_what_cannot_be_seen_is_taken_to_be_there(mark: str) -> None:
    assert lifeline(mark)()


def test_a_name_with_brackets_does_not_shift_the_fields(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = ["S", *map(str, range(4, 60))]
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) {' '.join(fields)}")
    assert mark_of(7, tmp_path) == "7:22", "the beginning is field 22 of proc(5)"


def test_the_run_of_this_process_is_this_process() -> None:
    assert run_process().startswith(f"{os.getpid()}:")


def test_nothing_is_sent_for_a_run_that_is_gone() -> None:
    sent: list[str] = []

    class Recorder:
        credentials = None

        def send(self, method: Method, params: object, body: Json | None) -> Json:
            sent.append(method.id)
            return {}

    clock, pace = Clock(), Pace(0.01)
    cloud = Cloud(Recorder(), clock, pace, Patience.from_pace(pace))
    cloud.call("compute.zones.get", {"project": "p", "zone": "z"}, deadline=Deadline.after(clock, 1))
    cloud.wanted = lambda: False
    with pytest.raises(Abandoned):
        cloud.call("compute.zones.get", {"project": "p", "zone": "z"}, deadline=Deadline.after(clock, 1))
    assert sent == ["compute.zones.get"]
