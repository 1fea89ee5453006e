# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What model servers count while they are measured: one row a pod and look. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ._verify_metrics import Sample, grown, parse, total

Row = dict[str, Any]

# Our name -> the names it goes by in vLLM's versions, and labels to choose by. Counters grow, gauges are a moment's.
COUNTERS: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "requests": (("vllm:request_success_total",), {}),
    "prompt_tokens": (("vllm:prompt_tokens_total",), {}),
    "generated_tokens": (("vllm:generation_tokens_total",), {}),
    "preemptions": (("vllm:num_preemptions_total",), {}),
    "prefix_cache_queries": (("vllm:prefix_cache_queries_total", "vllm:prefix_cache_queries"), {}),
    "prefix_cache_hits": (("vllm:prefix_cache_hits_total", "vllm:prefix_cache_hits"), {}),
    "external_tokens": (("vllm:external_prefix_cache_hits_total",), {}),
    "kv_transfers": (("vllm:tpu_kv_transfer_time_ms_count",), {}),
    "kv_transfer_ms": (("vllm:tpu_kv_transfer_time_ms_sum",), {}),
    "kv_mebibytes": (("vllm:tpu_kv_megabytes_transferred_sum",), {}),
    "kv_failed_transfers": (("vllm:tpu_num_failed_transfers_total", "vllm:tpu_num_failed_transfers"), {}),
}
GAUGES: dict[str, tuple[str, ...]] = {
    "running": ("vllm:num_requests_running",),
    "waiting": ("vllm:num_requests_waiting",),
    "kv_cache_usage": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
}


def row(scrape: str, pod: str, role: str, at: float) -> Row:
    """One look at one pod. What the server does not have is left out, which is not the same as zero."""
    samples = parse(scrape)
    names = {each.name for each in samples}
    found: Row = {"at": round(at, 3), "pod": pod, "role": role}
    for key, (aliases, labels) in COUNTERS.items():
        if names & set(aliases):
            found[key] = total(samples, *aliases, **labels)
    for key, aliases in GAUGES.items():
        if names & set(aliases):
            found[key] = _mean(samples, aliases) if key == "kv_cache_usage" else total(samples, *aliases)
    return found


def _mean(samples: Sequence[Sample], aliases: Sequence[str]) -> float:
    values = [each.value for each in samples if each.name in aliases]
    return sum(values) / len(values)


def within(rows: Iterable[Row], began: float, ended: float) -> list[Row]:
    """The looks of a window, with the last one before it and the first one after it: counters are compared over it."""
    chosen = []
    for series in by_pod(rows).values():
        inside = [each for each in series if began <= each["at"] <= ended]
        before = [each for each in series if each["at"] < began][-1:]
        after = [each for each in series if each["at"] > ended][:1]
        chosen += [*before, *inside, *after]
    return chosen


def by_pod(rows: Iterable[Row]) -> dict[str, list[Row]]:
    series: dict[str, list[Row]] = {}
    for each in rows:
        series.setdefault(str(each["pod"]), []).append(each)
    for each_series in series.values():
        each_series.sort(key=lambda each: float(each["at"]))
    return series


def summarize(rows: Sequence[Row]) -> list[Row]:
    """Each pod's work: how much its counters grew, mean and largest of its gauges, and whether it began anew."""
    return [_summary(pod, series) for pod, series in sorted(by_pod(rows).items())]


def _summary(pod: str, series: Sequence[Row]) -> Row:
    found: Row = {"pod": pod, "role": series[0]["role"], "looks": len(series), "restarted": False}
    for key in COUNTERS:
        values = [float(each[key]) for each in series if key in each]
        if not values:
            continue
        # Label sets appear with their first increment: what was not there before counts from zero.
        if key not in series[0]:
            values.insert(0, 0.0)
        steps = list(pairwise(values))
        if key in ("requests", "prompt_tokens", "generated_tokens") and any(
            later < earlier for earlier, later in steps
        ):
            found["restarted"] = True
        found[key] = sum(grown(earlier, later) for earlier, later in steps)
    for key in GAUGES:
        values = [float(each[key]) for each in series if key in each]
        if values:
            found[f"{key}_mean"] = round(sum(values) / len(values), 4)
            found[f"{key}_max"] = max(values)
    return found


def of_role(pods: Iterable[Row], role: str, key: str) -> float | None:
    """The sum over a role's pods; None when no pod has it."""
    values = [float(each[key]) for each in pods if each["role"] == role and key in each]
    return sum(values) if values else None
