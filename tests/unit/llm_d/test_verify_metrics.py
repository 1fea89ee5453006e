# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Counters are read, summed and compared as they are written by Prometheus' clients."""

from __future__ import annotations

from ansible_collections.llm_d.gke.plugins.module_utils._verify_metrics import (
    excerpt,
    fallen,
    families,
    grown,
    histogram,
    parse,
    quantile,
    total,
)

SCRAPE = """\
# HELP vllm:request_success_total Count
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="length",model_name="a \\"b\\""} 3
vllm:request_success_total{finished_reason="stop",model_name="a"} 2.0
vllm:prompt_tokens_total{model_name="a"} 1.5e+03 1395066363.5
# TYPE vllm:not_yet_total counter
broken line
nan_value NaN
gauge{a="x"} 5
"""


def test_samples() -> None:
    samples = parse(SCRAPE)
    assert total(samples, "absent", "vllm:request_success_total") == 5
    assert total(samples, "vllm:request_success_total", finished_reason="length") == 3
    assert total(samples, "vllm:prompt_tokens_total") == 1500
    assert total(samples, "nan_value") == 0
    assert samples[0].labels["model_name"] == 'a \\"b\\"'


def test_a_counter_that_began_anew_counts_from_zero() -> None:
    assert grown(10, 13) == 3
    assert grown(10, 2) == 2


def test_a_metric_is_known_before_it_counts() -> None:
    assert {"vllm:not_yet_total", "gauge", "vllm:prompt_tokens_total"} <= families(SCRAPE)
    assert families("") == frozenset()


def test_what_fell_is_named_and_gauges_may_fall() -> None:
    later = SCRAPE.replace('model_name="a"} 2.0', 'model_name="a"} 1.0').replace('gauge{a="x"} 5', 'gauge{a="x"} 1')
    assert fallen(SCRAPE, later) == ["vllm:request_success_total"]
    assert fallen(SCRAPE, SCRAPE.replace("1.5e+03", "1.6e+03")) == []
    assert fallen(SCRAPE, "") == ["vllm:prompt_tokens_total", "vllm:request_success_total"]


def test_an_excerpt_keeps_types_and_samples() -> None:
    kept = excerpt(SCRAPE, ["vllm:not_yet", "vllm:prompt_tokens"])
    assert kept.splitlines() == [
        'vllm:prompt_tokens_total{model_name="a"} 1.5e+03 1395066363.5',
        "# TYPE vllm:not_yet_total counter",
    ]


def _buckets(*counts: int) -> str:
    edges = ("1.0", "10.0", "+Inf")
    lines = [f'h_bucket{{le="{edge}"}} {count}' for edge, count in zip(edges, counts, strict=True)]
    return "\n".join([*lines, f"h_count {counts[-1]}", f"h_sum {counts[-1] * 4}"])


def test_a_histogram_is_what_it_saw_in_between() -> None:
    seen = histogram(_buckets(4, 4, 4), _buckets(4, 14, 14), "h")
    assert (seen.count, seen.mean, seen.p90) == (10, 4, 9.1)
    nothing = histogram("", "", "h")
    assert (nothing.count, nothing.mean, nothing.p90) == (0, None, None)


def test_a_quantile_beyond_the_last_edge_is_that_edge() -> None:
    assert quantile([(1.0, 0), (10.0, 1), (float("inf"), 10)], 0.9) == 10.0
