# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether a zone and a reservation have what TPU pools ask for: looked up in a second, before minutes are spent.

This file is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._clients import Cloud
from .._clock import Deadline
from .._errors import ApiError, DisabledError, Json, NotFoundError
from .._module import connect

OPTIONS: Json = {
    "zone": {"type": "str", "required": True},
    "machine_type": {"type": "str", "required": True},
    "reservation": {"type": "str"},
    "machines": {"type": "int", "default": 1},
}
_RESERVATION = re.compile(r"^(?:projects/(?P<owner>[^/]+)/reservations/)?(?P<name>[^/]+)(?:/reservationBlocks/.+)?$")
_FORBIDDEN = 403


@dataclass(frozen=True)
class Wanted:
    """What the pools ask for."""

    project: str
    zone: str
    machine_type: str
    machines: int
    owner: str = ""
    reservation: str = ""


@dataclass(frozen=True)
class Found:
    """What Google knows of it; None: it does not exist. What may not be looked at is ``unseen``."""

    zone: Json | None
    machine_type: Json | None = None
    reservation: Json | None = None
    # Where a reservation of that name is, when it is not where it was looked for.
    elsewhere: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


def wanted(params: Mapping[str, Any], project: str) -> Wanted:
    """Options as one value; a shared reservation is named with its owner."""
    match = _RESERVATION.match(str(params.get("reservation") or ""))
    return Wanted(
        project=project,
        zone=str(params["zone"]),
        machine_type=str(params["machine_type"]),
        machines=int(params["machines"]),
        owner=(match["owner"] or project) if match else "",
        reservation=match["name"] if match else "",
    )


def findings(want: Wanted, found: Found) -> Iterator[str]:
    """What is wrong, each a sentence that ends with what to do."""
    if found.zone is None:
        yield (
            f"Zone {want.zone} does not exist, or project {want.project} does not see it: set deployment_zone to the"
            " zone of the TPU capacity (`gcloud compute zones list`)."
        )
        return
    if found.machine_type is None and not any("machine type" in what for what in found.unseen):
        yield (
            f"Zone {want.zone} has no machine type {want.machine_type}: set deployment_zone or deployment_machine_type"
            f" (`gcloud compute machine-types list --filter name={want.machine_type}` tells where it is)."
        )
    if want.reservation and not any("reservation" in what for what in found.unseen):
        yield from _of_reservation(want, found)


def _of_reservation(want: Wanted, found: Found) -> Iterator[str]:
    name = f"Reservation {want.reservation} of project {want.owner}"
    if found.reservation is None:
        if found.elsewhere:
            yield (
                f"{name} is in {', '.join(found.elsewhere)}, not in {want.zone}: set deployment_zone to it, or name a"
                f" reservation of {want.zone}."
            )
        else:
            yield (
                f"{name} does not exist: correct deployment_reservation (`gcloud compute reservations list`; one of"
                " another project is projects/OWNER/reservations/NAME), or set deployment_capacity to on_demand or"
                " spot."
            )
        return
    specific = found.reservation.get("specificReservation") or {}
    holds = str((specific.get("instanceProperties") or {}).get("machineType") or "")
    if holds and holds != want.machine_type:
        yield (
            f"{name} is for {holds}, not for {want.machine_type}: set deployment_machine_type to {holds}, or name"
            " another reservation."
        )
    # What is in use counts as there: it may well be in use by these pools.
    size = int(specific.get("count") or 0)
    if holds and size < want.machines:
        yield (
            f"{name} has {size} machines, and the pools need {want.machines}: lower deployment_pool_count (and the"
            " replicas), or have the reservation enlarged."
        )


def look_up(want: Wanted, cloud: Cloud, deadline: Deadline) -> Found:
    """Asks Google. A look that is not allowed proves nothing, and is left to the pools themselves."""
    unseen: list[str] = []

    def get(what: str, method: str, **path: str) -> Json | None:
        try:
            return cloud.call(method, path, deadline=deadline, resource=f"{what} {list(path.values())[-1]}")
        except NotFoundError:
            return None
        except DisabledError:
            raise
        except ApiError as error:
            if error.code != _FORBIDDEN:
                raise
            unseen.append(f"{what}: {error.message}")
            return None

    zone = get("zone", "compute.zones.get", project=want.project, zone=want.zone)
    if zone is None:
        return Found({} if unseen else None, unseen=(*unseen, "machine type", "reservation") if unseen else ())
    machine_type = get(
        "machine type", "compute.machineTypes.get", project=want.project, zone=want.zone, machineType=want.machine_type
    )
    if not want.reservation:
        return Found(zone, machine_type, unseen=tuple(unseen))
    reservation = get(
        "reservation", "compute.reservations.get", project=want.owner, zone=want.zone, reservation=want.reservation
    )
    elsewhere: tuple[str, ...] = ()
    if reservation is None and not any("reservation" in what for what in unseen):
        everywhere = get("reservation", "compute.reservations.aggregatedList", project=want.owner) or {}
        elsewhere = tuple(_places(want.reservation, everywhere))
    return Found(zone, machine_type, reservation, elsewhere, tuple(unseen))


def _places(name: str, aggregated: Json) -> Iterator[str]:
    for scope, content in sorted((aggregated.get("items") or {}).items()):
        if any(each.get("name") == name for each in content.get("reservations") or []):
            yield scope.rpartition("/")[2]


def look(params: Mapping[str, Any], *, check_mode: bool) -> Json:
    """The module's result."""
    identity, cloud, deadline = connect(params)
    want = wanted(params, identity.project)
    if check_mode:
        # A run in check mode has not switched the API on although it would have: waiting for it is idle.
        cloud.patience.activation = 0
    try:
        found = look_up(want, cloud, deadline)
    except DisabledError as error:
        if not check_mode:
            raise
        found = Found({}, unseen=(error.message, "machine type", "reservation"))
    return {
        "changed": False,
        "findings": list(findings(want, found)),
        "unseen": list(found.unseen),
        "gcp_actions": list(cloud.actions),
    }
