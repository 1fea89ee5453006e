# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Helm releases declared by a helmfile: find, plan, apply, look again, report.

This file is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ._clock import Clock, Deadline
from ._errors import GcpError
from ._helmfile_cli import Helmfile, HelmfileError
from ._helmfile_manifests import (
    Key,
    Object,
    by_key,
    extra_items,
    key_of,
    load,
    settled,
    title,
    without_fields_of,
)
from ._helmfile_plan import (
    Live,
    ReleasePlan,
    plan_absent,
    plan_present,
    refused,
    with_namespace,
)
from ._helmfile_releases import (
    NOT_INSTALLED,
    Release,
    Stored,
    marked_failed,
    newest,
    stored,
)
from ._kubernetes import Cluster, KubernetesError, UnknownKind

FIELD_MANAGER = "helm"
AT_ONCE = 8
# The ways in which the API server says that a field cannot be changed in place.
IMMUTABLE = re.compile(r"immutable|cannot change roleRef|for fields other than|may not change once set")
DUPLICATES = re.compile(r"duplicate entries for key")


@dataclass(frozen=True)
class Wishes:
    """What the user wants done."""

    state: str = "present"
    respect: tuple[str, ...] = ()
    recreate: bool = False
    wait: bool = True
    wait_timeout: int = 300
    pending_timeout: float = 60
    poll_interval: float = 2


class Converger:
    """One run. Without a cluster (in check mode, before there is one) every release is new."""

    def __init__(self, helmfile: Helmfile, cluster: Cluster | None, wishes: Wishes, clock: Clock) -> None:
        self._helmfile = helmfile
        self._cluster = cluster
        self._wishes = wishes
        self._clock = clock
        self.actions = helmfile.actions

    def run(self, check_mode: bool) -> Object:
        plans = self.plan()
        error = self._refusal(plans)
        if error is None and not check_mode:
            try:
                self._apply([plan for plan in plans if plan.changed])
            except GcpError as caught:
                error = caught
        result = self._report(plans, after=not check_mode)
        if error is not None:
            error.partial = {**result, "changed": bool(self.actions)}
            raise error
        return result

    def plan(self) -> list[ReleasePlan]:
        """One plan a release, in the order of `needs`."""
        declared = self._helmfile.releases()
        held = {release: self._held(release) for release in declared}
        wanted = [release for release in declared if release.installed and self._wishes.state == "present"]
        rendered = self._rendered(wanted, held)
        live = self._live([definition for objects in rendered.values() for definition in objects.values()])
        plans = []
        for release in declared:
            record = held[release]
            objects = self._named(release, load(record.manifest)) if record else {}
            if release in rendered:
                plans.append(plan_present(release, rendered[release], record, objects, live))
            else:
                plans.append(plan_absent(release, record, objects))
        return plans

    def _rendered(
        self, releases: Sequence[Release], held: Mapping[Release, Stored | None]
    ) -> dict[Release, dict[Key, Object]]:
        """What helmfile would render: as helm would in the cluster where there is something to compare it with."""
        groups: dict[str, list[Release]] = {}
        for release in releases:
            record = held[release]
            like = "plan" if record is None else "install" if record.revision == 1 else "upgrade"
            groups.setdefault(like, []).append(release)
        version = self._cluster.version if self._cluster else ""
        return {
            release: self._named(release, objects)
            for like, group in groups.items()
            for release, objects in self._helmfile.render(group, like=like, kube_version=version).items()
        }

    def _named(self, release: Release, objects: Sequence[Object]) -> dict[Key, Object]:
        types = self._cluster.resource_types if self._cluster else {}
        return by_key(
            with_namespace(definition, release.namespace, kind is None or kind.namespaced)
            for definition in objects
            for kind in [types.get((definition.get("apiVersion", ""), definition.get("kind", "")))]
        )

    def _held(self, release: Release) -> Stored | None:
        """The newest revision helm has stored of a release."""
        secret = self._newest_secret(release)
        record = stored(secret) if secret else None
        return None if record is None or record.status == NOT_INSTALLED else record

    def _newest_secret(self, release: Release) -> Object | None:
        if self._cluster is None:
            return None
        labels = f"owner=helm,name={release.name}"
        secrets = self._cluster.find("v1", "Secret", release.namespace, labels=labels, metadata_only=True)
        found = newest(secrets).get(release.name)
        return self._cluster.get("v1", "Secret", found["metadata"]["name"], release.namespace) if found else None

    def _live(self, definitions: Sequence[Object]) -> dict[Key, Live]:
        if self._cluster is None or not definitions:
            return {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(map(key_of, definitions), pool.map(self._look, definitions), strict=True))

    def _look(self, definition: Object) -> Live:
        """The object as it is, and as the server says it would be after applying the manifest. Nothing is written."""
        if self._cluster is None:
            return Live(None)
        meta = definition["metadata"]
        try:
            found = self._cluster.get(definition["apiVersion"], definition["kind"], meta["name"], meta.get("namespace"))
        except UnknownKind:
            return Live(None)  # a chart may bring the kind itself; else helm will say so
        wanted = without_fields_of(definition, found, self._wishes.respect) if found else definition
        try:
            merged = self._applied(wanted, found, dry_run=True)
        except KubernetesError as error:
            if found is None and error.code not in (400, 422):
                return Live(None)  # its namespace, or what it needs, comes with the release
            if found is not None and IMMUTABLE.search(error.message):
                return Live(found, immutable=error.message)
            raise error.about("check", title(definition)) from error
        return Live(found, merged if found else None)

    def _applied(self, wanted: Object, found: Object | None, dry_run: bool) -> Object:
        """The object after applying the manifest; entries that were added to its lists by hand are gone."""
        cluster = self._require_cluster()
        try:
            merged = cluster.apply(wanted, FIELD_MANAGER, dry_run)
        except KubernetesError as error:
            # Helm's own way of writing tolerates what server-side apply does not: one key twice in a list.
            if found is None or not DUPLICATES.search(error.message):
                raise
            return cluster.merge(wanted, FIELD_MANAGER, dry_run)
        if found is not None and extra_items(wanted, settled(merged)):
            return cluster.merge(wanted, FIELD_MANAGER, dry_run)
        return merged

    def _require_cluster(self) -> Cluster:
        if self._cluster is None:
            raise HelmfileError("There is no cluster to work on", remedy="Give a kubeconfig of a cluster that exists.")
        return self._cluster

    def _refusal(self, plans: Sequence[ReleasePlan]) -> GcpError | None:
        """What cannot be changed in place is said before anything is done."""
        found = refused(plans)
        if not found or self._wishes.recreate:
            return None
        release, difference = found[0]
        return HelmfileError(
            difference.note,
            action=f"upgrade {release.name}",
            resource=title(difference.definition),
            reason="Immutable",
            remedy="Kubernetes cannot change this in place: set `recreate: true` to delete and make it anew (its pods "
            "go with it), or restore the former value.",
        )

    def _apply(self, plans: Sequence[ReleasePlan]) -> None:
        if not plans:
            return
        self._require_cluster()
        for plan in plans:
            if plan.held is not None and plan.held.interrupted and plan.action != "destroy":
                self._recover(plan.release)
        for _release, difference in refused(plans):
            self._delete(difference.definition)
        unwanted = [plan.release for plan in plans if plan.action == "destroy"]
        if unwanted:
            self._helmfile.destroy(unwanted, self._wishes.wait, self._wishes.wait_timeout)
        wanted = [plan for plan in plans if plan.action != "destroy"]
        if wanted:
            self._helmfile.sync([plan.release for plan in wanted])
            self._repair(wanted)

    def _recover(self, release: Release) -> None:
        """End a pending state, once it is sure that no other helm is still at work on it."""
        deadline = Deadline.after(self._clock, self._wishes.pending_timeout)
        cluster = self._require_cluster()
        while True:
            secret = self._newest_secret(release)
            record = stored(secret) if secret else None
            if secret is None or record is None or not record.interrupted:
                return
            if deadline.passed() or self._clock.wall() - record.changed_at > self._wishes.pending_timeout:
                cluster.merge(marked_failed(secret), FIELD_MANAGER)
                self.actions.append(f"PATCH Secret {record.secret}: {record.status} becomes failed")
                return
            self._clock.sleep(self._wishes.poll_interval)

    def _delete(self, definition: Object) -> None:
        cluster, meta = self._require_cluster(), definition["metadata"]
        if cluster.delete(definition, propagationPolicy="Background"):
            self.actions.append(f"DELETE {title(definition)}")
        deadline = Deadline.after(self._clock, self._wishes.wait_timeout)
        while cluster.get(definition["apiVersion"], definition["kind"], meta["name"], meta.get("namespace")):
            if deadline.passed():
                raise HelmfileError(
                    "It is still there", action="delete", resource=title(definition), reason="TimeLimit"
                )
            self._clock.sleep(self._wishes.poll_interval)

    def _repair(self, plans: Sequence[ReleasePlan]) -> None:
        """Write what an upgrade leaves alone: hand edits of custom resources, and entries added to lists."""
        for plan in plans:
            for difference in plan.differences:
                definition = difference.definition
                if difference.change not in ("update", "repair"):
                    continue
                live = self._look(definition)
                if live.found is None or live.merged is None or settled(live.found) == settled(live.merged):
                    continue
                wanted = without_fields_of(definition, live.found, self._wishes.respect)
                self._applied(wanted, live.found, dry_run=False)
                self.actions.append(f"PATCH {title(definition)}")

    def _report(self, plans: Sequence[ReleasePlan], after: bool) -> Object:
        if after and self.actions:
            for plan in plans:
                plan.held = self._held(plan.release) if plan.changed else plan.held
        return {
            "changed": any(plan.changed for plan in plans),
            "releases": [plan.result() for plan in plans],
            "helmfile_actions": list(self.actions),
            "diff": [entry for plan in plans for entry in plan.diff()],
        }
