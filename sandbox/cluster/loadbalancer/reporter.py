# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Writes what the controller found into the objects: statuses, annotations, finalizers, events."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import aiohttp

from sandbox.cluster.kube import MERGE, ApiError, Key, KubeClient, Object, key_of
from sandbox.cluster.loadbalancer import backends, status
from sandbox.cluster.loadbalancer.compute_plan import Resource, full_path
from sandbox.cluster.loadbalancer.events import Events, utc_now
from sandbox.cluster.loadbalancer.model import CONTROLLER, GATEWAY_GROUP, BoundRoute, Gateway
from sandbox.cluster.loadbalancer.status import Programming
from sandbox.cluster.loadbalancer.store import KINDS, Store

LOG = logging.getLogger(__name__)

FINALIZER = "gateway.finalizer.networking.gke.io"
GATEWAY_VERSION = f"{GATEWAY_GROUP}/v1"
POLICIES = {"healthcheckpolicies": "HealthCheckPolicy", "gcpbackendpolicies": "GCPBackendPolicy"}
_ANNOTATED = {
    "addresses": "addresses",
    "backend-services": "backendServices",
    "firewalls": "firewalls",
    "forwarding-rules": "forwardingRules",
    "health-checks": "healthChecks",
    "ssl-certificates": "sslCertificates",
    "target-http-proxies": "targetHttpProxies",
    "target-https-proxies": "targetHttpsProxies",
    "url-maps": "urlMaps",
}
_PREFIX = "networking.gke.io/"


def object_path(kind: str, key: Key) -> str:
    root, _, plural = KINDS[kind].path.rpartition("/")
    return f"{root}/namespaces/{key[0]}/{plural}/{key[1]}" if key[0] else f"{root}/{plural}/{key[1]}"


def parts_of(project: str, plan: Iterable[Resource]) -> dict[str, str]:
    """What a Gateway consists of in the cloud."""
    found: dict[str, list[str]] = {collection: [] for collection in _ANNOTATED.values()}
    for resource in plan:
        if resource.collection in found:
            found[resource.collection].append("/" + full_path(project, resource.key))
    return {f"{_PREFIX}{name}": ", ".join(sorted(set(found[collection]))) for name, collection in _ANNOTATED.items()}


class Reporter:
    def __init__(self, kube: KubeClient, store: Store, events: Events, project: str) -> None:
        self._kube = kube
        self._store = store
        self._events = events
        self._project = project
        self._announced: set[str] = set()
        self._results: dict[str, object] = {}

    async def begin(self, gateways: list[Gateway]) -> None:
        """Take charge: classes are accepted, Gateways cannot go before what was made for them."""
        for gateway_class in self._store.all("gatewayclasses"):
            if gateway_class["spec"]["controllerName"] == CONTROLLER:
                await self._write_status("gatewayclasses", gateway_class, status.class_status(gateway_class, utc_now()))
        for gateway in gateways:
            finalizers = gateway.gateway["metadata"].get("finalizers") or []
            if not gateway.deleting and FINALIZER not in finalizers:
                await self._patch("gateways", gateway.key, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
                await self._events.normal("Gateway", GATEWAY_VERSION, gateway.gateway, "ADD", gateway.name)
            for bound in gateway.routes:
                if not (bound.route.get("status") or {}).get("parents"):
                    await self._once("HTTPRoute", GATEWAY_VERSION, bound.route, "ADD", "/".join(key_of(bound.route)))

    async def release(self, deleting: list[Gateway]) -> None:
        for gateway in deleting:
            finalizers = gateway.gateway["metadata"].get("finalizers") or []
            if FINALIZER in finalizers:
                rest = [name for name in finalizers if name != FINALIZER]
                await self._patch("gateways", gateway.key, {"metadata": {"finalizers": rest}})
                LOG.info("Gateway %s is gone", gateway.name)

    async def accept(self, gateways: list[Gateway]) -> None:
        """Before anything is made for them."""
        for gateway in gateways:
            wanted = status.gateway_status(gateway, Programming(), utc_now())
            await self._write_status("gateways", gateway.gateway, wanted)

    async def report(self, gateways: list[Gateway], programming: Mapping[Key, Programming]) -> None:
        now = utc_now()
        for gateway in gateways:
            state = programming.get(gateway.key, Programming())
            await self._write_status("gateways", gateway.gateway, status.gateway_status(gateway, state, now))
        await self._report_routes(gateways, programming, now)
        for pool in self._store.all("inferencepools"):
            _picker, problem = backends.resolve_picker(self._store, pool)
            wanted = status.pool_status(pool, gateways, problem, now)
            if wanted["parents"] or (pool.get("status") or {}).get("parents"):
                await self._write_status("inferencepools", pool, wanted)
        for plural, kind in POLICIES.items():
            for policy, verdict in backends.policy_verdicts(self._store, plural):
                await self._write_status(plural, policy, status.policy_status(policy, verdict, now))
                if verdict.ok:
                    text = f'Application of {kind} "{"/".join(key_of(policy))}" was a success'
                    await self._once(kind, "networking.gke.io/v1", policy, "SYNC", text)

    async def finished(self, gateway: Gateway, state: Programming, plan: list[Resource]) -> None:
        """Events and annotations after a synchronisation that ended otherwise than the last one."""
        metadata = gateway.gateway["metadata"]
        noted = parts_of(self._project, plan)
        result = (metadata["generation"], state, noted)
        if self._results.get(metadata["uid"]) == result:
            return
        self._results[metadata["uid"]] = result
        if state.failed:
            what = "translate" if state.reason == "Invalid" else "sync"
            text = f'failed to {what} Gateway "{gateway.name}": {state.message}'
            await self._events.warning("Gateway", GATEWAY_VERSION, gateway.gateway, "SYNC", text)
            return
        before = metadata.get("annotations") or {}
        if any(before.get(name) != value for name, value in noted.items()):
            dated = {**noted, f"{_PREFIX}last-reconcile-time": utc_now()}
            await self._patch("gateways", gateway.key, {"metadata": {"annotations": dated}})
        text = f"SYNC on {gateway.name} was a success"
        await self._events.normal("Gateway", GATEWAY_VERSION, gateway.gateway, "SYNC", text)

    async def _report_routes(self, gateways: list[Gateway], programming: Mapping[Key, Programming], now: str) -> None:
        bound: dict[Key, list[tuple[BoundRoute, Programming]]] = {}
        for gateway in gateways:
            for item in gateway.routes:
                state = programming.get(gateway.key, Programming())
                bound.setdefault(key_of(item.route), []).append((item, state))
        for route in self._store.all("httproutes"):
            found = bound.get(key_of(route), [])
            ours = [p for p in (route.get("status") or {}).get("parents") or [] if p["controllerName"] == CONTROLLER]
            if found or ours:
                await self._write_status("httproutes", route, status.route_status(route, found, now))
            for item, state in found:
                await self._route_events(route, item, state)

    async def _route_events(self, route: Object, bound: BoundRoute, state: Programming) -> None:
        name = "/".join(key_of(route))
        parent = _go_parent(bound.parent)
        if bound.programmable and state.done:
            texts = [
                "All the object references were able to be resolved for "
                f'HTTPRoute "{name}" bound to ParentRef {parent}',
                f'Bind of HTTPRoute "{name}" to ParentRef {parent} was a success',
                f'Reconciliation of HTTPRoute "{name}" bound to ParentRef {parent} was a success',
            ]
            for text in texts:
                await self._once("HTTPRoute", GATEWAY_VERSION, route, "SYNC", text)
        elif not bound.programmable:
            problem = bound.accepted if not bound.accepted.ok else bound.resolved
            await self._once("HTTPRoute", GATEWAY_VERSION, route, "SYNC", problem.message, warning=True)

    async def _once(self, kind: str, version: str, item: Object, reason: str, text: str, warning: bool = False) -> None:
        """An event a generation: saying it in every round would be noise."""
        metadata = item["metadata"]
        mark = f"{metadata['uid']}/{metadata.get('generation')}/{reason}/{text}"
        if mark not in self._announced:
            self._announced.add(mark)
            say = self._events.warning if warning else self._events.normal
            await say(kind, version, item, reason, text)

    async def _write_status(self, kind: str, item: Object, wanted: Object) -> None:
        """Only what differs is written. Our copy follows, so that the next comparison does not wait for the watch."""
        current = item.get("status") or {}
        if all(current.get(name) == value or (not value and not current.get(name)) for name, value in wanted.items()):
            return
        if await self._patch(kind, key_of(item), {"status": wanted}, "/status"):
            item["status"] = {**current, **wanted}

    async def _patch(self, kind: str, key: Key, body: Object, part: str = "") -> bool:
        try:
            await self._kube.patch(object_path(kind, key) + part, body, MERGE)
            return True
        except ApiError as error:
            # It went meanwhile, or somebody else changed it: the next round sees.
            if error.code not in (404, 409):
                LOG.warning("cannot write %s %s: %s", kind, "/".join(key), error)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            LOG.warning("cannot write %s %s: %s", kind, "/".join(key), type(error).__name__)
        return False


def _go_parent(parent: Object) -> str:
    """GKE prints the reference as Go does."""

    def shown(name: str) -> str:
        return f'"{parent[name]}"' if parent.get(name) is not None else "nil"

    return (
        f'{{Group:       "{parent.get("group", GATEWAY_GROUP)}",\n Kind:        "{parent.get("kind", "Gateway")}",\n'
        f" Namespace:   {shown('namespace')},\n Name:        {shown('name')},\n"
        f" SectionName: {shown('sectionName')},\n Port:        {parent.get('port', 'nil')}}}"
    )
