# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""report.md. Needs nothing but Python. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from ._benchmark_text import (
    Json,
    Table,
    checks_table,
    comparison_table,
    configuration_table,
    findings,
    latency_table,
    load,
    loads_table,
    servers_table,
    tiles,
    verdict,
)


def render(summary: Json) -> str:
    """The whole report."""
    title = f"# Benchmark of {summary['deployment'] or 'a service'}, {summary['run'] or summary['time']}"
    parts = [title, f"**{verdict(summary)}**" + (f" · {summary['label']}" if summary["label"] else "")]
    parts += _headline(summary)
    parts += ["## Findings", _list(findings(summary)) or "Nothing out of the ordinary."]
    parts += ["## Loads", table(loads_table(summary))]
    for step in summary["steps"]:
        parts += [f"### {step['name']}: {load(step)}", table(latency_table(step))]
        if step["servers"]:
            parts += ["The model servers meanwhile, by their own counters:", table(servers_table(step))]
    if summary.get("comparison"):
        comparison = summary["comparison"]
        parts += [f"## Compared with {comparison['baseline']}", table(comparison_table(comparison))]
        parts += [_list(f"{run['run']}: {text}" for run in comparison["runs"] for text in run["unlike"])]
    parts += ["## Checks", table(checks_table(summary))]
    parts += ["## Configuration", table(configuration_table(summary))]
    if summary["reproduce"]:
        parts += ["## Again", "```\n" + "\n".join(summary["reproduce"]) + "\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(summary: Json) -> list[str]:
    lines = [f"- {what}: **{value}** ({remark})" for value, what, remark in tiles(summary)]
    return ["\n".join([f"The load {summary['headline']['name']}:", "", *lines])] if lines else []


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(content: Table) -> str:
    columns, rows = content
    if not rows:
        return ""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
