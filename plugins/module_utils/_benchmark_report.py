# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""From result files to summary.json, report.md, report.html and a row of history.csv.

This file is private to the collection.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _benchmark_history as history
from . import _benchmark_html, _benchmark_markdown, _benchmark_text
from ._benchmark_files import FolderError, RunFolder
from ._benchmark_json import ResultError, read
from ._benchmark_log import Told
from ._benchmark_numpy import np
from ._benchmark_plots import MATPLOTLIB_IMPORT_ERROR, plots_of
from ._benchmark_series import series_of
from ._benchmark_servers import within
from ._benchmark_stats import Step, step_of
from ._benchmark_summary import summary_of

Json = dict[str, Any]
NO_PLOTS = (
    "There are no plots, for {missing} cannot be imported by the Python that runs the modules: pip install {missing}."
)


def report(options: Mapping[str, Any], check_mode: bool) -> Json:
    """What the module does. Raises GcpError."""
    folder = RunFolder(Path(options["folder"]))
    told, notes = folder.told(), []
    files = [Path(each) for each in options["results"]] or sorted((folder.folder / "steps").glob("*.json"))
    steps: list[Step] = []
    for file in _ordered(files, told):
        try:
            steps += [step_of(found, _told_of(told, file)) for found in read(file)]
        except ResultError as error:
            notes.append(error.headline())
    _name_apart(steps)
    if not steps and not options["trouble"]:
        raise ResultError("; ".join(notes) or "there are no result files", action="read", resource=str(folder.folder))
    about = {**options["about"], "notes": [*options["about"].get("notes", []), *told.notes, *notes]}
    about["reproduce"] = [
        *about.get("reproduce", []),
        *(str(step["command"]) for step in told.steps.values() if "command" in step),
    ]
    if np is None:
        about["notes"].append("numpy is missing: single requests were not read, only what the tool computed of them")
    rows, windows = folder.rows(), _windows(told)
    summary = summary_of(steps, about, rows, windows, options["trouble"], options["lost"])
    summary["comparison"] = _comparison(options, summary)
    if summary["comparison"]:
        summary["checks"] += summary["comparison"]["checks"]
        summary["passed"] = all(each["passed"] for each in summary["checks"])
    written: dict[str, str] = {}
    if not check_mode:
        written = _write(folder, options, summary, steps, rows, windows)
    return {
        "changed": False,
        "passed": summary["passed"],
        "verdict": _benchmark_text.verdict(summary),
        "headline": summary["headline"],
        "sweep": summary["sweep"] or {},
        "checks": summary["checks"],
        "findings": _benchmark_text.findings(summary),
        "table": _benchmark_text.console(summary),
        "files": written,
        "plots": not (np is None or MATPLOTLIB_IMPORT_ERROR),
    }


def _ordered(files: Sequence[Path], told: Told) -> list[Path]:
    """As the loads were run; files from elsewhere as they were given."""
    order = list(told.steps)
    return sorted(files, key=lambda file: order.index(file.stem) if file.stem in order else len(order))


def _told_of(told: Told, file: Path) -> Json:
    step = told.steps.get(file.stem)
    return {"step": file.stem, **step} if step else {}


def _windows(told: Told) -> dict[str, tuple[float, float]]:
    return {
        name: (float(step["began"]), float(step["ended"]))
        for name, step in told.steps.items()
        if step.get("began") is not None and step.get("ended") is not None
    }


def _name_apart(steps: Sequence[Step]) -> None:
    """Two results of one load, of two files, keep two names."""
    seen: dict[str, int] = {}
    for step in steps:
        name = step.summary["name"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            step.summary["name"] = f"{name} #{seen[name]}"


def _comparison(options: Mapping[str, Any], summary: Json) -> Json | None:
    baseline = str(options["baseline"] or "")
    path = Path(options["history"]) if options["history"] else Path(options["folder"]).parent / "history.csv"
    if not baseline or not summary["headline"]:
        return None
    if baseline == "previous" and not path.exists():
        summary["notes"].append("there is no earlier run to compare with")
        return None
    return history.compare([history.row_of(summary)], history.load(baseline, path), options["tolerance_percent"])


def _write(
    folder: RunFolder,
    options: Mapping[str, Any],
    summary: Json,
    steps: Sequence[Step],
    rows: Sequence[Json],
    windows: Mapping[str, tuple[float, float]],
) -> dict[str, str]:
    try:
        folder.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        place = str(folder.folder)
        raise FolderError(f"cannot be made: {error.strerror}", action="make", resource=place) from error
    written = {"summary": folder.write("summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")}
    written["markdown"] = folder.write("report.md", _benchmark_markdown.render(summary))
    result = _own_result(folder, options, summary, steps)
    if result is not None:
        written["result"] = result
    series = {step.summary["name"]: series_of(step.requests) for step in steps} if not MATPLOTLIB_IMPORT_ERROR else {}
    plots = plots_of(summary, series, _while_measured(rows, windows)) if np is not None else []
    missing = "numpy" if np is None else "matplotlib" if MATPLOTLIB_IMPORT_ERROR else ""
    page = _benchmark_html.render(summary, plots, NO_PLOTS.format(missing=missing) if missing else "")
    written["html"] = folder.write("report.html", page)
    if options["history"]:
        history.add_row(Path(options["history"]), summary)
        written["history"] = Path(options["history"])
    return {name: str(path) for name, path in written.items()}


def _while_measured(rows: Sequence[Json], windows: Mapping[str, tuple[float, float]]) -> Sequence[Json]:
    """Without the minutes in which the client was still being made ready."""
    if not windows:
        return rows
    began, ended = min(low for low, _other in windows.values()), max(high for _other, high in windows.values())
    return within(rows, began, ended)


def _own_result(folder: RunFolder, options: Mapping[str, Any], summary: Json, steps: Sequence[Step]) -> Path | None:
    """The tool's own file of the load that the headline is of, as result.json."""
    name = summary["headline"].get("name")
    source = next((step.source for step in steps if step.summary["name"] == name), "")
    files = [Path(each) for each in options["results"]] or list((folder.folder / "steps").glob("*.json"))
    found = next((file for file in files if file.name == source.partition(" (")[0]), None)
    if found is None:
        return None
    target = folder.folder / "result.json"
    try:
        if found.resolve() != target.resolve():
            shutil.copyfile(found, target)
    except OSError as error:
        raise FolderError(f"cannot be written: {error.strerror}", action="write", resource=str(target)) from error
    return target


def compare(options: Mapping[str, Any], check_mode: bool) -> Json:
    """Runs of a history, or summaries, against one of them."""
    path = Path(options["history"])
    runs = [history.load(str(run), path) for run in options["runs"]]
    known = history.all_of(path) if len(runs) < 2 else runs
    baseline = history.load(options["baseline"], path) if options["baseline"] else known[0]
    runs = runs or known
    others = [run for run in runs if run["run"] != baseline["run"]]
    if not others:
        raise history.HistoryError(f"there is no run beside {baseline['run']}", action="compare", resource=str(path))
    comparison = history.compare(others, baseline, options["tolerance_percent"])
    columns, rows = _benchmark_text.comparison_table(comparison)
    written = {}
    if options["folder"] and not check_mode:
        target = RunFolder(Path(options["folder"]))
        target.folder.mkdir(parents=True, exist_ok=True)
        text = "# Benchmarks compared\n\n" + _benchmark_markdown.table((columns, rows)) + "\n"
        written["markdown"] = str(target.write("compare.md", text))
        written["html"] = str(target.write("compare.html", _benchmark_html.comparison_page(comparison)))
        written["json"] = str(target.write("compare.json", json.dumps(comparison, indent=2) + "\n"))
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [columns, *rows]]
    return {
        "changed": False,
        "passed": comparison["passed"],
        "comparison": comparison,
        "table": lines,
        "files": written,
    }
