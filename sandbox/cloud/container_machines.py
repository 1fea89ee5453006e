# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Machine types as GKE sees them: what a node of each type offers, and which TPU topologies it can form."""

from __future__ import annotations

import re
from dataclasses import dataclass

GIB = 1024**3

_CORE_SHARE = ((1, 0.06), (1, 0.01), (2, 0.005))
_CORE_SHARE_BEYOND = 0.0025
_MEMORY_SHARE = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06))
_MEMORY_SHARE_BEYOND = 0.02
_EVICTION_BYTES = 100 * 1024**2
# What firmware and kernel keep for themselves, so that a node of 16 GiB reports about 15.6.
_KERNEL_SHARE = 0.023


@dataclass(frozen=True)
class Tpu:
    """The TPU chips of one host and the slices that hosts of this kind form."""

    accelerator: str
    chips: int
    single_host: str
    multi_host: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Machine:
    """One machine type."""

    name: str
    cpus: int
    memory_gib: float
    tpu: Tpu | None = None
    shared_core: bool = False

    @property
    def family(self) -> str:
        """The part of the name that node labels call the machine family."""
        return self.name.split("-", 1)[0]


_V6E = "tpu-v6e-slice"
_V6E_SLICES = frozenset({"2x4", "4x4", "4x8", "8x8", "8x16", "16x16"})
_V5E = "tpu-v5-lite-podslice"
_TPU_MACHINES = (
    Machine("ct6e-standard-1t", 44, 176, Tpu(_V6E, 1, "1x1")),
    Machine("ct6e-standard-4t", 180, 720, Tpu(_V6E, 4, "2x2", _V6E_SLICES)),
    Machine("ct6e-standard-8t", 180, 1440, Tpu(_V6E, 8, "2x4")),
    Machine("ct5lp-hightpu-1t", 24, 48, Tpu(_V5E, 1, "1x1")),
    Machine("ct5lp-hightpu-4t", 112, 192, Tpu(_V5E, 4, "2x2", _V6E_SLICES)),
    Machine("ct5lp-hightpu-8t", 224, 384, Tpu(_V5E, 8, "2x4")),
)
_SHARED_CORE = (
    Machine("e2-micro", 2, 1, shared_core=True),
    Machine("e2-small", 2, 2, shared_core=True),
    Machine("e2-medium", 2, 4, shared_core=True),
)
_SIZES = {
    "e2": (2, 4, 8, 16, 32),
    "n2": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128),
    "n2d": (2, 4, 8, 16, 32, 48, 64, 80, 96),
    "n4": (2, 4, 8, 16, 32, 48, 64, 80),
}
_GIB_PER_CPU = {"standard": 4, "highmem": 8, "highcpu": 1}
_FIXED = {machine.name: machine for machine in _TPU_MACHINES + _SHARED_CORE}
_GENERAL = re.compile(r"^(?P<family>[a-z]\d[a-z]?)-(?P<kind>standard|highmem|highcpu)-(?P<cpus>\d+)$")


def find(name: str) -> Machine | None:
    """The machine type of that name, or None if Google has none (that we know)."""
    if name in _FIXED:
        return _FIXED[name]
    match = _GENERAL.match(name)
    if match is None or int(match["cpus"]) not in _SIZES.get(match["family"], ()):
        return None
    cpus = int(match["cpus"])
    return Machine(name, cpus, cpus * _GIB_PER_CPU[match["kind"]])


def chips_of(topology: str) -> int:
    """The number of chips in a topology such as 2x2 or 4x4x4; 0 when it is not one."""
    if not re.fullmatch(r"\d+(x\d+){1,2}", topology):
        return 0
    product = 1
    for side in topology.split("x"):
        product *= int(side)
    return product


def hosts_of(tpu: Tpu, topology: str) -> int:
    """How many hosts of this kind a slice of that topology needs; 0 when they cannot form it."""
    if topology in ("", tpu.single_host):
        return 1
    return chips_of(topology) // tpu.chips if topology in tpu.multi_host else 0


def _reserved(total: float, steps: tuple[tuple[int, float], ...], beyond: float) -> float:
    reserved, left = 0.0, total
    for size, share in steps:
        part = min(left, size)
        reserved += part * share
        left -= part
    return reserved + left * beyond


def allocatable_cpu(machine: Machine) -> str:
    """GKE keeps a falling share of each further core for the kubelet and the system."""
    if machine.shared_core:
        return "940m"
    reserved = _reserved(machine.cpus, _CORE_SHARE, _CORE_SHARE_BEYOND)
    return f"{round((machine.cpus - reserved) * 1000)}m"


def _memory(machine: Machine) -> tuple[int, int]:
    capacity = int(machine.memory_gib * GIB * (1 - _KERNEL_SHARE))
    reserved = _reserved(machine.memory_gib, _MEMORY_SHARE, _MEMORY_SHARE_BEYOND) * GIB
    return capacity, int(capacity - reserved - _EVICTION_BYTES)


def _ephemeral_storage(disk_gb: int) -> tuple[int, int]:
    """The system keeps half of the boot disk, 6 GiB + 35 % or 100 GiB, whichever is least, and 10 % for eviction."""
    disk = disk_gb * GIB
    capacity = int(disk * 0.9425)
    system = min(disk * 0.5, 6 * GIB + disk * 0.35, 100 * GIB)
    return capacity, max(0, int(capacity * 0.9 - system))


def resources(machine: Machine, disk_gb: int, max_pods: int) -> tuple[dict[str, str], dict[str, str]]:
    """Capacity and allocatable of a node, as Kubernetes quantities."""
    memory, free_memory = _memory(machine)
    storage, free_storage = _ephemeral_storage(disk_gb)
    capacity = {
        "cpu": str(machine.cpus),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{storage // 1024}Ki",
        "pods": str(max_pods),
    }
    allocatable = {
        "cpu": allocatable_cpu(machine),
        "memory": f"{free_memory // 1024}Ki",
        "ephemeral-storage": str(free_storage),
        "pods": str(max_pods),
    }
    if machine.tpu is not None:
        capacity["google.com/tpu"] = allocatable["google.com/tpu"] = str(machine.tpu.chips)
    return capacity, allocatable
