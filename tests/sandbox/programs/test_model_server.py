# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The API of a model server, and how it starts and ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.programs.vllm_parse import parse

from .model_servers import MODEL, TOOLS, Fleet, Pair, call, kv_config


def _complete(pair: Pair, **body: Any) -> Any:
    return call(pair.decode.port, "/v1/completions", {"model": MODEL, "prompt": "hello there", **body})


def test_models_health_and_version(pair: Pair) -> None:
    (card,) = call(pair.decode.port, "/v1/models").json["data"]
    assert (card["id"], card["root"], card["max_model_len"]) == (MODEL, MODEL, 4096)
    assert call(pair.decode.port, "/health").text == ""
    assert call(pair.decode.port, "/version").json == {"version": "0.26.0"}
    assert call(pair.decode.port, "/admin/config").status == 404  # the simulator's own doors stay shut


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{broken", 400, "JSON decode error"),
        ({"model": "other", "prompt": "a"}, 404, "The model `other` does not exist."),
        ({"model": MODEL}, 400, "Field required"),
        ({"model": MODEL, "prompt": "a", "max_tokens": 4096}, 400, "maximum context length is 4096 tokens"),
        ({"model": MODEL, "prompt": "a " * 5000, "max_tokens": 1}, 400, "contains 5000 input tokens"),
        ({"model": MODEL, "prompt": "a", "max_tokens": -1}, 400, "max_tokens must be at least 0"),
        ({"model": MODEL, "prompt": "a", "temperature": -1}, 400, "temperature must be non-negative"),
        ([], 400, "valid dictionary"),
    ],
)
def test_bad_requests_are_refused_in_vllms_form(pair: Pair, body: Any, status: int, words: str) -> None:
    answer = call(pair.decode.port, "/v1/completions", body)
    assert answer.status == status and words in answer.json["error"]["message"]
    assert answer.json["error"]["code"] == status


def test_a_body_that_is_not_json_by_its_header_is_refused(pair: Pair) -> None:
    body = {"model": MODEL, "prompt": "a"}
    answer = call(pair.decode.port, "/v1/completions", body, {"content-type": "application/x-www-form-urlencoded"})
    assert answer.status == 400 and "Unsupported Media Type" in answer.text


def test_answers_are_as_long_as_asked(pair: Pair) -> None:
    answer = _complete(pair, max_tokens=7).json
    assert answer["usage"]["completion_tokens"] == 7 and answer["choices"][0]["finish_reason"] == "length"
    free = _complete(pair, max_tokens=1000).json
    assert free["choices"][0]["finish_reason"] == "stop" and free["usage"]["completion_tokens"] < 1000
    forced = _complete(pair, max_tokens=300, ignore_eos=True).json
    assert forced["usage"]["completion_tokens"] == 300
    assert len(_complete(pair, n=3, max_tokens=2).json["choices"]) == 3
    assert len(_complete(pair, prompt=["a", "b c"], max_tokens=2).json["choices"]) == 2
    assert _complete(pair, prompt=[1, 2, 3], max_tokens=2).json["usage"]["prompt_tokens"] == 3


def test_seeds_and_zero_temperature_repeat(pair: Pair) -> None:
    def text(**more: Any) -> str:
        return str(_complete(pair, max_tokens=20, **more).json["choices"][0]["text"])

    assert text(temperature=0) == text(temperature=0)
    assert text(seed=5) == text(seed=5) != text(seed=6)
    assert text() != text()


@pytest.mark.parametrize("chat", [False, True])
def test_a_stream_says_what_the_whole_answer_says(pair: Pair, chat: bool) -> None:
    path = "/v1/chat/completions" if chat else "/v1/completions"
    prompt: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]} if chat else {"prompt": "hello"}
    body = {"model": MODEL, "max_tokens": 9, "temperature": 0, **prompt}
    whole = call(pair.decode.port, path, body).json
    streamed = call(pair.decode.port, path, {**body, "stream": True, "stream_options": {"include_usage": True}})
    lines = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    assert events[-1]["usage"] == whole["usage"] and events[-1]["choices"] == []
    choices = [choice for event in events for choice in event["choices"]]
    pieces = [choice["delta"].get("content", "") if chat else choice["text"] for choice in choices]
    expected = whole["choices"][0]
    assert "".join(pieces) == (expected["message"]["content"] if chat else expected["text"])
    assert choices[-1]["finish_reason"] == "length"


def test_latencies_are_counted(pair: Pair) -> None:
    before = pair.decode.metrics()
    _complete(pair, max_tokens=10)
    after = pair.decode.metrics()
    for name, count in {
        "time_to_first_token_seconds": 1,
        "inter_token_latency_seconds": 9,
        "e2e_request_latency_seconds": 1,
    }.items():
        assert after[f"vllm:{name}_count"] - before[f"vllm:{name}_count"] == count
    assert after["vllm:num_requests_running"] == after["vllm:kv_cache_usage_perc"] == 0


def test_an_api_key_is_asked_for(fleet: Fleet) -> None:
    server = fleet.serve("--api-key", "sesame")
    server.until_ready()
    assert call(server.port, "/v1/models").status == 401
    assert call(server.port, "/v1/models", headers={"authorization": "Bearer sesame"}).status == 200


def test_it_ends_when_told_and_takes_the_simulator_along(fleet: Fleet) -> None:
    server = fleet.serve()
    server.until_ready()
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    assert children
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert "Application startup complete." in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "model", "status", "words"),
    [
        (["--kv-transfer-config", "{broken"], MODEL, 2, "Invalid JSON"),
        (["--kv-transfer-config", '{"kv_connector":"TPUConnector"}'], MODEL, 2, "Please specify kv_role"),
        (["--kv-transfer-config", kv_config("kv_reader")], MODEL, 2, "kv_role"),
        (["--no-such-option"], MODEL, 2, "unrecognized arguments: --no-such-option"),
        (["--gpu-memory-utilization=lots"], MODEL, 2, "gpu-memory-utilization"),
        (
            ["--kv-transfer-config", '{"kv_connector":"NixlConnector","kv_role":"kv_both"}'],
            *(MODEL, 1, "Unsupported kv_connector 'NixlConnector' for the TPU platform"),
        ),
        (["--max-model-len=50000"], MODEL, 1, "is greater than the derived max_model_len"),
        (["--tensor-parallel-size=1"], MODEL, 1, "RESOURCE_EXHAUSTED"),
        (["--gpu-memory-utilization=0.49"], MODEL, 1, "To serve at least one request"),
    ],
)
def test_what_vllm_refuses_at_start(fleet: Fleet, options: list[str], model: str, status: int, words: str) -> None:
    server = fleet.serve(*options, model=model)
    assert server.process.wait(60) == status
    assert words in server.log.read_text()


def test_pods_with_the_same_command_line_cost_one_parse(tmp_path: Path) -> None:
    arguments = ["some/model", "--port", "8200", "--block-size=64"]
    first = parse(TOOLS / "vllm", arguments, tmp_path)
    assert first.status == 0 and first.options["block_size"] == 64 and first.options["model_tag"] == "some/model"
    (known,) = tmp_path.glob("*.json")
    written = known.stat().st_mtime_ns
    assert parse(TOOLS / "vllm", arguments, tmp_path) == first
    assert known.stat().st_mtime_ns == written and len(list(tmp_path.glob("*.json"))) == 1
