# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Kubernetes events, as `kubectl describe` shows them. Best effort: an event that is lost does no harm."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

import aiohttp

from sandbox.cluster.kube import MERGE, ApiError, KubeClient, Object, key_of

LOG = logging.getLogger(__name__)
SOURCE = "sc-gateway-controller"


def utc_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Events:
    """Says each thing about an object once; when it is said again, the event's count goes up."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._said: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def normal(self, kind: str, version: str, item: Object, reason: str, message: str) -> None:
        await self._say("Normal", kind, version, item, reason, message)

    async def warning(self, kind: str, version: str, item: Object, reason: str, message: str) -> None:
        await self._say("Warning", kind, version, item, reason, message)

    async def _say(self, level: str, kind: str, version: str, item: Object, reason: str, message: str) -> None:
        metadata = item["metadata"]
        namespace = metadata.get("namespace") or "default"
        known = (metadata["uid"], reason, message)
        now = utc_now()
        try:
            if known in self._said:
                name, count = self._said[known]
                path = f"/api/v1/namespaces/{namespace}/events/{name}"
                await self._kube.patch(path, {"count": count + 1, "lastTimestamp": now}, MERGE)
                self._said[known] = (name, count + 1)
                return
            name = f"{metadata['name']}.{time.time_ns():x}"
            body = {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": {
                    "apiVersion": version,
                    "kind": kind,
                    "namespace": metadata.get("namespace"),
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "resourceVersion": metadata.get("resourceVersion"),
                },
                "type": level,
                "reason": reason,
                "message": message[:1024],
                "count": 1,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "source": {"component": SOURCE},
                "reportingComponent": SOURCE,
                "reportingInstance": "",
            }
            await self._kube.create(f"/api/v1/namespaces/{namespace}/events", body)
            self._said[known] = (name, 1)
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            self._said.pop(known, None)
            LOG.info("event %s of %s is lost: %s", reason, "/".join(key_of(item)), error)
