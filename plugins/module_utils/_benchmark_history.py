# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One row a run in history.csv, and runs side by side with a verdict.

This file is private to the collection.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._benchmark_summary import Json, check
from ._errors import GcpError

# What a row has: about the run, then its headline. New columns go to the end, so that old files stay readable.
ABOUT = ("run", "time", "deployment", "label", "model", "passed", "dataset", "image", "chips", "usd_per_chip_hour")
NUMBERS = (
    "name", "offered_requests_per_s", "max_concurrency", "requests", "completed", "failed", "failed_percent",
    "duration_s", "requests_per_s", "goodput_requests_per_s", "goodput_percent", "output_tokens_per_s",
    "total_tokens_per_s",
    "output_tokens_per_chip_s", "usd_per_million_tokens", "usd_per_million_input_tokens",
    "usd_per_million_output_tokens", "saturated", "client_bottleneck",
    *(f"{metric}_{what}_ms" for metric in ("ttft", "tpot", "itl", "e2e")
      for what in ("mean", "p50", "p90", "p95", "p99")),
)  # fmt: skip
COLUMNS = (*ABOUT, *NUMBERS)

# What is compared: name, in words, whether more is better.
COMPARED = (
    ("requests_per_s", "requests/s", True),
    ("output_tokens_per_s", "output tokens/s", True),
    ("goodput_requests_per_s", "good requests/s", True),
    ("ttft_p50_ms", "TTFT p50, ms", False),
    ("ttft_p99_ms", "TTFT p99, ms", False),
    ("tpot_p50_ms", "TPOT p50, ms", False),
    ("tpot_p99_ms", "TPOT p99, ms", False),
    ("itl_p99_ms", "ITL p99, ms", False),
    ("e2e_p50_ms", "E2E p50, ms", False),
    ("e2e_p99_ms", "E2E p99, ms", False),
    ("failed_percent", "failed, %", False),
    ("usd_per_million_tokens", "USD per million tokens", False),
)
# Settings that make two runs two different questions.
SAME = ("model", "dataset", "name", "requests", "chips")


class HistoryError(GcpError):
    """There is nothing to compare with."""

    default_remedy = "See history.csv for the runs there are."


def row_of(summary: Mapping[str, Any]) -> Json:
    configuration, headline = summary["configuration"], summary["headline"]
    about = {
        **{key: summary.get(key) for key in ("run", "time", "deployment", "label", "passed")},
        **{key: configuration.get(key) for key in ("model", "dataset", "image")},
        "chips": summary["size"].get("chips"),
        "usd_per_chip_hour": summary["prices"].get("usd_per_chip_hour"),
    }
    return {**about, **{key: headline.get(key) for key in NUMBERS}}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def add_row(path: Path, summary: Mapping[str, Any]) -> None:
    """Append a run, or replace its row; other runs' rows and columns stay as they are. Safe beside others."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = read(path) if path.exists() else []
            new = {key: _text(value) for key, value in row_of(summary).items()}
            known = [row for row in rows if row.get("run") != new["run"]]
            columns = list(COLUMNS) + [key for row in known for key in row if key not in COLUMNS]
            text = io.StringIO()
            writer = csv.DictWriter(text, list(dict.fromkeys(columns)), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted([*known, new], key=lambda row: str(row.get("run"))))
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_text(text.getvalue(), encoding="utf-8")
            partial.replace(path)
    except OSError as error:
        raise HistoryError(
            f"cannot be written: {error.strerror}",
            action="write",
            resource=str(path),
            remedy="See the folder's rights.",
        ) from error


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a history. Lines of somebody's editor that have no run are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file) if row.get("run")
        ]


def all_of(path: Path) -> list[Json]:
    """The runs of a history as numbers, the oldest first; at least one. Runs that measured nothing are left out."""
    rows = [row for row in read(path) if row.get("requests_per_s")] if path.exists() else []
    if not rows:
        raise HistoryError("there are no runs", action="read", resource=str(path), remedy="Run the playbook benchmark.")
    return [{key: value_of(value) for key, value in row.items()} for row in rows]


def load(reference: str, history: Path) -> Json:
    """A run as numbers: by its name, `previous`, `best`, or the path of a summary.json."""
    path = Path(reference)
    if path.suffix == ".json" or path.is_dir():
        return _from_summary(path / "summary.json" if path.is_dir() else path)
    if not history.exists():
        raise HistoryError(f"there is no {history}", action="look up", resource=reference)
    rows = read(history)
    if reference == "previous":
        found = next((row for row in reversed(rows) if row.get("requests_per_s")), None)
    else:
        found = next((row for row in rows if reference in (row["run"], row.get("label"))), None)
    if found is None:
        known = ", ".join(row["run"] for row in rows[-5:]) or "none"
        raise HistoryError(f"{history} has no such run (the last ones: {known})", action="look up", resource=reference)
    return {key: value_of(value) for key, value in found.items()}


def _from_summary(path: Path) -> Json:
    try:
        return row_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistoryError(f"it is no summary of a run: {error}", action="read", resource=str(path)) from error


def value_of(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text or None


def compare(runs: Sequence[Mapping[str, Any]], baseline: Mapping[str, Any], tolerance: float) -> Json:
    """Each run against the baseline, number by number; `passed` when none is worse by more than the tolerance."""
    table, checks = [], []
    for run in runs:
        found = [_difference(run, baseline, *what, tolerance) for what in COMPARED]
        differences = [each for each in found if each is not None]
        warnings = [
            f"{key} is {_text(run.get(key)) or 'not known'}, was {_text(baseline.get(key)) or 'not known'}"
            for key in SAME
            if _text(_numeric(run.get(key))) != _text(_numeric(baseline.get(key)))
        ]
        table.append({"run": run["run"], "label": run.get("label"), "differences": differences, "unlike": warnings})
        worse = [each for each in differences if each["worse"]]
        text = ", ".join(f"{each['what']} {each['change_percent']:+.1f} %" for each in worse)
        text = text or (f"{len(differences)} numbers within it" if differences else "no number in common")
        checks.append(
            check(f"{run['run']} against {baseline['run']}", not worse and bool(differences),
                  f"no number worse by more than {tolerance:g} %", text,
                  "See what changed between the two (versions, configuration), or give benchmark_tolerance_percent"
                  " a larger value.")
        )  # fmt: skip
    return {
        "baseline": baseline["run"],
        "tolerance_percent": tolerance,
        "passed": all(each["passed"] for each in checks),
        "runs": table,
        "checks": checks,
    }


def _numeric(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _difference(
    run: Mapping[str, Any], baseline: Mapping[str, Any], key: str, what: str, more_is_better: bool, tolerance: float
) -> Json | None:
    now, then = run.get(key), baseline.get(key)
    if not isinstance(now, int | float) or not isinstance(then, int | float):
        return None
    if then == 0:
        # A percentage of nothing: what was zero is compared as it is, in points.
        change = 0.0 if now == then else 100.0 * (1 if now > then else -1) if key != "failed_percent" else float(now)
    else:
        change = 100 * (now - then) / abs(then)
    if key == "failed_percent":
        change = float(now - then)
    worse = (-change if more_is_better else change) > tolerance
    if key == "failed_percent":
        worse = now - then > min(tolerance, 1.0)
    return {"key": key, "what": what, "now": now, "then": then, "change_percent": round(change, 2), "worse": worse}
