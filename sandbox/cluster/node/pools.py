# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Node pools: which nodes there should be. The cloud says so over the control socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from .. import netlink
from ..config import Config
from ..kube import KubeClient
from .addresses import NodeAddresses
from .nodes import NodeKeeper, NodeSpec

log = logging.getLogger(__name__)

Drain = Callable[[set[str]], Awaitable[None]]


class NodePools:
    """The nodes of all pools. `drain` ends the pods of the named nodes; `joined` hears of each new node."""

    def __init__(self, config: Config, client: KubeClient, drain: Drain, joined: Callable[[], None]) -> None:
        self._config = config
        self._client = client
        self._drain = drain
        self._joined = joined
        self._addresses = NodeAddresses(config.subnet_range, config.pod_cidr)
        self._pools: dict[str, dict[str, NodeKeeper]] = {}
        self._lock = asyncio.Lock()

    def names(self) -> list[str]:
        return sorted(self._pools)

    def keeper(self, node: str) -> NodeKeeper | None:
        return next((pool[node] for pool in self._pools.values() if node in pool), None)

    def describe(self, name: str) -> list[dict[str, Any]] | None:
        pool = self._pools.get(name)
        if pool is None:
            return None
        return [
            {"name": keeper.spec.name, "ready": keeper.ready, "internal_ip": keeper.node.address}
            for keeper in pool.values()
        ]

    async def put(self, name: str, nodes: Sequence[Mapping[str, Any]]) -> None:
        """The pool shall have exactly these nodes."""
        wanted = {spec.name: spec for spec in map(NodeSpec.of, nodes)}
        async with self._lock:
            pool = self._pools.setdefault(name, {})
            for spec in wanted.values():
                if spec.name in pool:
                    await pool[spec.name].update(spec)
                elif self.keeper(spec.name) is not None:
                    raise ValueError(f"node {spec.name} belongs to another pool")
                else:
                    pool[spec.name] = self._add(spec)
            await self._remove(pool, [node for node in pool if node not in wanted])
        self._joined()

    def _add(self, spec: NodeSpec) -> NodeKeeper:
        address = self._addresses.address(spec.name, spec.internal_ip)
        netlink.add_address("lo", f"{address}/32")
        keeper = NodeKeeper(self._config, self._client, spec, address, self._addresses.pod_range(spec.name))
        keeper.start()
        return keeper

    async def delete(self, name: str) -> None:
        async with self._lock:
            pool = self._pools.get(name)
            if pool is not None:
                await self._remove(pool, list(pool))
                self._pools.pop(name, None)

    async def _remove(self, pool: dict[str, NodeKeeper], names: Sequence[str]) -> None:
        """Cordon, drain, and only then let the nodes go, as GKE does."""
        keepers = [pool[name] for name in names]
        await asyncio.gather(*(keeper.cordon() for keeper in keepers))
        if names:
            await self._drain(set(names))
        await asyncio.gather(*(keeper.delete() for keeper in keepers))
        for keeper in keepers:
            del pool[keeper.spec.name]
            self._addresses.release(keeper.spec.name)
            netlink.delete_address("lo", f"{keeper.node.address}/32")

    async def stop(self) -> None:
        """The cluster ends: nobody needs to be told."""
        await asyncio.gather(*(keeper.stop() for pool in self._pools.values() for keeper in pool.values()))
