# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The node agent: watches the API server and gives every pod bound to one of its nodes a worker."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from .. import images
from ..config import Config
from ..kube import Informer, KubeClient, Object
from ..processes import Reaper
from .addresses import PodAddresses
from .context import Shared
from .dns import NameServer
from .events import EventRecorder
from .gcsfuse import Buckets
from .kubelet_server import KubeletServer
from .launch import Launcher
from .metadata_server import MetadataServer
from .pods import PodWorker
from .pools import NodePools
from .provisioner import Provisioner
from .rootfs import host_paths
from .services import ServiceProxy
from .workload_identity import WorkloadIdentity

log = logging.getLogger(__name__)

_REFRESH_EVERY = 60.0
_REFRESH_AT_LEAST = 10.0
_DRAIN_WITHIN = 15.0


class _NoThreads(ThreadPoolExecutor):
    """Containers are forked from this process, which is safe only while it has one thread."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        raise RuntimeError("the node agent must not start threads")


class _NoNames(AbstractResolver):
    """Whoever is asked over HTTP is asked by address."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(f"lookup {host}: not an address")

    async def close(self) -> None:
        pass


class NodeAgent:
    def __init__(self, config: Config, client: KubeClient, reaper: Reaper) -> None:
        self._config = config
        self._client = client
        self._workers: dict[str, PodWorker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()
        self._stopping = False
        self._reaper = reaper
        self.pools = NodePools(config, client, self._drain, self._adopt)
        self._events = EventRecorder(client)
        self._pods = Informer(client, "/api/v1/pods", self._pod_changed)
        self._proxy = ServiceProxy(config)
        self._services = Informer(client, "/api/v1/services", lambda *_: self._proxy.changed())
        self._slices = Informer(client, "/apis/discovery.k8s.io/v1/endpointslices", lambda *_: self._proxy.changed())
        self._provisioner = Provisioner(config, client)
        self._claims = Informer(client, "/api/v1/persistentvolumeclaims", self._provisioner.claim_changed)
        self._volumes = Informer(client, "/api/v1/persistentvolumes", self._provisioner.volume_changed)
        self._shared: Shared | None = None

    async def start(self) -> None:
        """Begin to work; the control plane must be ready."""
        asyncio.get_running_loop().set_default_executor(_NoThreads(max_workers=1))
        config = self._config
        http = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=_NoNames(), force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        )
        parse_cache = config.dir / "parse-cache"
        parse_cache.mkdir(exist_ok=True)
        identity = WorkloadIdentity(config, self._client)
        self._shared = Shared(
            config=config,
            client=self._client,
            events=self._events,
            launcher=Launcher(self._reaper),
            addresses=PodAddresses(),
            http=http,
            resolve=lambda image: images.resolve(
                image, tools=config.tools, time_scale=config.time_scale, parse_cache=parse_cache
            ),
            programs=host_paths(config.tools),
            parse_cache=parse_cache,
            services=self._services_of,
            buckets=Buckets(config, identity),
        )
        server = KubeletServer(config, self.find_worker)
        await server.start()
        self._stack.push_async_callback(server.stop)
        metadata = MetadataServer(config, identity, self.find_by_address)
        await metadata.start()
        self._stack.push_async_callback(metadata.stop)
        names = NameServer(config, self._services.items, self._slices.items)
        await names.start()
        self._stack.push_async_callback(names.stop)
        self._proxy.sources = (self._services.items, self._slices.items)
        self._spawn("services", self._services.run())
        self._spawn("endpoints", self._slices.run())
        self._spawn("claims", self._claims.run())
        self._spawn("volumes", self._volumes.run())
        self._spawn("events", self._events.run())
        self._spawn("service proxy", self._proxy.run())
        self._spawn("provisioner", self._provisioner.run())
        self._spawn("refresh", self._refresh())
        # Pods see the environment of services, so services come first.
        await asyncio.wait_for(asyncio.gather(self._services.synced.wait(), self._slices.synced.wait()), 30)
        self._spawn("pods", self._pods.run())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("a part of the node agent ended: %s", name)

        self._tasks.append(asyncio.create_task(guarded()))

    async def stop(self) -> None:
        """End all pods at once; nobody needs to be told, the control plane goes too."""
        self._stopping = True
        for worker in self._workers.values():
            worker.abandon()
        await self.pools.stop()
        for task in self._tasks:
            task.cancel()
        await self._proxy.stop()
        await self._stack.aclose()

    def _services_of(self, namespace: str) -> list[Any]:
        return [
            item
            for (where, name), item in sorted(self._services.items.items())
            if where == namespace or (where, name) == ("default", "kubernetes")
        ]

    def find_worker(self, namespace: str, name: str) -> PodWorker | None:
        full_name = f"{namespace}/{name}"
        return next((item for item in self._workers.values() if item.full_name == full_name), None)

    def find_by_address(self, address: str) -> PodWorker | None:
        """The pod that has an address of its own; those on the node's network have none to be known by."""
        return next((item for item in self._workers.values() if item.network_namespace and item.ip == address), None)

    # -- pods ----------------------------------------------------------------------------------------------------------

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            worker = self._workers.get(old["metadata"]["uid"])
            if worker is not None:
                worker.removed()
        if new is not None:
            self._consider(new)

    def _consider(self, pod: Object) -> None:
        if self._stopping or self._shared is None:
            return
        worker = self._workers.get(pod["metadata"]["uid"])
        if worker is not None:
            worker.update(pod)
            return
        keeper = self.pools.keeper(pod["spec"].get("nodeName") or "")
        if keeper is None or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return
        worker = PodWorker(self._shared, keeper.node, pod, self._forget)
        self._workers[worker.uid] = worker
        if pod["metadata"].get("deletionTimestamp"):
            worker.update(pod)

    def _forget(self, worker: PodWorker) -> None:
        self._workers.pop(worker.uid, None)

    def _adopt(self) -> None:
        """Nodes have come: pods may be bound to them already (a node of the same name was there before)."""
        for pod in list(self._pods.items.values()):
            self._consider(pod)

    async def _drain(self, nodes: set[str]) -> None:
        """Delete the pods of these nodes, wait for them, and end what does not obey."""
        pods = [pod for pod in self._pods.items.values() if pod["spec"].get("nodeName") in nodes]
        workers = [item for item in self._workers.values() if item.node.name in nodes]

        def path(pod: Object) -> str:
            return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

        await asyncio.gather(
            *(self._client.delete(path(pod), uid=pod["metadata"]["uid"]) for pod in pods), return_exceptions=True
        )
        for worker in workers:
            worker.end(None)
        if workers:
            await asyncio.wait([asyncio.create_task(item.wait_until_over()) for item in workers], timeout=_DRAIN_WITHIN)
        for worker in workers:
            if worker.uid in self._workers:
                log.warning("%s did not end in time and is killed", worker.full_name)
                worker.kill()

    async def _refresh(self) -> None:
        """Changed config maps and secrets, and tokens about to expire, reach running pods."""
        while True:
            await asyncio.sleep(self._config.scaled(_REFRESH_EVERY, at_least=_REFRESH_AT_LEAST))
            for worker in list(self._workers.values()):
                await worker.refresh_volumes()
