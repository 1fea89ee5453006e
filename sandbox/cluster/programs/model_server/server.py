# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The model server: which request goes where, and what becomes of a prompt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.cluster.programs.model_server import api, http1, logs
from sandbox.cluster.programs.model_server.answers import Answer, compose
from sandbox.cluster.programs.model_server.blocks import BlockPool, PrefixCache, block_hashes
from sandbox.cluster.programs.model_server.connector import Consumer, Producer, PullFailed
from sandbox.cluster.programs.model_server.engine_metrics import EngineMetrics, Finished, State
from sandbox.cluster.programs.model_server.http1 import Request, Response
from sandbox.cluster.programs.model_server.settings import Settings
from sandbox.cluster.programs.model_server.simulator import Refused, Simulator

VERSION = "0.26.0"


@dataclass
class _Job:
    """A request in the engine."""

    call: api.Call
    prompt: list[int]
    identities: list[bytes]
    answers: list[Answer]
    max_tokens: int
    arrived: float
    blocks: int = 0
    scheduled: float = 0.0
    external: int = 0
    local: int = 0
    reason: str = "abort"
    tokens_at: list[float] = field(default_factory=list)
    kv_params: dict[str, Any] | None = None


class ModelServer:
    """One vLLM, loaded."""

    def __init__(self, settings: Settings, simulator: Simulator) -> None:
        self.settings = settings
        self._simulator = simulator
        self._pool = BlockPool(settings.num_blocks)
        self._cache = PrefixCache(settings.num_blocks if settings.prefix_caching else 0)
        self._in_engine = 0
        self._started = int(time.time())
        self.metrics = EngineMetrics(settings, self._state)
        self.producer: Producer | None = None
        self.consumer: Consumer | None = None
        if settings.connector and settings.connector.producer:
            self.producer = Producer(settings, settings.connector, self._pool)
        elif settings.connector:
            self.consumer = Consumer(settings, settings.connector, self.metrics)

    @property
    def busy(self) -> bool:
        """Requests are in the engine."""
        return self._in_engine > 0

    async def start_connector(self) -> list[asyncio.Server]:
        side = self.producer or self.consumer
        return await side.start() if side else []

    async def handle(self, request: Request) -> Response:
        """Answer a request, and say so in the log."""
        try:
            response = await self._route(request)
        except api.ApiError as error:
            response = error.response
        except Refused as refused:
            response = Response(refused.status, refused.body)
        except PullFailed as failure:
            logs.error("core.py:0", str(failure))
            response = api.ApiError(500, "InternalServerError", "Internal server error").response
        except OSError as broken:
            logs.error("core.py:0", f"EngineCore encountered an issue: {broken}")
            response = api.ApiError(500, "InternalServerError", "EngineCore encountered an issue.").response
        except Exception as mistake:  # a request of a form that nobody thought of must not end the connection
            logs.error("api_server.py:0", f"Exception in ASGI application: {mistake!r}")
            response = Response(500, b"Internal Server Error", "text/plain; charset=utf-8")
        if self.settings.access_log and request.path not in self.settings.quiet_paths:
            what = f'"{request.method} {request.path} HTTP/1.1"'
            logs.server(f"{request.client} - {what} {response.status} {http1.PHRASES.get(response.status, '')}")
        return response

    async def _route(self, request: Request) -> Response:
        path, get = request.path, request.method in ("GET", "HEAD")
        if self.settings.api_keys and path.startswith("/v1"):
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in self.settings.api_keys:
                return Response.of({"error": "Unauthorized"}, 401)
        if path in ("/health", "/ping") and get:
            return Response(200)
        if path == "/metrics" and get:
            return Response(200, self.metrics.text().encode(), "text/plain; version=1.0.0; charset=utf-8")
        if path == "/version" and get:
            return Response.of({"version": VERSION})
        if path == "/v1/models" and get:
            return api.models(self.settings, self._started)
        if path in ("/v1/completions", "/v1/chat/completions", "/tokenize"):
            if request.method != "POST":
                return Response.of({"detail": "Method Not Allowed"}, 405)
            if path == "/tokenize":
                return await self._tokenize(request)
            return await self._complete(request, chat="chat" in path)
        return Response.of({"detail": "Not Found"}, 404)

    async def _tokenize(self, request: Request) -> Response:
        reply = await http1.request(self._simulator.port, "POST", "/tokenize", json.loads(request.body or b"{}"))
        return Response(reply.status, await reply.whole())

    async def _complete(self, request: Request, chat: bool) -> Response:
        arrived = time.perf_counter()
        call = api.read_call(request, chat, request.headers.get("x-request-id") or uuid.uuid4().hex)
        api.check_model(call.body.get("model"), self.settings)
        call.body.setdefault("model", self.settings.served_names[0])
        prompts = [await self._tokens(call, prompt) for prompt in call.prompts()]
        longest = max(prompts, key=len)
        job = _Job(
            call=call,
            prompt=[token for prompt in prompts for token in prompt],
            identities=block_hashes(longest, self.settings.block_size) if len(prompts) == 1 else [],
            answers=[],
            max_tokens=api.max_tokens(call, len(longest), self.settings),
            arrived=arrived,
        )
        for prompt in prompts:
            job.answers += [compose(prompt, call.body, index, job.max_tokens) for index in range(call.choices)]
        tokens = self._run(job)
        if not call.streams:
            async with contextlib.aclosing(tokens):
                async for _ in tokens:
                    pass
            return api.whole_answer(call, job.answers, len(job.prompt), job.kv_params)
        # What is refused is refused before the stream begins; from its first token on it is a stream.
        first = await anext(tokens, None)
        return Response(200, content_type="text/event-stream; charset=utf-8", stream=self._stream(job, tokens, first))

    async def _stream(self, job: _Job, tokens: AsyncGenerator[int, None], first: int | None) -> AsyncIterator[bytes]:
        sent = [0] * len(job.answers)
        if job.call.chat:
            yield api.role_events(job.call, len(job.answers))
        index = first
        try:
            while index is not None:
                yield api.token_event(job.call, index, job.answers[index], sent[index])
                sent[index] += 1
                index = await anext(tokens, None)
        finally:
            await tokens.aclose()
        yield api.usage_event(job.call, len(job.prompt), job.answers) + b"data: [DONE]\n\n"

    async def _tokens(self, call: api.Call, prompt: Any) -> list[int]:
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
            return prompt
        kind = "messages" if call.chat else "prompt"
        return await self._simulator.tokenize({"model": call.body["model"], kind: prompt})

    async def _run(self, job: _Job) -> AsyncGenerator[int, None]:
        """A job's way through the engine; yields the choice that got a token."""
        job.blocks = min(-(-(len(job.prompt) + 1) // self.settings.block_size), self._pool.capacity)
        await self._pool.take(job.blocks)
        self._in_engine += 1
        held = False
        try:
            await self._load(job)
            job.scheduled = time.perf_counter()
            async for index in self._simulator.generate(job.call.path, self._engine_body(job)):
                if not job.tokens_at:
                    self._prefilled(job)
                job.tokens_at.append(time.perf_counter())
                yield index
            job.reason = job.answers[0].reason
            held = self._offer(job)
        except PullFailed:
            job.reason = "error"
            raise
        finally:
            self._in_engine -= 1
            self._finished(job)
            if not held:
                await self._pool.give_back(job.blocks)

    async def _load(self, job: _Job) -> None:
        """Find what is cached here, and fetch what was computed elsewhere."""
        size = self.settings.block_size
        # The last token is always computed: it is what the first answer token comes from.
        local = min(self._cache.hits(job.identities), (len(job.prompt) - 1) // size)
        params = job.call.body.get("kv_transfer_params")
        planned = self.consumer.planned(params, job.identities, local) if self.consumer else 0
        if self.settings.connector:
            # Counted when a request is admitted, whoever serves it, and whether or not the blocks come at last.
            self.metrics.external_queries.add(len(job.prompt) - local * size)
            self.metrics.external_hits.add(planned * size)
        if self.consumer and params and planned:
            await self.consumer.load(params, job.identities)
        job.external, job.local = planned * size, local * size

    def _engine_body(self, job: _Job) -> dict[str, Any]:
        """What the simulator is asked for: the tokens of the answers, at the pace of this prompt."""
        body: dict[str, Any] = {
            key: job.call.body[key] for key in ("model", "prompt", "messages", "n") if key in job.call.body
        }
        body |= {"ignore_eos": True, "max_tokens": max(len(answer.tokens) for answer in job.answers)}
        if job.external or job.local >= len(job.prompt) - self.settings.block_size:
            body["kv_transfer_params"] = {"do_remote_prefill": True}  # there is next to nothing to prefill
        return body

    def _prefilled(self, job: _Job) -> None:
        self._cache.store(job.identities)
        self.metrics.prefix_queries.add(len(job.prompt))
        self.metrics.prefix_hits.add(job.local)
        self.metrics.prefilled(len(job.prompt), job.local, job.external)

    def _offer(self, job: _Job) -> bool:
        """A producer offers what it computed, when the answer ended by length; whether its blocks stay in use."""
        if not self.producer or job.reason != "length":
            return False
        computed = len(job.prompt) + len(job.answers[0].tokens) - 1
        job.kv_params, held = self.producer.offer(job.identities, computed, job.blocks)
        return held

    def _finished(self, job: _Job) -> None:
        if not job.scheduled:
            job.scheduled = time.perf_counter()
        self.metrics.finished(
            Finished(
                reason=job.reason,
                prompt_tokens=len(job.prompt),
                generated_tokens=len(job.tokens_at),
                max_tokens=job.max_tokens,
                choices=job.call.choices,
                cached={"local": job.local, "external": job.external},
                arrived=job.arrived,
                scheduled=job.scheduled,
                ended=time.perf_counter(),
                tokens_at=job.tokens_at,
            )
        )

    def _state(self) -> State:
        pulled = self.consumer.being_pulled if self.consumer else 0
        active = self._in_engine - pulled
        running = min(active, self.settings.max_num_seqs)
        return State(
            running=running,
            waiting=active - running + self._pool.waiting,
            deferred=pulled,
            kv_usage=self._pool.used / self._pool.capacity,
            being_pulled=pulled,
            waiting_pull=self.producer.waiting_pull if self.producer else 0,
        )


def log_start(settings: Settings, arguments: Sequence[str]) -> None:
    """What vLLM says of itself at start."""
    logs.info("api_server.py:0", f"vLLM API server version {VERSION}")
    logs.info("api_server.py:0", f"args: {list(arguments)}")
    logs.info("model.py:0", f"Using max model len {settings.max_model_len}")
    logs.info("tpu_platform.py:0", f"Using KV cache block size: {settings.block_size}")
