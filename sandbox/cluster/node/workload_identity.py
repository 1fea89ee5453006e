# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Tokens of Google Cloud for pods: a Kubernetes service account is an identity, by itself or as its annotation says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..config import Config
from ..kube import KubeClient

ANNOTATION = "iam.gke.io/gcp-service-account"
NODE_LABEL = "iam.gke.io/gke-metadata-server-enabled"
_TIMEOUT = aiohttp.ClientTimeout(total=30)


class NoToken(Exception):
    """The pod is nobody for Google Cloud; the message is IAM's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Token:
    value: str
    email: str
    expires_in: int


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class WorkloadIdentity:
    """Asks the sandbox's Google Cloud, over its socket."""

    def __init__(self, config: Config, client: KubeClient) -> None:
        self._config = config
        self._client = client

    async def cloud(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to the cloud. With an Authorization header it is that caller's, else the cluster's own."""
        connector = aiohttp.UnixConnector(path=self._config.cloud_socket)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False) as session,
            session.request(
                method, f"http://cloud{target}", data=body or None, headers=headers, allow_redirects=False
            ) as response,
        ):
            return Answer(response.status, response.headers, await response.read())

    async def acts_as(self, namespace: str, account: str) -> str:
        found = await self._client.find(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}")
        annotations: Mapping[str, str] = ((found or {}).get("metadata") or {}).get("annotations") or {}
        return annotations.get(ANNOTATION, "")

    async def token(self, node: str, namespace: str, account: str) -> Token:
        """As the node's metadata server gets it."""
        pool = self._config.workload_pool
        found = await self._client.find(f"/api/v1/nodes/{node}")
        labels: Mapping[str, str] = ((found or {}).get("metadata") or {}).get("labels") or {}
        if not pool or labels.get(NODE_LABEL) != "true":
            raise NoToken(404, "the node has no metadata server of Workload Identity (GKE_METADATA)")
        asked = {
            "pool": pool,
            "namespace": namespace,
            "account": account,
            "acts_as": await self.acts_as(namespace, account),
        }
        answer = await self.cloud("POST", "/_sandbox/workload-token", json.dumps(asked).encode())
        told: dict[str, Any] = json.loads(answer.body)
        if answer.status != 200:
            raise NoToken(answer.status, str(told["error"]["message"]))
        return Token(told["token"], told["email"], int(told["expires_in"]))
