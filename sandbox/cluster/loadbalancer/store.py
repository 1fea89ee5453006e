# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What the API server holds of the kinds we look at, kept up to date by watches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aiohttp

from sandbox.cluster.kube import ApiError, Key, KubeClient, Object, key_of

LOG = logging.getLogger(__name__)

# How long to wait before asking again for a kind that is not installed, or after a broken watch.
RETRY_SECONDS = 1.0


def _without_noise(item: Object) -> Object:
    item["metadata"].pop("managedFields", None)
    (item["metadata"].get("annotations") or {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return item


def _lean_pod(pod: Object) -> Object:
    """Only what routing needs: pods change often for reasons that are not ours."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    return {
        "metadata": {
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "labels": metadata.get("labels") or {},
            "deletionTimestamp": metadata.get("deletionTimestamp"),
        },
        "spec": {"nodeName": (pod.get("spec") or {}).get("nodeName")},
        "status": {"podIP": status.get("podIP"), "ready": ready},
    }


def _lean_namespace(namespace: Object) -> Object:
    metadata = namespace["metadata"]
    return {"metadata": {key: metadata.get(key) for key in ("name", "labels", "uid")}}


@dataclass(frozen=True)
class Kind:
    path: str
    lean: Callable[[Object], Object] = _without_noise


KINDS: dict[str, Kind] = {
    "gatewayclasses": Kind("/apis/gateway.networking.k8s.io/v1/gatewayclasses"),
    "gateways": Kind("/apis/gateway.networking.k8s.io/v1/gateways"),
    "httproutes": Kind("/apis/gateway.networking.k8s.io/v1/httproutes"),
    "referencegrants": Kind("/apis/gateway.networking.k8s.io/v1beta1/referencegrants"),
    "inferencepools": Kind("/apis/inference.networking.k8s.io/v1/inferencepools"),
    "healthcheckpolicies": Kind("/apis/networking.gke.io/v1/healthcheckpolicies"),
    "gcpbackendpolicies": Kind("/apis/networking.gke.io/v1/gcpbackendpolicies"),
    "services": Kind("/api/v1/services"),
    "endpointslices": Kind("/apis/discovery.k8s.io/v1/endpointslices"),
    "pods": Kind("/api/v1/pods", _lean_pod),
    "namespaces": Kind("/api/v1/namespaces", _lean_namespace),
}


class Store:
    """Objects by kind and key. Whoever waits on a subscription is woken by any change that matters."""

    def __init__(self) -> None:
        self._items: dict[str, dict[Key, Object]] = {kind: {} for kind in KINDS}
        self._subscriptions: list[asyncio.Event] = []

    def subscribe(self) -> asyncio.Event:
        event = asyncio.Event()
        self._subscriptions.append(event)
        return event

    def all(self, kind: str) -> Iterator[Object]:
        return iter(list(self._items[kind].values()))

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._items[kind].get((namespace, name))

    def put(self, kind: str, item: Object) -> None:
        lean = KINDS[kind].lean(item)
        before = self._items[kind].get(key_of(lean))
        self._items[kind][key_of(lean)] = lean
        if before != lean:
            self._notify()

    def remove(self, kind: str, item: Object) -> None:
        if self._items[kind].pop(key_of(item), None) is not None:
            self._notify()

    def replace(self, kind: str, items: list[Object]) -> None:
        fresh = {key_of(item): KINDS[kind].lean(item) for item in items}
        if fresh != self._items[kind]:
            self._items[kind] = fresh
            self._notify()

    def _notify(self) -> None:
        for event in self._subscriptions:
            event.set()


async def reflect(kube: KubeClient, store: Store, kind: str, synced: asyncio.Event) -> None:
    """Keep one kind up to date, for ever. A kind that is not installed (yet) counts as empty."""
    path = KINDS[kind].path
    while True:
        try:
            listed = await kube.get(path)
            store.replace(kind, listed.get("items") or [])
            synced.set()
            await _follow(kube, store, kind, listed["metadata"]["resourceVersion"])
        except ApiError as error:
            if error.code == 404:
                store.replace(kind, [])
                synced.set()
            elif error.code != 410:
                LOG.warning("cannot watch %s: %s", kind, error)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            LOG.info("the watch of %s broke (%s), starting again", kind, type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _follow(kube: KubeClient, store: Store, kind: str, version: str) -> None:
    while True:
        async for event in kube.watch(KINDS[kind].path, version):
            item = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(item.get("code", 500), item.get("reason", ""), item.get("message", ""))
            version = item["metadata"]["resourceVersion"]
            if event["type"] == "DELETED":
                store.remove(kind, item)
            elif event["type"] != "BOOKMARK":
                store.put(kind, item)
