# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Shapes of models: what their weights weigh and what a token's keys and values take."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True)
class Shape:
    """What the memory of a deployment depends on; sizes are those of bfloat16."""

    weights_gb: float
    layers: int
    kv_heads: int
    head_size: int
    max_positions: int

    def kv_bytes_per_token(self, bytes_per_value: int = 2) -> int:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size * bytes_per_value


_SHAPES = {
    "qwen/qwen3-0.6b": Shape(1.2, 28, 8, 128, 40960),
    "qwen/qwen3-1.7b": Shape(3.4, 28, 8, 128, 40960),
    "qwen/qwen3-4b": Shape(8.0, 36, 8, 128, 40960),
    "qwen/qwen3-8b": Shape(16.4, 36, 8, 128, 40960),
    "qwen/qwen3-14b": Shape(29.6, 40, 8, 128, 40960),
    "qwen/qwen3-32b": Shape(65.5, 64, 8, 128, 40960),
    "qwen/qwen3-30b-a3b": Shape(61.1, 48, 4, 128, 40960),
    "meta-llama/llama-3.1-8b-instruct": Shape(16.1, 32, 8, 128, 131072),
    "meta-llama/llama-3.3-70b-instruct": Shape(141.1, 80, 8, 128, 131072),
}
# Of a model that is not in the table nothing is known: it is taken for one of about eight billion parameters.
_UNKNOWN = Shape(16.0, 32, 8, 128, 131072)


def shape_of(model: str) -> Shape:
    """By the name on the hub, or by the last two parts of a path to a local copy."""
    return _SHAPES.get("/".join(model.lower().rstrip("/").split("/")[-2:]), _UNKNOWN)
