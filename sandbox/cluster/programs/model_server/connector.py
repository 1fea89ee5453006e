# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The KV connector of vLLM on TPU, side by side: a producer keeps blocks until they are fetched, a consumer fetches.

What it decides is what TPUConnector 0.26 decides: a pod is producer when its role is kv_producer or kv_both, and a
producer never pulls; it offers every request that ended by length, whoever asked; a consumer pulls all full blocks of a
prompt unless it has them all, and tells the producer when it has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.programs.model_server import kv_wire, logs
from sandbox.cluster.programs.model_server.blocks import BlockPool
from sandbox.cluster.programs.model_server.engine_metrics import EngineMetrics
from sandbox.cluster.programs.model_server.settings import Connector, Settings

_SOURCE = "tpu_connector.py:0"
# The network between two hosts, in MiB a second: what a transfer of the real size would take.
_NETWORK = 10_000.0


class PullFailed(Exception):
    """The blocks did not come; the request cannot go on."""


@dataclass
class _Held:
    shape: kv_wire.Shape
    identities: Sequence[bytes]
    blocks: int
    expiry: asyncio.TimerHandle


class Producer:
    """Keeps the blocks of finished requests until somebody fetched them, or nobody did for too long."""

    def __init__(self, settings: Settings, connector: Connector, pool: BlockPool) -> None:
        self._settings = settings
        self._connector = connector
        self._pool = pool
        self._held: dict[int, _Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting_pull(self) -> int:
        return len(self._held)

    async def start(self) -> list[asyncio.Server]:
        connector = self._connector
        servers = [
            await kv_wire.serve_blocks(connector.host, connector.transfer_port, self._find),
            await kv_wire.serve_notices(connector.side_channel_port, self._done),
        ]
        logs.info(_SOURCE, f"TPUConnector Worker 0 --> zmq listener | sock_path=tcp://*:{connector.side_channel_port}")
        return servers

    def offer(self, identities: Sequence[bytes], computed: int, taken: int) -> tuple[dict[str, Any], bool]:
        """kv_transfer_params of a request that ended by length, and whether its `taken` blocks stay in use.

        `identities` are those of the prompt's full blocks; blocks that the answer filled have none that matters.
        """
        blocks = computed // self._settings.block_size
        if not blocks:
            return {}, False
        number = uuid.uuid4().int >> 78
        shape = kv_wire.Shape(blocks, self._settings.block_size, self._settings.tensor_parallel)
        padded = [*identities[:blocks], *[bytes(32)] * (blocks - len(identities))]
        expiry = asyncio.get_running_loop().call_later(self._connector.pull_timeout, self._expire, number)
        self._held[number] = _Held(shape, padded, taken, expiry)
        params = {
            "uuid": number,
            "remote_block_ids": self._pool.ids(blocks),
            "remote_host": self._connector.host,
            "remote_port": str(self._connector.transfer_port),
        }
        logs.info(_SOURCE, f"TPUConnector Scheduler ---->  generated reqs_to_send | kv_transfer_params={params}")
        return params, True

    def _find(self, number: int) -> tuple[kv_wire.Shape, Sequence[bytes]] | None:
        held = self._held.get(number)
        return (held.shape, held.identities) if held else None

    async def _done(self, number: int) -> None:
        held = self._held.pop(number, None)
        if held is None:
            logs.warning(_SOURCE, f"Disagg producer recives a non-exist pulling finished notification uuid {number}")
            return
        held.expiry.cancel()
        logs.info(_SOURCE, f"TPUConnector Worker 0 --> zmq recieve | uuid={number}")
        await self._pool.give_back(held.blocks)

    def _expire(self, number: int) -> None:
        held = self._held.pop(number, None)
        if held:
            logs.warning(_SOURCE, f"Worker 0 --> uuid={number} KV transfer timeout. Force recycle the memory buffer.")
            task = asyncio.ensure_future(self._pool.give_back(held.blocks))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class Consumer:
    """Fetches what a producer announced."""

    def __init__(self, settings: Settings, connector: Connector, metrics: EngineMetrics) -> None:
        self._settings = settings
        self._connector = connector
        self._metrics = metrics
        self._notices: set[asyncio.Task[None]] = set()
        self.being_pulled = 0

    async def start(self) -> list[asyncio.Server]:
        # A consumer has a transfer server too; it never holds anything.
        connector = self._connector
        return [await kv_wire.serve_blocks(connector.host, connector.transfer_port, lambda _: None)]

    def planned(self, params: Mapping[str, Any] | None, identities: Sequence[bytes], local_hits: int) -> int:
        """How many blocks will come that are not here; none when all are."""
        if not params or params.get("do_remote_prefill", True) is False:
            return 0
        return max(len(identities) - local_hits, 0)

    async def load(self, params: Mapping[str, Any], identities: Sequence[bytes]) -> None:
        """Pull all full blocks of a prompt, also those that are here."""
        self.being_pulled += 1
        try:
            await asyncio.wait_for(self._pull(params, identities), self._connector.pull_timeout)
        except TimeoutError:
            self._metrics.failed_transfers.add(1)
            waited = f"with in {self._connector.pull_timeout * 1000:.2f}ms"
            logs.warning(_SOURCE, f"Worker 0 --> kv transfer | failed to pull uuid={params.get('uuid')} {waited}")
            raise PullFailed("KV load failure: the blocks did not arrive in time") from None
        finally:
            self.being_pulled -= 1
        self._tell_done(params)

    async def _pull(self, params: Mapping[str, Any], identities: Sequence[bytes]) -> None:
        number, host, port = int(params["uuid"]), str(params["remote_host"]), int(params["remote_port"])
        remote = len(params["remote_block_ids"])
        if remote != len(identities):
            counts = f"{len(identities)} != {remote}"
            await self._hang(f"AssertionError: assert len(local_block_ids) == len(remote_block_ids) ({counts})")
        logs.info(_SOURCE, f"Worker 0 --> kv transfer | start pull uuid={number} | connect={host}:{port}")
        shape = kv_wire.Shape(remote, self._settings.block_size, self._settings.tensor_parallel)
        started = time.perf_counter()
        try:
            arrived = await self._until_connected(host, port, number, shape)
        except kv_wire.ShapeMismatch as mismatch:
            await self._hang(f"ValueError: {mismatch}")
        prepared = time.perf_counter()
        if arrived != [kv_wire.block_bytes(identity) for identity in identities]:
            await self._hang("ValueError: the blocks that arrived are not those of this prompt")
        megabytes = remote * self._settings.block_size * self._settings.kv_bytes_per_token / 1024**2
        await asyncio.sleep(megabytes / _NETWORK)
        prepare_ms, pull_ms = (prepared - started) * 1000, (time.perf_counter() - prepared) * 1000
        self._metrics.kv_prepare.observe(prepare_ms)
        self._metrics.kv_transfer.observe(pull_ms)
        self._metrics.kv_megabytes.observe(megabytes)
        logs.info(
            _SOURCE,
            f"Worker 0 --> kv transfer | done pull uuid={number} | prepare time={prepare_ms:.2f}ms | "
            f"pull time={pull_ms:.2f}ms | size={megabytes:.2f}MB",
        )

    async def _until_connected(self, host: str, port: int, number: int, shape: kv_wire.Shape) -> list[bytes]:
        """A transfer server that cannot be reached is tried again until the time-out of the transfer."""
        while True:
            try:
                return await kv_wire.pull(host, port, number, shape)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.2)

    async def _hang(self, exception: str) -> None:
        """An exception in the pulling thread: nobody hears of it, and the request never goes on."""
        logs.error(_SOURCE, f"Exception in pull thread: {exception}")
        await asyncio.Event().wait()

    def _tell_done(self, params: Mapping[str, Any]) -> None:
        """The port is our own side channel's, not the producer's; nobody waits for the notice to arrive."""
        number, host = int(params["uuid"]), str(params["remote_host"])
        logs.info(_SOURCE, f"Worker 0 --> zmq notify | uuid={number}")
        task = asyncio.ensure_future(_quietly(kv_wire.notify_done(host, self._connector.side_channel_port, number)))
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)


async def _quietly(notice: Awaitable[None]) -> None:
    with contextlib.suppress(OSError):
        await notice
