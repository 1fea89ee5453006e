# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Keeps the endpoints of network endpoint groups: the pods' addresses, each in the group of its node's zone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sandbox.cluster.kube import ApiError, KubeClient, Object
from sandbox.cluster.loadbalancer.backends import Endpoint
from sandbox.cluster.loadbalancer.compute_client import Compute, ComputeError
from sandbox.cluster.loadbalancer.compute_plan import ResourceKey, path_of
from sandbox.cluster.loadbalancer.provisioner import GROUPS

LOG = logging.getLogger(__name__)
# At most so many endpoints in one call.
BATCH = 500


class NodeZones:
    """The zone of each node, asked once."""

    def __init__(self, kube: KubeClient, default: str) -> None:
        self._kube = kube
        self._default = default
        self._known: dict[str, str] = {}

    async def zone_of(self, node: str) -> str:
        if node and node not in self._known:
            try:
                found: Any = await self._kube.find(f"/api/v1/nodes/{node}")
            except ApiError:
                return self._default
            labels = (found or {}).get("metadata", {}).get("labels") or {}
            self._known[node] = labels.get("topology.kubernetes.io/zone", self._default)
        return self._known.get(node, self._default)


class Groups:
    def __init__(self, compute: Compute, zones: NodeZones) -> None:
        self._compute = compute
        self._zones = zones
        self._attached: dict[ResourceKey, set[Endpoint]] = {}

    def forget(self) -> None:
        """Ask the cloud again what is attached."""
        self._attached.clear()

    async def sync(self, wanted: Mapping[str, list[Endpoint]], present: Mapping[ResourceKey, Object]) -> None:
        """`wanted`: group name -> endpoints of all zones."""
        for key in [key for key in present if key[0] == GROUPS]:
            _collection, scope, name = key
            endpoints = {
                endpoint
                for endpoint in wanted.get(name, [])
                if scope == f"zones/{await self._zones.zone_of(endpoint.node)}"
            }
            try:
                await self._sync_one(key, endpoints)
            except ComputeError as error:
                LOG.warning("endpoints of %s: %s", path_of(key), error)
                self._attached.pop(key, None)
        self._attached = {key: found for key, found in self._attached.items() if key in present}

    async def _sync_one(self, key: ResourceKey, wanted: set[Endpoint]) -> None:
        if key not in self._attached:
            self._attached[key] = await self._read(key)
        attached = self._attached[key]
        for verb, difference in (("attach", wanted - attached), ("detach", attached - wanted)):
            ordered = sorted(difference, key=lambda endpoint: (endpoint.ip, endpoint.port))
            for start in range(0, len(ordered), BATCH):
                batch = [_body(endpoint) for endpoint in ordered[start : start + BATCH]]
                await self._compute.change(
                    "POST", f"{path_of(key)}/{verb}NetworkEndpoints", {"networkEndpoints": batch}
                )
        self._attached[key] = wanted

    async def _read(self, key: ResourceKey) -> set[Endpoint]:
        answer = await self._compute.ask(f"{path_of(key)}/listNetworkEndpoints", {})
        found = [item["networkEndpoint"] for item in answer.get("items") or []]
        return {Endpoint(e["ipAddress"], e["port"], e.get("instance", "").rpartition("/")[2]) for e in found}


def _body(endpoint: Endpoint) -> Object:
    body: Object = {"ipAddress": endpoint.ip, "port": endpoint.port}
    if endpoint.node:
        body["instance"] = endpoint.node
    return body
