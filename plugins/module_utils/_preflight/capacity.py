# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether the TPUs can be had: zone, machine type, reservation, quota. PRIVATE to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .._errors import Json
from .._findings import Check, error, good, listed, unseen, warning
from .look import Hidden, Look, Seen, number, total

ZONE = "the zone exists"
MACHINE = "the zone has the machine type"
RESERVATION = "the reservation exists"
READY = "the reservation is ready"
KIND = "the reservation is of the right kind"
ROOM = "the reservation has room"
TARGET = "the reservation can be named"
SHARED = "the reservation is shared with the project"
LASTS = "the reservation lasts"
BLOCK = "the reservation's block exists"
QUOTA = "TPU quota"
QUEUED = "nodes of queued pools are asked for"

_NAME = re.compile(
    r"^(?:projects/(?P<owner>[^/]+)/reservations/)?(?P<name>[^/]+)(?:/reservationBlocks/(?P<block>[^/]+))?$"
)
# What aggregate reservations call the machines' families.
FAMILIES = {
    "ct6e": "VM_FAMILY_CLOUD_TPU_LITE_POD_SLICE_CT6E",
    "ct5lp": "VM_FAMILY_CLOUD_TPU_LITE_POD_SLICE_CT5LP",
    "ct5p": "VM_FAMILY_CLOUD_TPU_POD_SLICE_CT5P",
    "ct4p": "VM_FAMILY_CLOUD_TPU_POD_SLICE_CT4P",
}
# A reservation that ends sooner than this is worth a word.
SOON = timedelta(days=1)
PREEMPTIBLE = ("spot", "flex_start", "queued")


@dataclass(frozen=True)
class Wanted:
    """What the pools ask for."""

    project: str
    zone: str
    machine_type: str
    machines: int
    capacity: str
    owner: str = ""
    reservation: str = ""
    block: str = ""

    @property
    def family(self) -> str:
        return self.machine_type.partition("-")[0]

    @property
    def chips(self) -> int:
        match = re.search(r"(\d+)t$", self.machine_type)
        return self.machines * (int(match.group(1)) if match else 0)

    @property
    def region(self) -> str:
        return self.zone.rpartition("-")[0]

    @property
    def label(self) -> str:
        return f"Reservation {self.reservation} of project {self.owner}"


@dataclass(frozen=True)
class Found:
    """What Google knows of it; None: it does not exist."""

    zone: Seen
    machine_type: Seen = None
    reservation: Seen = None
    block: Seen = None
    # Where a reservation of that name is, when it is not where it was looked for.
    elsewhere: tuple[str, ...] = ()
    # Reservations of the zone that anybody may draw on, for capacity from any reservation.
    open: list[Json] | Hidden | None = None
    quotas: list[Json] | Hidden | None = None


def wanted(options: Mapping[str, Any], project: str) -> Wanted:
    """Options as one value; a shared reservation is named with its owner."""
    named = str(options.get("reservation") or "") if options["capacity"] == "reservation" else ""
    match = _NAME.match(named)
    return Wanted(
        project=project,
        zone=str(options["zone"] or ""),
        machine_type=str(options["machine_type"] or ""),
        machines=int(options["machines"]),
        capacity=str(options["capacity"]),
        owner=(match["owner"] or project) if match else "",
        reservation=match["name"] if match else "",
        block=(match["block"] or "") if match else "",
    )


def look(want: Wanted, looking: Look) -> Found:
    project, zone = want.project, want.zone
    there = looking.get("compute.zones.get", project=project, zone=zone)
    if there is None or isinstance(there, Hidden):
        return Found(there)
    machine = looking.get("compute.machineTypes.get", project=project, zone=zone, machineType=want.machine_type)
    reservation: Seen = None
    block: Seen = None
    elsewhere: tuple[str, ...] = ()
    if want.reservation:
        place = {"project": want.owner, "zone": zone, "reservation": want.reservation}
        reservation = looking.get("compute.reservations.get", **place)
        if reservation is None:
            elsewhere = _elsewhere(want, looking)
        elif want.block and not isinstance(reservation, Hidden):
            block = looking.get("compute.reservationBlocks.get", reservationBlock=want.block, **place)
    opened = None
    if want.capacity == "any_reservation":
        opened = looking.items("compute.reservations.list", "items", project=project, zone=zone)
    quotas = None
    if want.capacity in ("on_demand", *PREEMPTIBLE):
        quotas = looking.items("cloudquotas.projects.locations.services.quotaInfos.list", "quotaInfos", project=project)
    return Found(there, machine, reservation, block, elsewhere, opened, quotas)


def _elsewhere(want: Wanted, looking: Look) -> tuple[str, ...]:
    everywhere = looking.aggregated("compute.reservations.aggregatedList", "reservations", project=want.owner)
    if isinstance(everywhere, Hidden):
        return ()
    found = (one for one in everywhere if one.get("name") == want.reservation)
    return tuple(sorted(str(one.get("zone") or "?").rpartition("/")[2] for one in found))


def judge(want: Wanted, found: Found, now: datetime, ours: int = 0) -> Iterator[Check]:
    """`ours`: machines of pools that are there already, and take up room themselves."""
    if isinstance(found.zone, Hidden):
        yield found.zone.check(ZONE, want.zone)
        return
    if found.zone is None:
        yield error(
            ZONE,
            want.zone,
            f"Zone {want.zone} does not exist, or project {want.project} does not see it",
            "set deployment_zone to the zone of the TPU capacity (`gcloud compute zones list`).",
        )
        return
    yield good(ZONE, want.zone, want.zone)
    yield _machine(want, found.machine_type)
    if want.reservation:
        yield from _reservation(want, found, now, ours)
    if want.capacity == "queued":
        yield warning(
            QUEUED,
            "a ProvisioningRequest for the nodes",
            "the pools are made, and begin without nodes; nothing here makes the request",
            "make a ProvisioningRequest of the class queued-provisioning.gke.io in the cluster, and let the pods name"
            " it (podAnnotations by llm_d_modelservice_values).",
        )
    if found.open is not None:
        yield _any(want, found.open, ours)
    if found.quotas is not None:
        yield _quota(want, found.quotas, ours)


def _machine(want: Wanted, found: Seen) -> Check:
    needed = f"{want.machine_type} in {want.zone}"
    if isinstance(found, Hidden):
        return found.check(MACHINE, needed)
    if found is None:
        return error(
            MACHINE,
            needed,
            f"Zone {want.zone} has no machine type {want.machine_type}",
            "set deployment_zone or deployment_machine_type"
            f" (`gcloud compute machine-types list --filter name={want.machine_type}` tells where it is).",
        )
    return good(MACHINE, needed, "offered")


def _reservation(want: Wanted, found: Found, now: datetime, ours: int) -> Iterator[Check]:
    reservation, needed = found.reservation, f"{want.reservation} of project {want.owner} in {want.zone}"
    if isinstance(reservation, Hidden):
        # Often hidden from who may use it: whether it will do, the pools find out.
        yield reservation.check(RESERVATION, needed)
        return
    if reservation is None:
        yield _absent(want, found.elsewhere, needed)
        return
    yield good(RESERVATION, needed, "found")
    yield from (_state(want, reservation), *_kind_and_room(want, reservation, ours))
    yield from (check for check in (_target(want, reservation), _sharing(want, reservation)) if check)
    if ends := _end(want, reservation, now):
        yield ends
    if want.block:
        yield _block(want, found.block)


def _absent(want: Wanted, elsewhere: tuple[str, ...], needed: str) -> Check:
    if elsewhere:
        return error(
            RESERVATION,
            needed,
            f"{want.label} is in {listed(elsewhere)}, not in {want.zone}",
            f"set deployment_zone to it, or name a reservation of {want.zone}.",
        )
    return error(
        RESERVATION,
        needed,
        f"{want.label} does not exist",
        "correct deployment_reservation (`gcloud compute reservations list`; one of another project is"
        " projects/OWNER/reservations/NAME), or set deployment_capacity to on_demand, spot or flex_start.",
    )


def _state(want: Wanted, reservation: Json) -> Check:
    status = str(reservation.get("status") or "READY")
    if status == "READY":
        return good(READY, "READY", status)
    return error(
        READY,
        "READY",
        f"{want.label} is {status}",
        f"wait, or look at it: gcloud compute reservations describe {want.reservation} --zone {want.zone}"
        f" --project {want.owner}",
    )


def _kind_and_room(want: Wanted, reservation: Json, ours: int) -> Iterator[Check]:
    if aggregate := reservation.get("aggregateReservation"):
        yield from _aggregate(want, aggregate, ours)
        return
    specific = reservation.get("specificReservation") or {}
    holds = str((specific.get("instanceProperties") or {}).get("machineType") or "")
    if not holds:
        yield unseen(KIND, want.machine_type, "the reservation does not say what it holds")
        return
    if holds != want.machine_type:
        yield error(
            KIND,
            want.machine_type,
            f"{want.label} is for {holds}, not for {want.machine_type}",
            f"set deployment_machine_type to {holds}, or name another reservation.",
        )
        return
    yield good(KIND, want.machine_type, holds)
    yield _room(
        want, number(specific.get("count")), number(specific.get("inUseCount")), want.machines, ours, "machines"
    )


def _aggregate(want: Wanted, aggregate: Json, ours: int) -> Iterator[Check]:
    """A reservation of chips, not of machines."""
    family, kind = str(aggregate.get("vmFamily") or ""), FAMILIES.get(want.family, "")
    if kind and family and family != kind:
        yield error(
            KIND,
            kind,
            f"{want.label} is for {family}",
            "set deployment_machine_type to a machine of that family, or name another reservation.",
        )
        return
    yield good(KIND, kind or want.family, family or "not told")
    if aggregate.get("workloadType") == "BATCH":
        yield warning(
            KIND,
            "workload type SERVING",
            f"{want.label} is for workloads of the type BATCH",
            "ask its owner for one of the type SERVING: batch capacity may be taken away for maintenance all at once.",
        )
    size = total(aggregate.get("reservedResources") or [], "accelerator.acceleratorCount")
    used = total(aggregate.get("inUseResources") or [], "accelerator.acceleratorCount")
    each = want.chips // want.machines if want.machines else 0
    yield _room(want, size, used, want.chips, ours * each, "chips")


def _room(want: Wanted, size: int, used: int, wanted: int, ours: int, unit: str) -> Check:
    """What our own pools use counts as free: they are what the room is for."""
    free = size - max(used - ours, 0)
    needed = f"{wanted} {unit}"
    if size < wanted:
        return error(
            ROOM,
            needed,
            f"{want.label} has {size} {unit}, and the pools need {wanted}",
            "lower deployment_pool_count (and the replicas), or have the reservation enlarged.",
        )
    if free < wanted:
        return error(
            ROOM,
            needed,
            f"{want.label} has {size} {unit}, of which {used} are in use; the pools need {wanted}",
            "delete what uses it, lower deployment_pool_count (and the replicas), or have it enlarged.",
        )
    return good(ROOM, needed, f"{free} of {size} free")


def _target(want: Wanted, reservation: Json) -> Check | None:
    if reservation.get("specificReservationRequired") or reservation.get("aggregateReservation"):
        return None
    return warning(
        TARGET,
        "a reservation that is used by name only",
        f"{want.label} may be used by any machine of its kind in its project",
        "set deployment_capacity to any_reservation, or have it made with --require-specific-reservation.",
    )


def _sharing(want: Wanted, reservation: Json) -> Check | None:
    if want.owner == want.project:
        return None
    settings = reservation.get("shareSettings") or {}
    kind = str(settings.get("shareType") or "LOCAL")
    sharers = [*(settings.get("projectMap") or {}), *(settings.get("projects") or [])]
    if kind == "ORGANIZATION" or (kind == "SPECIFIC_PROJECTS" and want.project in sharers):
        return good(SHARED, want.project, kind)
    if kind == "SPECIFIC_PROJECTS" and any(sharer.isdigit() for sharer in sharers):
        # By numbers, and ours is not known here.
        return unseen(SHARED, want.project, f"it is shared with {listed(sharers)}")
    return error(
        SHARED,
        want.project,
        f"{want.label} is shared with {listed(sharers) or 'nobody'}",
        f"have its owner share it: gcloud compute reservations update {want.reservation} --project {want.owner}"
        f" --zone {want.zone} --add-share-with={want.project}",
    )


def _end(want: Wanted, reservation: Json, now: datetime) -> Check | None:
    text = str(reservation.get("deleteAtTime") or "")
    if not text:
        return None
    try:
        end = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return unseen(LASTS, "a reservation that lasts", f"its end reads {text}")
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    remedy = "name another reservation, or have its end moved."
    if end <= now:
        return error(LASTS, "an end in the future", f"{want.label} ended at {text}", remedy)
    if end - now < SOON:
        return warning(LASTS, "more than a day", f"{want.label} is deleted at {text}", remedy)
    return good(LASTS, "more than a day", f"until {text}")


def _block(want: Wanted, found: Seen) -> Check:
    if isinstance(found, Hidden):
        return found.check(BLOCK, want.block)
    if found is None:
        return error(
            BLOCK,
            want.block,
            f"{want.label} has no block {want.block}",
            f"correct deployment_reservation (`gcloud compute reservations blocks list {want.reservation}`).",
        )
    free = number(found.get("count")) - number(found.get("inUseCount"))
    return good(BLOCK, want.block, f"{free} of {number(found.get('count'))} free")


def _any(want: Wanted, found: list[Json] | Hidden, ours: int) -> Check:
    needed = f"{want.machines} machines in reservations of {want.zone} that need no name"
    if isinstance(found, Hidden):
        return found.check(ROOM, needed)
    specific = [
        one.get("specificReservation") or {}
        for one in found
        if not one.get("specificReservationRequired") and str(one.get("status") or "READY") == "READY"
    ]
    fitting = [one for one in specific if (one.get("instanceProperties") or {}).get("machineType") == want.machine_type]
    free = total(fitting, "count") - max(total(fitting, "inUseCount") - ours, 0)
    if free < want.machines:
        return warning(
            ROOM,
            needed,
            f"{free} are free",
            "what is missing is taken on demand, if there is capacity and quota; name a reservation to be sure.",
        )
    return good(ROOM, needed, f"{free} free")


def _quota(want: Wanted, found: list[Json] | Hidden, ours: int) -> Check:
    """Of chips. Names and forms of these quotas come from single public notes, so it never stops a run."""
    preemptible = want.capacity in PREEMPTIBLE
    needed = f"{want.chips} {'preemptible ' if preemptible else ''}chips of {want.family} in {want.region}"
    if isinstance(found, Hidden):
        return found.check(QUOTA, needed)
    name = re.compile(
        r"PREEMPTIBLE-TPU-V6E|PREEMPTIBLE.*TPU" if preemptible else r"^TPUS-PER-TPU-FAMILY", re.IGNORECASE
    )
    limits = [_limit(info, want, preemptible) for info in found if name.search(str(info.get("quotaId") or ""))]
    limit = max((value for value in limits if value is not None), default=0)
    if 0 <= limit < want.chips:
        return warning(
            QUOTA,
            needed,
            f"{limit} chips",
            "ask for more: https://console.cloud.google.com/iam-admin/quotas"
            f"?project={want.project} (Compute Engine API,"
            f" {'preemptible TPU' if preemptible else 'TPUs per TPU family'}, {want.region})",
        )
    return good(QUOTA, needed, "unlimited" if limit < 0 else f"{limit} chips")


def _limit(info: Json, want: Wanted, preemptible: bool) -> int | None:
    for one in info.get("dimensionsInfos") or []:
        dimensions = one.get("dimensions") or {}
        region = dimensions.get("region")
        family = str(dimensions.get("tpu_family") or "").lower()
        here = region == want.region or (not region and want.region in (one.get("applicableLocations") or []))
        if here and (preemptible or not family or family == want.family):
            return number((one.get("details") or {}).get("value"))
    return None
