# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The kubelet's endpoint, for the API server: logs and exec. One server for all nodes, on every node's address."""

from __future__ import annotations

import asyncio
import datetime
import logging
import ssl
from collections.abc import Callable, Mapping

from aiohttp import web

from ..config import KUBELET_PORT, Config
from .containers import Container
from .exec import ExecSession
from .exec_server import exec_options, serve
from .logs import LogOptions, read
from .pods import PodWorker

log = logging.getLogger(__name__)

FindWorker = Callable[[str, str], PodWorker | None]


def log_options(query: Mapping[str, str], now: datetime.datetime) -> LogOptions:
    """The options of a log request. Raises ValueError."""

    def number(key: str) -> int | None:
        if key not in query:
            return None
        value = int(query[key])
        if value < 0:
            raise ValueError(f"{key} must not be negative")
        return value

    since: datetime.datetime | None = None
    if seconds := number("sinceSeconds"):
        since = now - datetime.timedelta(seconds=seconds)
    if query.get("sinceTime"):
        since = datetime.datetime.fromisoformat(query["sinceTime"])
    return LogOptions(
        follow=query.get("follow") == "true",
        timestamps=query.get("timestamps") == "true",
        tail=number("tailLines"),
        since=since,
        limit_bytes=number("limitBytes"),
    )


class KubeletServer:
    def __init__(self, config: Config, find: FindWorker) -> None:
        self._config = config
        self._find = find
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        pki = self._config.pki
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.crt"))
        tls.load_cert_chain(pki / "kubelet.crt", pki / "kubelet.key")
        # Logs are for the API server, which has asked whether the client may see them.
        tls.verify_mode = ssl.CERT_REQUIRED
        application = web.Application()
        application.router.add_get("/healthz", self._healthy)
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        for method in ("GET", "POST"):
            application.router.add_route(method, "/exec/{namespace}/{pod}/{container}", self._exec)
        for name in ("attach", "run"):
            application.router.add_route("*", f"/{name}/{{tail:.*}}", self._not_implemented)
        application.router.add_route("*", "/portForward/{tail:.*}", self._not_implemented)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "0.0.0.0", KUBELET_PORT, ssl_context=tls, shutdown_timeout=1).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _not_implemented(self, request: web.Request) -> web.Response:
        action = request.path.split("/")[1]
        return web.Response(status=501, text=f"{action} is not implemented by the sandbox's node agent")

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._find_container(request)
        try:
            options = exec_options(request.query)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await serve(request, options, lambda given, send: ExecSession(container, worker, given, send))

    def _find_container(self, request: web.Request) -> tuple[PodWorker, Container]:
        namespace, pod, name = (request.match_info[key] for key in ("namespace", "pod", "container"))
        worker = self._find(namespace, pod)
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{pod}" does not exist')
        container = worker.container(name)
        if container is None:
            raise web.HTTPNotFound(text=f'container "{name}" not found in pod "{pod}"')
        return worker, container

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        _, container = self._find_container(request)
        pod = request.match_info["pod"]
        try:
            options = log_options(request.query, datetime.datetime.now(datetime.UTC))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        path, ended = (container.log.path, container.log.finished) if container.log else (None, None)
        if request.query.get("previous") == "true":
            path, ended = container.previous_log, None
            if path is None or not path.exists():
                text = f'previous terminated container "{container.name}" in pod "{pod}" not found'
                raise web.HTTPBadRequest(text=text)
        if path is None or not path.exists():
            reason = container.state.waiting[0] if container.state.waiting else "ContainerCreating"
            text = f'container "{container.name}" in pod "{pod}" is waiting to start: {reason}'
            raise web.HTTPBadRequest(text=text)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            async for text_bytes in read(path, options, ended):
                await response.write(text_bytes)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the reader has gone
        return response
