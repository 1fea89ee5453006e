# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The client as the Job runs it, with the real vllm bench serve, against a service that behaves as it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.benchmark.model_stub import MODEL, service

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / ".ansible" / "collections"))
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_json import read  # noqa: E402
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_log import (  # noqa: E402
    MARK,
    Told,
    assemble,
    take,
)
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_stats import step_of  # noqa: E402

TOOLS = Path(os.environ.get("LLM_D_TOOLS") or CHECKOUT / ".tools")
CLIENT = CHECKOUT / "roles" / "benchmark" / "files" / "client.py"
VLLM = CHECKOUT / "sandbox" / "cluster" / "programs" / "bin" / "vllm"
DATA = TOOLS / "share" / "benchmark"


def settings(work: Path, url: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "work": str(work), "url": url, "endpoint": "/v1/completions", "backend": "openai", "headers": {},
        "insecure": True, "model": MODEL, "tokenizer": str(DATA),
        "dataset": {"name": "sharegpt", "source": str(DATA / "sharegpt.json"), "input_len": 64, "output_len": 0,
                    "prefix_len": 0, "range_ratio": 0.0},
        "steps": [{"name": "rate-40", "rate": 40.0, "concurrency": None, "requests": 40}],
        "burstiness": 1.0, "stop_when_saturated": False, "settle_seconds": 0, "warmups": 1, "temperature": 0.0,
        "seed": 1,
        "ignore_eos": False, "extra_body": {}, "extra_args": [], "goodput": {}, "label": "", "ready_timeout": 5.0,
        "timeout": 300.0, "pause": 0.1, "pace": 0.0, "progress_seconds": 0.3, "detailed": True, "log_limit": 1 << 24,
        "results_bucket": "", "storage_endpoint": "http://127.0.0.1:9", "hub": "http://127.0.0.1:9", "picker_urls": [],
        "token_file": "/nonexistent",
    }  # fmt: skip
    found["dataset"] |= more.pop("dataset", {})
    return {**found, **more}


def run(task: str, given: dict[str, Any], **environment: str) -> tuple[int, Told, str]:
    """The client, to its end: status, what it told, and its whole log."""
    env = {
        "PATH": f"{VLLM}:{os.environ['PATH']}", "LLM_D_TOOLS": str(TOOLS), "SANDBOX_PYTHON": sys.executable,
        "HOME": f"{given['work']}/home", "TMPDIR": f"{given['work']}/tmp", "BENCHMARK_RUN": "20261126T111232Z",
        "BENCHMARK_SETTINGS": json.dumps(given), **environment,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(CLIENT), task],
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    told = Told()
    for line in ran.stdout.splitlines():
        if line.startswith(MARK):
            take(told, json.loads(line.removeprefix(MARK)))
    return ran.returncode, told, ran.stdout + ran.stderr


def test_it_measures_tells_how_far_it_is_and_sends_all_home(tmp_path: Path) -> None:
    with service(fail_every=9) as (url, behaviour):
        given = settings(tmp_path, url, goodput={"ttft": 500.0, "tpot": 100.0})
        status, told, log = run("prepare", given)
        assert status == 0 and told.prepared is not None and told.prepared["entries"] == 240, log
        status, told, log = run("measure", given)
    assert status == 0 and told.trouble() == "", log
    step = told.steps["rate-40"]
    assert step["state"] == "ended" and step["done"] == step["of"] == 40
    assert step["command"].startswith("vllm bench serve ") and "--temperature 0" in step["command"]
    assert "Serving Benchmark Result" in log and "it/s]" not in log
    result, trouble = assemble(told.payloads["rate-40", "result"])
    assert result is not None, trouble
    assert result["completed"] + result["failed"] == 40 and result["failed"] >= 3 and len(result["itls"]) == 40
    assert result["llm_d_run"] == "20261126T111232Z" and "generated_texts" not in result
    assert {body["temperature"] for body in behaviour.bodies} == {0.0}
    path = tmp_path / "r.json"
    path.write_text(json.dumps(result))
    summary = step_of(read(path)[0], step).summary
    assert summary["name"] == "rate-40" and summary["failures"][0]["message"] == "Service Unavailable"
    assert summary["goodput_percent"] is not None and summary["ttft_p50_ms"] >= 20


def test_a_sweep_stops_at_saturation_when_asked(tmp_path: Path) -> None:
    steps = [
        {"name": f"rate-{rate}", "rate": float(rate), "concurrency": None, "requests": count}
        for rate, count in ((2, 4), (60, 60), (70, 60))
    ]
    with service(first_token=0.1, slots=1) as (url, _):
        given = settings(tmp_path, url, steps=steps, stop_when_saturated=True, warmups=0, dataset={"output_len": 4})
        run("prepare", given)
        status, told, log = run("measure", given)
    assert status == 0, log
    assert told.ended_steps() == ["rate-2", "rate-60"]
    assert told.steps["rate-60"]["saturated"] is True and "left out" in told.notes[0]


HANGING = """#!/bin/sh
# The client for loads that end and loads that do not: how long the real one takes to start depends on the machine.
while [ $# -gt 0 ]; do
    case "$1" in --result-dir) folder=$2 ;; --result-filename) name=$2 ;; --num-prompts) many=$2 ;; esac
    shift
done
echo "Starting main benchmark run..."
sleep 1
[ "$many" -gt 100 ] && printf ' 1%%|# | 3/%s [00:01<00:02,  3.00it/s]\\r' "$many" >&2 && exec sleep 600
echo '{"num_prompts": 10, "completed": 10, "failed": 0, "duration": NaN}' > "$folder/$name"
"""


def test_at_the_deadline_it_keeps_what_there_is(tmp_path: Path) -> None:
    stub = tmp_path / "bin" / "vllm"
    stub.parent.mkdir()
    stub.write_text(HANGING)
    stub.chmod(0o755)
    steps = [
        {"name": "rate-50", "rate": 50.0, "concurrency": None, "requests": 10},
        {"name": "rate-2", "rate": 2.0, "concurrency": None, "requests": 500},
    ]
    with service() as (url, _):
        given = settings(tmp_path, url, steps=steps, timeout=10.0)
        status, told, log = run("measure", given, PATH=f"{stub.parent}:{os.environ['PATH']}")
    assert status == 1, log
    assert "the time for the benchmark was over after 3 of 500 requests" in told.trouble()
    assert "benchmark_timeout" in told.remedy()
    assert told.steps["rate-50"]["state"] == "ended" and told.steps["rate-50"]["completed"] == 10
    assert assemble(told.payloads["rate-50", "result"])[0] == {
        "num_prompts": 10, "completed": 10, "failed": 0, "duration": None
    }  # fmt: skip


def test_random_and_custom_data(tmp_path: Path) -> None:
    lines = tmp_path / "prompts.jsonl"
    lines.write_text("\n".join(json.dumps({"prompt": f"ba be {number}", "output_tokens": 5}) for number in range(12)))
    one = [{"name": "rate-inf", "rate": "inf", "concurrency": 4, "requests": 12}]
    with service() as (url, behaviour):
        for data in ({"name": "random", "output_len": 7}, {"name": "custom", "source": str(lines)}):
            given = settings(tmp_path / data["name"], url, steps=one, dataset=data, warmups=0)
            assert run("prepare", given)[0] == 0
            status, told, log = run("measure", given)
            assert status == 0 and told.steps["rate-inf"]["completed"] == 12, log
    assert {body["max_tokens"] for body in behaviour.bodies} == {5, 7}


@pytest.mark.parametrize(
    ("more", "behaviour", "says"),
    [
        ({"model": "other/model"}, {}, f"does not list other/model: it lists {MODEL}"),
        ({"ready_timeout": 0.5}, {"models_status": 503}, "HTTP 503"),
        (
            {"dataset": {"name": "random", "output_len": 64, "input_len": 4000}},
            {"window": 2048},
            "window of 2048 tokens",
        ),
        ({"extra_args": ["--no-such-option"]}, {}, "unrecognized arguments: --no-such-option"),
    ],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, more: dict[str, Any], behaviour: dict[str, Any], says: str
) -> None:
    with service(**behaviour) as (url, _):
        status, told, log = run("measure", settings(tmp_path, url, **more))
    assert status == 1 and says in told.trouble(), log
    assert told.remedy()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("sharegpt", "", "is not JSON"),
        ("sharegpt", "[]", "no conversation"),
        ("sharegpt", '{"a": 1}', "not a list"),
        ("sharegpt", '[{"conversations": [{"value": "only one"}]}]', "no conversation of two turns (1 entries)"),
        ("sharegpt", '[{"conversations": [{"value": 1}, {"value": 2}]}]', "without a text"),
        ("custom", "", "the data set is empty"),
        ("custom", '{"prompt": "a", "output_tokens": 3}\nnot json', "line 2 of the data set is not JSON"),
        ("custom", '{"text": "a"}', "line 1 of the data set has no `prompt`"),
        ("custom", '{"prompt": "a"}', "has no `output_tokens`"),
    ],
)
def test_data_sets_that_are_none(tmp_path: Path, name: str, text: str, says: str) -> None:
    source = tmp_path / "data"
    source.write_text(text)
    given = settings(tmp_path, "http://127.0.0.1:9", dataset={"name": name, "source": str(source)})
    status, told, log = run("prepare", given)
    assert status == 1 and says in told.trouble(), log


class _Hub(BaseHTTPRequestHandler):
    """A hub with one gated model; its files lie on another host's storage."""

    storage = ""
    seen: list[tuple[str, str]]

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        token = self.headers.get("authorization", "")
        self.seen.append((self.path, token))
        if self.path.startswith("/store/"):
            return self._answer(200, (DATA / self.path.rpartition("/")[2]).read_bytes())
        if token != "Bearer good":
            return self._answer(401 if not token else 403, b"{}")
        if self.path.startswith("/api/models/Qwen/Qwen3-32B/"):
            names = ("tokenizer.json", "tokenizer_config.json", "model-00001-of-00017.safetensors")
            return self._answer(200, json.dumps({"siblings": [{"rfilename": name} for name in names]}).encode())
        if "/resolve/" in self.path:
            self.send_response(302)
            self.send_header("location", f"{self.storage}/store/{self.path.rpartition('/')[2]}")
            self.end_headers()
            return None
        return self._answer(404, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def hub() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    seen: list[tuple[str, str]] = []
    handler = type("Hub", (_Hub,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.storage = f"http://localhost:{server.server_address[1]}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


def test_a_tokenizer_of_the_hub_without_its_weights_and_the_token_stays_with_the_hub(tmp_path: Path) -> None:
    with hub() as (address, seen):
        given = settings(
            tmp_path, "http://127.0.0.1:9", hub=address, tokenizer="Qwen/Qwen3-32B", dataset={"name": "random"}
        )
        status, _, log = run("prepare", given, HF_TOKEN="good")
    assert status == 0, log
    assert {path.name for path in (tmp_path / "tokenizer").iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    stored = [token for path, token in seen if path.startswith("/store/")]
    assert stored == ["", ""], "another host got the hub's token"
    assert "good" not in log


@pytest.mark.parametrize(
    ("token", "name", "says"),
    [
        ("", "Qwen/Qwen3-32B", "HTTP 401 for model Qwen/Qwen3-32B"),
        ("bad", "Qwen/Qwen3-32B", "HTTP 403 for model Qwen/Qwen3-32B"),
        ("good", "Qwen/Other", "there is no model Qwen/Other"),
    ],
)
def test_a_hub_that_refuses(tmp_path: Path, token: str, name: str, says: str) -> None:
    with hub() as (address, _):
        given = settings(tmp_path, "http://127.0.0.1:9", hub=address, tokenizer=name, dataset={"name": "random"})
        status, told, log = run("prepare", given, **({"HF_TOKEN": token} if token else {}))
    assert status == 1 and says in told.trouble() and told.remedy(), log
