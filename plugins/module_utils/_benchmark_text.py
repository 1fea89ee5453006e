# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A run in words and tables: what report.md, report.html and the console have in common. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Table = tuple[list[str], list[list[str]]]
NONE = "-"
# From this share of cached tokens on, a load is another one than was meant.
CACHED = 0.3
TITLES = {"ttft": "Time to first token", "tpot": "Time per output token", "itl": "Gap between tokens",
          "e2e": "Whole request", "client_queue": "Queue in the client"}  # fmt: skip


def amount(value: Any, digits: int = 3) -> str:
    """A number for people: thousands apart, and no more digits than mean something."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return NONE
    if value >= 1000:
        return f"{value / 1000:,.2f} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"


def load(step: Mapping[str, Any]) -> str:
    """The load in words."""
    rate, many = step.get("offered_requests_per_s"), step.get("max_concurrency")
    words = [f"{rate:g} requests/s" if rate else "as fast as possible"]
    words += [f"at most {many:g} at once"] if many else []
    return ", ".join(words)


def verdict(summary: Json) -> str:
    if summary["passed"]:
        return "passed"
    return "failed: " + "; ".join(
        f"{each['name']} ({each['actual']})" for each in summary["checks"] if not each["passed"]
    )


def findings(summary: Json) -> list[str]:
    """What a reader ought to know before the numbers."""
    found = []
    for step in summary["steps"]:
        name = step["name"]
        if step["client_bottleneck"]:
            found.append(
                f"{name}: the client was the bottleneck ({step['client_bottleneck_reason']}): what was measured is the "
                "client, not the service. Give it more processor, or spread the load over several."
            )
        elif step["saturated"]:
            found.append(f"{name}: more was offered than answered: latencies grow as long as the run lasts.")
        for role, served in step["roles"].items():
            if served["restarted"]:
                found.append(
                    f"{name}: pods restarted meanwhile (their counters fell): {', '.join(served['restarted'])}."
                )
            if served.get("kv_failed_transfers"):
                found.append(f"{name}: {amount(served['kv_failed_transfers'])} transfers of KV cache failed ({role}).")
            if 0 < served["busy_pods"] < served["pods"] and (step["completed"] or 0) >= 10 * served["pods"]:
                found.append(f"{name}: only {served['busy_pods']} of {served['pods']} {role} pods had work.")
        found += _caches(step)
        for each in step["failures"][:3]:
            found.append(f"{name}: {each['requests']} failed requests said: {each['message']}")
        found += [f"{name}: {note}" for note in step["notes"]]
    if summary["sweep"]:
        knee = summary["sweep"]
        found.append(
            f"Saturation knee: {knee['knee']}, {knee['why']}." if knee["knee"] else f"{knee['why'].capitalize()}."
        )
    return [*found, *summary["notes"]]


def _caches(step: Json) -> list[str]:
    """Whether prefill was needed at all: prompts that were asked before are in the decode pods' caches."""
    name, prefill, decode = step["name"], step["roles"].get("prefill"), step["roles"].get("decode") or {}
    asked, known = decode.get("prefix_cache_queries") or 0, decode.get("prefix_cache_hits") or 0
    share = known / asked if asked else 0.0
    if share >= CACHED:
        return [
            f"{name}: {100 * share:.0f} % of the prompts' tokens were in the decode pods' caches already, from an "
            "earlier load with the same prompts: give another benchmark_seed for fresh ones."
        ]
    if prefill and not prefill["busy_pods"] and step["completed"]:
        return [f"{name}: no prefill pod had work: nothing is disaggregated. The playbook verify tells why."]
    return []


def tiles(summary: Json) -> list[tuple[str, str, str]]:
    """The headline: value, what it is, and a remark."""
    head = summary["headline"]
    if not head:
        return []
    failed = f"{amount(head['failed'])} of {amount(head['requests'])} failed"
    found = [
        (
            amount(head["output_tokens_per_s"]),
            "output tokens/s",
            f"{amount(head['output_tokens_per_chip_s'])} per chip",
        ),
        (amount(head["requests_per_s"]), "requests/s", f"offered: {load(head)}"),
        (milliseconds(head["ttft_p50_ms"]), "time to first token", f"p99 {milliseconds(head['ttft_p99_ms'])}"),
        (milliseconds(head["tpot_p50_ms"]), "per output token", f"p99 {milliseconds(head['tpot_p99_ms'])}"),
        (milliseconds(head["e2e_p50_ms"]), "whole request", f"p99 {milliseconds(head['e2e_p99_ms'])}"),
        (amount(head["completed"]), "requests answered", failed),
    ]
    if head["goodput_percent"] is not None:
        found.append(
            (f"{head['goodput_percent']:.1f} %", "within the targets", f"{amount(head['goodput_requests_per_s'])}/s")
        )
    if head["usd_per_million_tokens"] is not None:
        remark = (
            f"in {amount(head['usd_per_million_input_tokens'])}, out {amount(head['usd_per_million_output_tokens'])}"
        )
        found.append((f"{amount(head['usd_per_million_tokens'])} USD", "per million tokens", remark))
    return found


def loads_table(summary: Json) -> Table:
    columns = ["load", "offered/s", "sent/s", "answered/s", "failed", "output tok/s", "tok/s/chip", "TTFT p50",
               "TTFT p99", "TPOT p50", "TPOT p99", "E2E p99", "good %", "USD/M tok", "keeps up"]  # fmt: skip
    rows = []
    for step in summary["steps"]:
        rows.append([
            step["name"], amount(step["offered_requests_per_s"]), amount(step["sent_requests_per_s"]),
            amount(step["requests_per_s"]), amount(step["failed"]), amount(step["output_tokens_per_s"]),
            amount(step["output_tokens_per_chip_s"]), milliseconds(step["ttft_p50_ms"]),
            milliseconds(step["ttft_p99_ms"]),
            milliseconds(step["tpot_p50_ms"]), milliseconds(step["tpot_p99_ms"]), milliseconds(step["e2e_p99_ms"]),
            amount(step["goodput_percent"]), amount(step["usd_per_million_tokens"]),
            "client too slow" if step["client_bottleneck"] else {True: "no", False: "yes"}.get(step["saturated"], NONE),
        ])  # fmt: skip
    return columns, rows


def latency_table(step: Json) -> Table:
    columns = ["", "mean", "p50", "p90", "p95", "p99"]
    rows = []
    for key, title in TITLES.items():
        values = [step.get(f"{key}_{what}_ms") for what in ("mean", "p50", "p90", "p95", "p99")]
        if any(value is not None for value in values):
            rows.append([title, *map(milliseconds, values)])
    return columns, rows


def servers_table(step: Json) -> Table:
    columns = ["pod", "role", "requests", "prompt tok", "generated tok", "running", "waiting max", "KV use max",
               "KV MiB in", "KV ms each", "restarted"]  # fmt: skip
    rows = []
    for pod in step["servers"]:
        usage, transfers = pod.get("kv_cache_usage_max"), pod.get("kv_transfers")
        each = pod.get("kv_transfer_ms", 0.0) / transfers if transfers else None
        rows.append([
            pod["pod"], pod["role"], amount(pod.get("requests")), amount(pod.get("prompt_tokens")),
            amount(pod.get("generated_tokens")), amount(pod.get("running_mean")), amount(pod.get("waiting_max")),
            NONE if usage is None else f"{100 * usage:.1f} %", amount(pod.get("kv_mebibytes")), amount(each),
            "yes" if pod["restarted"] else "",
        ])  # fmt: skip
    return columns, rows


def checks_table(summary: Json) -> Table:
    columns = ["", "check", "expected", "found", "what to do"]
    rows = [
        ["ok" if each["passed"] else "FAIL", each["name"], each["expected"], each["actual"],
         "" if each["passed"] else each["remedy"]]
        for each in summary["checks"]
    ]  # fmt: skip
    return columns, rows


def comparison_table(comparison: Json) -> Table:
    """Numbers down, runs across."""
    runs = comparison["runs"]
    names: dict[str, str] = {}
    for run in runs:
        names |= {each["key"]: each["what"] for each in run["differences"]}
    columns = [
        "",
        comparison["baseline"],
        *(run["run"] + (f" ({run['label']})" if run["label"] else "") for run in runs),
    ]
    rows = []
    for key, what in names.items():
        found = [next((each for each in run["differences"] if each["key"] == key), None) for run in runs]
        then = next(each["then"] for each in found if each)
        cells = []
        for each in found:
            if each is None:
                cells.append(NONE)
                continue
            sign = " worse" if each["worse"] else ""
            cells.append(f"{amount(each['now'], 4)} ({each['change_percent']:+.1f} %{sign})")
        rows.append([what, amount(then, 4), *cells])
    return columns, rows


def configuration_table(summary: Json) -> Table:
    rows = [[key, _plain(value)] for key, value in summary["configuration"].items() if value not in (None, "", [], {})]
    size = summary["size"]
    if size.get("chips"):
        rows.append(["chips", f"{size['chips']} (prefill {size['prefill_chips']}, decode {size['decode_chips']})"])
    if summary["prices"].get("usd_per_chip_hour") is not None:
        rows.append(["price", f"{summary['prices']['usd_per_chip_hour']:g} USD an hour and chip"])
    rows += [[key, _plain(value)] for key, value in summary["versions"].items()]
    return ["", ""], rows


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value))
    return amount(value) if isinstance(value, bool) else str(value)


def console(summary: Json) -> list[str]:
    """A short table for the terminal."""
    columns, rows = loads_table(summary)
    chosen = [0, 1, 3, 4, 5, 7, 8, 9, 11, 14]
    table = [[row[at] for at in chosen] for row in [columns, *rows]]
    widths = [max(len(row[at]) for row in table) for at in range(len(chosen))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return [*lines, *(f"- {finding}" for finding in findings(summary)[:8])]
