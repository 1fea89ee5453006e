# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""report.html: one file, nothing to fetch, light and dark, on paper and on a phone. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from ._benchmark_plots import Plot
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
)

STYLE = """
:root { color-scheme: light dark;
  --font: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  --page: #f5f6f8; --card: #ffffff; --ink: #1b1f27; --muted: #5a6472; --grid: #e1e5ea; --line: #d9dee5;
  --prefill: #2563c9; --decode: #d9730d; --good: #1f8a5b; --bad: #c8364a; --goodback: #e3f4ec; --badback: #fbe6e9;
  --load0: #7fb2e5; --load1: #5b9bd9; --load2: #3f86cb; --load3: #2d71b8; --load4: #2563a5; --load5: #5a4fa8;
  --load6: #8a3fa0; --load7: #b0307c; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12151a; --card: #1b1f26; --ink: #e8ebf0; --muted: #a0a9b6; --grid: #2c323c; --line: #343b46;
  --prefill: #6aa5ff; --decode: #f5a04c; --good: #4fc592; --bad: #ff7a8a; --goodback: #16352a; --badback: #3d1d23;
  --load0: #bcd9f7; --load1: #9cc5f0; --load2: #7fb4ea; --load3: #68a4e4; --load4: #6aa5ff; --load5: #a79bf0;
  --load6: #cf8fe3; --load7: #f07fbd; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 var(--font); }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px; }
header { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: baseline; margin-bottom: 18px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 34px 0 10px; }
h3 { font-size: 1rem; margin: 0 0 4px; }
p, ul { margin: 0 0 10px; } ul { padding-left: 1.2em; }
.muted, figcaption { color: var(--muted); font-size: .88rem; }
.verdict { font-weight: 650; border-radius: 999px; padding: 2px 12px; }
.passed { color: var(--good); background: var(--goodback); } .failed { color: var(--bad); background: var(--badback); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 12px; }
.tile, figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.tile { padding: 12px 14px; } .tile b { display: block; font-size: 1.5rem; line-height: 1.25; white-space: nowrap; }
.tile span { display: block; font-size: .88rem; } .tile .muted { font-size: .8rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px;
  align-items: start; }
figure { margin: 0; padding: 14px 16px; } figure svg { display: block; width: 100%; height: auto; margin: 4px 0 6px; }
.card { padding: 14px 16px; margin-bottom: 16px; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 7px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; } tr:last-child td { border-bottom: 0; }
.text th, .text td { text-align: left; white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.text td:first-child { white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
.worse, .FAIL { color: var(--bad); font-weight: 650; } .ok { color: var(--good); }
pre { margin: 0; padding: 12px 14px; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  font-size: .82rem; background: var(--page); border-radius: 8px; }
@media (max-width: 560px) { main { padding: 16px 10px 32px; } h1 { font-size: 1.3rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; } .tile b { font-size: 1.2rem; } figure, .card { padding: 10px; }
  .text td:first-child { white-space: normal; } }
@media print { :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #111; --muted: #444; --grid: #ddd;
    --line: #bbb; --prefill: #2563c9; --decode: #d9730d; --good: #1f8a5b; --bad: #c8364a; --goodback: #fff;
    --badback: #fff;
    --load0: #7fb2e5; --load1: #5b9bd9; --load2: #3f86cb; --load3: #2d71b8; --load4: #2563a5; --load5: #5a4fa8;
    --load6: #8a3fa0; --load7: #b0307c; }
  body { font-size: 11px; } main { max-width: none; padding: 0; } .plots { grid-template-columns: 1fr 1fr; }
  figure, .tile, .card, tr { break-inside: avoid; } h2 { break-after: avoid; } .scroll { overflow: visible; }
  th, td { white-space: normal; padding: 3px 5px; } }
"""


def render(summary: Json, plots: Sequence[Plot], without_plots: str = "") -> str:
    """The whole page."""
    name, run = summary["deployment"] or "a service", summary["run"] or summary["time"]
    title = f"Benchmark of {name}"
    body = [_header(title, run, summary)]
    if summary["headline"]:
        body.append(_tiles(summary))
    failed = [each for each in summary["checks"] if not each["passed"]]
    if failed:
        body.append(_section("What failed", _card(_table(checks_table({**summary, "checks": failed}), text=True))))
    said = findings(summary)
    if said:
        body.append(_section("Findings", _card("<ul>" + "".join(f"<li>{_text(line)}</li>" for line in said) + "</ul>")))
    if plots:
        body.append(_section("Plots", f'<div class="plots">{"".join(map(_figure, plots))}</div>'))
    elif without_plots:
        body.append(_section("Plots", _card(f"<p>{_text(without_plots)}</p>")))
    body.append(_section("Loads", _card(_table(loads_table(summary)))))
    if summary.get("comparison"):
        body.append(_comparison(summary["comparison"]))
    for step in summary["steps"]:
        body.append(_section(f"{step['name']}: {load(step)}", _step(step)))
    body.append(_section("Checks", _card(_table(checks_table(summary), text=True))))
    body.append(_section("Configuration", _card(_table(configuration_table(summary), text=True))))
    if summary["reproduce"]:
        lines = _text("\n".join(summary["reproduce"]))
        body.append(_section("Run it again", _card(f"<pre>{lines}</pre>")))
    return page(title + f", {run}", body)


def page(title: str, body: Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def comparison_page(comparison: Json) -> str:
    """Runs side by side, on a page of their own."""
    word = "passed" if comparison["passed"] else "failed"
    header = f'<header><h1>Benchmarks compared</h1><span class="verdict {word}">{word}</span></header>'
    return page("Benchmarks compared", [header, _comparison(comparison)])


def _header(title: str, run: str, summary: Json) -> str:
    word = "passed" if summary["passed"] else "failed"
    label = f" · {summary['label']}" if summary["label"] else ""
    return (
        f'<header><h1>{_text(title)}</h1><span class="verdict {word}">{word}</span>'
        f'<span class="muted">{_text(run + label)}</span></header>'
    )


def _tiles(summary: Json) -> str:
    found = "".join(
        f'<div class="tile"><b>{_text(value)}</b><span>{_text(what)}</span>'
        f'<span class="muted">{_text(remark)}</span></div>'
        for value, what, remark in tiles(summary)
    )
    note = (
        f'<p class="muted">Numbers of the load {_text(summary["headline"]["name"])}.</p>'
        if len(summary["steps"]) > 1
        else ""
    )
    return f'{note}<div class="tiles">{found}</div>'


def _figure(plot: Plot) -> str:
    return f"<figure><h3>{_text(plot.title)}</h3>{plot.svg}<figcaption>{_text(plot.caption)}</figcaption></figure>"


def _step(step: Json) -> str:
    parts = [_card(_table(latency_table(step)))]
    if step["servers"]:
        parts.append(
            _card(
                '<p class="muted">The model servers meanwhile, by their own counters.</p>' + _table(servers_table(step))
            )
        )
    return "".join(parts)


def _comparison(comparison: Json) -> str:
    unlike = [f"{run['run']}: {text}" for run in comparison["runs"] for text in run["unlike"]]
    notes = "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in unlike) + "</ul>" if unlike else ""
    note = f'<p class="muted">A number counts as worse beyond {comparison["tolerance_percent"]:g} %.</p>'
    return _section(
        f"Compared with {comparison['baseline']}", _card(note + _table(comparison_table(comparison)) + notes)
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def _card(content: str) -> str:
    return f'<div class="card">{content}</div>' if content else ""


def _table(table: Table, text: bool = False) -> str:
    columns, rows = table
    if not rows:
        return ""
    head = "".join(f"<th>{_text(cell)}</th>" for cell in columns) if any(columns) else ""
    lines = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    kind = ' class="text"' if text else ""
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="scroll"><table{kind}>{head}<tbody>{lines}</tbody></table></div>'


def _cell(cell: str) -> str:
    mark = "worse" if cell.endswith("worse)") else cell if cell in ("ok", "FAIL") else ""
    return f'<td class="{mark}">{_text(cell)}</td>' if mark else f"<td>{_text(cell)}</td>"


def _text(value: str) -> str:
    return html.escape(value)
