# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One load: its result in numbers of ours. Pure functions.

What the tool computed is taken from its file; what it did not write is computed from the single requests, where they
are there; the rest is None. Names carry their units.

This file is private to the collection.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._benchmark_json import Found, Ragged, finite
from ._benchmark_numpy import np

Json = dict[str, Any]

# Ours -> the tool's.
METRICS = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2el", "client_queue": "client_queue_time"}
PERCENTILES = (50, 90, 95, 99)
# Below this, a client that was to send on schedule did not. A Poisson process of few requests is allowed more.
ON_SCHEDULE = 0.95
BUSY_CORES = 0.9
# Requests whose gaps are looked at together: keeps memory small.
CHUNK = 4000


@dataclass
class Requests:
    """Single requests, as arrays of one entry each; failed ones are left out of latencies."""

    start: Any = None  # seconds from the first one
    ttft: Any = None
    e2e: Any = None
    tpot: Any = None
    itl: Ragged | None = None
    itl_sorted: Any = None
    failed_at: Any = None
    input_tokens: Any = None
    output_tokens: Any = None
    itl_quantiles: Any = None


@dataclass
class Step:
    """A load: what it was, what came of it, and its single requests."""

    summary: Json
    requests: Requests = field(default_factory=Requests)
    source: str = ""


def step_of(found: Found, told: Mapping[str, Any]) -> Step:
    """Summarize a result. `told` is what the client in the pod said of the step; empty for files made elsewhere."""
    requests = requests_of(found)
    completed = _count(found, "completed")
    asked = _count(found, "num_prompts") or (told.get("requests") if told else None)
    failed = _count(found, "failed")
    if failed is None and asked is not None and completed is not None:
        failed = asked - completed
    rate, concurrency = _rate(found, told), found.number("max_concurrency")
    duration = found.number("duration")
    summary: Json = {
        "name": _name(found, told, rate, concurrency),
        "offered_requests_per_s": rate,
        "max_concurrency": None if concurrency is None else int(concurrency),
        "requests": asked,
        "completed": completed,
        "failed": failed,
        "failed_percent": _percent(failed, asked),
        "failures": failures(found),
        "duration_s": duration,
        "input_tokens": _count(found, "total_input_tokens"),
        "output_tokens": _count(found, "total_output_tokens"),
        "requests_per_s": found.number("request_throughput") or _per(completed, duration),
        "output_tokens_per_s": found.number("output_throughput") or _per(found.number("total_output_tokens"), duration),
        "total_tokens_per_s": found.number("total_token_throughput"),
        "goodput_requests_per_s": found.number("request_goodput"),
        "peak_output_tokens_per_s": found.number("max_output_tokens_per_s"),
        "peak_concurrent_requests": found.number("max_concurrent_requests"),
    }
    tokens = [summary["input_tokens"], summary["output_tokens"]]
    if summary["total_tokens_per_s"] is None and None not in tokens:
        summary["total_tokens_per_s"] = _per(sum(tokens), duration)
    good, answered = summary["goodput_requests_per_s"], summary["requests_per_s"]
    everything = _per(asked, duration)
    summary["goodput_percent"] = round(100 * good / everything, 2) if good is not None and everything else None
    summary |= latencies(found, requests)
    summary |= schedule(requests, rate, concurrency, told)
    summary["saturated"] = saturated(requests, rate, answered, summary["client_bottleneck"])
    summary["notes"] = [*found.notes, *_notes(found, told)]
    return Step(summary, requests, found.source)


def _count(found: Found, key: str) -> int | None:
    value = found.number(key)
    return None if value is None else int(value)


def _per(amount: float | None, seconds: float | None) -> float | None:
    return amount / seconds if amount is not None and seconds else None


def _percent(part: float | None, whole: float | None) -> float | None:
    return round(100 * part / whole, 4) if part is not None and whole else None


def _rate(found: Found, told: Mapping[str, Any]) -> float | None:
    """Requests a second; None when there was no limit."""
    return finite(found.fields.get("request_rate", told.get("rate")))


def _name(found: Found, told: Mapping[str, Any], rate: float | None, concurrency: float | None) -> str:
    name = found.fields.get("llm_d_step") or told.get("step")
    if name:
        return str(name)
    load = f"rate-{rate:g}" if rate is not None else "rate-inf"
    if rate is None and concurrency:
        load = f"concurrency-{int(concurrency)}"
    return load


def _notes(found: Found, told: Mapping[str, Any]) -> list[str]:
    notes = []
    missing = [key for key in ("duration", "completed", "total_output_tokens") if found.number(key) is None]
    if missing:
        notes.append(f"the file has no {', '.join(missing)}")
    if not any(_array(found, key) is not None for key in ("ttfts", "itls")):
        notes.append("the file has totals only (no --save-detailed): no distributions, nothing over time")
    elif _array(found, "itls") is None and _array(found, "itl_quantiles") is not None:
        notes.append("gaps between tokens were too many for the log: their percentiles came, not each of them")
    strange = [key for key, value in found.fields.items() if isinstance(value, float) and not math.isfinite(value)]
    strange = [key for key in strange if key != "request_rate"]
    if strange:
        notes.append(f"not a number: {', '.join(sorted(strange)[:8])}")
    if told.get("store_trouble"):
        notes.append(f"the file could not be stored in {told['store_trouble']}")
    return notes


def failures(found: Found) -> list[Json]:
    """What failed requests said, the most frequent first. The last line of a traceback says it."""
    errors = found.fields.get("errors")
    if not isinstance(errors, list):
        return []
    said = Counter(str(each).strip().splitlines()[-1][:200] for each in errors if each and str(each).strip())
    return [{"message": message, "requests": count} for message, count in said.most_common(5)]


def _array(found: Found, key: str) -> Any:
    value = found.fields.get(key)
    return value if np is not None and isinstance(value, np.ndarray) and value.size else None


def requests_of(found: Found) -> Requests:
    """The single requests, as far as the file has them. Arrays of different lengths (a cut file) are cut alike."""
    ttft, start = _array(found, "ttfts"), _array(found, "start_times")
    outputs, inputs = _array(found, "output_lens"), _array(found, "input_lens")
    itl = found.fields.get("itls")
    ragged = itl if isinstance(itl, Ragged) and len(itl.counts) else None
    if np is None or ttft is None:
        return Requests(itl=ragged, itl_quantiles=_array(found, "itl_quantiles"))
    e2e = _end_to_end(found, ttft, ragged)
    lengths = [len(each) for each in (ttft, start, outputs, inputs, e2e) if each is not None]
    lengths += [len(ragged.counts)] if ragged else []
    size = min(lengths)
    ttft = ttft[:size]
    good = np.isfinite(ttft) & (ttft > 0) & ~_failed(found, size)
    if outputs is not None:
        good &= outputs[:size] > 0
    requests = Requests(itl_quantiles=_array(found, "itl_quantiles"))
    requests.ttft = ttft[good]
    if start is not None:
        begin = start[:size] - np.nanmin(start[:size])
        requests.start, requests.failed_at = begin[good], begin[~good]
    if e2e is not None:
        requests.e2e = e2e[:size][good]
    if outputs is not None:
        requests.output_tokens = outputs[:size][good]
    if inputs is not None:
        requests.input_tokens = inputs[:size][good]
    if requests.e2e is not None and requests.output_tokens is not None:
        several = requests.output_tokens > 1
        requests.tpot = (requests.e2e - requests.ttft)[several] / (requests.output_tokens[several] - 1)
    if ragged is not None:
        requests.itl = _chosen(Ragged(ragged.values[: ragged.counts[:size].sum()], ragged.counts[:size]), good)
        # By far the longest array: sorted once, its percentiles are a matter of looking.
        requests.itl_sorted = np.sort(requests.itl.values)
        requests.itl_sorted = requests.itl_sorted[: np.searchsorted(requests.itl_sorted, np.inf)]
    return requests


def _failed(found: Found, size: int) -> Any:
    errors = found.fields.get("errors")
    flags = np.zeros(size, dtype=bool)
    if isinstance(errors, list):
        known = np.array([bool(each) for each in errors[:size]], dtype=bool)
        flags[: len(known)] = known
    return flags


def _chosen(ragged: Ragged, good: Any) -> Ragged:
    if good.all():
        return ragged
    keep = np.repeat(good, ragged.counts)
    return Ragged(ragged.values[keep], ragged.counts[good])


def _end_to_end(found: Found, ttft: Any, ragged: Ragged | None) -> Any:
    """Latencies of newer versions, or first token and gaps together."""
    for key in ("latencies", "e2els"):
        given = _array(found, key)
        if given is not None:
            return given
    if ragged is None:
        return None
    size = min(len(ttft), len(ragged.counts))
    bounds = np.concatenate([[0], np.cumsum(ragged.counts[:size])])
    sums = np.empty(size)
    for low in range(0, size, CHUNK):
        high = min(low + CHUNK, size)
        gaps = np.nan_to_num(ragged.values[bounds[low] : bounds[high]])
        passed = np.concatenate([[0.0], np.cumsum(gaps)])
        sums[low:high] = np.diff(passed[bounds[low : high + 1] - bounds[low]])
    return ttft[:size] + sums


def latencies(found: Found, requests: Requests) -> Json:
    """Mean and percentiles in milliseconds, by the names that they have in the summary."""
    single = {"ttft": requests.ttft, "tpot": requests.tpot, "e2e": requests.e2e, "itl": requests.itl_sorted}
    summary: Json = {}
    for ours, theirs in METRICS.items():
        values = single.get(ours)
        known = [found.number(f"{name}_{theirs}_ms") for name in ("mean", "median")]
        if ours == "client_queue" and known == [None, None]:
            continue
        summary[f"{ours}_mean_ms"] = _first(known[0], _mean(values))
        missing = [p for p in PERCENTILES if found.number(f"p{p}_{theirs}_ms") is None]
        computed = _percentiles(values, missing)
        for p in PERCENTILES:
            told = found.number(f"p{p}_{theirs}_ms")
            summary[f"{ours}_p{p}_ms"] = _first(told, known[1] if p == 50 else None, computed.get(p))
    return {key: None if value is None else round(value, 3) for key, value in summary.items()}


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _mean(values: Any) -> float | None:
    return float(np.nanmean(values)) * 1000 if values is not None and np.isfinite(values).any() else None


def _percentiles(values: Any, wanted: list[int]) -> dict[int, float]:
    if values is None or not wanted or not np.isfinite(values).any():
        return {}
    found = quantiles(values, [p / 100 for p in wanted])
    return {p: float(value) * 1000 for p, value in zip(wanted, found, strict=True)}


def quantiles(values: Any, shares: Any) -> Any:
    """As numpy has them, in one pass over an array that need not be sorted, and in none over one that is."""
    values = values[np.isfinite(values)]
    if len(values) > 1 and (values[0] > values[-1] or not (values[1:] >= values[:-1]).all()):
        values = np.sort(values)
    return np.interp(np.asarray(shares) * (len(values) - 1), np.arange(len(values)), values)


def schedule(requests: Requests, rate: float | None, concurrency: float | None, told: Mapping[str, Any]) -> Json:
    """Whether the client sent when it was to send, and whether it was the narrow place itself."""
    sent = _sending_rate(requests)
    cores = finite(told.get("client_cpu_cores"))
    reasons = []
    if rate is not None and sent is not None and not concurrency:
        few = len(requests.start) + len(requests.failed_at)
        if sent < (ON_SCHEDULE - 1.5 / math.sqrt(max(few, 1))) * rate:
            reasons.append(f"it sent {sent:.1f} requests a second instead of {rate:g}")
    if cores is not None and cores >= BUSY_CORES:
        reasons.append(f"its one thread was busy ({cores:.2f} cores)")
    return {
        "sent_requests_per_s": None if sent is None else round(sent, 3),
        "client_cpu_cores": cores,
        "client_bottleneck": None if sent is None and cores is None else bool(reasons),
        "client_bottleneck_reason": "; ".join(reasons),
    }


def _sending_rate(requests: Requests) -> float | None:
    if requests.start is None:
        return None
    times = np.concatenate([requests.start, requests.failed_at])
    times = times[np.isfinite(times)]
    span = float(times.max() - times.min()) if len(times) > 1 else 0.0
    return (len(times) - 1) / span if span > 0 else None


def saturated(requests: Requests, rate: float | None, answered: float | None, client: bool | None) -> bool | None:
    """Whether requests came faster than they were answered; None when that cannot be told."""
    if rate is None or client:
        return None
    if requests.e2e is not None and requests.start is not None and len(requests.start) >= 20:
        ends = requests.start + requests.e2e
        last = float(requests.start.max())
        middle = last / 2
        sent = int((requests.start > middle).sum())
        done = int(((ends > middle) & (ends <= last)).sum())
        return bool(done < 0.85 * sent and (answered or 0) < 0.9 * rate)
    if answered is None:
        return None
    return bool(answered < 0.8 * rate)
