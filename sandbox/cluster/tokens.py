# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Google access tokens at the API server: a token webhook that asks the sandbox's Google Cloud who a token belongs to.

TCP does not leave the network namespace: the API server asks us on loopback, we ask the cloud over its Unix socket.
"""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
from aiohttp import web

from .config import WEBHOOK_PORT

log = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=10)


def review(email: str | None, error: str = "") -> dict[str, Any]:
    """The answer to the API server. Whoever the project knows is an administrator, as container.admin is on GKE."""
    status: dict[str, Any] = {"authenticated": email is not None}
    if email is not None:
        status["user"] = {"username": email, "uid": email, "groups": ["system:masters"]}
    elif error:
        status["error"] = error
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


class TokenWebhook:
    def __init__(self, cloud_socket: str) -> None:
        self._cloud_socket = cloud_socket
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/authenticate", self._authenticate)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", WEBHOOK_PORT).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _authenticate(self, request: web.Request) -> web.Response:
        body = await request.json()
        token = (body.get("spec") or {}).get("token") or ""
        try:
            email = await self._owner(token)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("the cloud could not be asked about a token: %s", error or type(error).__name__)
            return web.json_response(review(None, "the sandbox's Google Cloud does not answer"))
        return web.json_response(review(email))

    async def _owner(self, token: str) -> str | None:
        connector = aiohttp.UnixConnector(path=self._cloud_socket)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session,
            session.post("http://cloud/_sandbox/tokeninfo", json={"token": token}) as response,
        ):
            if response.status != 200:
                return None
            email: str | None = (await response.json()).get("email")
            return email
