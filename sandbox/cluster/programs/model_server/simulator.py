# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The engine: llm-d-inference-sim on a private port, which queues, batches and takes the time that tokens take."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sandbox.cluster.programs.model_server import http1
from sandbox.cluster.programs.model_server.settings import Settings

# How fast a model is: a prompt's tokens one by one, then a token of the answer, slower when many run.
_TIMING = {
    "prefill-overhead": "15ms",
    "prefill-time-per-token": "50us",
    "kv-cache-transfer-latency": "2ms",
    "inter-token-latency": "4ms",
    "time-factor-under-load": "3",
}


class Refused(Exception):
    """The simulator answered with an error, which is the caller's to pass on."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(body.decode(errors="replace"))
        self.status = status
        self.body = body


class Simulator:
    """A running llm-d-inference-sim."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    @classmethod
    async def start(cls, program: str, settings: Settings) -> Simulator:
        port = _free_port()
        options: dict[str, str] = {
            "port": str(port),
            "model": settings.model,
            "max-model-len": str(settings.max_model_len),
            "max-num-seqs": str(settings.max_num_seqs),
            "max-waiting-queue-length": "100000",
            "max-request-body-size-mb": "64",
            **_TIMING,
        }
        process = await asyncio.create_subprocess_exec(
            program,
            *(f"--{name}={value}" for name, value in options.items()),
            "--force-dummy-tokenizer",
            "--served-model-name",
            *settings.served_names,
            env={"PATH": os.environ.get("PATH", ""), "GOMAXPROCS": "1", "GOGC": "50"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )
        simulator = cls(process, port)
        await simulator._until_ready()
        return simulator

    async def tokenize(self, body: Mapping[str, Any]) -> list[int]:
        """The tokens of a text prompt, or of a chat's messages."""
        asked = {key: body[key] for key in ("model", "prompt", "messages") if key in body}
        reply = await http1.request(self.port, "POST", "/tokenize", asked)
        answer = await reply.whole()
        if reply.status != 200:
            raise Refused(reply.status, answer)
        return list(json.loads(answer)["tokens"])

    async def generate(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[int]:
        """The index of the choice that got a token, each time one got one."""
        reply = await http1.request(self.port, "POST", path, {**body, "stream": True})
        if reply.status != 200:
            raise Refused(reply.status, await reply.whole())
        try:
            async for event in _events(reply.pieces):
                for choice in event.get("choices") or ():
                    if choice.get("text") or choice.get("delta", {}).get("content"):
                        yield choice["index"]
        finally:
            reply.close()

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _until_ready(self) -> None:
        for _ in range(300):
            if self.process.returncode is not None:
                raise RuntimeError(f"llm-d-inference-sim ended with exit code {self.process.returncode}")
            try:
                if (await http1.request(self.port, "GET", "/health")).status == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)
        raise RuntimeError("llm-d-inference-sim did not become ready in 30 s")


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Server-sent events out of the pieces of a body."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield json.loads(data)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
