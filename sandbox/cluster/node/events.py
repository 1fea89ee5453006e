# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Events, as the kubelet records them: a repeated one counts up instead of being written again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..kube import MERGE, ApiError, KubeClient
from .status import now

log = logging.getLogger(__name__)

_REMEMBERED = 1000
_LONGEST_MESSAGE = 1024


@dataclass
class _Recorded:
    name: str
    count: int


class EventRecorder:
    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: OrderedDict[tuple[str, ...], _Recorded] = OrderedDict()
        self._queue: asyncio.Queue[tuple[tuple[str, ...], dict[str, Any]]] = asyncio.Queue(maxsize=_REMEMBERED)

    async def run(self) -> None:
        """Write events one after the other: order matters to readers, speed does not."""
        while True:
            key, event = await self._queue.get()
            try:
                await self._write(key, event)
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                # The namespace may be going; an event is never worth a retry.
                log.debug("event %s lost: %s", event["reason"], error)

    def record(
        self,
        pod: Mapping[str, Any],
        reason: str,
        message: str,
        *,
        warning: bool = False,
        field_path: str = "",
    ) -> None:
        metadata = pod["metadata"]
        host = pod["spec"].get("nodeName", "")
        message = message[:_LONGEST_MESSAGE]
        time_now = now()
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
                **({"fieldPath": field_path} if field_path else {}),
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "source": {"component": "kubelet", "host": host},
            "reportingComponent": "kubelet",
            "reportingInstance": host,
            "firstTimestamp": time_now,
            "lastTimestamp": time_now,
            "count": 1,
        }
        key = (metadata["namespace"], metadata["uid"], reason, field_path, message)
        try:
            self._queue.put_nowait((key, event))
        except asyncio.QueueFull:
            log.debug("too many events; %s of %s dropped", reason, metadata["name"])

    async def _write(self, key: tuple[str, ...], event: dict[str, Any]) -> None:
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            known.count += 1
            change = {"count": known.count, "lastTimestamp": event["lastTimestamp"]}
            try:
                await self._client.patch(f"{path}/{known.name}", change, MERGE)
                return
            except ApiError as error:
                if error.code != 404:
                    raise
        self._known[key] = _Recorded(event["metadata"]["name"], 1)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        await self._client.create(path, event)
