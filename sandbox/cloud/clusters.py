# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What stands behind a GKE cluster: a real control plane with nodes in a process of its own, or (for tests) nothing.

Everything that takes time answers with a future, so that operations, which run with the store locked, only look.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from sandbox.cloud.namespaces import NAMESPACE_COMMAND, problem
from sandbox.cloud.unixhttp import UnixHttpError, call

Json = dict[str, Any]

START_SECONDS = 120.0
NODES_SECONDS = 120.0
EVICT_SECONDS = 180.0
STOP_SECONDS = 20.0
_POLL = 0.1
_LOG_TAIL = 2000


class ClusterError(Exception):
    """The process behind a cluster did not do what it should; the message is for the user."""


class Backend(Protocol):
    """What the container API needs of whatever runs its clusters. ``key`` is the cluster's path in the store."""

    def start(self, key: str, config: Json, on_exit: Callable[[str], None]) -> Future[Json]:
        """Starts the cluster; the result is {"endpoint", "ca_certificate"}."""

    def configure(self, key: str, features: Json) -> Future[None]:
        """Tells a running cluster what it is to have now (gateway_api, managed_prometheus)."""

    def put_pool(self, key: str, pool: str, nodes: list[Json]) -> Future[None]:
        """Makes the pool's nodes be these; done when they are registered and ready."""

    def delete_pool(self, key: str, pool: str) -> Future[None]:
        """Evicts the pool's pods and removes its nodes."""

    def stop(self, key: str) -> Future[None]:
        """Ends the cluster and everything in it."""

    def close(self) -> None:
        """Ends every cluster."""


def _finished(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def self_signed_certificate(name: str) -> str:
    """A CA certificate for a cluster without a control plane, as clients want to see one. Base64 of PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()


class NoClusters:
    """Clusters that exist in the container API only; nobody listens at their endpoint."""

    def start(self, key: str, config: Json, on_exit: Callable[[str], None]) -> Future[Json]:
        return _finished({"endpoint": "127.0.0.1:1", "ca_certificate": self_signed_certificate(config["name"])})

    def configure(self, key: str, features: Json) -> Future[None]:
        return _finished(None)

    def put_pool(self, key: str, pool: str, nodes: list[Json]) -> Future[None]:
        return _finished(None)

    def delete_pool(self, key: str, pool: str) -> Future[None]:
        return _finished(None)

    def stop(self, key: str) -> Future[None]:
        return _finished(None)

    def close(self) -> None:
        return


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError):
        text = log.read_text(errors="replace").strip()
        return text[-_LOG_TAIL:]
    return ""


class ClusterProcess:
    """One running cluster process and its control socket."""

    def __init__(self, config: Json, on_exit: Callable[[str], None]) -> None:
        self.directory = Path(config["dir"])
        self.control = config["control_socket"]
        self.log = self.directory / "cluster.log"
        self._on_exit = on_exit
        self._stopping = threading.Event()
        self.endpoint = ""
        self._process = self._spawn(config)
        # Ends a forgotten cluster after a crash of ours: 'up' and 'down' read it.
        (self.directory / "pid").write_text(f"{self._process.pid}\n")
        self.workers = ThreadPoolExecutor(max_workers=12, thread_name_prefix=f"cluster-{config['name']}")
        threading.Thread(target=self._watch, name=f"watch-{config['name']}", daemon=True).start()

    def _spawn(self, config: Json) -> subprocess.Popen[bytes]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with _listener() as apiserver, _listener() as gateway:
            self.endpoint = f"127.0.0.1:{apiserver.getsockname()[1]}"
            descriptors = (apiserver.fileno(), gateway.fileno())
            complete = config | {
                "apiserver_fd": descriptors[0],
                "apiserver_endpoint": self.endpoint,
                "gateway_fd": descriptors[1],
                "gateway_host_address": f"127.0.0.1:{gateway.getsockname()[1]}",
            }
            path = self.directory / "config.json"
            path.write_text(json.dumps(complete, indent=1))
            command = [*NAMESPACE_COMMAND, sys.executable, "-m", "sandbox.cluster", "--config", str(path)]
            with self.log.open("wb") as log:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=descriptors,
                    env=_environment(os.environ, config["tools"]),
                    cwd=Path(__file__).resolve().parents[2],
                    start_new_session=True,
                )

    def _watch(self) -> None:
        code = self._process.wait()
        if not self._stopping.is_set():
            self._on_exit(f"The cluster's process ended with {code}. {self._last_words()}")

    def _check_alive(self) -> None:
        code = self._process.poll()
        if code is not None:
            raise ClusterError(f"The cluster's process ended with {code}. {self._last_words()}")

    def _last_words(self) -> str:
        return f"The end of {self.log}:\n{_tail(self.log)}"

    def _until(self, seconds: float, what: str, look: Callable[[], Json | None]) -> Json:
        """Looks until there is a result; gives up when the process dies or the time is over."""
        end = time.monotonic() + seconds
        trouble = ""
        while time.monotonic() < end:
            self._check_alive()
            try:
                found = look()
            except (OSError, UnixHttpError) as error:
                trouble, found = str(error), None
            if found is not None:
                return found
            time.sleep(_POLL)
        raise ClusterError(f"{what} did not happen within {seconds:.0f} s. {trouble} {self._last_words()}")

    def wait_ready(self) -> Json:
        """Waits for the control plane; raises ClusterError with the log's end if it does not come."""

        def look() -> Json | None:
            state = call(self.control, "GET", "/ready")
            if state.get("error"):
                raise ClusterError(f"The control plane did not start: {state['error']} {self._last_words()}")
            return state if state.get("ready") else None

        state = self._until(START_SECONDS, "The start of the control plane", look)
        return {"endpoint": self.endpoint, "ca_certificate": state["ca_certificate"]}

    def configure(self, features: Json) -> None:
        """Tells the cluster what it is to have now; done when it has it."""
        try:
            call(self.control, "POST", "/features", features, timeout=START_SECONDS)
        except (OSError, UnixHttpError) as error:
            raise ClusterError(f"The cluster could not be changed: {error} {self._last_words()}") from error

    def put_pool(self, name: str, nodes: list[Json]) -> None:
        """Makes the nodes, and waits until they are ready."""
        self._until(NODES_SECONDS, f"The registration of node pool {name}", lambda: self._put(name, nodes))
        if not nodes:
            return
        wanted = {node["name"] for node in nodes}

        def look() -> Json | None:
            found = call(self.control, "GET", f"/nodepools/{name}")["nodes"]
            ready = {node["name"] for node in found if node["ready"]}
            return {} if wanted <= ready else None

        self._until(NODES_SECONDS, f"Readiness of the nodes of {name}", look)

    def _put(self, name: str, nodes: list[Json]) -> Json:
        return call(self.control, "PUT", f"/nodepools/{name}", {"nodes": nodes}, timeout=NODES_SECONDS)

    def delete_pool(self, name: str) -> None:
        """Evicts and removes; a cluster that died has no nodes either."""
        if self._process.poll() is None:
            call(self.control, "DELETE", f"/nodepools/{name}", timeout=EVICT_SECONDS)

    def stop(self) -> None:
        """Asks, then insists. The namespace's end ends everything inside."""
        self._stopping.set()
        with contextlib.suppress(OSError, UnixHttpError):
            call(self.control, "POST", "/shutdown", timeout=5)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        (self.directory / "pid").unlink(missing_ok=True)
        Path(self.control).unlink(missing_ok=True)
        self.workers.shutdown(wait=False, cancel_futures=True)


def _environment(env: Mapping[str, str], tools: str) -> dict[str, str]:
    """The cluster finds our package and the programs; it gets no Google credentials of the caller."""
    checkout = str(Path(__file__).resolve().parents[2])
    kept = {key: value for key, value in env.items() if not key.startswith(("GOOGLE_", "CLOUDSDK_", "GCP_", "KUBE"))}
    path = os.pathsep.join(filter(None, [checkout, env.get("PYTHONPATH", "")]))
    return kept | {"PYTHONPATH": path, "LLM_D_TOOLS": tools, "PYTHONUNBUFFERED": "1"}


class RealClusters:
    """A cluster process for each cluster."""

    def __init__(self) -> None:
        self._clusters: dict[str, ClusterProcess] = {}
        self._lock = threading.Lock()
        self._stoppers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="cluster-stop")

    def start(self, key: str, config: Json, on_exit: Callable[[str], None]) -> Future[Json]:
        failed: Future[Json] = Future()
        if trouble := problem():
            failed.set_exception(ClusterError(trouble))
            return failed
        try:
            cluster = ClusterProcess(config, on_exit)
        except OSError as error:
            failed.set_exception(ClusterError(f"The cluster's process could not be started: {error}"))
            return failed
        with self._lock:
            self._clusters[key] = cluster
        return cluster.workers.submit(cluster.wait_ready)

    def _running(self, key: str) -> ClusterProcess | None:
        with self._lock:
            return self._clusters.get(key)

    def configure(self, key: str, features: Json) -> Future[None]:
        cluster = self._running(key)
        return cluster.workers.submit(cluster.configure, features) if cluster else _finished(None)

    def put_pool(self, key: str, pool: str, nodes: list[Json]) -> Future[None]:
        cluster = self._running(key)
        return cluster.workers.submit(cluster.put_pool, pool, nodes) if cluster else _finished(None)

    def delete_pool(self, key: str, pool: str) -> Future[None]:
        cluster = self._running(key)
        return cluster.workers.submit(cluster.delete_pool, pool) if cluster else _finished(None)

    def stop(self, key: str) -> Future[None]:
        with self._lock:
            cluster = self._clusters.pop(key, None)
        return self._stoppers.submit(cluster.stop) if cluster else _finished(None)

    def close(self) -> None:
        with self._lock:
            keys = list(self._clusters)
        for future in [self.stop(key) for key in keys]:
            future.result(STOP_SECONDS + 15)
        self._stoppers.shutdown()
