# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Modules that vLLM imports and that a machine without an accelerator need not have.

`install(...)` puts a finder in front of all others: a module of a stubbed name is then an empty shell whose attributes
spring into being when they are asked for. What vLLM merely mentions (a tensor type in an annotation, a base class)
works; what it would compute with does not.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any
from unittest.mock import MagicMock

# Engine, kernels, model formats, telemetry: never installed here.
_ENGINE = """
anthropic av blake3 cbor2 compressed_tensors cpuinfo cv2 datasets depyf diskcache einops flashinfer gguf grpc ijson jax
lark librosa llguidance lm_format_enforcer lmformatenforcer mcp mistral_common model_hosting_container_standards numba
openai_harmony opentelemetry outlines outlines_core partial_json_parser prometheus_fastapi_instrumentator pybase64
pybind11 ray scipy sentencepiece setproctitle six soundfile tiktoken torch torch_xla torchaudio torchvision triton
tpu_inference uvicorn uvloop watchfiles xformers xgrammar zmq
"""
ENGINE = frozenset(_ENGINE.split())
# The server's own libraries: neither the parser nor the benchmark client uses them.
_SERVER = "cachetools cloudpickle fastapi msgspec openai pandas PIL prometheus_client psutil requests starlette"
SERVER = frozenset(_SERVER.split())
# The benchmark's libraries, which the parser only mentions: without them it starts in a quarter of the time.
_BENCHMARK = "aiohttp httpx huggingface_hub numpy safetensors tokenizers tqdm transformers"
BENCHMARK = frozenset(_BENCHMARK.split())
# The parser's, which the benchmark only mentions.
PARSER = frozenset(["pydantic", "pydantic_core"])
VLLM_FOR_PARSER = ("vllm._C", "vllm.ir", "vllm.multimodal.", "vllm.v1.attention.")
VLLM_FOR_BENCHMARK = (
    *("vllm._C", "vllm.config", "vllm.distributed", "vllm.engine", "vllm.entrypoints", "vllm.inputs", "vllm.lora"),
    *("vllm.model_executor", "vllm.multimodal", "vllm.platforms", "vllm.transformers_utils.config", "vllm.v1"),
)


def install(top_level: frozenset[str], submodules: Sequence[str]) -> None:
    """Stub modules by their top-level name, and parts of vLLM itself by the start of their full name."""
    sys.meta_path.insert(0, _Finder(top_level, tuple(submodules)))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, top_level: frozenset[str], submodules: tuple[str, ...]) -> None:
        self._top_level = top_level
        self._submodules = submodules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in self._top_level or name.startswith(self._submodules):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _Stub(spec.name)
        module.__path__ = []
        module.__dict__["__version__"] = "2.9.0"  # torch's, which is compared with
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


class _StubType(type):
    """A class whose class attributes spring into being too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = MagicMock(name=f"{cls.__name__}.{name}")
        setattr(cls, name, value)
        return value


class _Stub(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = _stub_class(name) if name[:1].isupper() else MagicMock(name=f"{self.__name__}.{name}")
        setattr(self, name, value)
        return value


def _stub_class(name: str) -> type:
    """A class to inherit from, to subscript and to annotate a field of a pydantic model with."""

    def any_schema(cls: type, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()

    members = {
        "__init__": lambda self, *_, **__: None,
        "__getattr__": lambda self, attribute: MagicMock(name=attribute),
        "__init_subclass__": classmethod(lambda cls, **_: None),
        "__class_getitem__": classmethod(lambda cls, item: cls),
        "__get_pydantic_core_schema__": classmethod(any_schema),
    }
    return _StubType(name, (), members)
