# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Makes the cloud hold what is planned: makes what is missing, changes what differs, deletes what of ours is idle."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.cluster.kube import Object
from sandbox.cluster.loadbalancer.compute_client import Compute, ComputeError
from sandbox.cluster.loadbalancer.compute_plan import STAGE, STAGES, Resource, ResourceKey, World, path_of

LOG = logging.getLogger(__name__)

# What may change in place. Everything else is told apart by its name.
CHANGEABLE = {
    "firewalls": ("sourceRanges", "allowed"),
    "healthChecks": (
        "type", "checkIntervalSec", "timeoutSec", "healthyThreshold", "unhealthyThreshold", "tcpHealthCheck",
        "httpHealthCheck", "httpsHealthCheck", "http2HealthCheck", "grpcHealthCheck",
    ),
    "backendServices": ("protocol", "timeoutSec", "connectionDraining", "healthChecks", "logConfig", "backends"),
    "urlMaps": ("defaultRouteAction", "hostRules", "pathMatchers"),
    "targetHttpsProxies": ("sslCertificates",),
}  # fmt: skip
GROUPS = "networkEndpointGroups"


class Provisioner:
    def __init__(
        self, compute: Compute, world: World, collect_after: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._compute = compute
        self._world = world
        self._collect_after = collect_after
        self._now = now
        # What the cloud holds of ours, as far as we know.
        self.present: dict[ResourceKey, Object] = {}
        self._idle_since: dict[ResourceKey, float] = {}

    async def look(self) -> None:
        """Learn what the cloud holds of ours: at the start, and now and then, since others may delete it."""
        places = [
            (collection, scope)
            for collection in STAGE
            for scope in self._scopes(collection)
        ]  # fmt: skip
        found = await asyncio.gather(*(self._ours(collection, scope) for collection, scope in places))
        self.present = {key: body for part in found for key, body in part}

    def _scopes(self, collection: str) -> list[str]:
        if collection == GROUPS:
            return [f"zones/{zone}" for zone in self._world.zones]
        return ["global"] if collection == "firewalls" else ["global", f"regions/{self._world.region}"]

    async def _ours(self, collection: str, scope: str) -> list[tuple[ResourceKey, Object]]:
        prefix = self._world.names.neg_prefix if collection == GROUPS else self._world.names.prefix
        items = await self._compute.list(f"{scope}/{collection}")
        return [((collection, scope, item["name"]), item) for item in items if item["name"].startswith(prefix)]

    async def apply(self, desired: Iterable[Resource]) -> tuple[bool, dict[ResourceKey, str]]:
        """One round. Returns whether anything changed, and what failed with Google's words."""
        wanted = {resource.key: resource for resource in desired}
        errors: dict[ResourceKey, str] = {}
        changed = False
        for stage in STAGES:
            here = [resource for resource in wanted.values() if resource.collection in stage]
            results = await asyncio.gather(*(self._ensure(resource, errors) for resource in here))
            changed = changed or any(results)
        for stage in reversed(STAGES):
            idle = [key for key in self.present if key[0] in stage and key not in wanted and self._due(key)]
            results = await asyncio.gather(*(self._delete(key, errors) for key in idle))
            changed = changed or any(results)
        for key in wanted:
            self._idle_since.pop(key, None)
        return changed, errors

    def next_collection(self) -> float | None:
        """Seconds until an idle endpoint group is due; None when there is none."""
        if not self._idle_since:
            return None
        return max(0.0, min(self._idle_since.values()) + self._collect_after - self._now())

    def _due(self, key: ResourceKey) -> bool:
        """Endpoint groups are collected late; everything else goes at once."""
        if key[0] != GROUPS:
            return True
        since = self._idle_since.setdefault(key, self._now())
        return self._now() - since >= self._collect_after

    async def _ensure(self, resource: Resource, errors: dict[ResourceKey, str]) -> bool:
        # A resource whose parts could not be made fails for their reason, which is the one to show.
        if any(part in errors for part in resource.needs):
            errors[resource.key] = next(errors[part] for part in resource.needs if part in errors)
            return False
        try:
            return await self._make_or_change(resource)
        except ComputeError as error:
            action = "Update" if resource.key in self.present else "Insert"
            errors[resource.key] = f"gceSync: generic::{_canonical(error)}: {action}: {self._short(str(error))}"
            LOG.warning("%s: %s", path_of(resource.key), error)
            if error.status == 404:
                # It, or something it refers to, is gone behind our back.
                for key in [resource.key, *resource.needs]:
                    self.present.pop(key, None)
            return False

    def _short(self, message: str) -> str:
        """Links as GKE shows them: from the scope on."""
        return message.replace(f"https://www.googleapis.com/compute/v1/projects/{self._world.project}/", "")

    async def _make_or_change(self, resource: Resource) -> bool:
        path = path_of(resource.key)
        if resource.key not in self.present:
            try:
                await self._compute.change("POST", f"{resource.scope}/{resource.collection}", resource.body)
                LOG.info("made %s", path)
            except ComputeError as error:
                if error.status != 409:
                    raise
            found = await self._compute.get(path)
            if found is None:
                raise ComputeError(404, "notFound", f"{path} vanished")
            self.present[resource.key] = found
            return True
        known = self.present[resource.key]
        change = {
            name: resource.body[name]
            for name in CHANGEABLE.get(resource.collection, ())
            if name in resource.body and not same(resource.body[name], known.get(name))
        }
        if not change:
            return False
        current = await self._compute.get(path)
        if current is None:
            raise ComputeError(404, "notFound", f"{path} is gone")
        fingerprint = {"fingerprint": current["fingerprint"]} if current.get("fingerprint") else {}
        await self._compute.change("PATCH", path, {**change, **fingerprint})
        LOG.info("changed %s: %s", path, ", ".join(sorted(change)))
        self.present[resource.key] = {**current, **change}
        return True

    async def _delete(self, key: ResourceKey, errors: dict[ResourceKey, str]) -> bool:
        try:
            await self._compute.change("DELETE", path_of(key))
            LOG.info("deleted %s", path_of(key))
        except ComputeError as error:
            if error.status != 404:
                errors[key] = f"gceSync: generic::{_canonical(error)}: Delete: {error}"
                LOG.warning("%s: %s", path_of(key), error)
                return False
        self.present.pop(key, None)
        self._idle_since.pop(key, None)
        return True


def same(wanted: Any, found: Any) -> bool:
    """Whether what is there has all that is wanted: the server adds fields, and writes links in full."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(same(value, found.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return not wanted and found is None
        return len(wanted) == len(found) and all(same(a, b) for a, b in zip(wanted, found, strict=True))
    if isinstance(wanted, str) and isinstance(found, str) and "projects/" in wanted:
        return wanted[wanted.index("projects/") :] == found[found.find("projects/") :]
    # Google leaves zero and false out.
    return bool(wanted == found) or (not wanted and found is None)


def _canonical(error: ComputeError) -> str:
    return {
        400: "invalid_argument",
        403: "permission_denied",
        404: "not_found",
        409: "already_exists",
        412: "failed_precondition",
        429: "resource_exhausted",
        503: "unavailable",
        504: "deadline_exceeded",
    }.get(error.status, "unknown")
