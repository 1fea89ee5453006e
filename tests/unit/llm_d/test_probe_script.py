# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The probe as it runs in its pod: the real script, against a gateway and an endpoint picker of this test's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles" / "verify" / "files" / "probe.py"
MODEL = "some/model"
MARK = "llm-d-probe: "


class Gateway:
    """What the probe can reach: /v1 of the service, and /metrics of the endpoint picker."""

    def __init__(self) -> None:
        self.models = [MODEL]
        self.decisions = 0
        # So many completions go round the endpoint picker at first, or end in an error of the load balancer.
        self.undecided = 0
        self.erring: list[int] = []
        self.prompts: list[str] = []
        self.tokens_seen: list[str | None] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    gateway.tokens_seen.append(self.headers.get("authorization"))
                    line = f'llm_d_x_disagg_decision_total{{decision_type="prefill-decode"}} {gateway.decisions}'
                    return self._say(200, f"# TYPE x counter\n{line}\nother 1\n", "text/plain")
                return self._say(200, json.dumps({"data": [{"id": name} for name in gateway.models]}))

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                try:
                    body = json.loads(raw)
                except ValueError:
                    return self._say(400, "{}")
                if body["model"] != MODEL:
                    return self._say(404, "{}")
                if gateway.erring:
                    return self._say(gateway.erring.pop(0), "upstream error")
                gateway.answer(self, body)

            def _say(self, status: int, text: str, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: Any, body: dict[str, Any]) -> None:
        if self.undecided:
            self.undecided -= 1
        else:
            self.decisions += 1
        prompt = body.get("prompt") or body["messages"][0]["content"]
        self.prompts.append(prompt)
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": 2}
        if body.get("stream"):
            events = [{"choices": [{"text": "a"}]}, {"choices": [{"text": "b"}]}, {"choices": [], "usage": usage}]
            return handler._say(200, "".join(f"data: {json.dumps(each)}\n\n" for each in events) + "data: [DONE]\n\n")
        choice = {"message": {"content": "ab"}} if "messages" in body else {"text": "ab"}
        return handler._say(200, json.dumps({"model": MODEL, "choices": [choice], "usage": usage}))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Running:
    """The script, and what it said so far."""

    def __init__(self, gateway: Gateway, tmp_path: Path, **more: Any) -> None:
        (tmp_path / "token").write_text("secret\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = {
            "url": gateway.url, "host": "", "model": MODEL, "picker_urls": [f"{gateway.url}/metrics"],
            "token_file": str(tmp_path / "token"), "request_timeout": 5, "served_timeout": 20, "pause": 0.05,
            "models_in_a_row": 3, "max_tokens": 2, "prompt_tokens": 300, "prompts": 6, "at_once": 3, "compare": 2,
            "decode_urls": [gateway.url], "port": self.port, "word": "sesame", "order_timeout": 20, **more,
        }  # fmt: skip
        env = {"PROBE_SETTINGS": json.dumps(settings), "PATH": os.environ["PATH"]}
        command = [sys.executable, "-c", SCRIPT.read_text(encoding="utf-8")]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    def next(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith(MARK), line
        return dict(json.loads(line.removeprefix(MARK)))

    def order(self, path: str) -> int:
        for _other in range(50):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return int(error.code)
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the probe does not listen")


@pytest.fixture
def run(gateway: Gateway, tmp_path: Path) -> Iterator[Any]:
    started: list[Running] = []

    def start(**more: Any) -> Running:
        started.append(Running(gateway, tmp_path, **more))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        assert each.process.stdout
        each.process.stdout.close()


def test_it_asks_what_it_is_told_and_when(gateway: Gateway, run: Any) -> None:
    probe = run()
    smoke = probe.next()
    assert smoke["models"]["in_a_row"] == 3
    assert [smoke[name]["status"] for name in ("completion", "chat", "stream", "unknown_model", "broken_json")] == [
        200, 200, 200, 404, 400,
    ]  # fmt: skip
    assert (smoke["stream"]["done"], smoke["stream"]["usage"]["completion_tokens"]) == (True, 2)
    assert smoke["warm_up"] == {**smoke["warm_up"], "tries": 1, "decided": True}
    asked = len(gateway.prompts)
    assert probe.order("guess/proof-1") == 404
    time.sleep(0.3)
    assert len(gateway.prompts) == asked, "who does not know the word is not heard"

    assert probe.order("sesame/proof-1") == 200
    proof = probe.next()
    assert proof["order"] == "proof-1"
    assert len(proof["asked"]) == 6 and all(each["status"] == 200 for each in proof["asked"])
    assert all(each["prompt_tokens"] >= 300 for each in proof["asked"])
    before, after = (float(proof[f"picker_{name}"][0]["text"].split()[-1]) for name in ("before", "after"))
    assert after - before == 6
    assert probe.order("sesame/proof-1") == 200, "an order that comes twice is obeyed once"
    assert probe.order("sesame/compare") == 200
    assert [(each["status"], each["same"]) for each in probe.next()["answers"]] == [(200, True)] * 2
    assert probe.order("sesame/end") == 200
    assert probe.process.wait(10) == 0
    assert set(gateway.tokens_seen) == {"Bearer secret"}
    fresh = gateway.prompts[:asked] + gateway.prompts[asked : asked + 6]
    assert len({prompt[:16] for prompt in fresh}) == len(fresh), "prompts differ from their first word on"


def test_it_waits_for_an_endpoint_picker_that_does_not_listen_yet(gateway: Gateway, run: Any) -> None:
    gateway.undecided = 3
    smoke = run().next()
    assert (smoke["warm_up"]["tries"], smoke["warm_up"]["decided"]) == (4, True)


def test_it_does_not_wait_for_ever_for_a_picker_that_never_decides(gateway: Gateway, run: Any) -> None:
    gateway.undecided = 10**6
    smoke = run(served_timeout=1).next()
    assert smoke["warm_up"]["decided"] is False and smoke["completion"]["status"] == 200


def test_errors_of_the_load_balancer_pass(gateway: Gateway, run: Any) -> None:
    gateway.erring = [503, 500, 404]
    smoke = run().next()
    assert smoke["completion"]["status"] == 200 and smoke["warm_up"]["tries"] == 4


def test_another_model_is_not_waited_for(gateway: Gateway, run: Any) -> None:
    gateway.models = ["some/other"]
    started = time.monotonic()
    probe = run()
    assert probe.next()["over"] is True
    assert time.monotonic() - started < 10
    assert probe.process.wait(10) == 0


def test_it_ends_when_nobody_tells_it_anything(gateway: Gateway, run: Any) -> None:
    probe = run(order_timeout=0.2)
    probe.next()
    assert probe.process.wait(10) == 0
