# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The parts of the model server that need no process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.programs import vllm_install
from sandbox.cluster.programs.model_server.blocks import BlockPool, PrefixCache, block_hashes
from sandbox.cluster.programs.model_server.engine_metrics import EngineMetrics, State
from sandbox.cluster.programs.model_server.metrics import Family, Histogram, one_two_five
from sandbox.cluster.programs.model_server.settings import Settings, own_address


def _settings(**options: Any) -> Settings:
    parsed = {"model_tag": "Qwen/Qwen3-32B", "port": 8000, "tensor_parallel_size": 4, **options}
    return Settings.make(parsed, {"VLLM_HOST_IP": "10.0.0.1"})


def test_a_full_cache_makes_requests_wait_in_turn() -> None:
    async def scenario() -> list[str]:
        pool, seen = BlockPool(10), []

        async def request(name: str, blocks: int) -> None:
            await pool.take(blocks)
            seen.append(name)

        await request("first", 8)
        second = asyncio.ensure_future(request("second", 5))
        await asyncio.sleep(0.01)
        assert pool.waiting == 1 and seen == ["first"]
        await pool.give_back(8)
        await asyncio.wait_for(second, 1)
        assert (pool.used, pool.waiting) == (5, 0)
        return seen

    assert asyncio.run(scenario()) == ["first", "second"]


def test_a_block_is_known_by_all_that_stands_before_it() -> None:
    one, other = list(range(256)), [9, *range(1, 256)]
    assert len(block_hashes(one[:255], 128)) == 1 and len(block_hashes(one, 128)) == 2
    assert block_hashes(one, 128)[1] != block_hashes(other, 128)[1]
    cache = PrefixCache(2)
    cache.store(block_hashes(one, 128))
    assert cache.hits(block_hashes([*one, *range(128)], 128)) == 2
    assert cache.hits(block_hashes(other, 128)) == 0
    cache.store(block_hashes(other, 128))  # pushes the older ones out
    assert cache.hits(block_hashes(one, 128)) == 0


@pytest.mark.parametrize(("window", "size"), [(8192, 256), (4096, 256), (2048, 128), (512, 32), (100, 16), (9216, 32)])
def test_the_block_size_follows_from_the_window_unless_it_is_given(window: int, size: int) -> None:
    # 9216 tokens: 16 by the window, 32 by what the memory for page tables holds with 256 sequences
    assert _settings(max_model_len=window).block_size == size
    assert _settings(max_model_len=window, block_size=64).block_size == 64


def test_memory_for_keys_and_values_is_what_the_weights_leave() -> None:
    settings = _settings(block_size=128, gpu_memory_utilization=0.9)
    assert settings.kv_bytes_per_token == 256 * 1024
    assert 190_000 < settings.num_blocks * 128 < 220_000
    half = _settings(block_size=128, gpu_memory_utilization=0.9, kv_cache_dtype="fp8")
    assert half.kv_bytes_per_token == 128 * 1024


def test_only_a_consumer_is_no_producer() -> None:
    roles = {}
    for role in ("kv_producer", "kv_both", "kv_consumer"):
        connector = _settings(kv_transfer_config={"kv_connector": "TPUConnector", "kv_role": role}).connector
        assert connector is not None and connector.host == "10.0.0.1"
        roles[role] = connector.producer
    assert roles == {"kv_producer": True, "kv_both": True, "kv_consumer": False}
    assert _settings(kv_transfer_config=None).connector is None


def test_the_address_is_the_one_that_is_told() -> None:
    assert own_address({"VLLM_HOST_IP": "10.1.2.3"}) == "10.1.2.3"
    assert own_address({}).count(".") == 3


def test_metrics_are_told_in_prometheus_form() -> None:
    counter = Family("vllm:n", "counter", "Text.", {"model_name": 'a"b'})
    counter.add(2, source="x")
    assert list(counter.lines()) == [
        "# HELP vllm:n_total Text.",
        "# TYPE vllm:n_total counter",
        'vllm:n_total{model_name="a\\"b",source="x"} 2.0',
    ]
    histogram = Histogram("vllm:h", "Text.", [1, 2], {})
    for value in (1, 1.5, 9):
        histogram.observe(value)
    samples = [line for line in histogram.lines() if not line.startswith("#")]
    assert [line.split()[-1] for line in samples] == ["1.0", "2.0", "3.0", "3.0", "11.5"]
    assert 'le="+Inf"' in samples[2]
    assert one_two_five(60) == [1, 2, 5, 10, 20, 50]


def test_gauges_show_the_moment_they_are_read() -> None:
    state = State()
    metrics = EngineMetrics(_settings(), lambda: state)
    assert 'vllm:num_requests_waiting{model_name="Qwen/Qwen3-32B",engine="0"} 0.0' in metrics.text()
    state.waiting, state.deferred = 2, 1
    assert 'vllm:num_requests_waiting{model_name="Qwen/Qwen3-32B",engine="0"} 3.0' in metrics.text()


def test_what_is_installed_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    steps = {name: list(what) for name, what in vllm_install._STEPS.items()}
    (tmp_path / ".installed.json").write_text(json.dumps({"python": python, "steps": steps}))
    assert vllm_install.install(tmp_path) is False
    # After an interruption only what is missing is asked for.
    asked: list[tuple[str, ...]] = []
    missing = next(iter(steps))
    del steps[missing]
    (tmp_path / ".installed.json").write_text(json.dumps({"python": python, "steps": steps}))
    monkeypatch.setattr(vllm_install, "_pip", lambda target, what: asked.append(what))
    with pytest.raises(RuntimeError, match="does not start"):
        vllm_install.install(tmp_path)
    assert asked == [vllm_install._STEPS[missing]]
