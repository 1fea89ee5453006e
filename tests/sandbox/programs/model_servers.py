# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Model servers on the loopback: a prefill and a decode pod, with the real sidecar in front of the latter."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]
TOOLS = Path(os.environ.get("LLM_D_TOOLS") or CHECKOUT / ".tools")
VLLM = CHECKOUT / "sandbox" / "cluster" / "programs" / "bin" / "vllm" / "vllm"
MODEL = "Qwen/Qwen3-32B"
BLOCK = 128


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kv_config(role: str) -> str:
    module = "tpu_inference.distributed.tpu_connector"
    return json.dumps({"kv_connector": "TPUConnector", "kv_connector_module_path": module, "kv_role": role})


def environment(cache: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LLM_D_TOOLS": str(TOOLS),
        "SANDBOX_PYTHON": sys.executable,
        "SANDBOX_TIME_SCALE": "1000",
        "LLM_D_PARSE_CACHE": str(cache),
        "TPU_P2P_WAIT_PULL_TIMEOUT": "2",
        **more,
    }


@dataclass
class Answer:
    status: int
    text: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def call(port: int, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """GET, or POST when there is a body; an error status is an answer too."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json", **(headers or {})}
    )
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return Answer(reply.status, reply.read().decode(), time.monotonic() - started)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), time.monotonic() - started)


@dataclass
class ModelServer:
    """One vllm serve."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    arguments: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def scrape(self) -> str:
        return call(self.port, "/metrics").text

    def pod(self) -> dict[str, Any]:
        """What the pod's object would be: its address is the pod's own there."""
        env = [{"name": name, "value": value} for name, value in self.env.items() if name != "VLLM_HOST_IP"]
        ports = [{"name": "vllm", "containerPort": self.port}]
        return {"spec": {"containers": [{"name": "vllm", "args": list(self.arguments), "env": env, "ports": ports}]}}

    def metrics(self) -> dict[str, float]:
        """Every sample, its labels in order of the alphabet, without those that all have."""
        found: dict[str, float] = {}
        for line in self.scrape().splitlines():
            match = re.fullmatch(r"(vllm:\w+)(?:\{(.*)\})? (\S+)", line)
            if match:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                rest = ",".join(
                    f"{name}={labels[name]}" for name in sorted(labels) if name not in ("model_name", "engine")
                )
                found[match[1] + (f"{{{rest}}}" if rest else "")] = float(match[3])
        return found

    def until_ready(self) -> None:
        for _ in range(300):
            assert self.process.poll() is None, self.log.read_text()
            try:
                if call(self.port, "/health").status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"not ready in 30 s:\n{self.log.read_text()}")


@dataclass
class Fleet:
    """Processes of a test, ended with it."""

    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def serve(self, *options: str, model: str = MODEL, **env: str) -> ModelServer:
        port = free_port()
        log = self.folder / f"vllm-{port}.log"
        arguments = [model, "--port", str(port), "--max-model-len=4096", "--tensor-parallel-size=4", *options]
        process = self._start([str(VLLM), "serve", *arguments], log, environment(self.folder.parent / "parsed", **env))
        return ModelServer(port, process, log, arguments, env)

    def sidecar(self, decode: ModelServer) -> int:
        port = free_port()
        options = [f"--port={port}", f"--vllm-port={decode.port}", "--connector=nixlv2", "--secure-proxy=false"]
        program = [str(TOOLS / "bin" / "pd-sidecar"), *options, "--zap-encoder=json", "--zap-log-level=info"]
        self._start(program, self.folder / f"sidecar-{port}.log", {"PATH": os.environ["PATH"]})
        for _ in range(100):
            try:
                call(port, "/health")
                return port
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.folder / f"sidecar-{port}.log").read_text())

    def _start(self, command: Sequence[str], log: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
        self.stack.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Pair:
    """P and D behind a sidecar, as a deployment has them."""

    prefill: ModelServer
    decode: ModelServer
    sidecar: int

    def ask(self, words: int, nonce: str, **more: Any) -> Answer:
        """A prompt of so many tokens, fresh by its nonce, through the sidecar and, if it can, through P."""
        prompt = " ".join([nonce, *["word"] * (words - 1)])
        body = {"model": MODEL, "prompt": prompt, "max_tokens": 4, "temperature": 0, **more}
        return call(self.sidecar, "/v1/completions", body, {"x-prefiller-host-port": f"127.0.0.1:{self.prefill.port}"})


def start_pair(
    fleet: Fleet,
    prefill: Sequence[str] = (),
    decode: Sequence[str] = (),
    prefill_env: Mapping[str, str] | None = None,
    decode_env: Mapping[str, str] | None = None,
) -> Pair:
    """Options beside those that both have; a later option overrides an earlier one."""
    transfer, side = str(free_port()), str(free_port())
    common = {"TPU_KV_TRANSFER_PORT": transfer, "TPU_SIDE_CHANNEL_PORT": side}
    block = f"--block-size={BLOCK}"
    p = fleet.serve(
        *("--kv-transfer-config", kv_config("kv_producer"), block, *prefill),
        **{**common, "VLLM_HOST_IP": "127.0.0.1", **(prefill_env or {})},
    )
    # D has an address of its own: both listen on the same transfer port, as two pods do.
    d = fleet.serve(
        *("--kv-transfer-config", kv_config("kv_consumer"), block, *decode),
        **{**common, "VLLM_HOST_IP": "127.0.0.2", **(decode_env or {})},
    )
    for server in (p, d):
        server.until_ready()
    return Pair(p, d, fleet.sidecar(d))
