# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The control socket: how the sandbox's Google Cloud, and the load balancer controller, talk to the cluster process."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from .config import Config
from .controlplane import ControlPlane
from .features import Features
from .node.pools import NodePools
from .relay import Address

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Gateway:
    """Where the gateway's address is, once a load balancer controller has said so."""

    file: Path
    url: str
    address: Address | None = None

    def set(self, address: Address | None) -> None:
        self.address = address
        if address is None:
            self.file.unlink(missing_ok=True)
            return
        content = {"address": address[0], "port": address[1], "url": self.url}
        replacement = self.file.with_suffix(".new")
        replacement.write_text(json.dumps(content))
        replacement.replace(self.file)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.json_response({"error": error.text or error.reason}, status=error.status)
    except (KeyError, TypeError, ValueError) as error:
        return web.json_response({"error": f"bad request: {error!r}"}, status=400)


class Control:
    """The handlers. State lives in the parts they ask."""

    def __init__(
        self,
        config: Config,
        control_plane: ControlPlane,
        pools: NodePools,
        gateway: Gateway,
        features: Features,
        shut_down: Callable[[], None],
    ) -> None:
        self._config = config
        self._control_plane = control_plane
        self._pools = pools
        self._gateway = gateway
        self._features = features
        self._shut_down = shut_down
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application(middlewares=[_errors_as_json])
        router = application.router
        router.add_get("/ready", self._ready)
        router.add_get("/nodepools", self._list_pools)
        router.add_put("/nodepools/{name}", self._put_pool)
        router.add_get("/nodepools/{name}", self._get_pool)
        router.add_delete("/nodepools/{name}", self._delete_pool)
        router.add_post("/features", self._change_features)
        router.add_post("/gateway", self._set_gateway)
        router.add_delete("/gateway", self._unset_gateway)
        router.add_post("/shutdown", self._shutdown)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        Path(self._config.control_socket).unlink(missing_ok=True)
        await web.UnixSite(self._runner, self._config.control_socket).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        Path(self._config.control_socket).unlink(missing_ok=True)

    async def _ready(self, _: web.Request) -> web.Response:
        plane = self._control_plane
        certificate = base64.b64encode((self._config.pki / "ca.crt").read_bytes()).decode()
        answer: dict[str, Any] = {
            "ready": plane.ready and not plane.error,
            "ca_certificate": certificate,
            "error": plane.error,
        }
        return web.json_response(answer)

    def _require_ready(self) -> None:
        if not self._control_plane.ready:
            raise web.HTTPConflict(text="the control plane is not ready")

    async def _list_pools(self, _: web.Request) -> web.Response:
        return web.json_response({"nodepools": self._pools.names()})

    async def _put_pool(self, request: web.Request) -> web.Response:
        self._require_ready()
        body = await request.json()
        await self._pools.put(request.match_info["name"], body["nodes"])
        return self._pool(request.match_info["name"])

    async def _get_pool(self, request: web.Request) -> web.Response:
        return self._pool(request.match_info["name"])

    def _pool(self, name: str) -> web.Response:
        nodes = self._pools.describe(name)
        if nodes is None:
            raise web.HTTPNotFound(text=f"no node pool {name}")
        return web.json_response({"nodes": nodes})

    async def _delete_pool(self, request: web.Request) -> web.Response:
        await self._pools.delete(request.match_info["name"])
        return web.json_response({})

    async def _change_features(self, request: web.Request) -> web.Response:
        self._require_ready()
        await self._features.change(await request.json())
        return web.json_response({})

    async def _set_gateway(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._gateway.set((str(body["address"]), int(body["port"])))
        return web.json_response({"url": self._gateway.url})

    async def _unset_gateway(self, _: web.Request) -> web.Response:
        self._gateway.set(None)
        return web.json_response({})

    async def _shutdown(self, _: web.Request) -> web.Response:
        self._shut_down()
        return web.json_response({})
