# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What all pods of the agent share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ..config import Config
from ..images import Program
from ..kube import KubeClient
from .addresses import PodAddresses
from .environment import Sources
from .events import EventRecorder
from .gcsfuse import Buckets
from .launch import Launcher

Object = Mapping[str, Any]
Resolve = Callable[[str], Program | None]


@dataclass
class Shared:
    config: Config
    client: KubeClient
    events: EventRecorder
    launcher: Launcher
    addresses: PodAddresses
    http: aiohttp.ClientSession
    """For probes and hooks: no cookies, no reuse of connections, no name look-ups."""
    resolve: Resolve
    programs: list[str]
    """Folders of the machine that containers see."""
    parse_cache: Path
    services: Callable[[str], list[Object]]
    """Services of a namespace, and kubernetes of namespace default."""
    buckets: Buckets

    async def sources(
        self,
        pod: Object,
        pod_ip: str,
        node: Node,
        config_maps: Iterable[str] = (),
        secrets: Iterable[str] = (),
    ) -> Sources:
        """Everything that a pod's references can point at, fetched now."""
        namespace = pod["metadata"]["namespace"]
        base = f"/api/v1/namespaces/{namespace}"

        async def fetch(kind: str, names: Iterable[str]) -> dict[str, Object | None]:
            ordered = sorted(names)
            found = await asyncio.gather(*(self.client.find(f"{base}/{kind}/{name}") for name in ordered))
            return dict(zip(ordered, found, strict=True))

        return Sources(
            pod=pod,
            pod_ip=pod_ip,
            host_ip=node.address,
            allocatable=node.allocatable,
            services=self.services(namespace),
            config_maps=await fetch("configmaps", config_maps),
            secrets=await fetch("secrets", secrets),
        )


@dataclass
class Node:
    """What a pod needs to know of its node."""

    name: str
    address: str
    pod_range: str
    allocatable: Mapping[str, str]
