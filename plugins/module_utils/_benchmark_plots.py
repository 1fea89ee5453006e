# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The plots of a report, as SVG that takes colours and font from the page: one drawing for light, dark and paper.

matplotlib draws with colours that nobody would choose; each stands for a variable of the page's style.

This file is private to the collection.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._benchmark_series import Series, servers_over_time
from ._benchmark_servers import Row
from ._benchmark_stats import PERCENTILES

try:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
except ImportError as error:
    MATPLOTLIB_IMPORT_ERROR: Exception | None = error
else:
    MATPLOTLIB_IMPORT_ERROR = None

Json = dict[str, Any]
# Drawn colour -> variable of the page.
INK, MUTED, GRID = "#aa0001", "#aa0002", "#aa0003"
PREFILL, DECODE, BAD, GOOD = "#aa0004", "#aa0005", "#aa0006", "#aa0007"
LOADS = tuple(f"#aa001{number}" for number in range(8))
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", PREFILL: "--prefill", DECODE: "--decode", BAD: "--bad",
    GOOD: "--good", **{colour: f"--load{number}" for number, colour in enumerate(LOADS)},
}  # fmt: skip
METRICS = (("ttft", "Time to first token"), ("tpot", "Time per output token"), ("itl", "Gap between tokens"),
           ("e2e", "Whole request"))  # fmt: skip
ROLES = (("prefill", PREFILL), ("decode", DECODE))
_STYLE = {
    "svg.fonttype": "none", "font.size": 10.5, "axes.titlesize": 10.5, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "axes.labelsize": 9.5, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "legend.fontsize": 9, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": GRID, "axes.labelcolor": MUTED, "axes.titlecolor": INK, "xtick.color": MUTED,
    "ytick.color": MUTED, "text.color": INK, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7,
    "axes.axisbelow": True, "lines.linewidth": 1.8, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none", "path.simplify": True,
}  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A drawing, what it shows, and what to look for."""

    title: str
    caption: str
    svg: str


def plots_of(summary: Json, series: Mapping[str, Series], rows: Sequence[Row]) -> list[Plot]:
    """Every plot that there are numbers for, the most telling first."""
    if MATPLOTLIB_IMPORT_ERROR:
        return []
    steps = [step for step in summary["steps"] if step["completed"]]
    chosen = next((step for step in steps if step["name"] == summary["headline"].get("name")), None)
    found: list[Plot | None] = []
    with matplotlib.rc_context({**_STYLE}):
        if len(steps) > 1:
            found += [_knee(steps, summary["sweep"] or {}), _offered(steps), _percentiles_by_load(steps)]
        if chosen:
            mine = series.get(chosen["name"], Series())
            found.append(_percentiles(chosen) if len(steps) == 1 else None)
            found.append(_distributions(steps, series))
            found.append(_throughput(mine, chosen["name"]))
            found.append(_queue(mine, chosen["name"]))
            found.append(_pods(chosen))
        found += [_roles(rows), _kv(rows)]
    return [plot for plot in found if plot is not None]


def _draw(name: str, width: float, height: float, rows: int, columns: int, fill: Callable[[Any], None]) -> str:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    fill(axes)
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return themed(text.getvalue(), name)


def themed(svg: str, name: str) -> str:
    """Only the drawing, with the page's colours and font, and names that no other drawing on the page has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
    svg = re.sub(
        r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{name}">', svg, count=1
    )
    svg = re.sub(r"font: ((?:bold |italic )?)([\d.]+px) [^;\"]*", r"font: \1\2 var(--font)", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    safe = re.sub(r"\W+", "-", name)
    svg = re.sub(r'id="([^"]+)"', rf'id="{safe}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{safe}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{safe}-\1"', svg)
    return re.sub(r"\n\s*", "\n", re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL))


def milliseconds(value: float) -> str:
    """A length of time that reads well."""
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"


def _label(step: Json) -> str:
    if step["offered_requests_per_s"]:
        return f"{step['offered_requests_per_s']:g}/s"
    return f"{step['max_concurrency']} at once" if step["max_concurrency"] else "no limit"


def _percentiles(step: Json) -> Plot | None:
    present = [(key, title) for key, title in METRICS if step.get(f"{key}_p50_ms") is not None]
    if not present:
        return None

    def fill(axes: Any) -> None:
        for place, (key, title) in zip(axes.flat, present, strict=False):
            values = [step.get(f"{key}_p{p}_ms") or 0.0 for p in PERCENTILES]
            names = [f"p{p}" for p in PERCENTILES]
            place.barh(names, values, color=[LOADS[1], LOADS[3], LOADS[5], LOADS[7]], height=0.68)
            for number, value in enumerate(values):
                place.annotate(f" {milliseconds(value)}", (value, number), va="center", fontsize=9)
            place.set_xlim(0, max(values) * 1.36 or 1)
            place.set_title(title)
            place.invert_yaxis()
            place.grid(axis="y", visible=False)
            place.set_xticks([])
            place.spines["bottom"].set_visible(False)
        for place in axes.flat[len(present) :]:
            place.set_visible(False)

    caption = "How long the middle request waited, and the slowest tenth, twentieth and hundredth."
    return Plot("Latency percentiles", caption, _draw("latency-percentiles", 5.8, 3.9, 2, 2, fill))


def _distributions(steps: Sequence[Json], series: Mapping[str, Series]) -> Plot | None:
    drawn = [(step, series[step["name"]]) for step in steps if step["name"] in series and series[step["name"]].cdf]
    if not drawn:
        return None
    drawn = drawn if len(drawn) <= len(LOADS) else [drawn[round(at * (len(drawn) - 1) / 7)] for at in range(8)]
    colours = _ramp(len(drawn))

    def fill(axes: Any) -> None:
        for place, (key, title) in zip(axes.flat, METRICS, strict=True):
            for (step, each), colour in zip(drawn, colours, strict=True):
                if key in each.cdf:
                    values, shares = each.cdf[key]
                    place.plot(values, [100 * share for share in shares], color=colour, label=_label(step))
            tops = [_at(each.cdf[key], 0.995) for _other, each in drawn if key in each.cdf]
            if tops:
                place.set_xlim(0, max(tops) * 1.08 or 1)
            place.set_title(title)
            place.set_ylim(0, 101)
            place.set_xlabel("ms")
        axes[0][0].set_ylabel("% of requests")
        axes[1][0].set_ylabel("% of gaps, requests")
        if len(drawn) > 1:
            axes[0][1].legend(loc="lower right", title="offered", title_fontsize=9)

    caption = "Cumulative distributions: how many per cent took at most so long. Cut at the 99.5th percentile."
    return Plot("Latency distributions", caption, _draw("latency-distributions", 5.8, 4.6, 2, 2, fill))


def _at(line: tuple[list[float], list[float]], share: float) -> float:
    return next((value for value, each in zip(*line, strict=True) if each >= share), line[0][-1])


def _ramp(count: int) -> list[str]:
    if count == 1:
        return [LOADS[4]]
    return [LOADS[round(number * (len(LOADS) - 1) / (count - 1))] for number in range(count)]


def _throughput(series: Series, name: str) -> Plot | None:
    if not series.answered[0]:
        return None
    failed = sum(series.failed[1]) > 0
    has_tokens = bool(series.tokens[0])

    def fill(axes: Any) -> None:
        places = list(axes.flat)
        if has_tokens:
            top = places.pop(0)
            top.fill_between(*series.tokens, color=LOADS[4], alpha=0.25, linewidth=0)
            top.plot(*series.tokens, color=LOADS[4])
            top.set_title("Output tokens a second")
            top.set_ylim(bottom=0)
            top.tick_params(labelbottom=False)
        place = places[0]
        place.plot(*series.answered, color=GOOD, label="answered")
        if failed:
            place.plot(*series.failed, color=BAD, label="failed (when sent)")
            place.legend(loc="upper right")
        place.set_title("Requests a second")
        place.set_ylim(bottom=0)
        place.set_xlabel("seconds since the first request")

    rows = 2 if has_tokens else 1
    caption = (
        f"Load {name}. A service that keeps up is level in the middle; a slope means that a queue grows or empties."
    )
    return Plot("Throughput and errors over time", caption, _draw("throughput", 5.8, 1.9 * rows + 0.5, rows, 1, fill))


def _queue(series: Series, name: str) -> Plot | None:
    if not series.in_flight[0]:
        return None

    def fill(axes: Any) -> None:
        top, place = axes.flat
        top.step(*series.in_flight, color=LOADS[4], where="pre")
        top.set_title("Requests in flight")
        top.set_ylim(bottom=0)
        top.tick_params(labelbottom=False)
        place.scatter(*series.first_tokens, s=7, color=LOADS[4], alpha=0.45, linewidths=0)
        place.set_title("Time to first token of each request, ms")
        place.set_ylim(bottom=0)
        place.set_xlabel("seconds since the first request")

    caption = f"Load {name}. When both climb from left to right, requests come faster than they are answered."
    return Plot("Waiting", caption, _draw("waiting", 5.8, 4.3, 2, 1, fill))


def _pods(step: Json) -> Plot | None:
    pods = [pod for pod in step["servers"] if pod.get("requests") is not None]
    if not pods:
        return None

    def fill(axes: Any) -> None:
        left, right = axes.flat
        names = [_short(pod["pod"], pod["role"]) for pod in pods]
        colours = [dict(ROLES)[pod["role"]] for pod in pods]
        left.barh(names, [pod["requests"] for pod in pods], color=colours)
        left.set_title("Requests")
        tokens = [pod.get("prompt_tokens" if pod["role"] == "prefill" else "generated_tokens") or 0 for pod in pods]
        right.barh(names, tokens, color=colours)
        right.set_title("Tokens computed")
        right.tick_params(labelleft=False)
        for place in (left, right):
            place.invert_yaxis()
            place.grid(axis="y", visible=False)
            place.ticklabel_format(axis="x", style="plain")
            place.locator_params(axis="x", nbins=4)

    caption = (
        "Prompt tokens for prefill, generated tokens for decode, by the pods' counters. Bars of a role should be alike."
    )
    height = 0.9 + 0.27 * len(pods)
    return Plot("Load of each pod", caption, _draw("pods", 5.8, max(height, 2.0), 1, 2, fill))


def _short(pod: str, role: str) -> str:
    return f"{role} {pod.rsplit('-', 1)[-1]}"


def _roles(rows: Sequence[Row]) -> Plot | None:
    lines = {
        (role, key): servers_over_time(rows, role, key, grows=False)
        for role, _other in ROLES
        for key in ("running", "waiting")
    }
    if not any(len(line[0]) > 1 for line in lines.values()):
        return None

    def fill(axes: Any) -> None:
        for place, key, title in zip(
            axes.flat, ("running", "waiting"), ("Requests running", "Requests waiting"), strict=True
        ):
            for role, colour in ROLES:
                if lines[role, key][0]:
                    place.plot(*lines[role, key], color=colour, label=role, drawstyle="steps-post")
            place.set_title(title)
            place.set_ylim(bottom=0)
        axes.flat[0].tick_params(labelbottom=False)
        axes.flat[0].legend(loc="upper right")
        axes.flat[1].set_xlabel("seconds since the first look")

    caption = "Summed over the pods of a role, the whole run. The role whose requests wait is the one that lacks pods."
    return Plot("Prefill against decode", caption, _draw("roles", 5.8, 4.0, 2, 1, fill))


def _kv(rows: Sequence[Row]) -> Plot | None:
    moved = servers_over_time(rows, "decode", "kv_mebibytes", grows=True)
    tokens = servers_over_time(rows, "decode", "external_tokens", grows=True)
    usage = {role: servers_over_time(rows, role, "kv_cache_usage", grows=False) for role, _other in ROLES}
    pods = {role: len({row["pod"] for row in rows if row["role"] == role}) for role, _other in ROLES}
    line, title = (moved, "KV cache moved to decode, MiB") if moved[0] else (tokens, "Tokens whose KV cache was moved")
    if not line[0]:
        return None

    def fill(axes: Any) -> None:
        top, place = axes.flat
        top.fill_between(*line, color=DECODE, alpha=0.25, linewidth=0)
        top.plot(*line, color=DECODE)
        top.set_title(title)
        top.set_ylim(bottom=0)
        top.tick_params(labelbottom=False)
        for role, colour in ROLES:
            times, values = usage[role]
            if times:
                place.plot(times, [100 * value / max(pods[role], 1) for value in values], color=colour, label=role)
        place.set_title("KV cache in use, % (mean of the pods)")
        place.set_ylim(bottom=0)
        place.legend(loc="upper right")
        place.set_xlabel("seconds since the first look")

    caption = (
        "Prefill computes a prompt's KV cache, decode fetches it. Flat at zero means that nothing is disaggregated."
    )
    return Plot("KV cache", caption, _draw("kv", 5.8, 4.0, 2, 1, fill))


def _knee(steps: Sequence[Json], sweep: Json) -> Plot | None:
    points = [step for step in steps if step["output_tokens_per_s"] and step["ttft_p50_ms"] is not None]
    if len(points) < 2:
        return None

    def fill(axes: Any) -> None:
        for place, key, title in (
            (axes[0][0], "ttft", "Time to first token, ms"),
            (axes[0][1], "tpot", "Time per output token, ms"),
        ):
            x = [step["output_tokens_per_s"] for step in points]
            for what, colour in (("p50", LOADS[3]), ("p99", LOADS[6])):
                values = [step.get(f"{key}_{what}_ms") for step in points]
                if None not in values:
                    place.plot(x, values, "o-", color=colour, label=what, markersize=4)
            for step in points:
                if step.get(f"{key}_p50_ms") is not None:
                    place.annotate(_label(step), (step["output_tokens_per_s"], step[f"{key}_p50_ms"]), xytext=(2, 5),
                                   textcoords="offset points", fontsize=8, color=MUTED)  # fmt: skip
                if step["name"] == sweep.get("knee"):
                    place.axvline(step["output_tokens_per_s"], color=GOOD, linestyle="--", linewidth=1.2)
            place.set_title(title)
            place.set_ylim(bottom=0)
            place.set_xlabel("output tokens a second")
        axes[0][0].legend(loc="upper left")

    why = sweep.get("why") or ""
    caption = (
        f"Saturation knee: {sweep['knee']}, {why} (dashed)." if sweep.get("knee") else f"{why[:1].upper()}{why[1:]}."
    )
    return Plot("Throughput against latency", caption, _draw("knee", 5.8, 3.3, 1, 2, fill))


def _offered(steps: Sequence[Json]) -> Plot | None:
    points = [step for step in steps if step["offered_requests_per_s"] and step["requests_per_s"]]
    if len(points) < 2:
        return None
    x = [step["offered_requests_per_s"] for step in points]

    def fill(axes: Any) -> None:
        place = axes[0][0]
        place.plot([0, max(x)], [0, max(x)], color=MUTED, linestyle=":", linewidth=1.2, label="as offered")
        place.plot(x, [step["requests_per_s"] for step in points], "o-", color=LOADS[4], markersize=4, label="answered")
        sent = [step["sent_requests_per_s"] for step in points]
        if None not in sent:
            place.plot(x, sent, "x", color=LOADS[6], markersize=6, label="sent by the client")
        good = [step["goodput_requests_per_s"] for step in points]
        if None not in good:
            place.plot(x, good, "s-", color=GOOD, markersize=4, label="within the targets")
        place.set_xlabel("offered requests a second")
        place.set_ylabel("requests a second")
        place.set_ylim(bottom=0)
        place.legend(loc="upper left")

    caption = "Below the dotted line the service does not keep up. Crosses below it: the client did not send in time."
    return Plot("Offered against achieved", caption, _draw("offered", 5.8, 3.3, 1, 1, fill))


def _percentiles_by_load(steps: Sequence[Json]) -> Plot | None:
    def fill(axes: Any) -> None:
        names = [_label(step) for step in steps]
        for place, (key, title) in zip(axes.flat, METRICS, strict=True):
            for p, colour in zip(PERCENTILES, (LOADS[1], LOADS[3], LOADS[5], LOADS[7]), strict=True):
                values = [step.get(f"{key}_p{p}_ms") for step in steps]
                if None not in values:
                    place.plot(names, values, "o-", color=colour, markersize=3.5, label=f"p{p}")
            place.set_title(f"{title}, ms")
            place.set_ylim(bottom=0)
            if len(names) > 4:
                place.tick_params(axis="x", rotation=45)
        axes[0][0].legend(loc="upper left", ncols=2)

    caption = "How latency grows with the load."
    return Plot("Latency by load", caption, _draw("latency-by-load", 5.8, 4.8, 2, 2, fill))
