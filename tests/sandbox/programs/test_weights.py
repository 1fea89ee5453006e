# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The stand-in for vLLM reads its model's files: from a folder, or from the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.cloud import hub
from sandbox.cloud.server import Serving
from sandbox.cluster.programs.model_server.settings import StartError
from sandbox.cluster.programs.model_server.weights import read
from tests.sandbox.cloud.conftest import catalog, settings, start

__all__ = ["catalog", "settings", "start"]

MODEL = "Qwen/Qwen3-32B"
SHARD = "model-00002-of-00002.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in hub.files_of(MODEL).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def refused(model: Path | str, **environment: str) -> str:
    with pytest.raises(StartError) as caught:
        read(str(model), environment)
    return str(caught.value)


def test_a_folder_with_all_of_it(folder: Path) -> None:
    assert read(str(folder), {}) > 2 * hub.SHARD_SIZE


def test_what_vllm_stumbles_over(folder: Path) -> None:
    assert "Invalid repository ID or local directory" in refused(folder / "elsewhere")
    whole = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(whole[: len(whole) // 2])
    assert "incomplete metadata, file not fully covered" in refused(folder)
    (folder / SHARD).write_bytes(whole[:20])
    assert "invalid header length" in refused(folder)
    (folder / SHARD).unlink()
    assert "No such file or directory" in refused(folder)


def test_from_the_hub_only_when_one_is_named(start: Callable[..., Serving]) -> None:
    endpoint = f"{start().base}/_hub"
    assert read(MODEL, {}) == 0
    assert read(MODEL, {"HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_x"}) > 2 * hub.SHARD_SIZE
    assert "offline mode is enabled" in refused(MODEL, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="1")
    assert "401" in refused(MODEL, HF_ENDPOINT=endpoint, HF_TOKEN=hub.BAD_TOKEN)
    assert "404" in refused("nobody/nothing", HF_ENDPOINT=endpoint, HF_TOKEN="hf_x")
