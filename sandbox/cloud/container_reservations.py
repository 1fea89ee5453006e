# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which reservation a node pool draws on, and whether it can."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sandbox.cloud.errors import ApiError

Json = dict[str, Any]

_FULL = re.compile(r"^projects/(?P<project>[^/]+)/reservations/(?P<name>[^/]+)(/reservationBlocks/(?P<block>[^/]+))?$")


@dataclass(frozen=True)
class Claim:
    """A specific reservation that a pool asks for, as written by the user."""

    project: str
    name: str
    written: str


def claim_of(pool: Json, project: str) -> Claim | None:
    """The reservation that the pool names; None when it names none."""
    affinity = pool.get("config", {}).get("reservationAffinity", {})
    if affinity.get("consumeReservationType") != "SPECIFIC_RESERVATION":
        return None
    written = affinity["values"][0]
    match = _FULL.match(written)
    if match is None:
        return Claim(project, written, written)
    return Claim(match["project"], match["name"], written)


def _not_found(claim: Claim, pool: str, zone: str) -> ApiError:
    message = f'Google Compute Engine: reservation "{claim.written}" not found for node pool "{pool}" at zone "{zone}".'
    return ApiError(404, message)


def free_machines(reservation: Json, machine: str) -> int:
    """How many machines of that type the reservation still has; none of any other type."""
    specific = reservation.get("specificReservation", {})
    if specific.get("instanceProperties", {}).get("machineType") != machine:
        return 0
    return int(specific.get("count", 0)) - int(specific.get("inUseCount", 0))


def check(claim: Claim, reservation: Json | None, pool: str, zone: str, machine: str, needed: int) -> None:
    """Refuse as Google does: absent (or in another zone) 404, too small or of another machine type 429."""
    if reservation is None:
        raise _not_found(claim, pool, zone)
    if reservation.get("status", "READY") != "READY":
        raise ApiError(
            400,
            f'Google Compute Engine: reservation "{claim.written}" is not ready '
            f'({reservation["status"]}) for node pool "{pool}" at zone "{zone}".',
            status="FAILED_PRECONDITION",
            reason="failedPrecondition",
        )
    short = needed - free_machines(reservation, machine)
    if short > 0:
        raise ApiError(
            429,
            f'Reservation does not have enough resources for the request: specific reservation "{claim.written}" is '
            f'insufficient for node pool "{pool}" at zone "{zone}": required {needed} and short of {short} VM count of '
            f"machine type {machine}.",
        )


def with_use(reservation: Json, change: int) -> Json:
    """The reservation after ``change`` more of its machines are in use."""
    specific = reservation["specificReservation"]
    in_use = max(0, int(specific.get("inUseCount", 0)) + change)
    return reservation | {"specificReservation": specific | {"inUseCount": str(in_use)}}
