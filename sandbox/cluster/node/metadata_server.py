# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What pods find at 169.254.169.254: GKE's metadata server; and, by name, the sandbox's Cloud Storage and its hub.

A pod is known by its address. `storage.sandbox.internal` and `hub.sandbox.internal` stand for storage.googleapis.com
and huggingface.co, which have certificates that the sandbox cannot have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import aiohttp
from aiohttp import web

from .. import netlink
from ..config import Config
from .pods import PodWorker
from .workload_identity import NoToken, WorkloadIdentity

log = logging.getLogger(__name__)

ADDRESS = "169.254.169.254"
STORAGE, HUB, STORE = "storage.sandbox.internal", "hub.sandbox.internal", "cdn.sandbox.internal"
_LARGEST = 80 * 1024 * 1024
_STORAGE_PATHS = ("/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/")
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host", "server", "date", "expect"}
_ACCOUNT = "/computeMetadata/v1/instance/service-accounts"
_HELP = "https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#authenticating_to"

FindPod = Callable[[str], PodWorker | None]


class MetadataServer:
    def __init__(self, config: Config, identity: WorkloadIdentity, find: FindPod) -> None:
        self._config = config
        self._identity = identity
        self._find = find
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        netlink.add_address("lo", f"{ADDRESS}/32")
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_route("*", "/{tail:.*}", self._dispatch)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, ADDRESS, 80, shutdown_timeout=1).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _dispatch(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        try:
            if host == STORAGE:
                return await self._storage(request)
            if host in (HUB, STORE):
                return await self._forward(request, f"/_hub{request.raw_path}", {"X-Forwarded-Prefix": ""})
            return await self._metadata(request)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("%s %s: %s", request.method, request.path, error)
            return web.Response(status=503, text="the sandbox's Google Cloud does not answer")

    # -- Google's APIs and the hub -------------------------------------------------------------------------------------

    async def _storage(self, request: web.Request) -> web.Response:
        if not request.path.startswith(_STORAGE_PATHS):
            return web.Response(status=404, text=f"{request.path} was not found on this server.")
        # Never without credentials: on its own socket the cloud would take that for the cluster itself.
        given = request.headers.get("Authorization") or "Bearer none"
        return await self._forward(request, request.raw_path, {"Authorization": given})

    async def _forward(self, request: web.Request, target: str, more: dict[str, str]) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        body = await request.read()
        answer = await self._identity.cloud(request.method, target, body, {**headers, "Host": request.host, **more})
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        return web.Response(status=answer.status, headers=kept, body=answer.body)

    # -- metadata ------------------------------------------------------------------------------------------------------

    async def _metadata(self, request: web.Request) -> web.Response:
        headers = {"Metadata-Flavor": "Google", "Server": "GKE Metadata Server"}
        if request.path == "/":
            return web.Response(text="computeMetadata/\n", headers=headers)
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403, text="Missing required header 'Metadata-Flavor': 'Google'", headers=headers)
        pod = self._find(request.remote or "")
        if pod is None:
            return web.Response(status=404, text="no pod has this address", headers=headers)
        plain = {
            "/computeMetadata/v1/project/project-id": self._config.project,
            "/computeMetadata/v1/instance/attributes/cluster-name": self._config.name,
            "/computeMetadata/v1/instance/attributes/cluster-location": self._config.location,
        }
        path = request.path.rstrip("/")
        if path in plain:
            return web.Response(text=plain[path], headers=headers)
        namespace, account = pod.pod["metadata"]["namespace"], pod.pod["spec"].get("serviceAccountName") or "default"
        email = await self._identity.acts_as(namespace, account) or self._config.workload_pool
        what = path.removeprefix(_ACCOUNT).strip("/").partition("/")
        if not path.startswith(_ACCOUNT) or what[0] not in ("", "default", email):
            return web.Response(status=404, text=f"{request.path} was not found", headers=headers)
        if what[0] == "":
            return web.Response(text=f"default/\n{email}/\n", headers=headers)
        if what[2] == "email":
            return web.Response(text=email, headers=headers)
        if what[2] == "scopes":
            return web.Response(text="https://www.googleapis.com/auth/cloud-platform\n", headers=headers)
        if what[2] == "" and request.query.get("recursive") == "true":
            told = {
                "aliases": ["default"],
                "email": email,
                "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            }
            return web.json_response(told, headers=headers)
        if what[2] != "token":
            return web.Response(status=404, text=f"{request.path} was not found", headers=headers)
        try:
            token = await self._identity.token(pod.node.name, namespace, account)
        except NoToken as error:
            text = (
                f"Unable to generate access token; IAM returned {error.status} Forbidden: {error}\nThis error could be "
                "caused by a missing IAM policy binding on the target IAM service account.\nFor more information, "
                f"refer to the Workload Identity documentation:\n\t{_HELP}\n\n"
            )
            return web.Response(status=error.status, text=text, headers=headers)
        answer = {"access_token": token.value, "expires_in": token.expires_in, "token_type": "Bearer"}
        return web.json_response(answer, headers=headers)
