# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Reservations of machines, and the one that the sandbox's project begins with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute.kinds import Kind, in_use, invalid_value, required
from sandbox.cloud.compute.links import Place, link
from sandbox.cloud.compute.machines import find as find_machine
from sandbox.cloud.compute.operations import render
from sandbox.cloud.compute.state import KINDS, State
from sandbox.cloud.compute.verbs import change_operation, found, patcher
from sandbox.cloud.errors import ApiError
from sandbox.cloud.registry import method, on_start
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]


def seen(cloud: Cloud, resource: Resource) -> Json:
    """The reservation as Google answers it now: with what others use of it, and shared or not."""
    body = resource.body
    specific = body.get("specificReservation")
    if specific and cloud.faults.has_habit("reservation_full", resource.path):
        body = body | {"specificReservation": specific | {"inUseCount": specific["count"]}}
    if cloud.faults.has_habit("reservation_not_shared", resource.path):
        body = body | {"shareSettings": {"shareType": "LOCAL"}}
    return body


class ReservationKind(Kind):
    def patch_type(self, change: Json) -> str:
        return "compute.allocations.update"

    def check_change(self, cloud: Cloud, request: Request, resource: Resource, change: Json) -> None:
        """The call is a PATCH that says in ``paths`` what it changes; the rest of its body only names things."""
        if not request.params.get("paths"):
            raise ApiError(400, "Required parameter 'paths' not specified", reason="required")

    def hidden(self, cloud: Cloud, resource: Resource) -> bool:
        return cloud.faults.has_habit("reservation_absent", resource.path)

    def view(self, cloud: Cloud, resource: Resource) -> Json:
        return seen(cloud, resource)

    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        if "aggregateReservation" in body:
            raise ApiError(501, "The sandbox makes specific reservations only, no aggregate ones.", front_end=True)
        specific = body.get("specificReservation")
        if not specific:
            raise required("specificReservation")
        if int(specific.get("count", 0)) < 1:
            raise required("specificReservation.count")
        machine = specific.get("instanceProperties", {}).get("machineType", "")
        if not machine:
            raise required("specificReservation.instanceProperties.machineType")
        if find_machine(machine, place.name) is None:
            why = f"The machine type does not exist in zone {place.name}."
            raise invalid_value("specificReservation.instanceProperties.machineType", machine, why)
        fill_in(body)

    def refuse_delete(self, cloud: Cloud, resource: Resource) -> None:
        specific = resource.body.get("specificReservation", {})
        if int(specific.get("inUseCount", 0)) and resource.body.get("specificReservationRequired"):
            raise in_use(self.label, resource.path, f"{specific['inUseCount']} instances")


def fill_in(body: Json) -> None:
    """What the server adds to a specific reservation. Numbers of machines are strings, as all 64-bit numbers are."""
    specific = body["specificReservation"]
    specific["count"] = str(specific["count"])
    specific.setdefault("inUseCount", "0")
    specific["assuredCount"] = specific["count"]
    body.setdefault("specificReservationRequired", False)
    body.setdefault("shareSettings", {"shareType": "LOCAL"})
    body.setdefault("reservationSharingPolicy", {"serviceShareType": "DISALLOW_ALL"})
    body.setdefault("resourceStatus", {"specificSkuAllocation": {}})
    if projects := sorted(body["shareSettings"].get("projectMap", {})):
        body["shareSettings"]["projects"] = projects
    body["status"] = "READY"


@method("compute.reservations.update")
def update(cloud: Cloud, request: Request) -> Json:
    """Update by name, a PATCH by its verb and by what it does."""
    return cast(Json, patcher(KINDS["reservations"])(cloud, request))


@method("compute.reservations.resize")
def resize(cloud: Cloud, request: Request) -> Json:
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, reservation = found(cloud, request)
    count = int(request.body.get("specificSkuCount", 0))
    specific = reservation.body["specificReservation"]
    if count < max(1, int(specific["inUseCount"])):
        why = f"{specific['inUseCount']} machines of the reservation are in use."
        raise invalid_value("specificSkuCount", count, why)

    def effect(body: Json) -> Json:
        new = copy.deepcopy(body)
        new["specificReservation"]["count"] = str(count)
        fill_in(new)
        return new

    return change_operation(cloud, request, KINDS["reservations"], place, reservation, "resize", effect)


@on_start
def seed(cloud: Cloud) -> None:
    """The TPU reservation that somebody bought before the story begins."""
    settings = cloud.settings
    zone_path = f"projects/{settings.project.id}/zones/{settings.zone}"
    path = f"{zone_path}/reservations/{settings.reservation}"
    if not settings.reservation:
        return
    body: Json = {
        "kind": "compute#reservation",
        "id": cloud.store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "name": settings.reservation,
        "zone": link(zone_path),
        "selfLink": link(path),
        "specificReservationRequired": True,
        "specificReservation": {
            "count": settings.reservation_count,
            "instanceProperties": {"machineType": settings.reservation_machine_type},
        },
    }
    fill_in(body)
    cloud.store.put(path, body)
