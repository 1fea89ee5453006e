# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what a TPU machine type and a topology mean together, and where the TPUs come from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

# The chips of one host stand at the end of the machine type's name: ct6e-standard-4t has four.
_MACHINE_TYPE = re.compile(r"^ct[a-z0-9]+-[a-z0-9]+-(?P<chips>[1248])t$")
_TOPOLOGY = re.compile(r"^\d+x\d+(x\d+)?$")

# Where TPUs come from, as deployment_capacity says it.
CAPACITIES = ("reservation", "any_reservation", "on_demand", "spot", "flex_start", "queued")
# Those whose nodes come when somebody asks for them, and go after a time.
FLEX = ("flex_start", "queued")
_RESERVATION = re.compile(
    r"^(projects/[^/\s]+/reservations/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?(/reservationBlocks/[^/\s]+)?$"
)
_SECONDS = re.compile(r"^(\d+)s$")
# Google's own: at least ten minutes, at most a week.
_SHORTEST, _LONGEST = 600, 7 * 24 * 3600


class CapacityError(ValueError):
    """The machine type and the topology make no pool; the message says why, and what would."""


@dataclass(frozen=True)
class Slice:
    """One TPU node pool: hosts of ``chips_per_host`` chips, wired up in one topology."""

    chips: int
    chips_per_host: int

    @property
    def hosts(self) -> int:
        return self.chips // self.chips_per_host


def tpu_slice(machine_type: str, topology: str) -> Slice:
    """The slice that a pool of this machine type and topology is. An empty topology: one host."""
    machine = _MACHINE_TYPE.match(machine_type)
    if machine is None:
        raise CapacityError(
            f"Machine type '{machine_type}' is no TPU machine type: set deployment_machine_type to one such as"
            " ct6e-standard-4t (the number before the t is the chips of a host)."
        )
    per_host = int(machine["chips"])
    if not topology:
        return Slice(chips=per_host, chips_per_host=per_host)
    if not _TOPOLOGY.match(topology):
        raise CapacityError(f"Topology '{topology}' does not read like 2x2: correct deployment_topology.")
    chips = math.prod(int(side) for side in topology.split("x"))
    # Only four-chip hosts are wired together across hosts; the others stand alone.
    if chips == per_host or (per_host == 4 and chips > 4 and chips % 4 == 0):
        return Slice(chips=chips, chips_per_host=per_host)
    alone = {1: "1x1", 4: "2x2", 8: "2x4"}.get(per_host, "none")
    raise CapacityError(
        f"Topology {topology} ({chips} chips) does not fit machine type {machine_type} ({per_host} chips a host): one"
        f" host is {alone}; set deployment_topology or deployment_machine_type to match."
    )


def pods_that_fit(pool: Slice, pool_count: int, tensor_parallel: int) -> int:
    """How many single-host model servers the pools hold: a pod's chips are on one host."""
    return (pool.chips_per_host // tensor_parallel) * pool.hosts * pool_count


def complaints(capacity: str, reservation: str, max_run_duration: str) -> Iterator[tuple[str, str]]:
    """What contradicts itself about where the TPUs come from: what is wrong, and what to do."""
    if capacity == "reservation" and not reservation:
        yield (
            "No reservation",
            "set deployment_reservation to the name of the TPU reservation, or deployment_capacity to on_demand, spot"
            " or flex_start.",
        )
    if capacity == "reservation" and reservation and not _RESERVATION.match(reservation):
        yield (
            f"'{reservation}' is no reservation (NAME, projects/OWNER/reservations/NAME, and for a block of it"
            " /reservationBlocks/BLOCK at the end)",
            "correct deployment_reservation.",
        )
    if capacity != "reservation" and reservation:
        yield (
            f"Reservation {reservation} is named, and deployment_capacity is {capacity}, which draws on none by name",
            "set deployment_capacity to reservation, or deployment_reservation to ''.",
        )
    if capacity in FLEX:
        match = _SECONDS.match(max_run_duration)
        if match is None or not _SHORTEST <= int(match[1]) <= _LONGEST:
            yield (
                f"deployment_max_run_duration '{max_run_duration}' is no run of {capacity} (600s to 604800s)",
                "set it to the longest time that the nodes are needed, in seconds.",
            )
