# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""From vLLM's parsed options and the environment to what the server needs; refuses what vLLM refuses at start."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.programs.model_server.models import GIB, Shape, shape_of

_CONNECTORS = ("TPUConnector", "TPUConnectorHMA", "TPUOffloadConnector", "RaidenOffloadConnector")
_HBM_PER_CHIP_GIB = 31.25  # v6e
_LOAD_SECONDS = 150.0  # of a model whose weights are near, before the time scale
_PULL_TIMEOUT_FLOOR = 10.0  # scaled down, a time-out must still be longer than a busy machine's hiccups


class StartError(Exception):
    """vLLM would end here: what it writes to its log, the last line being the exception."""


@dataclass(frozen=True)
class Connector:
    """The KV connector of one side."""

    producer: bool
    host: str
    transfer_port: int
    side_channel_port: int
    pull_timeout: float


@dataclass(frozen=True)
class Settings:
    """One model server."""

    model: str
    served_names: tuple[str, ...]
    host: str
    port: int
    shape: Shape
    block_size: int
    num_blocks: int
    max_model_len: int
    max_num_seqs: int
    tensor_parallel: int
    kv_bytes_per_token: int
    gpu_memory_utilization: float
    prefix_caching: bool
    connector: Connector | None
    api_keys: tuple[str, ...]
    keep_alive: float
    access_log: bool
    quiet_paths: tuple[str, ...]
    load_seconds: float

    @classmethod
    def make(cls, options: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
        model = options.get("model_tag") or options["model"]
        shape = shape_of(model)
        scale = float(environment.get("SANDBOX_TIME_SCALE") or 60)
        max_model_len = _max_model_len(options, shape)
        max_num_seqs = options.get("max_num_seqs") or 256
        block_size = options.get("block_size") or _default_block_size(max_model_len, max_num_seqs)
        tensor_parallel = options.get("tensor_parallel_size") or 1
        kv_bytes = shape.kv_bytes_per_token(1 if "fp8" in str(options.get("kv_cache_dtype")) else 2)
        utilization = float(options.get("gpu_memory_utilization") or 0.92)
        num_blocks = options.get("num_gpu_blocks_override") or _num_blocks(
            shape, tensor_parallel, utilization, block_size * kv_bytes
        )
        _check_capacity(num_blocks, block_size, max_model_len, kv_bytes)
        caching = options.get("enable_prefix_caching")
        return cls(
            model=model,
            served_names=tuple(options.get("served_model_name") or (model,)),
            host=options.get("host") or "0.0.0.0",
            port=options["port"],
            shape=shape,
            block_size=block_size,
            num_blocks=num_blocks,
            max_model_len=max_model_len,
            max_num_seqs=max_num_seqs,
            tensor_parallel=tensor_parallel,
            kv_bytes_per_token=kv_bytes,
            gpu_memory_utilization=utilization,
            prefix_caching=caching is not False,
            connector=_connector(options.get("kv_transfer_config"), environment, scale),
            api_keys=tuple(options.get("api_key") or ()),
            keep_alive=float(environment.get("VLLM_HTTP_TIMEOUT_KEEP_ALIVE") or 5),
            access_log=not options.get("disable_uvicorn_access_log"),
            quiet_paths=tuple(str(options.get("disable_access_log_for_endpoints") or "").split(",")),
            load_seconds=_LOAD_SECONDS / scale,
        )


def _max_model_len(options: Mapping[str, Any], shape: Shape) -> int:
    asked: int | None = options.get("max_model_len")
    if asked in (None, -1):
        return shape.max_positions
    if asked > shape.max_positions:
        raise StartError(
            f"ValueError: User-specified max_model_len ({asked}) is greater than the derived max_model_len "
            f"(max_position_embeddings={float(shape.max_positions)} or model_max_length=None in model's config.json). "
            "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 overrides it with caution."
        )
    return asked


def _default_block_size(max_model_len: int, max_num_seqs: int) -> int:
    """The page size of the TPU back end: a sixteenth of the window, small for long windows, within what SMEM holds."""
    sixteenth = (1 << (max_model_len - 1).bit_length()) // 16
    page = 16 if max_model_len > 8192 else min(max(sixteenth, 16), 256)
    pages_per_request = 1024 * 1024 // 2 // max_num_seqs // 4
    needed = 1 << (math.ceil(max_model_len / max(pages_per_request, 1)) - 1).bit_length()
    return max(page, needed)


def _num_blocks(shape: Shape, chips: int, utilization: float, block_bytes: int) -> int:
    memory = chips * _HBM_PER_CHIP_GIB * GIB * utilization
    if shape.weights_gb * 1e9 > chips * _HBM_PER_CHIP_GIB * GIB:
        raise StartError(
            "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Error allocating device buffer: the weights take "
            f"{shape.weights_gb:.1f} GB, {chips} chip(s) have {chips * _HBM_PER_CHIP_GIB:.2f} GiB of HBM."
        )
    return max(int((memory - shape.weights_gb * 1e9) // block_bytes), 0)


def _check_capacity(num_blocks: int, block_size: int, max_model_len: int, kv_bytes: int) -> None:
    if num_blocks * block_size < max_model_len:
        raise StartError(
            f"ValueError: To serve at least one request with the model's max seq len ({max_model_len}), "
            f"({max_model_len * kv_bytes / GIB:.2f} GiB KV cache is needed, which is larger than the available KV "
            f"cache memory ({num_blocks * block_size * kv_bytes / GIB:.2f} GiB). Try increasing "
            "`gpu_memory_utilization` or "
            "decreasing `max_model_len` when initializing the engine."
        )


def _connector(config: Mapping[str, Any] | None, environment: Mapping[str, str], scale: float) -> Connector | None:
    if not config or not config.get("kv_connector"):
        return None
    if config["kv_connector"] not in _CONNECTORS:
        raise StartError(
            f"ValueError: Unsupported kv_connector '{config['kv_connector']}' for the TPU platform. "
            f"Expected one of {_CONNECTORS}."
        )
    timeout = float(environment.get("TPU_P2P_WAIT_PULL_TIMEOUT") or 180)
    return Connector(
        producer=config["kv_role"] in ("kv_producer", "kv_both"),
        host=own_address(environment),
        transfer_port=int(environment.get("TPU_KV_TRANSFER_PORT") or 9100),
        side_channel_port=int(environment.get("TPU_SIDE_CHANNEL_PORT") or 9600),
        pull_timeout=max(timeout / scale, min(timeout, _PULL_TIMEOUT_FLOOR)),
    )


def own_address(environment: Mapping[str, str] = os.environ) -> str:
    """VLLM_HOST_IP, else the address of the interface that leads outside."""
    if given := environment.get("VLLM_HOST_IP"):
        return given
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 80))  # nothing is sent: it only chooses the interface
            return str(probe.getsockname()[0])
        except OSError:
            return "0.0.0.0"
