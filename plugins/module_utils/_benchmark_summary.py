# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A run as a whole: loads, the deployment that served them, what it cost, and a verdict. Pure functions.

The schema is documented in docs/benchmark.md; SCHEMA counts up when a name changes its meaning.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._benchmark_servers import Row, of_role, summarize, within
from ._benchmark_stats import PERCENTILES, Step

Json = dict[str, Any]
SCHEMA = 1
# A rate that was answered to less than this is above what the service can do.
ANSWERED = 0.95


def summary_of(
    steps: Sequence[Step],
    about: Mapping[str, Any],
    rows: Sequence[Row],
    windows: Mapping[str, tuple[float, float]],
    trouble: str = "",
    lost: Sequence[str] = (),
) -> Json:
    """All of a run. `about` is what the deployment and the user say of it, `windows` when each load ran."""
    summaries = []
    for step in steps:
        name = step.summary["name"]
        served = serving(rows, windows.get(name))
        summaries.append({**step.summary, **money(step.summary, about), **served})
    sweep = sweep_of(summaries)
    headline = headline_of(summaries, sweep)
    checks = checks_of(summaries, about, trouble, lost)
    return {
        "schema": SCHEMA,
        "deployment": about.get("deployment", ""),
        "run": about.get("run", ""),
        "time": about.get("time", ""),
        "label": about.get("label", ""),
        "passed": all(check["passed"] for check in checks),
        "checks": checks,
        "headline": headline,
        "sweep": sweep,
        "steps": summaries,
        "configuration": dict(about.get("configuration") or {}),
        "versions": dict(about.get("versions") or {}),
        "size": {key: about.get(key) for key in ("chips", "prefill_chips", "decode_chips")},
        "prices": {"usd_per_chip_hour": about.get("usd_per_chip_hour")},
        "reproduce": list(about.get("reproduce") or []),
        "notes": [*about.get("notes", []), *lost],
    }


def serving(rows: Sequence[Row], window: tuple[float, float] | None) -> Json:
    """What the model servers did meanwhile, by pod and by role."""
    if window is None:
        return {"servers": [], "roles": {}}
    pods = summarize(within(rows, *window))
    roles: Json = {}
    for role in ("prefill", "decode"):
        mine = [pod for pod in pods if pod["role"] == role]
        if not mine:
            continue
        work = "prompt_tokens" if role == "prefill" else "generated_tokens"
        loads = [float(pod.get(work) or 0.0) for pod in mine]
        mean = sum(loads) / len(loads)
        roles[role] = {
            "pods": len(mine),
            "busy_pods": sum(1 for pod in mine if (pod.get("requests") or 0) > 0),
            "imbalance": round(max(loads) / mean, 3) if mean else None,
            **{
                key: of_role(pods, role, key)
                for key in ("requests", "prompt_tokens", "generated_tokens", "preemptions", "kv_transfers",
                            "kv_mebibytes", "kv_transfer_ms", "kv_failed_transfers", "external_tokens",
                            "prefix_cache_queries", "prefix_cache_hits",
                            "running_mean", "waiting_max")
            },
            "kv_cache_usage_max": max((pod.get("kv_cache_usage_max") or 0.0 for pod in mine), default=None),
            "restarted": [pod["pod"] for pod in mine if pod["restarted"]],
        }  # fmt: skip
    return {"servers": pods, "roles": roles}


def money(step: Mapping[str, Any], about: Mapping[str, Any]) -> Json:
    """What tokens cost while all chips are paid for. Input is what prefill's chips make, output what decode's do."""
    price, seconds = about.get("usd_per_chip_hour"), step.get("duration_s")
    chips, prefill, decode = (about.get(key) for key in ("chips", "prefill_chips", "decode_chips"))
    inputs, outputs = step.get("input_tokens"), step.get("output_tokens")

    def per_million(count: float | None, tokens: float | None) -> float | None:
        if not count or not tokens or not seconds or price is None:
            return None
        return float(round(price * count * seconds / 3600 / tokens * 1e6, 4))

    def per_chip(tokens: float | None) -> float | None:
        return round(tokens / seconds / chips, 3) if tokens is not None and seconds and chips else None

    total = inputs + outputs if inputs is not None and outputs is not None else None
    return {
        "output_tokens_per_chip_s": per_chip(outputs),
        "total_tokens_per_chip_s": per_chip(total),
        "usd_per_million_tokens": per_million(chips, total),
        "usd_per_million_input_tokens": per_million(prefill, inputs),
        "usd_per_million_output_tokens": per_million(decode, outputs),
        "usd_per_million_output_tokens_all_chips": per_million(chips, outputs),
    }


def sweep_of(steps: Sequence[Mapping[str, Any]]) -> Json | None:
    """Where more load only makes waiting longer. None with fewer than two loads."""
    if len(steps) < 2:
        return None
    rated = [step for step in steps if step["offered_requests_per_s"]]
    if len(rated) == len(steps):
        ordered = sorted(rated, key=lambda step: step["offered_requests_per_s"])
        kept = [step for step in ordered if step["saturated"] is not True and _answered(step)]
        if kept and len(kept) < len(ordered):
            return _knee(kept[-1], "the largest rate that was answered as fast as it came")
        if kept:
            return {"knee": None, "why": "no rate was too much: the knee lies above the largest one"}
        return {"knee": None, "why": "every rate was too much: the knee lies below the smallest one"}
    ordered = sorted(steps, key=lambda step: step["max_concurrency"] or float("inf"))
    found = _elbow(ordered)
    if found is None:
        return {"knee": None, "why": "too few loads to see a knee"}
    return _knee(found, "beyond it latency grows faster than throughput")


def _answered(step: Mapping[str, Any]) -> bool:
    rate, answered = step["offered_requests_per_s"], step["requests_per_s"]
    if step["saturated"] is False:
        return True
    return bool(answered is not None and answered >= ANSWERED * rate)


def _knee(step: Mapping[str, Any], why: str) -> Json:
    return {
        "knee": step["name"],
        "knee_requests_per_s": step["requests_per_s"],
        "knee_output_tokens_per_s": step["output_tokens_per_s"],
        "why": why,
    }


def _elbow(steps: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The point farthest from the straight line between the smallest and the largest load."""
    points = [(step["e2e_p50_ms"], step["output_tokens_per_s"], step) for step in steps]
    points = [point for point in points if point[0] is not None and point[1] is not None]
    if len(points) < 3:
        return None
    (x0, y0), (x1, y1) = points[0][:2], points[-1][:2]
    if x1 <= x0 or y1 <= y0:
        return None
    scaled = [((y - y0) / (y1 - y0) - (x - x0) / (x1 - x0), step) for x, y, step in points]
    best = max(scaled, key=lambda each: each[0])
    return best[1] if best[0] > 0.05 else None


def headline_of(steps: Sequence[Mapping[str, Any]], sweep: Json | None) -> Json:
    """The numbers of one load: of the knee of a sweep, else of the load with the most tokens a second."""
    if not steps:
        return {}
    chosen = next((step for step in steps if sweep and step["name"] == sweep["knee"]), None)
    chosen = chosen or max(steps, key=lambda step: step["output_tokens_per_s"] or 0.0)
    keys = ["name", "offered_requests_per_s", "max_concurrency", "requests", "completed", "failed", "failed_percent",
            "duration_s", "requests_per_s", "goodput_requests_per_s", "goodput_percent", "output_tokens_per_s",
            "total_tokens_per_s", "output_tokens_per_chip_s", "usd_per_million_tokens",
            "usd_per_million_input_tokens", "usd_per_million_output_tokens", "saturated",
            "client_bottleneck"]  # fmt: skip
    keys += [f"{metric}_{what}_ms" for metric in ("ttft", "tpot", "itl", "e2e") for what in _WHAT]
    return {key: chosen.get(key) for key in keys}


_WHAT = ("mean", *(f"p{p}" for p in PERCENTILES))


def check(name: str, passed: bool, expected: Any, actual: Any, remedy: str) -> Json:
    return {"name": name, "passed": passed, "expected": str(expected), "actual": str(actual), "remedy": remedy}


def checks_of(
    steps: Sequence[Mapping[str, Any]], about: Mapping[str, Any], trouble: str, lost: Sequence[str]
) -> list[Json]:
    """What decides whether the run passed."""
    remedy = str(about.get("remedy") or "See the Job's log, or what the pod told in journal.jsonl.")
    actual = trouble or f"{len(steps)} loads"
    checks = [check("ran to its end", not trouble and bool(steps), "every load was measured", actual or "none", remedy)]
    if lost:
        checks.append(check("results came whole", False, "a result for each load", "; ".join(lost),
                            "Ask for less at once, or set benchmark_results_bucket."))  # fmt: skip
    limit = about.get("max_failed_percent")
    for step in steps:
        checks += _step_checks(step, limit, about)
    return checks


def _step_checks(step: Mapping[str, Any], limit: float | None, about: Mapping[str, Any]) -> list[Json]:
    name, failed, percent = step["name"], step["failed"], step["failed_percent"]
    checks = []
    if limit is not None:
        said = "; ".join(f"{each['requests']} x {each['message']}" for each in step["failures"][:3])
        known = failed is not None and percent is not None
        actual = f"{failed} of {step['requests']} ({percent:g} %)" if known else "it cannot be told"
        checks.append(
            check(f"{name}: requests answered", known and percent <= limit, f"at most {limit:g} % fail",
                  actual + (f": {said}" if said else ""), _failed_remedy(said))
        )  # fmt: skip
    least = about.get("min_sent_percent") or 0
    rate, sent = step["offered_requests_per_s"], step["sent_requests_per_s"]
    if least and rate and sent is not None:
        share = 100 * sent / rate
        checks.append(
            check(f"{name}: client on schedule", share >= least, f"at least {least:g} % of {rate:g} requests a second",
                  f"{sent:.1f} a second ({share:.0f} %)", "Give the client more processor (benchmark_resources).")
        )  # fmt: skip
    return checks


def _failed_remedy(said: str) -> str:
    if "maximum context length" in said or "max_model_len" in said or "context_length" in said:
        return "Prompts are longer than the model's window: choose shorter ones, or a larger llm_d_max_model_len."
    if "Bad Request" in said:
        return "The service refuses the requests: usually prompts are longer than the window (llm_d_max_model_len)."
    if "Unavailable" in said or "503" in said or "Too Many" in said:
        return "The service is overloaded or a pod restarted: see the pods, or offer less."
    return "See the logs of the pods, and the playbook verify."
