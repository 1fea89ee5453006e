# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is made of results: schedule, saturation, money, knee, checks, and what the model servers did."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_json import Found, _as_array, _as_ragged
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_servers import row, summarize, within
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_stats import Step, step_of
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_summary import money, summary_of, sweep_of
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_text import findings
from bench_results import result

ABOUT = {"chips": 32, "prefill_chips": 16, "decode_chips": 16, "usd_per_chip_hour": 3.6, "max_failed_percent": 1.0}


def step(told: dict[str, Any] | None = None, **made: Any) -> Step:
    fields = result(**made)
    for key in ("input_lens", "output_lens", "ttfts", "start_times"):
        fields[key] = _as_array(fields[key])
    fields["itls"] = _as_ragged(fields["itls"])
    return step_of(Found("r.json", fields), told or {})


def test_a_service_that_keeps_up() -> None:
    found = step(rate=20.0).summary
    assert found["sent_requests_per_s"] == pytest.approx(20, rel=0.01)
    assert found["saturated"] is False and found["client_bottleneck"] is False


def test_a_service_that_does_not_keep_up() -> None:
    """Each request waits longer than the one before."""
    fields = result(rate=20.0)
    fields["ttfts"] = _as_array([0.05 + number / 10.0 for number in range(200)])
    fields["itls"], fields["start_times"] = _as_ragged(fields["itls"]), _as_array(fields["start_times"])
    fields["output_lens"] = _as_array(fields["output_lens"])
    fields["request_throughput"] = 200 / 31
    found = step_of(Found("r.json", fields), {}).summary
    assert found["saturated"] is True and found["client_bottleneck"] is False


def test_a_client_that_does_not_send_in_time_is_named() -> None:
    fields = result(rate=20.0)
    fields["request_rate"] = 40.0
    for key in ("ttfts", "start_times", "output_lens"):
        fields[key] = _as_array(fields[key])
    fields["itls"] = _as_ragged(fields["itls"])
    made = step_of(Found("r.json", fields), {})
    assert made.summary["client_bottleneck"] is True
    assert "it sent 20.0 requests a second instead of 40" in made.summary["client_bottleneck_reason"]
    assert made.summary["saturated"] is None, "what the service could have done is not known"
    assert any("the client was the bottleneck" in line for line in findings(summary_of([made], ABOUT, [], {})))


def test_a_client_whose_thread_is_busy_is_named() -> None:
    found = step({"client_cpu_cores": 0.97}, rate=20.0).summary
    assert found["client_bottleneck"] is True and "0.97 cores" in found["client_bottleneck_reason"]


def test_a_limit_of_requests_at_once_is_no_fault_of_the_client() -> None:
    fields = result(rate=20.0) | {"request_rate": 80.0, "max_concurrency": 8}
    fields["start_times"], fields["ttfts"] = _as_array(fields["start_times"]), _as_array(fields["ttfts"])
    fields["itls"], fields["output_lens"] = _as_ragged(fields["itls"]), _as_array(fields["output_lens"])
    assert step_of(Found("r.json", fields), {}).summary["client_bottleneck"] is False


def test_money() -> None:
    """3.6 USD an hour are 0.001 USD a second and chip."""
    found = money({"duration_s": 100.0, "input_tokens": 1_000_000, "output_tokens": 400_000}, ABOUT)
    assert found["usd_per_million_input_tokens"] == pytest.approx(16 * 0.001 * 100 / 1.0)
    assert found["usd_per_million_output_tokens"] == pytest.approx(16 * 0.001 * 100 / 0.4)
    assert found["usd_per_million_output_tokens_all_chips"] == pytest.approx(32 * 0.001 * 100 / 0.4)
    assert found["usd_per_million_tokens"] == pytest.approx(32 * 0.001 * 100 / 1.4, rel=1e-4)
    assert found["output_tokens_per_chip_s"] == pytest.approx(400_000 / 100 / 32)
    assert money({"duration_s": None, "input_tokens": 1, "output_tokens": 1}, ABOUT)["usd_per_million_tokens"] is None
    assert money({"duration_s": 1.0, "input_tokens": 1, "output_tokens": 1}, {})["usd_per_million_tokens"] is None


def load(name: str, rate: float | None, answered: float, saturated: bool | None, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "offered_requests_per_s": rate, "requests_per_s": answered, "output_tokens_per_s": 100 * answered,
        "saturated": saturated, "max_concurrency": None, "e2e_p50_ms": 100.0, **more,
    }  # fmt: skip


def test_the_knee_of_rates_is_the_last_one_that_is_kept_up_with() -> None:
    steps = [load("rate-10", 10, 9.9, False), load("rate-20", 20, 19.7, False), load("rate-40", 40, 25.0, True)]
    found = sweep_of(steps)
    assert found is not None and found["knee"] == "rate-20" and found["knee_output_tokens_per_s"] == 1970.0
    none = sweep_of(steps[:2])
    assert none is not None and none["knee"] is None and "above the largest" in none["why"]
    below = sweep_of([load("rate-10", 10, 5, True), load("rate-20", 20, 5, True)])
    assert below is not None and below["knee"] is None and "below the smallest" in below["why"]
    assert sweep_of(steps[:1]) is None


def test_the_knee_of_concurrencies_is_where_waiting_begins() -> None:
    points = ((1, 10, 100), (2, 20, 102), (4, 39, 105), (8, 60, 140), (16, 62, 280), (32, 63, 560))
    steps = [load(f"c-{c}", None, r, None, max_concurrency=c, e2e_p50_ms=float(ms)) for c, r, ms in points]
    found = sweep_of(steps)
    assert found is not None and found["knee"] == "c-8"


def test_failed_requests_above_the_limit_fail_the_run() -> None:
    good, bad = summary_of([step()], ABOUT, [], {}), summary_of([step(fail=20)], ABOUT, [], {})
    assert good["passed"] is True and bad["passed"] is False
    check = next(each for each in bad["checks"] if not each["passed"])
    assert check["name"] == "rate-20: requests answered" and "10 of 200 (5 %)" in check["actual"]
    assert "TimeoutError" in check["actual"] and check["remedy"]
    assert summary_of([step(fail=20)], {**ABOUT, "max_failed_percent": 5.0}, [], {})["passed"] is True


def test_a_run_that_did_not_come_to_its_end_has_failed_and_keeps_what_there_is() -> None:
    summary = summary_of([step()], ABOUT, [], {}, trouble="the Job was deleted", lost=["result of rate-40"])
    assert summary["passed"] is False
    assert [check["name"] for check in summary["checks"] if not check["passed"]] == [
        "ran to its end",
        "results came whole",
    ]
    assert summary["headline"]["completed"] == 200
    assert summary_of([], ABOUT, [], {}, trouble="nothing came")["passed"] is False


SCRAPE = """
vllm:request_success_total{{finished_reason="length"}} {requests}
vllm:prompt_tokens_total {prompt}
vllm:generation_tokens_total {generated}
vllm:num_requests_running 3
vllm:num_requests_waiting 1
vllm:kv_cache_usage_perc 0.25
{more}
"""


def scrape(pod: str, role: str, at: float, requests: int, more: str = "") -> dict[str, Any]:
    text = SCRAPE.format(requests=requests, prompt=requests * 100, generated=requests * 20, more=more)
    return row(text, pod, role, at)


def test_counters_of_the_window_are_compared_over_it() -> None:
    rows = [scrape("d-1", "decode", at, 10 * at) for at in range(0, 10)]
    chosen = within(rows, 2.5, 6.5)
    assert [each["at"] for each in sorted(chosen, key=lambda each: each["at"])] == [2, 3, 4, 5, 6, 7]
    found = summarize(chosen)[0]
    assert found["requests"] == 50 and found["generated_tokens"] == 1000
    assert found["running_mean"] == 3 and found["kv_cache_usage_max"] == 0.25 and found["restarted"] is False
    assert "kv_mebibytes" not in found, "what a server does not count is not zero"


def test_a_pod_that_began_anew_is_noticed_and_counted_right() -> None:
    rows = [scrape("d-1", "decode", at, count) for at, count in enumerate((100, 120, 5, 15))]
    found = summarize(rows)[0]
    assert found["restarted"] is True and found["requests"] == 35


def test_counters_that_appear_with_their_first_increment_count_from_zero() -> None:
    first = scrape("d-1", "decode", 0, 0)
    later = scrape(
        "d-1", "decode", 1, 5, "vllm:tpu_kv_megabytes_transferred_sum 64\nvllm:tpu_kv_transfer_time_ms_count 5"
    )
    found = summarize([first, later])[0]
    assert found["kv_mebibytes"] == 64 and found["kv_transfers"] == 5


def test_what_the_servers_did_is_in_the_findings() -> None:
    rows = [scrape("p-1", "prefill", at, 0) for at in (0, 1)]
    rows += [scrape("d-1", "decode", at, 200 * at) for at in (0, 1)] + [scrape("d-2", "decode", at, 0) for at in (0, 1)]
    summary = summary_of([step()], ABOUT, rows, {"rate-20": (0.0, 1.0)})
    said = findings(summary)
    assert any("no prefill pod had work" in line for line in said)
    assert any("only 1 of 2 decode pods had work" in line for line in said)
    assert summary["steps"][0]["roles"]["decode"]["imbalance"] == 2.0


def test_prompts_that_are_cached_need_no_prefill_and_that_is_said() -> None:
    cached = "vllm:prefix_cache_queries_total {0}\nvllm:prefix_cache_hits_total {1}"
    rows = [scrape("p-1", "prefill", at, 0) for at in (0, 1)]
    rows += [scrape("d-1", "decode", at, 200 * at, cached.format(1000 * at, 700 * at)) for at in (0, 1)]
    said = findings(summary_of([step()], ABOUT, rows, {"rate-20": (0.0, 1.0)}))
    assert any("70 % of the prompts' tokens" in line and "benchmark_seed" in line for line in said)
    assert not any("nothing is disaggregated" in line for line in said)
