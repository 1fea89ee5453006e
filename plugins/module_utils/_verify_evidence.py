# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is judged when the hand-over of KV blocks is judged: prompts, and counters before and after them.

It is plain data, and a file: it can be kept, looked at, and judged again without a cluster.

This file is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ._errors import GcpError
from ._verify_metrics import excerpt
from ._verify_settings import Settings

Object = dict[str, Any]
ROLES = ("prefill", "decode")
# Of a model server's metrics, what is kept.
KEPT = (
    "vllm:request_success", "vllm:prompt_tokens", "vllm:generation_tokens", "vllm:external_prefix_cache",
    "vllm:cache_config_info", "vllm:tpu_", "vllm:nixl_", "process_start_time_seconds",
)  # fmt: skip


class BadEvidence(GcpError):
    """The file is not what it should be."""


@dataclass(frozen=True)
class Asked:
    """One prompt, and what came back."""

    status: int
    prompt_tokens: int = 0
    seconds: float = 0.0
    # The answer told its client where KV blocks are: only a producer has them to offer.
    offers_blocks: bool = False
    said: str = ""


@dataclass(frozen=True)
class Server:
    """One model server, and its metrics."""

    role: str
    before: str
    after: str
    settings: Settings = field(default_factory=Settings)
    # What happened to the pod meanwhile, when something did.
    trouble: str = ""


@dataclass(frozen=True)
class Picker:
    """The endpoint picker's metrics; `trouble` is why they could not be read."""

    before: str = ""
    after: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Evidence:
    """All of it."""

    asked: Sequence[Asked]
    servers: Mapping[str, Server]
    picker: Picker | None
    # Where no server tells its own.
    block_size: int = 128
    # The port that the pool, and so everybody, takes a pod to listen on.
    pool_port: int = 0

    def as_dict(self) -> Object:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: object) -> Evidence:
        """Out of a file. Raises BadEvidence that says what is wrong with it."""
        if not isinstance(given, dict):
            raise BadEvidence("The evidence is not a mapping with asked, servers and picker.")
        try:
            servers = {
                str(name): Server(
                    **{**each, "settings": Settings.from_dict(each.get("settings")), "role": _role(each["role"])}
                )
                for name, each in dict(given["servers"]).items()
            }
            asked = [Asked(**each) for each in given["asked"]]
            picker = Picker(**given["picker"]) if given.get("picker") else None
            sizes = {name: int(given[name]) for name in ("block_size", "pool_port") if given.get(name) is not None}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadEvidence(f"The evidence cannot be read: {type(error).__name__}: {error}") from error
        return cls(asked, servers, picker, **sizes)


def read(path: str) -> Evidence:
    """Evidence out of its file."""
    try:
        return Evidence.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BadEvidence(f"{path} cannot be read as evidence: {error}") from error


def of_files(given: Mapping[str, Any]) -> Evidence:
    """Evidence out of metrics that were saved one by one. All prompts are taken to have been answered."""
    servers = {
        each["name"]: Server(each["role"], kept(_text(each["before"])), kept(_text(each["after"])))
        for each in given["servers"]
    }
    picker = None
    if given.get("picker_after"):
        picker = Picker(_text(given["picker_before"]), _text(given["picker_after"]))
    asked = [Asked(200, int(tokens)) for tokens in given["prompt_tokens"]]
    return Evidence(asked, servers, picker, int(given["block_size"]))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadEvidence(f"{path} cannot be read: {error}") from error


def write(path: str, data: Object) -> None:
    """Put plain data into a file, and its folder where it is missing."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadEvidence(f"{path} cannot be written: {error}") from error


def kept(scrape: str) -> str:
    """The part of a scrape that is judged."""
    return excerpt(scrape, KEPT)


def _role(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"role {role!r} is neither prefill nor decode")
    return role
