# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What would have to be done to a release, and why: declared + held + live in, a plan out. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._helmfile_manifests import (
    Difference,
    Key,
    Object,
    as_diff,
    settled,
)
from ._helmfile_releases import (
    INTERRUPTED,
    LEFT_BEHIND,
    Release,
    Stored,
    same_version,
)


@dataclass(frozen=True)
class Live:
    """An object of a release as the cluster has it, and as a server-side apply of the manifest would leave it."""

    found: Object | None
    merged: Object | None = None
    immutable: str = ""  # the server's refusal to change it in place


@dataclass
class ReleasePlan:
    """One release: what is to be done with it, and the differences that say so."""

    release: Release
    action: str  # install, upgrade, destroy, none
    reasons: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    unchanged: list[Object] = field(default_factory=list)
    held: Stored | None = None

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def diff(self) -> list[dict[str, str]]:
        return [as_diff(self.release.name, difference) for difference in self.differences]

    def result(self) -> Object:
        """The plan as a module's result."""
        objects = [_row(difference.definition, difference.change) for difference in self.differences]
        objects += [_row(definition, "none") for definition in self.unchanged]
        return {
            "name": self.release.name,
            "namespace": self.release.namespace,
            "chart": self.release.chart,
            "version": self.release.version or (self.held.version if self.held else ""),
            "status": self.held.status if self.held else "absent",
            "revision": self.held.revision if self.held else 0,
            "action": self.action,
            "reasons": self.reasons,
            "changed": self.changed,
            "objects": objects,
        }


def _row(definition: Object, change: str) -> Object:
    meta = definition.get("metadata") or {}
    return {
        "kind": definition.get("kind"),
        "name": meta.get("name"),
        "namespace": meta.get("namespace") or "",
        "change": change,
    }


def plan_present(
    release: Release,
    rendered: Mapping[Key, Object],
    held: Stored | None,
    held_objects: Mapping[Key, Object],
    live: Mapping[Key, Live],
) -> ReleasePlan:
    """Compare what helmfile would render with what the release holds, and both with what is live."""
    plan = ReleasePlan(release, "none", held=held)
    for key, definition in rendered.items():
        difference = _compare(definition, held_objects.get(key), live.get(key, Live(None)), held is not None)
        if difference:
            plan.differences.append(difference)
        else:
            plan.unchanged.append(definition)
    for key, definition in held_objects.items():
        if key not in rendered:
            plan.differences.append(Difference(definition, "delete", definition, None))
    plan.reasons = list(_reasons(release, held, plan.differences))
    if plan.reasons:
        plan.action = "upgrade" if held else "install"
    return plan


def _compare(wanted: Object, held: Object | None, live: Live, installed: bool) -> Difference | None:
    if live.found is None:
        return Difference(wanted, "create", None, wanted, "missing in the cluster" if held else "new")
    if live.immutable:
        return Difference(wanted, "recreate", held or settled(live.found), wanted, live.immutable)
    if held != wanted:
        # An object that is there before its release is judged by what it is, not by what nobody remembers.
        before = held if held or installed else settled(live.found)
        return Difference(wanted, "update", before, wanted, "new" if before is None else "")
    if live.merged is not None and settled(live.merged) != settled(live.found):
        return Difference(wanted, "repair", settled(live.found), settled(live.merged), "as declared")
    return None


def _reasons(release: Release, held: Stored | None, differences: list[Difference]) -> Iterable[str]:
    if held is None:
        yield "it is not installed"
        return
    if held.status in INTERRUPTED:
        yield f"it is {held.status}, {LEFT_BEHIND}"
    elif held.status != "deployed":
        yield f"its status is {held.status}"
    if not same_version(release.version, held.version):
        yield f"chart {held.chart_version} becomes {release.version}"
    counts: dict[str, int] = {}
    for difference in differences:
        counts[difference.change] = counts.get(difference.change, 0) + 1
    yield from (f"objects to {change}: {count}" for change, count in counts.items())


def plan_absent(release: Release, held: Stored | None, held_objects: Mapping[Key, Object]) -> ReleasePlan:
    """What destroying a release takes away."""
    if held is None:
        return ReleasePlan(release, "none")
    differences = [Difference(definition, "delete", definition, None) for definition in held_objects.values()]
    return ReleasePlan(release, "destroy", ["it is installed"], differences, held=held)


def refused(plans: Iterable[ReleasePlan]) -> list[tuple[Release, Difference]]:
    """Differences that cannot be made in place."""
    return [(plan.release, each) for plan in plans for each in plan.differences if each.change == "recreate"]


def with_namespace(definition: Object, namespace: str, namespaced: bool) -> Object:
    """The object in the namespace it will land in: manifests may leave that to the release."""
    meta: dict[str, Any] = definition.get("metadata") or {}
    if not namespaced or meta.get("namespace"):
        return definition
    return {**definition, "metadata": {**meta, "namespace": namespace}}
