# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A small asynchronous client of the Kubernetes API: requests as JSON, errors as exceptions, watches as streams."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

import aiohttp

log = logging.getLogger(__name__)

Object = dict[str, Any]
Key = tuple[str, str]

STRATEGIC_MERGE = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30)
_WATCH_SECONDS = 300
_SLOWEST_RETRY = 5.0


class ApiError(Exception):
    """The API server refused: the HTTP status and the reason and message of its Status object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message or f"HTTP {code}")
        self.code = code
        self.reason = reason


def api_error(code: int, body: str) -> ApiError:
    try:
        status = json.loads(body)
        return ApiError(code, status.get("reason", ""), status.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(code, "", body.strip()[:300])


def key_of(item: Mapping[str, Any]) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class KubeClient:
    """Requests to one API server with one identity."""

    def __init__(self, url: str, tls: ssl.SSLContext, user_agent: str) -> None:
        self._url = url
        self._tls = tls
        self._agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def with_certificate(cls, url: str, ca: str, certificate: str, key: str, user_agent: str) -> KubeClient:
        tls = ssl.create_default_context(cafile=ca)
        tls.load_cert_chain(certificate, key)
        return cls(url, tls, user_agent)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            headers={"User-Agent": self._agent, "Accept": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """One request. A `str` or `bytes` body is sent as it is, anything else as JSON."""
        data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        async with self.session.request(
            method,
            self._url + path,
            data=data,
            params=params,
            headers={"Content-Type": content_type},
            timeout=_REQUEST_TIMEOUT,
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise api_error(response.status, text)
            return json.loads(text) if response.content_type == "application/json" else text

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self.request("GET", path, params=params)

    async def find(self, path: str) -> Any | None:
        """Like get, but None where there is nothing."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def create(self, path: str, body: Object) -> Any:
        return await self.request("POST", path, body)

    async def patch(self, path: str, body: Any, content_type: str = STRATEGIC_MERGE, **params: str) -> Any:
        return await self.request("PATCH", path, body, params=params or None, content_type=content_type)

    async def delete(self, path: str, *, grace: int | None = None, uid: str | None = None) -> None:
        """Delete; what is gone already is no error, nor is a new object of the same name (`uid`)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", path, options)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Events after `version`, until the server or the network ends the stream."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS + random.randrange(_WATCH_SECONDS)),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=3 * _WATCH_SECONDS)
        async with self.session.get(self._url + path, params=params, timeout=timeout) as response:
            if response.status >= 400:
                raise api_error(response.status, await response.text())
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield json.loads(line)


class Informer:
    """A live copy of a collection: lists, watches, and starts over when the watch is lost.

    `changed(old, new)` is called for each difference; old is None for a new object, new is None for one that is gone.
    """

    def __init__(
        self, client: KubeClient, path: str, changed: Callable[[Object | None, Object | None], None] | None = None
    ) -> None:
        self.items: dict[Key, Object] = {}
        self.synced = asyncio.Event()
        self._client = client
        self._path = path
        self._changed = changed
        self._version = ""

    async def run(self) -> None:
        delay = 0.1
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
                delay = 0.1
            except ApiError as error:
                self._version = ""
                if error.code != 410:
                    log.warning("watch of %s: %s", self._path, error)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("watch of %s lost: %s", self._path, error or type(error).__name__)
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, _SLOWEST_RETRY)

    async def _list(self) -> None:
        answer = await self._client.get(self._path)
        # Items of a list come without kind and apiVersion; nobody here needs them.
        found = {key_of(item): item for item in answer.get("items") or []}
        for key in [key for key in self.items if key not in found]:
            self._set(key, None)
        for key, item in found.items():
            self._set(key, item)
        self._version = answer["metadata"]["resourceVersion"]
        self.synced.set()

    async def _follow(self) -> None:
        async for event in self._client.watch(self._path, self._version):
            item = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(item.get("code", 500), item.get("reason", ""), item.get("message", ""))
            self._version = item["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._set(key_of(item), None if event["type"] == "DELETED" else item)

    def _set(self, key: Key, item: Object | None) -> None:
        old = self.items.get(key)
        if item is None:
            self.items.pop(key, None)
        else:
            item["metadata"].pop("managedFields", None)
            self.items[key] = item
        unchanged = old and item and old["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]
        if self._changed is not None and not unchanged and not (old is None and item is None):
            try:
                self._changed(old, item)
            except Exception:
                # One odd object must not stop the view of all others.
                log.exception("a change of %s %s could not be handled", self._path, key)
