# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""An answer is an answer, and made by prefill and decode together, or it is said what it is instead."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._verify_metrics import grown, parse, total
from ansible_collections.llm_d.gke.plugins.module_utils._verify_ready import Check
from ansible_collections.llm_d.gke.plugins.module_utils._verify_requests import (
    MARK,
    Served,
    answer,
    as_result,
    counters,
    judge,
    result_in,
)

MODEL = "Qwen/Qwen3-32B"
DECISION = "llm_d_inference_scheduler_disagg_decision_total"
USAGE = {"prompt_tokens": 520, "completion_tokens": 16}


def seen(status: int = 200, **body: Any) -> dict[str, Any]:
    return {"status": status, "text": json.dumps(body), "seconds": 0.1}


def picker(shared: int, alone: int, name: str = DECISION) -> list[dict[str, Any]]:
    lines = [
        f'{name}{{decision_type="prefill-decode",model_name="{MODEL}"}} {shared}',
        f'{name}{{decision_type="decode-only",model_name="{MODEL}"}} {alone}',
    ]
    return [{"url": "http://10.64.0.2:9090/metrics", "status": 200, "text": "\n".join(lines)}]


def probed() -> dict[str, Any]:
    return {
        "models": {**seen(data=[{"id": MODEL}]), "in_a_row": 3},
        "picker_before": picker(10, 5),
        "completion": seen(model=MODEL, choices=[{"text": "an answer"}], usage=USAGE),
        "chat": seen(model=MODEL, choices=[{"message": {"content": "an answer"}}], usage=USAGE),
        "stream": {"status": 200, "text": "an answer", "events": 17, "done": True, "usage": USAGE},
        "unknown_model": seen(404, error={"message": "no such model"}),
        "broken_json": seen(400, error={"message": "broken"}),
        "picker_after": picker(13, 5),
    }


def counted(requests: float, prompt_tokens: float = 0, generated: float = 0) -> dict[str, float]:
    return {"requests": requests, "prompt_tokens": prompt_tokens, "generated": generated}


def served(prefill: float = 3, decode: float = 3, prompts: float = 1560, generated: float = 3) -> dict[str, Served]:
    return {
        "prefill-1": Served("prefill", counted(1, 100, 1), counted(1 + prefill, 100 + prompts, 1 + generated)),
        "prefill-2": Served("prefill", counted(7), counted(7)),
        "decode-1": Served("decode", counted(0), counted(decode)),
    }


def lacking(result: dict[str, Any], servers: dict[str, Served] | None = None) -> dict[str, Check]:
    checks = judge(result, servers or served(), MODEL, 128)
    return {check.name: check for check in checks if not check.passed}


def test_all_is_well() -> None:
    assert lacking(probed()) == {}
    found = as_result(probed(), served(), "", MODEL, 128)
    assert found["passed"]
    assert found["answer"] == {
        "text": "an answer",
        "prompt_tokens": 520,
        "made_by": {"prefill": ["prefill-1"], "decode": ["decode-1"]},
    }


@pytest.mark.parametrize(
    ("part", "value", "name"),
    [
        ("models", {**seen(data=[{"id": "other"}]), "in_a_row": 0}, "models listed"),
        ("completion", seen(502), "completion"),
        ("completion", seen(model=MODEL, choices=[{"text": ""}], usage=USAGE), "completion"),
        ("completion", seen(model="other", choices=[{"text": "x"}], usage=USAGE), "completion"),
        ("completion", {"status": 200, "text": "<html>", "seconds": 1}, "completion"),
        ("chat", seen(error={"message": "{"}), "chat completion"),
        ("stream", {"status": 200, "text": "x", "events": 9, "done": False, "usage": USAGE}, "stream"),
        ("stream", {"status": 200, "text": "x", "events": 9, "done": True, "usage": {}}, "stream"),
        ("unknown_model", seen(200, choices=[]), "unknown model refused"),
        ("unknown_model", {"status": 0, "text": "TimeoutError: timed out"}, "unknown model refused"),
        ("broken_json", seen(500), "broken request refused"),
    ],
)
def test_what_is_no_answer(part: str, value: Any, name: str) -> None:
    checks = lacking({**probed(), part: value})
    assert name in checks
    assert checks[name].remedy


def test_short_prompts_prove_nothing() -> None:
    short = probed()
    short["completion"] = seen(model=MODEL, choices=[{"text": "x"}], usage={**USAGE, "prompt_tokens": 200})
    assert "prompts span blocks" in lacking(short)


def test_decisions_for_decode_alone_are_named() -> None:
    checks = lacking({**probed(), "picker_after": picker(10, 8)})
    assert set(checks) == {"endpoint picker chose prefill and decode"}
    assert next(iter(checks.values())).actual == "prefill-decode +0, decode-only +3"


def test_the_counter_s_other_names_are_known() -> None:
    names = ("llm_d_epp_disagg_decision_total", "llm_d_inference_scheduler_pd_decision_total")
    for name in names:
        assert lacking({**probed(), "picker_before": picker(0, 0, name), "picker_after": picker(3, 0, name)}) == {}


def test_a_picker_that_refuses_its_metrics_is_told_so() -> None:
    refused = [{"url": "u", "status": 401, "text": "Unauthorized"}]
    checks = lacking({**probed(), "picker_before": refused, "picker_after": refused})
    assert "HTTP 401: Unauthorized" in checks["endpoint picker chose prefill and decode"].actual


def test_the_picker_s_word_alone_proves_nothing() -> None:
    """Prefill that cannot be reached: decisions are counted, answers are right, and decode did all the work."""
    checks = lacking(probed(), served(prefill=0, prompts=0, generated=0))
    assert set(checks) == {"prefill pods took part"}
    assert "fallback to decode" in checks["prefill pods took part"].remedy


def test_prompts_that_prefill_did_not_compute_are_noticed() -> None:
    assert set(lacking(probed(), served(prompts=30))) == {"prefill pods took part"}


def test_prefill_pods_that_make_whole_answers_are_noticed() -> None:
    """An endpoint picker that is away lets requests go to any pod of the pool."""
    checks = lacking(probed(), served(generated=48))
    assert set(checks) == {"prefill pods took part"}
    assert "round the endpoint picker" in checks["prefill pods took part"].remedy


def test_pods_that_counted_nothing_are_not_named() -> None:
    assert "prefill-2" not in str(answer(probed(), served()))


def test_a_gateway_that_never_served_ends_the_judgement() -> None:
    checks = judge({"models": {"status": 404, "text": "fault filter abort"}}, {}, MODEL, 128)
    assert [check.name for check in checks] == ["models listed"]
    assert "fault filter abort" in checks[0].actual


def test_a_probe_that_did_not_run_is_a_finding() -> None:
    found = as_result(None, {}, "probe: ImagePullBackOff: not found", MODEL, 128)
    assert not found["passed"]
    assert found["checks"][0]["name"] == "probe ran"
    assert "ImagePullBackOff" in found["checks"][0]["actual"]


def test_the_result_is_found_in_a_log_with_other_lines() -> None:
    assert result_in(f"warning: x\n{MARK}{json.dumps({'a': 1})}\nbye\n") == {"a": 1}
    assert result_in("nothing") is None


SCRAPE = """\
# HELP vllm:request_success_total Count
vllm:request_success_total{finished_reason="length",model_name="a \\"b\\""} 3
vllm:request_success_total{finished_reason="stop",model_name="a"} 2.0
vllm:prompt_tokens_total{model_name="a"} 1.5e+03
broken line
nan_value NaN
"""


def test_counters() -> None:
    assert counters(SCRAPE) == counted(5, 1500, 0)
    assert counters("") == counted(0)


def test_samples() -> None:
    samples = parse(SCRAPE)
    assert total(samples, "absent", "vllm:request_success_total") == 5
    assert total(samples, "nan_value") == 0


def test_a_counter_that_began_anew_counts_from_zero() -> None:
    assert grown(10, 13) == 3
    assert grown(10, 2) == 2


def test_the_probe_s_result_is_not_changed_by_judging_it() -> None:
    result = probed()
    before = copy.deepcopy(result)
    judge(result, served(), MODEL, 128)
    assert result == before
