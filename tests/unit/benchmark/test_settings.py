# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What cannot be measured is refused before anything is made, with the variable's name."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.plugin_utils._benchmark import findings, steps

GOOD: dict[str, Any] = {
    "rates": [80], "concurrencies": [], "num_prompts": 2000, "step_seconds": 0, "max_concurrency": 0, "burstiness": 1,
    "settle_seconds": 5, "dataset": "sharegpt", "dataset_source": "https://example.com/s.json",
    "tokenizer": "Qwen/Qwen3-32B",
    "input_len": 1024, "output_len": 0, "prefix_len": 0, "range_ratio": 0, "backend": "openai", "warmups": 3,
    "temperature": 0, "goodput": {}, "max_failed_percent": 1, "min_sent_percent": 0, "timeout": 7200,
    "ready_timeout": 600,
    "queue_timeout": 0, "image": "vllm/vllm-openai-cpu:v0.26.0", "allow_floating_images": False,
    "usd_per_chip_hour": 2.97,
    "tolerance_percent": 10,
}  # fmt: skip


def test_the_defaults_are_fine() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rates": [0]}, "benchmark_rates holds 0"),
        ({"rates": [-5]}, "benchmark_rates holds -5"),
        ({"rates": ["fast"]}, "benchmark_rates holds 'fast'"),
        ({"rates": [True]}, "benchmark_rates holds True"),
        ({"rates": [float("nan")]}, "benchmark_rates holds nan"),
        ({"rates": []}, "No load"),
        ({"rates": [5, "5.0"]}, "rate-5 is there twice"),
        ({"concurrencies": [0]}, "benchmark_concurrencies holds 0"),
        ({"concurrencies": [1.5]}, "benchmark_concurrencies holds 1.5"),
        ({"num_prompts": 0}, "benchmark_num_prompts is 0"),
        ({"num_prompts": "many"}, "benchmark_num_prompts is 'many'"),
        ({"temperature": -1}, "benchmark_temperature"),
        ({"burstiness": 0}, "benchmark_burstiness"),
        ({"goodput": {"itl": 5}}, "benchmark_goodput names 'itl'"),
        ({"goodput": {"ttft": 0}}, "benchmark_goodput has 0 for ttft"),
        ({"rates": [0.1]}, "Sending alone takes 20000 s"),
        ({"dataset": "sonnet"}, "benchmark_dataset is 'sonnet'"),
        ({"dataset_source": ""}, "needs benchmark_dataset_source"),
        ({"dataset_source": "ftp://x"}, "benchmark_dataset_source is 'ftp://x'"),
        ({"tokenizer": "nowhere"}, "benchmark_tokenizer is 'nowhere'"),
        ({"dataset": "random", "output_len": 0}, "benchmark_output_len is 0"),
        ({"range_ratio": 1}, "benchmark_range_ratio"),
        ({"image": "vllm/vllm-openai:latest"}, "another program tomorrow"),
        ({"image": "vllm/vllm-openai"}, "another program tomorrow"),
        ({"usd_per_chip_hour": -1}, "benchmark_usd_per_chip_hour"),
        ({"backend": "tgi"}, "benchmark_backend is 'tgi'"),
    ],
)
def test_what_cannot_be(changed: dict[str, Any], says: str) -> None:
    found = findings({**GOOD, **changed})
    assert any(says in sentence for sentence in found), found


def test_everything_at_once() -> None:
    assert len(findings({**GOOD, "rates": [0], "num_prompts": 0, "dataset": "x"})) == 3


def test_loads_of_rates() -> None:
    found = steps({**GOOD, "rates": [5, "20", "inf"], "step_seconds": 10, "max_concurrency": 64})
    assert [(each["name"], each["rate"], each["requests"], each["concurrency"]) for each in found] == [
        ("rate-5", 5.0, 50, 64),
        ("rate-20", 20.0, 200, 64),
        ("rate-inf", "inf", 2000, 64),
    ]


def test_loads_of_concurrencies() -> None:
    found = steps({**GOOD, "concurrencies": [1, "16"]})
    assert [(each["name"], each["rate"], each["concurrency"]) for each in found] == [
        ("concurrency-1", "inf", 1),
        ("concurrency-16", "inf", 16),
    ]
