# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is drawn, as short lists of numbers: however many requests there were, a plot has some hundred points.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ._benchmark_numpy import np
from ._benchmark_servers import Row, by_pod
from ._benchmark_stats import CHUNK, Requests, quantiles

POINTS = 240
DOTS = 1500
WIDTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)

Line = tuple[list[float], list[float]]


@dataclass
class Series:
    """One load's."""

    cdf: dict[str, Line] = field(default_factory=dict)
    tokens: Line = ((), ())  # type: ignore[assignment]
    answered: Line = ((), ())  # type: ignore[assignment]
    failed: Line = ((), ())  # type: ignore[assignment]
    in_flight: Line = ((), ())  # type: ignore[assignment]
    first_tokens: Line = ((), ())  # type: ignore[assignment]


def series_of(requests: Requests) -> Series:
    """All that can be drawn of a load."""
    series = Series()
    if np is None:
        return series
    values = {"ttft": requests.ttft, "tpot": requests.tpot, "e2e": requests.e2e}
    values["itl"] = requests.itl_sorted if requests.itl_sorted is not None else requests.itl_quantiles
    series.cdf = {
        name: cdf(each)
        for name, each in values.items()
        if each is not None and len(each) > 1 and np.isfinite(each).any()
    }
    if requests.start is None or not len(requests.start):
        return series
    ends = requests.start + (requests.e2e if requests.e2e is not None else requests.ttft)
    span = float(np.nanmax(ends))
    width = next((width for width in WIDTHS if span / width <= 120), WIDTHS[-1])
    edges = np.arange(0, span + 2 * width, width)
    middles = [round(float(each), 3) for each in edges[:-1] + width / 2]
    series.answered = (middles, _rates(ends, edges, width))
    series.failed = (middles, _rates(requests.failed_at, edges, width))
    tokens = tokens_over_time(requests, edges)
    if tokens is not None:
        series.tokens = (middles, [round(float(each) / width, 3) for each in tokens])
    started = np.cumsum(np.histogram(requests.start, edges)[0])
    over = np.cumsum(np.histogram(ends, edges)[0])
    series.in_flight = ([round(float(each), 3) for each in edges[1:]], [float(each) for each in started - over])
    chosen = np.unique(np.linspace(0, len(requests.start) - 1, min(DOTS, len(requests.start))).astype(int))
    series.first_tokens = (_rounded(requests.start[chosen]), _rounded(requests.ttft[chosen] * 1000))
    return series


def _rounded(values: Any) -> list[float]:
    return [round(float(each), 3) for each in values]


def _rates(times: Any, edges: Any, width: float) -> list[float]:
    return [float(each) / width for each in np.histogram(times, edges)[0]]


def cdf(seconds: Any) -> Line:
    """Milliseconds against the share of values that are not larger."""
    shares = np.concatenate([np.linspace(0, 0.99, POINTS - 40, endpoint=False), np.linspace(0.99, 1, 40)])
    values = quantiles(seconds, shares) * 1000
    return _rounded(values), [round(float(each), 5) for each in shares]


def tokens_over_time(requests: Requests, edges: Any) -> Any:
    """How many tokens came in each piece of time."""
    itl = requests.itl
    if itl is None:
        return None
    counted = np.histogram(requests.start + requests.ttft, edges)[0].astype(float)
    bounds = np.concatenate([[0], np.cumsum(itl.counts)])
    for low in range(0, len(itl.counts), CHUNK):
        high = min(low + CHUNK, len(itl.counts))
        gaps = np.nan_to_num(itl.values[bounds[low] : bounds[high]])
        counts = itl.counts[low:high]
        passed = np.concatenate([[0.0], np.cumsum(gaps)])
        begun = passed[bounds[low:high] - bounds[low]]
        first = (requests.start + requests.ttft)[low:high]
        counted += np.histogram(passed[1:] + np.repeat(first - begun, counts), edges)[0]
    return counted


def servers_over_time(rows: Sequence[Row], role: str, key: str, grows: bool) -> Line:
    """The sum over a role's pods, or how much it has grown since the first look."""
    pods = [
        series for series in by_pod(rows).values() if series[0]["role"] == role and any(key in each for each in series)
    ]
    if not pods or np is None:
        return [], []
    begin = min(float(row["at"]) for row in rows)
    times = sorted({round(float(each["at"]) - begin, 1) for series in pods for each in series})
    grid = times[:: max(1, len(times) // POINTS)]
    total = np.zeros(len(grid))
    for series in pods:
        at = np.array([float(each["at"]) - begin for each in series])
        values = np.array([float(each.get(key) or 0.0) for each in series])
        if grows:
            steps = np.diff(values, prepend=values[0])
            values = np.cumsum(np.where(steps < 0, values, steps))
        total += values[np.clip(np.searchsorted(at, np.array(grid) + 0.05, side="right") - 1, 0, len(at) - 1)]
    return [float(each) for each in grid], _rounded(total)
