# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The loop: look at the cluster, make the cloud and Envoy fit, and say so in statuses.

Level-triggered: every round starts from what is there now, so a round that was missed or failed costs nothing but time.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import aiohttp

from sandbox.cluster.kube import ApiError, Key, KubeClient
from sandbox.cluster.loadbalancer import attach
from sandbox.cluster.loadbalancer.backends import Endpoint, endpoints
from sandbox.cluster.loadbalancer.compute_client import Compute, ComputeError
from sandbox.cluster.loadbalancer.compute_plan import Resource, World, project_path, resources
from sandbox.cluster.loadbalancer.envoy import DataPlane
from sandbox.cluster.loadbalancer.envoy_config import Certificate, Frontend
from sandbox.cluster.loadbalancer.model import BackendRef, Gateway
from sandbox.cluster.loadbalancer.negs import Groups
from sandbox.cluster.loadbalancer.pace import ACCEPTANCE, PROPAGATION, Pace
from sandbox.cluster.loadbalancer.provisioner import GROUPS, Provisioner
from sandbox.cluster.loadbalancer.reporter import Reporter
from sandbox.cluster.loadbalancer.status import Programming
from sandbox.cluster.loadbalancer.store import Store

LOG = logging.getLogger(__name__)

NETWORK_SERVICES = "networkservices.googleapis.com"
NO_NETWORK_SERVICES = (
    "gceSync: NetworkServices API is not enabled, but lb_traffic_extensions, lb_route_extensions, or "
    "service_lb_policies are present in the load balancer"
)
# Changes come in bursts; one round serves many.
SETTLE_SECONDS = 0.05


class Relay(Protocol):
    """Tells the host side where the gateway is."""

    async def announce(self, address: str | None, port: int | None) -> None: ...


class Controller:
    def __init__(
        self,
        kube: KubeClient,
        store: Store,
        compute: Compute,
        world: World,
        provisioner: Provisioner,
        groups: Groups,
        data_plane: DataPlane,
        reporter: Reporter,
        relay: Relay,
        pace: Pace,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._store = store
        self._compute = compute
        self._world = world
        self._provisioner = provisioner
        self._groups = groups
        self._data_plane = data_plane
        self._reporter = reporter
        self._relay = relay
        self._pace = pace
        self._now = now
        self._seen: dict[Key, float] = {}
        self._plans: dict[Key, list[Resource]] = {}
        self._programming: dict[Key, Programming] = {}
        self._certificates: dict[Key, Certificate] = {}
        self._next_look = 0.0
        self._network_services = False

    async def run(self) -> None:
        """For ever. The store must be in sync."""
        changes = self._store.subscribe()
        following = asyncio.create_task(self._follow_endpoints())
        try:
            while True:
                changes.clear()
                try:
                    pause = await self._round()
                except (ApiError, ComputeError, aiohttp.ClientError, OSError, TimeoutError) as error:
                    LOG.warning("a round failed: %s: %s", type(error).__name__, error)
                    pause = self._pace.retry
                if following.done():
                    following.result()
                try:
                    await asyncio.wait_for(changes.wait(), pause)
                    await asyncio.sleep(SETTLE_SECONDS)
                except TimeoutError:
                    pass
        finally:
            following.cancel()

    async def _follow_endpoints(self) -> None:
        """Pods come and go faster than rounds end."""
        changes = self._store.subscribe()
        while True:
            await changes.wait()
            changes.clear()
            self._data_plane.refresh()

    async def _round(self) -> float:
        """Everything once. Returns how long to wait for a change before the next."""
        await self._look_at_cloud()
        await self._read_certificates()
        gateways = attach.gateways(self._store, dict.fromkeys(self._certificates, True))
        await self._reporter.begin(gateways)
        active, waiting = self._accepted([gateway for gateway in gateways if not gateway.deleting])
        self._forget_all_but({gateway.key for gateway in gateways})
        # What goes stops serving first, then its resources go.
        self._data_plane.set([f for f in self._data_plane.frontends if f.gateway in {g.name for g in active}])
        await self._reporter.accept([gateway for gateway in active if not gateway.accepted_before])

        problems = await self._plan(active)
        changed, errors = await self._provisioner.apply(
            resource for gateway in active for resource in self._plans.get(gateway.key, [])
        )
        if changed:
            await self._pace.sleep(PROPAGATION)
        for gateway in active:
            failures = [errors[r.key] for r in self._plans.get(gateway.key, []) if r.key in errors]
            self._programming[gateway.key] = self._judge(gateway, problems.get(gateway.key), failures)
        await self._serve(active)
        await self._reporter.report(active, self._programming)
        for gateway in active:
            plan = self._plans.get(gateway.key, [])
            await self._reporter.finished(gateway, self._programming[gateway.key], plan)
        await self._groups.sync(self._group_members(active), self._provisioner.present)
        planned = {resource.key for plan in self._plans.values() for resource in plan}
        stuck = [key for key in errors if key not in planned and key[0] != GROUPS]
        if not stuck:
            await self._reporter.release([gateway for gateway in gateways if gateway.deleting])
        failed = bool(errors or problems or stuck) or any(p.failed for p in self._programming.values())
        return self._pause(failed, waiting)

    async def _look_at_cloud(self) -> None:
        if self._now() < self._next_look:
            return
        await self._provisioner.look()
        self._groups.forget()
        self._network_services = await self._compute.service_enabled(NETWORK_SERVICES)
        self._world = replace(self._world, proxy_ranges=await self._proxy_ranges())
        self._next_look = self._now() + self._pace.resync

    async def _proxy_ranges(self) -> tuple[str, ...]:
        """The ranges that Google's proxies come from, for the firewall."""
        project = self._world.project
        network = project_path(self._world.network, project, "global/networks")
        subnets = await self._compute.list(f"regions/{self._world.region}/subnetworks")
        return tuple(
            sorted(
                subnet["ipCidrRange"]
                for subnet in subnets
                if subnet.get("purpose") == "REGIONAL_MANAGED_PROXY"
                and subnet.get("role") == "ACTIVE"
                and project_path(subnet["network"], project, "global/networks") == network
            )
        )

    async def _read_certificates(self) -> None:
        """Secrets are read when a listener names them, never watched: most Secrets are not our business."""
        found: dict[Key, Certificate] = {}
        for gateway in self._store.all("gateways"):
            for listener in gateway["spec"]["listeners"]:
                for reference in (listener.get("tls") or {}).get("certificateRefs") or []:
                    key = (reference.get("namespace") or gateway["metadata"]["namespace"], reference["name"])
                    secret = await self._kube.find(f"/api/v1/namespaces/{key[0]}/secrets/{key[1]}")
                    data = (secret or {}).get("data") or {}
                    if "tls.crt" in data and "tls.key" in data:
                        chain, private = (base64.b64decode(data[name]).decode() for name in ("tls.crt", "tls.key"))
                        found[key] = Certificate(chain, private)
        self._certificates = found

    def _accepted(self, gateways: list[Gateway]) -> tuple[list[Gateway], list[float]]:
        """Those that have been there long enough to be seen by GKE, and how long the others still have."""
        active, waiting = [], []
        for gateway in gateways:
            head_start = self._pace.real(ACCEPTANCE) if gateway.accepted_before else 0
            since = self._seen.setdefault(gateway.key, self._now() - head_start)
            left = since + self._pace.real(ACCEPTANCE) - self._now()
            if left <= 0:
                active.append(gateway)
            else:
                waiting.append(left)
        return active, waiting

    def _forget_all_but(self, keys: set[Key]) -> None:
        for memory in (self._seen, self._plans, self._programming):
            for key in [key for key in memory if key not in keys]:
                del memory[key]

    async def _plan(self, gateways: list[Gateway]) -> dict[Key, tuple[str, str]]:
        """Plans for those that can be translated; (reason, message) for the others, which keep what they had."""
        problems: dict[Key, tuple[str, str]] = {}
        for gateway in gateways:
            if gateway.invalid:
                problems[gateway.key] = ("Invalid", gateway.invalid)
            elif gateway.uses_pools and not await self._picking_possible():
                problems[gateway.key] = ("Invalid", f"error cause: {NO_NETWORK_SERVICES}")
            else:
                self._plans[gateway.key] = resources(gateway, self._world, self._certificates)
        return problems

    async def _picking_possible(self) -> bool:
        if not self._network_services:
            self._network_services = await self._compute.service_enabled(NETWORK_SERVICES)
        return self._network_services

    def _judge(self, gateway: Gateway, problem: tuple[str, str] | None, failures: list[str]) -> Programming:
        address = self._address(gateway)
        if problem:
            return Programming(reason=problem[0], message=problem[1], failed=True, address=address)
        if failures:
            self._refresh_soon(failures)
            return Programming(reason="Pending", message=f"error cause: {failures[0]}", failed=True, address=address)
        return Programming(done=True, reason="Programmed", message="", address=address)

    def _refresh_soon(self, failures: Iterable[str]) -> None:
        """A refusal may mean that our picture of the cloud is old, and a new proxy subnet changes the firewall."""
        if any(failures):
            self._next_look = min(self._next_look, self._now())

    def _address(self, gateway: Gateway) -> str:
        """That of its forwarding rules, which exist last."""
        for resource in self._plans.get(gateway.key, []):
            if resource.collection == "forwardingRules" and resource.key in self._provisioner.present:
                return str(self._provisioner.present[resource.key].get("IPAddress", ""))
        return ""

    async def _serve(self, gateways: list[Gateway]) -> None:
        frontends = [frontend for gateway in gateways for frontend in self._frontends(gateway)]
        # One that cannot be translated any more serves what it served.
        kept = {g.name for g in gateways if self._programming[g.key].failed}
        frontends += [frontend for frontend in self._data_plane.frontends if frontend.gateway in kept]
        self._data_plane.set(frontends)
        listening = await self._data_plane.listening()
        deaf = {frontend.gateway for frontend in frontends if frontend not in listening}
        for gateway in gateways:
            if gateway.name in deaf:
                text = "error cause: the proxies do not listen yet"
                self._programming[gateway.key] = replace(
                    self._programming[gateway.key], done=False, failed=True, reason="Pending", message=text
                )
        oldest = gateways[0].name if gateways else ""
        first = min(listening, key=lambda f: (f.gateway != oldest, bool(f.certificates), f.port), default=None)
        await self._relay.announce(first.address if first else None, first.port if first else None)

    def _frontends(self, gateway: Gateway) -> list[Frontend]:
        programming = self._programming[gateway.key]
        if not programming.done or not programming.address:
            return []
        found = []
        for port in sorted({listener.port for listener in gateway.listeners if listener.usable}):
            here = [listener for listener in gateway.listeners if listener.port == port and listener.usable]
            names = {listener.name for listener in here}
            routes = [
                (name, bound)
                for bound in gateway.routes
                if bound.programmable
                for name, _hosts in bound.listeners
                if name in names
            ]
            certificates = [
                (listener.hostname, [self._certificates[secret] for secret in listener.certificates])
                for listener in here
                if listener.protocol == "HTTPS"
            ]
            found.append(Frontend(gateway.name, programming.address, port, routes, certificates))
        return found

    def _group_members(self, gateways: list[Gateway]) -> dict[str, list[Endpoint]]:
        members: dict[str, list[Endpoint]] = {}
        for gateway in gateways:
            for backend in gateway.backends():
                refs = [backend.ref, *([backend.picker.service] if backend.picker else [])]
                for ref in refs:
                    members[self._group_name(ref)] = endpoints(self._store, ref)
        return members

    def _group_name(self, ref: BackendRef) -> str:
        names = self._world.names
        return names.of_neg(ref.namespace, names.pool_service(ref.name) if ref.is_pool else ref.name, ref.port)

    def _pause(self, failed: bool, waiting: list[float]) -> float:
        pauses = [*waiting, self._pace.retry if failed else self._pace.resync]
        collection = self._provisioner.next_collection()
        if collection is not None:
            # One that is due and still there could not be deleted.
            pauses.append(max(collection, self._pace.retry if collection == 0 else 0.0))
        return max(min(pauses), 0.01)
