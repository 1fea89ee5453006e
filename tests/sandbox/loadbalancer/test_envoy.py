# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The rendered configuration in a real Envoy: what clients see of matches, filters, weights and health."""

from __future__ import annotations

import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.loadbalancer import envoy_config
from sandbox.cluster.loadbalancer.backends import Endpoint
from sandbox.cluster.loadbalancer.envoy_config import Frontend
from sandbox.cluster.loadbalancer.model import (
    ACCEPTED,
    RESOLVED,
    Backend,
    BackendRef,
    BoundRoute,
    HealthCheck,
    Picker,
    Rule,
)
from tests.sandbox.loadbalancer.lb_certificate import certificate

TOOLS = Path(os.environ.get("LLM_D_TOOLS") or Path(__file__).resolve().parents[3] / ".tools")


class Echo(http.server.BaseHTTPRequestHandler):
    """Says who it is and what arrived."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        seen = {name.lower(): value for name, value in self.headers.items()}
        port = self.connection.getsockname()[1]
        body = json.dumps({"port": port, "path": self.path, "headers": seen, "length": length}).encode()
        self.send_response(500 if self.path == "/sick" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def backend(name: str, check: str = "/", **more: Any) -> Backend:
    return Backend(BackendRef("Service", "ns", name, 80), HealthCheck(path=check, interval=1, timeout=1), **more)


def prefix(value: str, **more: Any) -> dict[str, Any]:
    return {"path": {"type": "PathPrefix", "value": value}, **more}


def exact(value: str, **more: Any) -> dict[str, Any]:
    return {"path": {"type": "Exact", "value": value}, **more}


DEAD_PICKER = Picker(BackendRef("Service", "ns", "picker", 9002), fail_open=True)
RULES = [
    Rule([prefix("/v1")], [], [(backend("a"), 1)]),
    Rule([prefix("/v1/models")], [], [(backend("b"), 1)]),
    Rule([exact("/v1/models/x")], [], [(backend("a"), 1)]),
    Rule([prefix("/v1", headers=[{"name": "x-team", "value": "b"}])], [], [(backend("b"), 1)]),
    Rule([prefix("/v1", method="DELETE")], [], [(backend("b"), 1)]),
    Rule([prefix("/q", queryParams=[{"name": "to", "value": "b"}])], [], [(backend("b"), 1)]),
    Rule([prefix("/split")], [], [(backend("a"), 0), (backend("b"), 1)]),
    Rule([prefix("/sick")], [], [(backend("sick", "/sick"), 1)]),
    Rule([prefix("/none")], [], []),
    Rule(
        [prefix("/old")],
        [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}],
        [(backend("a"), 1)],
    ),
    Rule(
        [prefix("/headers")],
        [
            {
                "type": "RequestHeaderModifier",
                "requestHeaderModifier": {"set": [{"name": "x-set", "value": "1"}], "remove": ["x-gone"]},
            },
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "x-seen", "value": "2"}]}},
        ],
        [(backend("a"), 1)],
    ),
    Rule(
        [prefix("/moved")],
        [{"type": "RequestRedirect", "requestRedirect": {"hostname": "new.test", "statusCode": 301}}],
        [],
    ),
    Rule([prefix("/open")], [], [(backend("open", picker=DEAD_PICKER), 1)]),
    Rule([prefix("/closed")], [], [(backend("closed", picker=Picker(DEAD_PICKER.service, False)), 1)]),
]


class Running:
    def __init__(self, plain: int, secure: int, ports: dict[str, int]) -> None:
        self.plain = plain
        self.secure = secure
        self.ports = ports

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: Any) -> tuple[int, Any, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.plain}{path}", data=body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(NoRedirect)
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("envoy")
    servers = {name: http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) for name in ("a", "b")}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = {name: server.server_port for name, server in servers.items()}
    plain, secure = free_port(), free_port()
    bound = BoundRoute({"metadata": {"name": "r", "namespace": "ns"}}, {}, ACCEPTED, RESOLVED, [("l", ["*"])], RULES)
    frontends = [
        Frontend("ns/gw", "127.0.0.1", plain, [("l", bound)]),
        Frontend("ns/gw", "127.0.0.1", secure, [("l", bound)], [("", [certificate()])]),
    ]
    backends = envoy_config.backends_of(frontends)
    places = {"b": ports["b"]}
    found = {b.ref: [Endpoint("127.0.0.1", places.get(b.ref.name, ports["a"]), "")] for b in backends}
    found[DEAD_PICKER.service] = []
    contents = envoy_config.endpoint_files(backends, found)
    contents |= envoy_config.files(frontends, folder, 60)
    contents["bootstrap.json"] = json.dumps(envoy_config.bootstrap(folder, admin_port=free_port()))
    for name, content in contents.items():
        (folder / name).write_text(content)
    with (folder / "log").open("wb") as log:
        arguments = [
            "-c",
            str(folder / "bootstrap.json"),
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "warning",
        ]
        process = subprocess.Popen([TOOLS / "bin/envoy", *arguments], stdout=log, stderr=log)
    running = Running(plain, secure, ports)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                if running.ask("/v1/x")[0] == 200:
                    break
            except OSError:
                pass
            assert time.monotonic() < end and process.poll() is None, (folder / "log").read_text()[-3000:]
            time.sleep(0.1)
        yield running
    finally:
        process.kill()
        process.wait()
        for server in servers.values():
            server.shutdown()
            server.server_close()


def served_by(running: Running, name: str, answer: tuple[int, Any, Any]) -> bool:
    return bool(answer[0] == 200 and answer[1]["port"] == running.ports[name])


@pytest.mark.parametrize(
    ("path", "server", "headers", "method"),
    [
        ("/v1/completions", "a", {}, "GET"),
        ("/v1", "a", {}, "GET"),
        ("/v1/models", "b", {}, "GET"),
        ("/v1/models/x", "a", {}, "GET"),
        ("/v1/models/x/y", "b", {}, "GET"),
        ("/v1/completions", "b", {"x_team": "b"}, "GET"),
        ("/q?to=b", "b", {}, "GET"),
        ("/split", "b", {}, "GET"),
        ("/v1/completions", "b", {}, "DELETE"),
    ],
)
def test_the_most_specific_match_wins(
    envoy: Running, path: str, server: str, headers: dict[str, Any], method: str
) -> None:
    assert served_by(envoy, server, envoy.ask(path, method, **headers))


@pytest.mark.parametrize("path", ["/", "/v12", "/q?to=a"])
def test_no_route(envoy: Running, path: str) -> None:
    assert envoy.ask(path)[:2] == (404, "fault filter abort")


def test_a_rule_without_backends(envoy: Running) -> None:
    assert envoy.ask("/none")[0] == 500


def test_rewrites(envoy: Running) -> None:
    assert [envoy.ask(path)[1]["path"] for path in ("/old", "/old/x/y", "/old/x?a=1")] == ["/", "/x/y", "/x?a=1"]


def test_header_changes(envoy: Running) -> None:
    _status, seen, headers = envoy.ask("/headers", x_gone="1")
    assert seen["headers"]["x-set"] == "1"
    assert "x-gone" not in seen["headers"]
    assert headers["x-seen"] == "2"


def test_redirects(envoy: Running) -> None:
    status, _body, headers = envoy.ask("/moved/here")
    assert status == 301
    assert headers["location"].startswith("http://new.test") and headers["location"].endswith("/moved/here")


def test_backends_that_fail_their_check_get_nothing(envoy: Running) -> None:
    end = time.monotonic() + 20
    while envoy.ask("/sick")[0] != 503:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_silent_picker_with_fail_open_is_passed_by(envoy: Running) -> None:
    # With a body: Envoy itself could not fail open here.
    status, seen, _headers = envoy.ask("/open", "POST", b"x" * 100_000)
    assert (status, seen["length"]) == (200, 100_000)


def test_a_silent_picker_with_fail_close_closes(envoy: Running) -> None:
    assert envoy.ask("/closed", "POST", b"{}")[0] == 503
    assert envoy.ask("/closed")[0] == 503


def test_a_client_cannot_choose_its_pod(envoy: Running) -> None:
    answer = envoy.ask("/open", x_gateway_destination_endpoint=f"127.0.0.1:{envoy.ports['b']}")
    assert served_by(envoy, "a", answer)
    assert "x-gateway-destination-endpoint" not in answer[1]["headers"]


def test_tls(envoy: Running) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(f"https://127.0.0.1:{envoy.secure}/v1/x", context=context, timeout=10) as answer:
        assert answer.status == 200
