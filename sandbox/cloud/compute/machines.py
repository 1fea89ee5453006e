# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Machine types, by zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute import places
from sandbox.cloud.compute.links import link

Json = dict[str, Any]
MIB_PER_GIB = 1024
BORN = compute_timestamp(1577836800)


@dataclass(frozen=True)
class MachineType:
    name: str
    cpus: int
    memory_gib: float
    description: str
    shared: bool = False
    accelerator: str = ""
    chips: int = 0

    @property
    def family(self) -> str:
        return self.name.partition("-")[0]


def _tpu(name: str, chips: int, cpus: int, memory: int, accelerator: str) -> MachineType:
    text = f"{cpus} vCPUs, {memory} GB RAM, {chips} Google TPUs"
    return MachineType(name, cpus, memory, text, accelerator=accelerator, chips=chips)


def _family(family: str, kind: str, sizes: tuple[int, ...], ratio: float) -> list[MachineType]:
    return [
        MachineType(f"{family}-{kind}-{size}", size, size * ratio, f"{size} vCPUs, {size * ratio:g} GB RAM")
        for size in sizes
    ]


TYPES = {
    machine.name: machine
    for machine in (
        _tpu("ct6e-standard-1t", 1, 44, 176, "ct6e"),
        _tpu("ct6e-standard-4t", 4, 180, 720, "ct6e"),
        _tpu("ct6e-standard-8t", 8, 180, 1440, "ct6e"),
        _tpu("ct5lp-hightpu-1t", 1, 24, 48, "ct5lp"),
        _tpu("ct5lp-hightpu-4t", 4, 112, 192, "ct5lp"),
        _tpu("ct5lp-hightpu-8t", 8, 224, 384, "ct5lp"),
        MachineType(
            "e2-micro", 2, 1, "Efficient Instance, 2 vCPU (1/8 shared physical core) and 1 GB RAM", shared=True
        ),
        MachineType(
            "e2-small", 2, 2, "Efficient Instance, 2 vCPU (1/4 shared physical core) and 2 GB RAM", shared=True
        ),
        MachineType(
            "e2-medium", 2, 4, "Efficient Instance, 2 vCPU (1/2 shared physical core) and 4 GB RAM", shared=True
        ),
        *_family("e2", "standard", (2, 4, 8, 16, 32), 4),
        *_family("e2", "highmem", (2, 4, 8, 16), 8),
        *_family("e2", "highcpu", (2, 4, 8, 16, 32), 1),
        *_family("n1", "standard", (1, 2, 4, 8, 16, 32, 64, 96), 3.75),
        *_family("n2", "standard", (2, 4, 8, 16, 32, 48, 64, 80, 96, 128), 4),
        *_family("n2", "highmem", (2, 4, 8, 16, 32, 48, 64, 80, 96, 128), 8),
        *_family("n2d", "standard", (2, 4, 8, 16, 32, 48, 64, 80, 96), 4),
        *_family("n4", "standard", (2, 4, 8, 16, 32, 48, 64, 80), 4),
        *_family("c3", "standard", (4, 8, 22, 44, 88, 176), 4),
    )
}


def find(name: str, zone: str) -> MachineType | None:
    machine = TYPES.get(name)
    return machine if machine and places.offers(zone, machine.family) else None


def in_zone(zone: str) -> list[MachineType]:
    return [machine for _name, machine in sorted(TYPES.items()) if places.offers(zone, machine.family)]


def body(machine: MachineType, project_id: str, zone: str) -> Json:
    number = str(1000 + sorted(TYPES).index(machine.name))
    answer: Json = {
        "kind": "compute#machineType",
        "id": number,
        "creationTimestamp": BORN,
        "name": machine.name,
        "description": machine.description,
        "guestCpus": machine.cpus,
        "memoryMb": int(machine.memory_gib * MIB_PER_GIB),
        "imageSpaceGb": 0,
        "maximumPersistentDisks": 16 if machine.shared else 128,
        "maximumPersistentDisksSizeGb": "3072" if machine.shared else "263168",
        "zone": zone,
        "selfLink": link(f"projects/{project_id}/zones/{zone}/machineTypes/{machine.name}"),
        "isSharedCpu": machine.shared,
        "architecture": "X86_64",
    }
    if machine.chips:
        answer["accelerators"] = [{"guestAcceleratorType": machine.accelerator, "guestAcceleratorCount": machine.chips}]
    return answer
