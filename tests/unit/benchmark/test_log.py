# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What comes home through a log: whole, twice, with gaps, or not at all. The sending side is the client's own code."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_files import FolderError, RunFolder, new_folder
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_log import (
    Told,
    assemble,
    describe,
    frames,
    last_moment,
    take,
)
from bench_results import result

CLIENT = Path(__file__).resolve().parents[3] / "roles" / "benchmark" / "files" / "client.py"


def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_client", CLIENT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stamped(text: str) -> str:
    """As the kubelet gives a log with time stamps."""
    return "".join(
        f"2026-11-26T11:12:{number % 60:02}.123456789Z {line}\n" for number, line in enumerate(text.splitlines())
    )


@pytest.fixture
def sent(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """A result, and the log that carries it."""
    made = result(requests=300)
    client().send("rate-20", "result", made, 0)
    return made, stamped(capsys.readouterr().out)


def told_by(log: str) -> Told:
    told = Told()
    for _other, frame in frames(log):
        take(told, frame)
    return told


def test_a_result_comes_whole(sent: tuple[dict[str, Any], str]) -> None:
    made, log = sent
    lines = log.splitlines()
    assert len(lines) > 5 and max(map(len, lines)) < 16_000, "longer lines are cut by container runtimes"
    assert assemble(told_by(log).payloads["rate-20", "result"]) == (made, "")


def test_lines_may_come_twice_and_other_lines_between(sent: tuple[dict[str, Any], str]) -> None:
    made, log = sent
    noisy = "".join(f"{line}\n{line[:30]} Successful requests: 3\n{line}\n" for line in log.splitlines())
    assert assemble(told_by(noisy).payloads["rate-20", "result"]) == (made, "")


@pytest.mark.parametrize("lost", [0, 3, -1])
def test_a_gap_is_noticed(sent: tuple[dict[str, Any], str], lost: int) -> None:
    lines = sent[1].splitlines()
    del lines[lost]
    found, trouble = assemble(told_by("\n".join(lines)).payloads["rate-20", "result"])
    assert found is None and "missing" in trouble


def test_a_line_that_was_changed_is_noticed(sent: tuple[dict[str, Any], str]) -> None:
    lines = sent[1].splitlines()
    lines[2] = re.sub(r'("data": ".{100})(.{8})', r"\1AAAAAAAA", lines[2])
    found, trouble = assemble(told_by("\n".join(lines)).payloads["rate-20", "result"])
    assert found is None and trouble


def test_a_line_that_was_cut_is_no_line(sent: tuple[dict[str, Any], str]) -> None:
    lines = sent[1].splitlines()
    lines[1] = lines[1][:5000]
    assert "1 of" in assemble(told_by("\n".join(lines)).payloads["rate-20", "result"])[1]


def test_what_is_lost_is_told_and_totals_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = result(requests=300)
    tool = client()
    tool.say("step", step="rate-20", state="started", rate=20.0, concurrency=None, requests=300)
    tool.send("rate-20", "headline", {key: value for key, value in made.items() if not isinstance(value, list)}, 0)
    tool.send("rate-20", "result", made, 0)
    lines = stamped(capsys.readouterr().out).splitlines()
    del lines[6]
    folder = RunFolder(new_folder(tmp_path, "20261126T111232Z"))
    told = told_by("\n".join(lines))
    (lost,) = folder.keep_results(told)
    assert "1 of" in lost and "its totals did" in lost
    kept = json.loads((folder.folder / "steps" / "rate-20.json").read_text())
    assert kept["completed"] == 300 and "ttfts" not in kept


def test_a_journal_is_gone_on_with(tmp_path: Path, sent: tuple[dict[str, Any], str]) -> None:
    """The controller may go away in the middle: another one goes on where it was."""
    folder = RunFolder(new_folder(tmp_path, "20261126T111232Z"))
    got = list(frames(sent[1]))
    folder.remember([frame for _other, frame in got[:4]])
    folder.remember([{"kind": "read", "container": "client", "until": got[3][0]}])
    with (folder.folder / "journal.jsonl").open("a") as file:
        file.write('{"kind": "part", "st')
    again = RunFolder(folder.folder)
    told = again.told()
    assert again.read_until() == {"client": got[3][0]}
    assert not told.payloads["rate-20", "result"].whole()
    for _other, frame in got:
        take(told, frame)
    assert assemble(told.payloads["rate-20", "result"])[0] == sent[0]


def test_the_last_moment_of_a_log() -> None:
    assert last_moment("2026-11-26T11:12:01.5Z a\n2026-11-26T11:12:02.5Z b\n") == "2026-11-26T11:12:02.5Z"
    assert last_moment("") == "" and last_moment("no time stamp\n") == ""


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    names = [new_folder(tmp_path, "20261126T111232Z").name for _each in range(3)]
    assert names == ["20261126T111232Z", "20261126T111232Z-2", "20261126T111232Z-3"]


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(FolderError) as error:
        new_folder(tmp_path / "reports", "20261126T111232Z")
    assert "cannot be written to" in error.value.headline() and "deployment_reports" in error.value.remedy


def test_what_people_see(capsys: pytest.CaptureFixture[str]) -> None:
    tool = client()
    tool.say("step", step="rate-20", state="started", rate=20.0, concurrency=4, requests=300)
    tool.say("progress", step="rate-20", done=120, of=300, seconds=6.02, rate=19.93)
    tool.say("step", step="rate-20", state="ended", trouble="too late\nand more")
    lines = [describe(frame) for _other, frame in frames(stamped(capsys.readouterr().out))]
    assert lines == [
        "rate-20: 300 requests, 20.0 a second, at most 4 at once; the client starts",
        "rate-20: 120 of 300 requests, 19.93/s, 6 s",
        "rate-20: too late",
    ]


def test_gaps_that_no_log_can_carry_become_percentiles() -> None:
    made = result(requests=300)
    gaps = sorted(gap for each in made["itls"] for gap in each)
    ends = [first + sum(rest) for first, rest in zip(made["ttfts"], made["itls"], strict=True)]
    reduced, left_out = client().fit(json.loads(json.dumps(made)), 1000)
    assert left_out == ["generated_texts", "itls"] and "itls" not in reduced
    assert reduced["itl_quantiles"][0] == gaps[0] and reduced["itl_quantiles"][-1] == gaps[-1]
    assert reduced["e2els"] == pytest.approx(ends)
    whole, left_out = client().fit(json.loads(json.dumps(made)), 1 << 20)
    assert left_out == ["generated_texts"] and whole["itls"] == made["itls"]
