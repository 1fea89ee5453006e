# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""An answer is an answer, or it is said what it is instead; and what a run of the probe comes to as a whole."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._verify_kv import judge as judge_kv
from ansible_collections.llm_d.gke.plugins.module_utils._verify_probe import MARK, Direct, Probed, parts_in
from ansible_collections.llm_d.gke.plugins.module_utils._verify_ready import Check
from ansible_collections.llm_d.gke.plugins.module_utils._verify_requests import as_result, judge
from kv_counters import Case, received, share

MODEL = "Qwen/Qwen3-32B"
ACCEPT = ["proved", "not_observable"]
USAGE = {"prompt_tokens": 520, "completion_tokens": 16}


def seen(status: int = 200, **body: Any) -> dict[str, Any]:
    return {"status": status, "text": json.dumps(body), "seconds": 0.1}


def smoke() -> dict[str, Any]:
    return {
        "part": "smoke",
        "models": {**seen(data=[{"id": MODEL}]), "in_a_row": 3},
        "warm_up": {"tries": 2, "seconds": 1.1, "decided": True},
        "completion": seen(model=MODEL, choices=[{"text": "an answer"}], usage=USAGE),
        "chat": seen(model=MODEL, choices=[{"message": {"content": "an answer"}}], usage=USAGE),
        "stream": {"status": 200, "text": "an answer", "events": 17, "done": True, "usage": USAGE},
        "unknown_model": seen(404, error={"message": "no such model"}),
        "broken_json": seen(400, error={"message": "broken"}),
    }


def probed(**more: Any) -> Probed:
    evidence = Case(**more).evidence()
    direct = [Direct("prefill-1", "prefill", "", [MODEL]), Direct("decode-1", "decode", "", [MODEL])]
    compared = [{"url": "http://10.0.0.1:8000", "status": 200, "same": True, "said": ""}] * 4
    return Probed(smoke(), direct, evidence, judge_kv(evidence), compared)


def lacking(result: dict[str, Any]) -> dict[str, Check]:
    return {check.name: check for check in judge(result, MODEL, 128) if not check.passed}


def failed(of: Probed) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in as_result(of, MODEL, 128, ACCEPT)["checks"] if not check["passed"]}


def test_all_is_well() -> None:
    assert lacking(smoke()) == {}
    found = as_result(probed(), MODEL, 128, ACCEPT)
    assert found["passed"] and all(check["passed"] for check in found["checks"])
    assert found["answer"] == {
        "text": "an answer",
        "prompt_tokens": 520,
        "made_by": {"prefill": ["prefill-1", "prefill-2"], "decode": ["decode-1", "decode-2"]},
    }
    assert found["kv_transfer"]["verdict"] == "proved"
    assert found["kv_transfer"]["warm_up"]["tries"] == 2
    assert found["headline"] == "KV transfer: proved"


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
    checks = lacking({**smoke(), part: value})
    assert name in checks
    assert checks[name].remedy


def test_short_prompts_prove_nothing() -> None:
    short = smoke()
    short["completion"] = seen(model=MODEL, choices=[{"text": "x"}], usage={**USAGE, "prompt_tokens": 200})
    assert "prompts span blocks" in lacking(short)


def test_another_model_is_named() -> None:
    other = {**seen(data=[{"id": "Qwen/Qwen3-8B"}]), "in_a_row": 0}
    check = lacking({"models": other})["models listed"]
    assert check.actual == "the model is called Qwen/Qwen3-8B"
    assert "set verify_model (llm_d_model) to that" in check.remedy


def test_a_gateway_that_never_served_ends_the_judgement() -> None:
    checks = judge({"models": {"status": 404, "text": "fault filter abort"}}, MODEL, 128)
    assert [check.name for check in checks] == ["models listed"]
    assert "fault filter abort" in checks[0].actual


def test_a_verdict_says_why_nothing_was_asked() -> None:
    found = as_result(Probed({"models": {"status": 404, "text": "fault filter abort"}}), MODEL, 128, ACCEPT)
    assert found["kv_transfer"]["verdict"] == "inconclusive"
    assert "models listed: HTTP 404: fault filter abort" in found["kv_transfer"]["explanation"]
    assert not found["passed"]


def test_right_answers_alone_are_not_enough() -> None:
    """Decode computes everything by itself: every answer is right, and the deployment does not pass."""
    alone = {"external": 0, "transfers": 0}
    wrong = probed(decode=[received(12, **alone)] * 2, prefill=[share(12, held=12)] * 2)
    assert set(failed(wrong)) == {"KV blocks handed over", "fetched blocks given free"}
    assert failed(wrong)["KV blocks handed over"]["actual"].startswith("not_disaggregated, decode_fetches_nothing")


def test_pods_that_do_not_answer_by_themselves_are_named() -> None:
    direct = [Direct("decode-1", "decode", "503 ServiceUnavailable", []), Direct("decode-2", "decode", "", ["other"])]
    check = failed(replace(probed(), direct=direct))["pods answer by themselves"]
    assert check["actual"] == "decode-1: 503 ServiceUnavailable; decode-2 serves other"


@pytest.mark.parametrize(
    ("same", "status", "passes"),
    [([1, 1, 0, 0], 200, True), ([1, 0, 0, 0], 200, False), ([0, 0, 0, 0], 0, False)],
)
def test_answers_should_agree_with_those_of_decode_alone(same: list[int], status: int, passes: bool) -> None:
    answers = [
        {"url": "http://10.0.0.1:8000", "status": status, "same": bool(each), "said": "refused"} for each in same
    ]
    assert ("same answers without prefill" not in failed(replace(probed(), compared=answers))) is passes


def test_a_probe_that_did_not_run_is_a_finding() -> None:
    found = as_result(Probed(trouble="probe: ImagePullBackOff: not found"), MODEL, 128, ACCEPT)
    assert not found["passed"]
    assert found["checks"][0]["name"] == "probe ran"
    assert "ImagePullBackOff" in found["checks"][0]["actual"]
    assert "ImagePullBackOff" in found["kv_transfer"]["explanation"]


def test_what_the_probe_said_is_found_in_a_log_with_other_lines() -> None:
    log = f'warning: x\n{MARK}{json.dumps({"part": "smoke"})}\nbye\n{MARK}{json.dumps({"part": "proof"})}\n{MARK}{{"pa'
    assert [part["part"] for part in parts_in(log)] == ["smoke", "proof"]
    assert parts_in("nothing") == []


def test_the_probe_s_result_is_not_changed_by_judging_it() -> None:
    result = smoke()
    before = copy.deepcopy(result)
    judge(result, MODEL, 128)
    assert result == before
