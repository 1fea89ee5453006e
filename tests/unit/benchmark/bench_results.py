# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Result files as vllm bench serve writes them, made up."""

from __future__ import annotations

import random
from typing import Any


def result(
    requests: int = 200,
    rate: float = 20.0,
    tokens: int = 20,
    fail: int = 0,
    *,
    slow: float = 1.0,
    detailed: bool = True,
) -> dict[str, Any]:
    """A run of `requests` at `rate`; every `fail`-th request failed."""
    dice = random.Random(requests)
    starts, ttfts, itls, outputs, errors = [], [], [], [], []
    for number in range(requests):
        failed = bool(fail) and number % fail == fail - 1
        starts.append(1000.0 + number / rate)
        ttfts.append(0.0 if failed else 0.05 * slow * dice.uniform(0.8, 1.6))
        itls.append([] if failed else [0.01 * slow * dice.uniform(0.5, 1.5) for _each in range(tokens - 1)])
        outputs.append(0 if failed else tokens)
        errors.append("Traceback (most recent call last):\n  ...\nTimeoutError: too late" if failed else "")
    ends = [start + first + sum(rest) for start, first, rest in zip(starts, ttfts, itls, strict=True)]
    duration = max(ends) - starts[0]
    answered = sum(1 for each in outputs if each)
    found: dict[str, Any] = {
        "date": "20261126-101500", "endpoint_type": "openai", "backend": "openai", "label": None,
        "model_id": "Qwen/Qwen3-32B", "tokenizer_id": "Qwen/Qwen3-32B", "num_prompts": requests, "request_rate": rate,
        "burstiness": 1.0, "max_concurrency": None, "duration": duration, "completed": answered,
        "failed": requests - answered, "total_input_tokens": 100 * answered, "total_output_tokens": sum(outputs),
        "request_throughput": answered / duration, "request_goodput": None,
        "output_throughput": sum(outputs) / duration,
        "total_token_throughput": (100 * answered + sum(outputs)) / duration,
        "input_lens": [100] * requests, "output_lens": outputs, "ttfts": ttfts, "itls": itls, "start_times": starts,
        "generated_texts": ['a "quoted" [text] {with} \\ marks'] * requests, "errors": errors,
        "max_output_tokens_per_s": 500.0, "max_concurrent_requests": 9,
    }  # fmt: skip
    for metric in ("ttft", "tpot", "itl", "e2el"):
        found |= {
            f"mean_{metric}_ms": 60.0,
            f"median_{metric}_ms": 58.0,
            f"std_{metric}_ms": 5.0,
            f"p99_{metric}_ms": 90.0,
        }
    if not detailed:
        for key in ("input_lens", "output_lens", "ttfts", "itls", "start_times", "generated_texts", "errors"):
            del found[key]
    return found
