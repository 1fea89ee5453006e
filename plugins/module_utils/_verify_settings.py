# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a model server's pod was told: its part in the KV transfer, sizes, ports. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

Object = dict[str, Any]
# What charts call the port of the model server.
SERVER_PORTS = ("vllm", "modelserver")
KV_OPTION = "--kv-transfer-config"
UNKNOWN, NONE = "?", "none"


@dataclass(frozen=True)
class Settings:
    """One pod's settings as its object has them; `?` or 0 is what cannot be told from it."""

    kv_role: str = UNKNOWN
    block_size: int = 0
    tensor_parallel: int = 0
    port: int = 0
    transfer_port: int = 0
    side_channel_port: int = 0
    # Empty when it is the pod's own address, or not given.
    announced_address: str = ""
    sidecar_image: str = ""

    def as_dict(self) -> Object:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any] | None) -> Settings:
        known = {field.name: field.type for field in fields(cls)}
        return cls(**{name: value for name, value in (given or {}).items() if name in known})


def of_pod(pod: Object) -> Settings:
    """The settings in a pod's specification."""
    spec = pod["spec"]
    server = next((each for each in spec["containers"] if _server_port(each)), spec["containers"][0])
    words = _words([*(server.get("command") or []), *(server.get("args") or [])])
    env = {each["name"]: each for each in server.get("env") or []}
    address = env.get("VLLM_HOST_IP", {}).get("value") or ""
    sidecars = [each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    return Settings(
        kv_role=_kv_role(words),
        block_size=_number(_option(words, "--block-size")),
        tensor_parallel=_number(_option(words, "--tensor-parallel-size", "-tp")),
        port=_number(_option(words, "--port")) or _server_port(server),
        transfer_port=_number(env.get("TPU_KV_TRANSFER_PORT", {}).get("value")),
        side_channel_port=_number(env.get("TPU_SIDE_CHANNEL_PORT", {}).get("value")),
        announced_address="" if address.startswith("$(") else address,
        sidecar_image=str(sidecars[0].get("image", "")) if sidecars else "",
    )


def vllm_port(pod: Object) -> int:
    """The port that the model server listens on, by the name charts give it; 0 when there is none."""
    return next((port for each in pod["spec"]["containers"] if (port := _server_port(each))), 0)


def sidecar_port(pod: Object) -> int:
    """The port of the routing sidecar; 0 when the pod has none."""
    for each in pod["spec"].get("initContainers") or []:
        if each.get("restartPolicy") == "Always":
            ports = [int(port["containerPort"]) for port in each.get("ports") or []]
            return _number(_option(_words(each.get("args") or []), "--port")) or (ports or [0])[0]
    return 0


def _server_port(container: Object) -> int:
    ports = container.get("ports") or []
    return next((int(port["containerPort"]) for port in ports if port.get("name") in SERVER_PORTS), 0)


def _words(command: Iterable[str]) -> list[str]:
    """A command line in words; what a shell is given as one word is taken apart."""
    words: list[str] = []
    for word in command:
        if KV_OPTION in word and re.search(r"\s", word) and not word.startswith("--"):
            try:
                words += shlex.split(word)
                continue
            except ValueError:
                pass
        words.append(word)
    return words


def _option(words: list[str], *names: str) -> str | None:
    """The value of an option; the last one counts."""
    found = None
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else (words[position + 1] if position + 1 < len(words) else "")
    return found


def _number(text: object) -> int:
    return int(str(text)) if str(text or "").isdigit() else 0


def _kv_role(words: list[str]) -> str:
    given = _option(words, KV_OPTION)
    if not given:
        # An empty value is accepted by vLLM, and means no transfer at all.
        return NONE if given == "" or words else UNKNOWN
    try:
        return str(json.loads(given).get("kv_role") or NONE)
    except (ValueError, AttributeError):
        return UNKNOWN
