# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what a TPU machine type and a topology mean together."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# The chips of one host stand at the end of the machine type's name: ct6e-standard-4t has four.
_MACHINE_TYPE = re.compile(r"^ct[a-z0-9]+-[a-z0-9]+-(?P<chips>[1248])t$")
_TOPOLOGY = re.compile(r"^\d+x\d+(x\d+)?$")


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
