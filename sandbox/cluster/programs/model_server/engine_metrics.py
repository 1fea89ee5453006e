# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The metrics of vLLM 0.26 and of its TPU connector, under their names, labels and buckets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.cluster.programs.model_server.metrics import Family, Histogram, one_two_five
from sandbox.cluster.programs.model_server.settings import Settings

_LATENCY = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
            960.0, 1920.0, 7680.0)  # fmt: skip
_FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
                80.0, 160.0, 640.0, 2560.0)  # fmt: skip
_NEXT_TOKEN = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
)
_TRANSFER_MS = (1.0, 10.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0, 25000.0, 50000.0)
_TRANSFER_MB = (32, 64, 128, 256, 512, 1024, 2048, 4096)
SOURCES = ("local_compute", "local_cache_hit", "external_kv_transfer")
REASONS = ("stop", "length", "abort", "error", "repetition")


@dataclass
class State:
    """What gauges show, at the moment they are read."""

    running: int = 0
    waiting: int = 0
    deferred: int = 0
    kv_usage: float = 0.0
    being_pulled: int = 0
    waiting_pull: int = 0


@dataclass
class Finished:
    """One request that came to its end."""

    reason: str
    prompt_tokens: int
    generated_tokens: int
    max_tokens: int
    choices: int
    cached: dict[str, int]
    arrived: float
    scheduled: float
    ended: float
    tokens_at: list[float] = field(default_factory=list)


class EngineMetrics:
    """All families of one model server."""

    def __init__(self, settings: Settings, state: Callable[[], State]) -> None:
        self._labels = {"model_name": settings.served_names[0], "engine": "0"}
        self._settings = settings
        self._state = state
        self._families: list[Family | Histogram] = []
        gauge, counter, histogram = self._gauge, self._counter, self._histogram
        sizes = one_two_five(settings.max_model_len)

        self.running = gauge("num_requests_running", "Number of requests in model execution batches.")
        self.waiting = gauge("num_requests_waiting", "Number of requests waiting to be processed.")
        self.waiting_by_reason = gauge("num_requests_waiting_by_reason", "Number of waiting requests by reason.")
        self.kv_usage = gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
        self.cache_config = Family("vllm:cache_config_info", "gauge", "Information of the LLMEngine CacheConfig", {})
        self._families.append(self.cache_config)
        self.prefix_queries = counter("prefix_cache_queries", "Prefix cache queries, in number of queried tokens.")
        self.prefix_hits = counter("prefix_cache_hits", "Prefix cache hits, in number of cached tokens.")
        self.external_queries = counter(
            "external_prefix_cache_queries",
            "External prefix cache queries from KV connector, in number of queried tokens.",
        )
        self.external_hits = counter(
            "external_prefix_cache_hits", "External prefix cache hits from KV connector, in number of cached tokens."
        )
        counter("mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.")
        counter("mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.")
        self.preemptions = counter("num_preemptions", "Cumulative number of preemption from the engine.")
        self.prompt_tokens = counter("prompt_tokens", "Number of prefill tokens processed.")
        self.by_source = counter("prompt_tokens_by_source", "Number of prompt tokens by source.", labelled=True)
        self.cached_tokens = counter("prompt_tokens_cached", "Number of cached prompt tokens (local + external).")
        self.generated = counter("generation_tokens", "Number of generation tokens processed.")
        self.success = counter("request_success", "Count of successfully processed requests.", labelled=True)
        self.prompt_sizes = histogram("request_prompt_tokens", "Number of prefill tokens processed.", sizes)
        self.answer_sizes = histogram("request_generation_tokens", "Number of generation tokens processed.", sizes)
        self.max_answer = histogram(
            "request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", sizes
        )
        self.choices = histogram("request_params_n", "Histogram of the n request parameter.", (1, 2, 5, 10, 20))
        self.max_tokens = histogram(
            "request_params_max_tokens", "Histogram of the max_tokens request parameter.", sizes
        )
        self.first_token = histogram(
            "time_to_first_token_seconds", "Histogram of time to first token in seconds.", _FIRST_TOKEN
        )
        self.next_token = histogram(
            "inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", _NEXT_TOKEN
        )
        self.per_token = histogram(
            "request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.",
            _NEXT_TOKEN,
        )
        self.end_to_end = histogram(
            "e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", _LATENCY
        )
        self.queued = histogram(
            "request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", _LATENCY
        )
        self.inference = histogram(
            "request_inference_time_seconds", "Histogram of time spent in RUNNING phase for request.", _LATENCY
        )
        self.prefill = histogram(
            "request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", _LATENCY
        )
        self.decode = histogram(
            "request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", _LATENCY
        )
        self.computed = histogram(
            "request_prefill_kv_computed_tokens",
            "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
            sizes,
        )
        # What every Python process with Prometheus' client tells.
        self._process_start = Family(
            "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", {}
        )
        self._process_start.set(time.time())
        if settings.connector:
            self._add_connector()
        self._start_at_zero()

    def _add_connector(self) -> None:
        gauge, histogram = self._gauge, self._histogram
        # Device-to-host copies are off unless TPU_ENABLE_D2H_TRANSFER is set, so these stay empty.
        histogram("tpu_d2h_slice_time_ms", "Histogram of D2H slice duration for TPU KV Cache transfers.", _TRANSFER_MS)
        histogram(
            "tpu_d2h_transfer_time_ms", "Histogram of D2H transfer duration for TPU KV Cache transfers.", _TRANSFER_MS
        )
        self.kv_prepare = histogram(
            "tpu_kv_prepare_time_ms", "Histogram of prepare duration for TPU KV Cache transfers.", _TRANSFER_MS
        )
        self.kv_transfer = histogram(
            "tpu_kv_transfer_time_ms", "Histogram of transfer duration for TPU KV Cache transfers.", _TRANSFER_MS
        )
        self.kv_megabytes = histogram(
            "tpu_kv_megabytes_transferred",
            "Histogram of megabytes transferred per TPU KV Cache transfers.",
            _TRANSFER_MB,
        )
        self.failed_transfers = self._counter("tpu_num_failed_transfers", "Number of failed TPU KV Cache transfers.")
        self.being_pulled = gauge("tpu_num_requests_being_pulled", "Number of requests being pulled.")
        self.waiting_pull = gauge("tpu_num_requests_waiting_pull", "Number of requests waiting to be pulled.")

    def _start_at_zero(self) -> None:
        for source in SOURCES:
            self.by_source.add(0, source=source)
        for reason in REASONS:
            self.success.add(0, finished_reason=reason)
        config = self._settings
        self.cache_config.set(
            1,
            block_size=str(config.block_size),
            cache_dtype="auto",
            enable_prefix_caching=str(config.prefix_caching),
            gpu_memory_utilization=str(config.gpu_memory_utilization),
            num_gpu_blocks=str(config.num_blocks),
            engine="0",
        )

    def prefilled(self, prompt_tokens: int, local_hits: int, external: int) -> None:
        """Count a prompt that is in the cache now, by where its tokens came from."""
        self.prompt_tokens.add(prompt_tokens)
        self.cached_tokens.add(local_hits + external)
        amounts = (prompt_tokens - local_hits - external, local_hits, external)
        for source, amount in zip(SOURCES, amounts, strict=True):
            self.by_source.add(amount, source=source)

    def finished(self, request: Finished) -> None:
        """Count a request that ended."""
        self.success.add(1, finished_reason=request.reason)
        self.generated.add(request.generated_tokens)
        self.prompt_sizes.observe(request.prompt_tokens)
        self.answer_sizes.observe(request.generated_tokens)
        self.max_answer.observe(request.generated_tokens)
        self.max_tokens.observe(request.max_tokens)
        self.choices.observe(request.choices)
        self.computed.observe(request.prompt_tokens - sum(request.cached.values()))
        self.end_to_end.observe(request.ended - request.arrived)
        self.queued.observe(request.scheduled - request.arrived)
        self.inference.observe(request.ended - request.scheduled)
        if not request.tokens_at:
            return
        first, last = request.tokens_at[0], request.tokens_at[-1]
        self.first_token.observe(first - request.arrived)
        self.prefill.observe(first - request.scheduled)
        self.decode.observe(last - first)
        for earlier, later in zip(request.tokens_at, request.tokens_at[1:], strict=False):
            self.next_token.observe(later - earlier)
        if len(request.tokens_at) > 1:
            self.per_token.observe((last - first) / (len(request.tokens_at) - 1))

    def text(self) -> str:
        """What /metrics answers."""
        state = self._state()
        self.running.set(state.running)
        self.waiting.set(state.waiting + state.deferred)
        self.waiting_by_reason.set(state.waiting, reason="capacity")
        self.waiting_by_reason.set(state.deferred, reason="deferred")
        self.kv_usage.set(state.kv_usage)
        if self._settings.connector:
            self.being_pulled.set(state.being_pulled)
            self.waiting_pull.set(state.waiting_pull)
        families = [*self._families, self._process_start]
        return "".join(f"{line}\n" for family in families for line in family.lines())

    def _gauge(self, name: str, text: str) -> Family:
        return self._family(Family(f"vllm:{name}", "gauge", text, self._labels))

    def _counter(self, name: str, text: str, labelled: bool = False) -> Family:
        family = self._family(Family(f"vllm:{name}", "counter", text, self._labels))
        if not labelled:
            family.add(0)
        return family

    def _family(self, family: Family) -> Family:
        self._families.append(family)
        return family

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...] | list[int]) -> Histogram:
        made = Histogram(f"vllm:{name}", text, buckets, self._labels)
        self._families.append(made)
        return made
