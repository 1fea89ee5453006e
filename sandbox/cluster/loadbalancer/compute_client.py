# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The compute API as the controller sees it: paths relative to the project, operations waited for."""

from __future__ import annotations

from typing import Any, Self

import aiohttp

from sandbox.cluster.kube import Object

# One `wait` call lasts at most two minutes; an operation that outlives so many of them is stuck.
_MOST_WAITS = 20


class ComputeError(Exception):
    """The cloud refused, or an operation failed. The message is Google's own."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Compute:
    """Requests over the cloud's unix socket, where the cluster is trusted as Google's own."""

    def __init__(self, socket: str, project: str) -> None:
        self._socket = socket
        self._project = project
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(self._socket, limit=16),
            headers={"User-Agent": "GoogleGKEGatewayController"},
            timeout=aiohttp.ClientTimeout(total=150),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str) -> Object | None:
        """None where there is nothing."""
        try:
            return await self._request("GET", self._url(path))
        except ComputeError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, path: str, collection: str = "items") -> list[Object]:
        items: list[Object] = []
        token = ""
        while True:
            query = {"pageToken": token} if token else {}
            page = await self._request("GET", self._url(path), query=query)
            items += page.get(collection) or []
            token = page.get("nextPageToken", "")
            if not token:
                return items

    async def ask(self, path: str, body: Object) -> Object:
        """A question that is asked by POST."""
        return await self._request("POST", self._url(path), body)

    async def change(self, method: str, path: str, body: Object | None = None) -> None:
        """A request that starts an operation; returns when it has succeeded."""
        operation = await self._request(method, self._url(path), body)
        for _ in range(_MOST_WAITS):
            if operation["status"] == "DONE":
                break
            operation = await self._request("POST", f"{self._url(self._operation_path(operation))}/wait")
        else:
            raise ComputeError(504, "timeout", f"operation {operation['name']} does not end")
        if errors := (operation.get("error") or {}).get("errors"):
            status = operation.get("httpErrorStatusCode", 400)
            raise ComputeError(status, errors[0].get("code", ""), errors[0].get("message", ""))

    async def service_enabled(self, service: str) -> bool:
        answer = await self._request("GET", f"/v1/projects/{self._project}/services/{service}")
        return bool(answer.get("state") == "ENABLED")

    def _url(self, path: str) -> str:
        return f"/compute/v1/projects/{self._project}/{path}"

    @staticmethod
    def _operation_path(operation: Object) -> str:
        for scope in ("zone", "region"):
            if place := operation.get(scope):
                return f"{scope}s/{place.rpartition('/')[2]}/operations/{operation['name']}"
        return f"global/operations/{operation['name']}"

    async def _request(
        self, method: str, path: str, body: Object | None = None, query: dict[str, str] | None = None
    ) -> Object:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        url = f"http://cloud{path}"
        try:
            async with self._session.request(method, url, json=body, params=query) as response:
                answer: Any = await response.json(content_type=None)
                if response.status >= 400:
                    raise _refusal(response.status, answer)
                found: Object = answer or {}
                return found
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ComputeError(503, "unavailable", f"{type(error).__name__}: {error}") from error


def _refusal(status: int, answer: Any) -> ComputeError:
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return ComputeError(status, "", str(answer)[:300])
    details = error.get("errors") or [{}]
    return ComputeError(status, details[0].get("reason") or error.get("status", ""), error.get("message", ""))
