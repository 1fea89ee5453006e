# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A real API server with its etcd, on free ports of the loopback, for as long as a test wants one. No pods run."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]
TOOLS = Path(os.environ.get("LLM_D_TOOLS") or CHECKOUT / ".tools")
USER = "tester"
START_SECONDS = 60


class ControlPlane:
    """What a test may know of it."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self._url = f"https://127.0.0.1:{port}"
        self._token = token
        self._read = 0

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any] | None:
        """One request; None when there is no such thing."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self._token}", "content-type": content_type},
        )
        try:
            with urllib.request.urlopen(request, timeout=10, context=_trusting()) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def edit(self, path: str, patch: Any) -> None:
        """Change an object as a person would, by hand."""
        self.request("PATCH", path, patch, "application/merge-patch+json")

    def writes(self) -> list[str]:
        """What the tester wrote since the last time somebody asked; dry runs are none."""
        text = (self.folder / "audit.log").read_text()
        events = [json.loads(line) for line in text[self._read :].splitlines()]
        self._read = len(text)
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in events
            if event["user"]["username"] == USER
            and event["verb"] not in ("get", "list", "watch")
            and "dryRun=All" not in event["requestURI"]
        ]


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in found]


@contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Start it, and stop it whatever happens."""
    etcd, peer, port = _free_ports(3)
    token = secrets.token_urlsafe(16)
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_start(folder, "etcd", _etcd(folder, etcd, peer)))
        running.append(_start(folder, "kube-apiserver", _api_server(folder, etcd, port, token)))
        found = ControlPlane(folder, port, token)
        found.kubeconfig.write_text(json.dumps(_kubeconfig(port, token)))
        found.kubeconfig.chmod(0o600)
        _until_ready(folder, port, running)
        yield found
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _start(folder: Path, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    program = TOOLS / "bin" / name
    with open(folder / f"{name}.log", "wb") as log:
        return subprocess.Popen([program, *arguments], cwd=folder, stdout=log, stderr=log)


def _etcd(folder: Path, client: int, peer: int) -> list[str]:
    at, peer_at = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "warn"),
        *("--listen-client-urls", at, "--advertise-client-urls", at),
        *("--listen-peer-urls", peer_at, "--initial-advertise-peer-urls", peer_at),
        *("--initial-cluster", f"default={peer_at}"),
    ]


def _api_server(folder: Path, etcd: int, port: int, token: str) -> list[str]:
    openssl = shutil.which("openssl")
    assert openssl, "openssl makes the key that the API server signs with"
    key, public = folder / "sa.key", folder / "sa.pub"
    subprocess.run([openssl, "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run([openssl, "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f'{token},{USER},1,"system:masters"\n')
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [{"level": "Metadata"}],
        "omitStages": ["RequestReceived"],
    }
    (folder / "audit.json").write_text(json.dumps(policy))
    return [
        *("--etcd-servers", f"http://127.0.0.1:{etcd}", "--bind-address", "127.0.0.1", "--secure-port", str(port)),
        # Without a default route it could not find one by itself.
        *("--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"),
        *("--cert-dir", str(folder / "certs"), "--token-auth-file", str(folder / "tokens.csv")),
        *("--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/16"),
        *("--service-account-issuer", "https://tests", "--service-account-key-file", str(public)),
        *("--service-account-signing-key-file", str(key), "--disable-admission-plugins", "ServiceAccount"),
        *("--audit-policy-file", str(folder / "audit.json"), "--audit-log-path", str(folder / "audit.log")),
    ]


def _kubeconfig(port: int, token: str) -> dict[str, Any]:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }


def _until_ready(folder: Path, port: int, running: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for process in running:
            if process.poll() is not None:
                logs = "\n".join(path.read_text()[-1500:] for path in folder.glob("*.log") if path.name != "audit.log")
                raise AssertionError(f"{process.args} ended with {process.returncode}\n{logs}")
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", timeout=2, context=_trusting()):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the API server was not ready within {START_SECONDS} s; see {folder}")
