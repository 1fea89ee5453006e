# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Scrapes of model servers and of an endpoint picker, as vLLM 0.26 on TPU and older ones write them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llm_d.gke.plugins.module_utils._verify_evidence import Asked, Evidence, Picker, Server
from ansible_collections.llm_d.gke.plugins.module_utils._verify_settings import Settings

MODEL = "Qwen/Qwen3-32B"
DECISION = "llm_d_inference_scheduler_disagg_decision_total"
LENGTH, BLOCK, PROMPTS = 520, 128, 24
WHOLE = LENGTH // BLOCK * BLOCK
LABELS = f'engine="0",model_name="{MODEL}"'


@dataclass(frozen=True)
class Counts:
    """What a model server has counted so far."""

    requests: float = 0
    errors: float = 0
    aborted: float = 0
    prompt_tokens: float = 0
    generated: float = 0
    external: float = 0
    transfers: float = 0
    failed: float = 0
    held: float = 0

    def and_(self, **more: float) -> Counts:
        return replace(self, **{name: getattr(self, name) + amount for name, amount in more.items()})


@dataclass(frozen=True)
class Image:
    """Which counters a version has."""

    by_source: bool = True
    hits: bool = True
    tpu: bool = True
    block_size: int = BLOCK


NEW, NO_CONNECTOR = Image(), Image(tpu=False)
# vllm-tpu v0.13.2 and v0.11.1
MIDDLE, OLD = Image(by_source=False, tpu=False), Image(by_source=False, hits=False, tpu=False)


def scrape(counts: Counts, image: Image = NEW, start: float = 100.0) -> str:
    """What /metrics answers."""
    lines = [f'vllm:cache_config_info{{block_size="{image.block_size}",engine="0"}} 1.0']
    lines.append(f"process_start_time_seconds {start}")
    for reason, value in (("length", counts.requests), ("error", counts.errors), ("abort", counts.aborted)):
        if value:
            lines.append(f'vllm:request_success_total{{{LABELS},finished_reason="{reason}"}} {value}')
    lines += [
        f"vllm:prompt_tokens_total{{{LABELS}}} {counts.prompt_tokens}",
        f"vllm:generation_tokens_total{{{LABELS}}} {counts.generated}",
    ]
    if image.by_source:
        lines.append("# TYPE vllm:prompt_tokens_by_source_total counter")
        if counts.external:  # a set of labels appears with its first increment
            source = f'{LABELS},source="external_kv_transfer"'
            lines.append(f"vllm:prompt_tokens_by_source_total{{{source}}} {counts.external}")
    if image.hits:
        lines.append(f"vllm:external_prefix_cache_hits_total{{{LABELS}}} {counts.external}")
    if image.tpu:
        lines += [
            f'vllm:tpu_kv_transfer_time_ms_bucket{{{LABELS},le="1.0"}} {counts.transfers / 2}',
            f'vllm:tpu_kv_transfer_time_ms_bucket{{{LABELS},le="10.0"}} {counts.transfers}',
            f'vllm:tpu_kv_transfer_time_ms_bucket{{{LABELS},le="+Inf"}} {counts.transfers}',
            f"vllm:tpu_kv_transfer_time_ms_count{{{LABELS}}} {counts.transfers}",
            f"vllm:tpu_kv_transfer_time_ms_sum{{{LABELS}}} {counts.transfers * 4}",
            f"vllm:tpu_kv_megabytes_transferred_sum{{{LABELS}}} {counts.transfers * WHOLE / 4}",
            f"vllm:tpu_num_failed_transfers_total{{{LABELS}}} {counts.failed}",
            f"vllm:tpu_num_requests_waiting_pull{{{LABELS}}} {counts.held}",
        ]
    return "\n".join(lines) + "\n"


def server(role: str, more: dict[str, float], image: Image = NEW, had: Counts | None = None, **rest: Any) -> Server:
    """A model server that counted so much meanwhile."""
    before = had or Counts(requests=7, prompt_tokens=900, generated=30, external=256, transfers=2)
    settings = Settings(**{"kv_role": {"prefill": "kv_producer", "decode": "kv_consumer"}[role], **rest})
    return Server(role, scrape(before, image), scrape(before.and_(**more), image), settings)


def picker(shared: float, alone: float = 0, name: str = DECISION) -> Picker:
    def text(pd: float, decode: float) -> str:
        return (
            f'{name}{{decision_type="prefill-decode",model_name="{MODEL}"}} {pd}\n'
            f'{name}{{decision_type="decode-only",model_name="{MODEL}"}} {decode}\n'
        )

    return Picker(text(10, 5), text(10 + shared, 5 + alone))


def share(prompts: float, **more: float) -> dict[str, float]:
    """What prefill counts of so many prompts."""
    return {"requests": prompts, "prompt_tokens": prompts * LENGTH, "generated": prompts, **more}


def received(prompts: float, **more: float) -> dict[str, float]:
    """What decode counts of so many prompts that came by way of prefill."""
    made = {"requests": prompts, "prompt_tokens": prompts * LENGTH, "generated": prompts * 16}
    return {**made, "external": prompts * WHOLE, "transfers": prompts, **more}


@dataclass
class Case:
    """A right run; a test changes what is wrong in its own."""

    prefill: list[dict[str, float]] = field(default_factory=lambda: [share(PROMPTS / 2), share(PROMPTS / 2)])
    decode: list[dict[str, float]] = field(default_factory=lambda: [received(PROMPTS / 2), received(PROMPTS / 2)])
    prefill_image: Image = NEW
    decode_image: Image = NEW
    prefill_settings: dict[str, Any] = field(default_factory=dict)
    decode_settings: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=lambda: [Asked(200, LENGTH, 0.1)] * PROMPTS)
    picker: Picker | None = field(default_factory=lambda: picker(PROMPTS))
    pool_port: int = 8000

    def evidence(self) -> Evidence:
        servers = {}
        for role in ("prefill", "decode"):
            image, told = getattr(self, f"{role}_image"), getattr(self, f"{role}_settings")
            for number, more in enumerate(getattr(self, role), 1):
                servers[f"{role}-{number}"] = server(role, more, image, **told)
        return Evidence(self.asked, servers, self.picker, BLOCK, self.pool_port)
