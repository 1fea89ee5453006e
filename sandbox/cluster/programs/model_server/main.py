# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""`vllm serve`, from the command line to the last request."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.cluster.programs.model_server import http1, logs, weights
from sandbox.cluster.programs.model_server.server import ModelServer, log_start
from sandbox.cluster.programs.model_server.settings import Settings, StartError
from sandbox.cluster.programs.model_server.simulator import Simulator
from sandbox.cluster.programs.vllm_parse import parse


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Serve until told to stop; the exit status is vLLM's."""
    tools = Path(environment.get("LLM_D_TOOLS") or Path(__file__).resolve().parents[4] / ".tools")
    if not (tools / "vllm").is_dir():
        sys.stderr.write(f"vllm: {tools}/vllm is missing: run the set-up (make sandbox) again\n")
        return 127
    cache = environment.get("LLM_D_PARSE_CACHE")
    parsed = parse(tools / "vllm", arguments, Path(cache) if cache else None)
    sys.stderr.write(parsed.stderr)
    if parsed.status != 0 or not parsed.options:  # refused, or only asked for help
        sys.stdout.write("".join(line for line in parsed.stdout.splitlines(True) if "[importing.py" not in line))
        return parsed.status
    try:
        settings = Settings.make(parsed.options, environment)
        weights.read(settings.model, environment)
    except StartError as error:
        for line in ("EngineCore failed to start.", "Traceback (most recent call last):", str(error)):
            logs.error("core.py:0", line)
        sys.stderr.write(
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
        )
        return 1
    log_start(settings, arguments)
    return asyncio.run(_serve(settings, parsed.options, environment, str(tools / "bin" / "llm-d-inference-sim")))


async def _serve(settings: Settings, options: Mapping[str, Any], environment: Mapping[str, str], program: str) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loading = asyncio.ensure_future(_load(settings, environment, program))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        loading.cancel()
        return 0
    simulator = loading.result()
    server = ModelServer(settings, simulator)
    # As uvicorn does, the port opens only now: who asks earlier finds nobody.
    try:
        listeners = await server.start_connector()
        listeners.append(await _listen(server, options))
    except OSError as error:
        await simulator.stop()
        logs.error("core.py:0", f"OSError: {error}")
        return 1
    logs.server(f"Started server process [{os.getpid()}]")
    logs.server("Waiting for application startup.")
    logs.server("Application startup complete.")
    engine = asyncio.ensure_future(simulator.process.wait())
    await asyncio.wait({engine, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for listener in listeners:
        listener.close()
    if not stop.is_set():
        logs.error(
            "core.py:0", "EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause."
        )
        return 1
    logs.server("Shutting down")
    await _drain(server)
    await simulator.stop()
    return 0


async def _load(settings: Settings, environment: Mapping[str, str], program: str) -> Simulator:
    """What takes minutes on a TPU: weights, memory, compilation."""
    if not environment.get("HF_TOKEN"):
        logs.warning(
            "weight_utils.py:0", "You are sending unauthenticated requests to the HF Hub. Please set a HF_TOKEN."
        )
    part = settings.load_seconds / 3
    logs.info("tpu_runner.py:0", f"Loading model {settings.model} ({settings.shape.weights_gb:.1f} GB of weights)")
    simulator = asyncio.ensure_future(Simulator.start(program, settings))
    await asyncio.sleep(part)
    cache_gib = settings.num_blocks * settings.block_size * settings.kv_bytes_per_token / 1024**3
    logs.info("tpu_worker.py:0", f"Available KV cache memory: {cache_gib:.2f} GiB")
    logs.info("kv_cache_utils.py:0", f"GPU KV cache size: {settings.num_blocks * settings.block_size:,} tokens")
    await asyncio.sleep(part)
    logs.info("tpu_runner.py:0", "Compiling the model with different input shapes.")
    await asyncio.sleep(part)
    return await simulator


async def _listen(server: ModelServer, options: Mapping[str, Any]) -> asyncio.Server:
    settings = server.settings
    context = None
    if options.get("ssl_certfile"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http1.serve_connection(reader, writer, server.handle, settings.keep_alive)

    logs.info("api_server.py:0", f"Starting vLLM API server 0 on http://{settings.host}:{settings.port}")
    return await asyncio.start_server(connected, settings.host, settings.port, limit=65536, ssl=context)


async def _drain(server: ModelServer) -> None:
    """Let running requests end, for a while."""
    for _ in range(100):
        if not server.busy:
            return
        await asyncio.sleep(0.1)
