# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A service that streams tokens at a set pace, and fails as often as it is told to: all a client can see of one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "Qwen/Qwen3-32B"


@dataclass
class Behaviour:
    """What the service does; may be changed while it runs."""

    first_token: float = 0.02
    each_token: float = 0.002
    fail_every: int = 0
    window: int = 8192
    models_status: int = 200
    slots: int = 1000
    asked: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour
    slots: threading.Semaphore

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def _json(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            models = {"data": [{"id": MODEL, "max_model_len": self.behaviour.window}]}
            self._json(self.behaviour.models_status, models)
        else:
            self._json(404, {"error": "no such path"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        behaviour = self.behaviour
        if self.path != "/v1/completions":
            return self._json(404, {"error": "no such path"})
        behaviour.asked += 1
        behaviour.bodies.append(body)
        if behaviour.fail_every and behaviour.asked % behaviour.fail_every == 0:
            return self._json(503, {"error": "overloaded"})
        with self.slots:
            self._stream(body)

    def _stream(self, body: dict[str, Any]) -> None:
        behaviour, tokens = self.behaviour, max(int(body["max_tokens"]), 1)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        time.sleep(behaviour.first_token)
        for number in range(tokens):
            if number:
                time.sleep(behaviour.each_token)
            self._event({"choices": [{"index": 0, "text": "ba "}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": tokens}})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def service(**settings: Any) -> Iterator[tuple[str, Behaviour]]:
    """Its address, and what it does."""
    behaviour = Behaviour(**settings)
    members = {"behaviour": behaviour, "slots": threading.Semaphore(behaviour.slots)}
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), members))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", behaviour
    finally:
        server.shutdown()
        server.server_close()
