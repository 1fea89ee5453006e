# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One row a run, and runs side by side."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _benchmark_history as history
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_history import HistoryError
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_report import compare


def summary(run: str, **numbers: Any) -> dict[str, Any]:
    head = {"name": "rate-20", "requests": 200, "completed": 200, "failed": 0, "failed_percent": 0.0,
            "requests_per_s": 19.5, "output_tokens_per_s": 500.0, "ttft_p50_ms": 60.0, "ttft_p99_ms": 90.0,
            "saturated": False, "client_bottleneck": False, **numbers}  # fmt: skip
    return {
        "run": run, "time": run, "deployment": "d", "label": "", "passed": True, "headline": head,
        "configuration": {"model": "m", "dataset": "random", "image": "i:1"}, "size": {"chips": 32},
        "prices": {"usd_per_chip_hour": 2.97},
    }  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    history.add_row(path, summary("20260101T000000Z"))
    history.add_row(path, summary("20260102T000000Z", output_tokens_per_s=520.0, ttft_p99_ms=95.0))
    history.add_row(path, summary("20260103T000000Z", output_tokens_per_s=400.0, ttft_p99_ms=140.0))
    return path


def test_one_row_a_run_also_when_it_is_written_again(table: Path) -> None:
    history.add_row(table, summary("20260102T000000Z", output_tokens_per_s=530.0))
    rows = history.read(table)
    assert [row["run"] for row in rows] == ["20260101T000000Z", "20260102T000000Z", "20260103T000000Z"]
    assert rows[1]["output_tokens_per_s"] == "530" and rows[1]["saturated"] == "false" and rows[1]["itl_p50_ms"] == ""


def test_columns_and_rows_of_others_stay(table: Path) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0] + ",remark", *(line + ",mine" for line in lines[1:])]) + "\n")
    history.add_row(table, summary("20260104T000000Z"))
    rows = list(csv.DictReader(table.open()))
    assert [row["remark"] for row in rows] == ["mine", "mine", "mine", ""]


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: history.add_row(path, summary(f"run-{number:02}")), range(16)))
    assert len(history.read(path)) == 16


def options(table: Path, **more: Any) -> dict[str, Any]:
    return {"history": str(table), "runs": [], "baseline": "", "tolerance_percent": 10.0, "folder": "", **more}


def test_any_number_of_runs_side_by_side(table: Path, tmp_path: Path) -> None:
    found = compare(options(table, folder=str(tmp_path / "out")), check_mode=False)
    assert found["passed"] is False
    second, third = found["comparison"]["checks"]
    assert second["passed"] is True and third["passed"] is False
    assert "output tokens/s -20.0 %" in third["actual"] and "TTFT p99, ms +55.6 %" in third["actual"]
    assert any("400 (-20.0 % worse)" in line for line in found["table"])
    assert {"compare.md", "compare.html", "compare.json"} == {path.name for path in (tmp_path / "out").iterdir()}
    assert compare(options(table, runs=["20260102T000000Z"]), check_mode=True)["passed"] is True
    assert compare(options(table, tolerance_percent=60.0), check_mode=True)["passed"] is True


def test_runs_that_measured_nothing_are_no_baseline(tmp_path: Path) -> None:
    table = tmp_path / "history.csv"
    nothing = summary("20260101T000000Z")
    nothing["headline"] = {}
    for each in (
        nothing,
        summary("20260102T000000Z"),
        summary("20260103T000000Z"),
        {**nothing, "run": "20260104T000000Z"},
    ):
        history.add_row(table, each)
    found = compare(options(table), check_mode=True)
    assert found["passed"] is True and found["comparison"]["baseline"] == "20260102T000000Z"
    assert history.load("previous", table)["run"] == "20260103T000000Z"
    named = compare(options(table, runs=["20260104T000000Z"]), check_mode=True)
    assert named["passed"] is False and named["comparison"]["checks"][0]["actual"] == "no number in common"


def test_better_is_never_a_failure(table: Path) -> None:
    found = compare(options(table, runs=["20260101T000000Z"], baseline="20260103T000000Z"), check_mode=True)
    assert found["passed"] is True


def test_what_makes_runs_unlike_is_named(table: Path) -> None:
    other = summary("20260105T000000Z", requests=400)
    other["configuration"]["model"] = "other"
    history.add_row(table, other)
    found = compare(options(table, runs=["20260105T000000Z"]), check_mode=True)
    assert found["comparison"]["runs"][0]["unlike"] == ["model is other, was m", "requests is 400, was 200"]


def test_a_run_is_found_by_name_label_or_file(table: Path, tmp_path: Path) -> None:
    labelled = summary("20260106T000000Z")
    labelled["label"] = "golden"
    history.add_row(table, labelled)
    assert history.load("golden", table)["run"] == "20260106T000000Z"
    assert history.load("previous", table)["run"] == "20260106T000000Z"
    file = tmp_path / "summary.json"
    file.write_text(json.dumps(summary("elsewhere")))
    assert history.load(str(file), table)["run"] == "elsewhere"
    for unknown in ("20200101T000000Z", str(tmp_path / "none.json")):
        with pytest.raises(HistoryError):
            history.load(unknown, table)
    with pytest.raises(HistoryError):
        history.load("previous", tmp_path / "no.csv")


def test_failures_that_were_not_there_before_are_worse(table: Path) -> None:
    history.add_row(table, summary("20260107T000000Z", failed=10, failed_percent=5.0))
    found = compare(options(table, runs=["20260107T000000Z"]), check_mode=True)
    assert found["passed"] is False and "failed, %" in found["comparison"]["checks"][0]["actual"]
