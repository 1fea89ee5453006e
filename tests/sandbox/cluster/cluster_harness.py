# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A throw-away cluster process, started as the sandbox's Google Cloud starts it, with a cloud socket of our own."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]
TOKEN = "ya29.of-alice"
ALICE = "alice@llm-d-sandbox.iam.gserviceaccount.com"
_NAMESPACES = ["unshare", "-Urnmpf", "--mount-proc", "--kill-child", "--propagation", "private"]


class _TokenInfo(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path == "/_sandbox/tokeninfo" and body["token"] == TOKEN
        answer = json.dumps({"email": ALICE, "expires_in": 3000} if known else {}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


class _CloudSocket(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("cluster", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ApiFailure(AssertionError):
    def __init__(self, code: int, body: str) -> None:
        super().__init__(f"HTTP {code}: {body}")
        self.code = code
        self.body = body


def eventually(what: str, attempt: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true result; fails with the last one, or the last error."""
    deadline = time.monotonic() + seconds
    while True:
        last: Any
        try:
            last = attempt()
            if last:
                return last
        except (ApiFailure, OSError, KeyError, IndexError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {last!r}")
        time.sleep(0.05)


class Cluster:
    """A running cluster process, as its clients on the host see it."""

    def __init__(self, directory: Path, run_dir: Path, process: subprocess.Popen[bytes], endpoint: str) -> None:
        self.directory = directory
        self.process = process
        self.endpoint = endpoint
        self.gateway = ""
        self.ready_after = 0.0
        self._control = run_dir / "control.sock"
        self._tls: ssl.SSLContext | None = None

    def control(self, method: str, path: str, body: Any = None) -> Any:
        connection = UnixConnection(self._control)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiFailure(answer.status, text)
        return json.loads(text)

    def wait_ready(self) -> None:
        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the cluster process ended: {self.words()}")
            answer = self.control("GET", "/ready")
            if answer["error"]:
                pytest_fail(answer["error"])
            return bool(answer["ready"])

        eventually("the cluster is ready", ready, 60)
        self._tls = ssl.create_default_context(cafile=str(self.directory / "pki" / "ca.crt"))

    def words(self) -> str:
        return (self.directory / "cluster.log").read_text()[-3000:]

    def raw(self, method: str, path: str, body: Any = None, token: str = TOKEN, kind: str = "application/json") -> str:
        request = urllib.request.Request(
            f"https://{self.endpoint}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {token}", "Content-Type": kind},
        )
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=30) as response:
                text: str = response.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise ApiFailure(error.code, error.read().decode()) from error

    def api(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.raw(method, path, body))

    def create(self, item: dict[str, Any], namespace: str = "default") -> Any:
        plural = {"PersistentVolumeClaim": "persistentvolumeclaims"}.get(item["kind"], item["kind"].lower() + "s")
        version = item["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return self.api("POST", f"{root}/namespaces/{namespace}/{plural}", item)

    def pod(self, name: str) -> Any:
        return self.api("GET", f"/api/v1/namespaces/default/pods/{name}")

    def pods(self, selector: str) -> list[Any]:
        items: list[Any] = self.api("GET", f"/api/v1/namespaces/default/pods?labelSelector={selector}")["items"]
        return items

    def log(self, pod: str, container: str, **options: str) -> str:
        query = "&".join(f"{key}={value}" for key, value in {"container": container, **options}.items())
        return self.raw("GET", f"/api/v1/namespaces/default/pods/{pod}/log?{query}")

    def events(self, pod: str) -> list[tuple[str, str]]:
        found = self.api("GET", f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={pod}")
        return [(item["reason"], item["message"]) for item in found["items"]]

    def delete_pod(self, name: str) -> None:
        self.api("DELETE", f"/api/v1/namespaces/default/pods/{name}")

    def put_pool(self, name: str, nodes: list[dict[str, Any]]) -> None:
        self.control("PUT", f"/nodepools/{name}", {"nodes": nodes})
        eventually(
            f"pool {name} is ready",
            lambda: all(node["ready"] for node in self.control("GET", f"/nodepools/{name}")["nodes"]),
        )


def pytest_fail(message: str) -> None:
    import pytest

    pytest.fail(message)


def tools() -> Path:
    return Path(os.environ.get("LLM_D_TOOLS") or CHECKOUT / ".tools")


@contextmanager
def running_cluster(**settings: Any) -> Iterator[Cluster]:
    """Start a cluster; end it, whatever happens."""
    # Unix socket paths are short; so is the folder.
    run_dir = Path(tempfile.mkdtemp(prefix="llmd-"))
    directory = run_dir / "cluster"
    directory.mkdir()
    cloud = _CloudSocket(str(run_dir / "cloud.sock"), _TokenInfo)
    threading.Thread(target=cloud.serve_forever, daemon=True).start()
    api, gateway = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    config = {
        "name": "test",
        "project": "llm-d-sandbox",
        "location": "us-east5-a",
        "zones": ["us-east5-a"],
        "version": "1.35.4-gke.1000000",
        "dir": str(directory),
        "cloud_socket": str(run_dir / "cloud.sock"),
        "control_socket": str(run_dir / "control.sock"),
        "apiserver_fd": api.fileno(),
        "apiserver_endpoint": f"127.0.0.1:{api.getsockname()[1]}",
        "gateway_fd": gateway.fileno(),
        "gateway_host_address": f"127.0.0.1:{gateway.getsockname()[1]}",
        "gateway_api": False,
        "managed_prometheus": True,
        "addons": {},
        "workload_pool": "llm-d-sandbox.svc.id.goog",
        "time_scale": 60,
        "tools": str(tools()),
        **settings,
    }
    (directory / "config.json").write_text(json.dumps(config))
    with (directory / "cluster.log").open("wb") as log:
        process = subprocess.Popen(
            [*_NAMESPACES, sys.executable, "-m", "sandbox.cluster", "--config", str(directory / "config.json")],
            cwd=CHECKOUT,
            pass_fds=(api.fileno(), gateway.fileno()),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    api.close()
    gateway.close()
    cluster = Cluster(directory, run_dir, process, config["apiserver_endpoint"])
    cluster.gateway = config["gateway_host_address"]
    try:
        began = time.monotonic()
        cluster.wait_ready()
        cluster.ready_after = time.monotonic() - began
        yield cluster
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(10)
        cloud.shutdown()
        cloud.server_close()
        shutil.rmtree(run_dir, ignore_errors=True)


def processes_of(directory: Path) -> list[str]:
    """Command lines of this machine that mention the cluster's folder."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in line and "pytest" not in line:
                found.append(line)
    return found


DEFAULT_NODE = {
    "name": "gke-test-default-pool-1",
    "zone": "us-east5-a",
    "machine_type": "e2-standard-8",
    "labels": {"cloud.google.com/gke-nodepool": "default-pool"},
    "taints": [],
    "capacity": {"cpu": "8", "memory": "32Gi"},
    "allocatable": {"cpu": "7910m", "memory": "28Gi"},
}
TPU_NODE = {
    "name": "gke-test-tpu-1",
    "zone": "us-east5-a",
    "machine_type": "ct6e-standard-4t",
    "labels": {
        "cloud.google.com/gke-nodepool": "tpu-v6e-single-1",
        "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
        "cloud.google.com/gke-tpu-topology": "2x2",
    },
    "taints": [{"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}],
    "capacity": {"cpu": "180", "memory": "720Gi", "google.com/tpu": "4"},
}
