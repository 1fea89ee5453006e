# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A random plan of faults from a seed: the same seed, the same plan, on every machine and in every version of Python.

Only trouble that passes is drawn: a caller that waits, repeats and is run again gets over every plan. ``lasting=True``
draws from the rest as well.
"""

from __future__ import annotations

import random
from typing import Any

from sandbox.cloud.fault_catalog import CATALOG, CLUSTERS, POOLS

Json = dict[str, Any]

# The calls of an infrastructure's life; where a fault of the catalogue says "any method", one of these is drawn.
CALLS = (
    "compute.networks.insert",
    "compute.networks.get",
    "compute.networks.delete",
    "compute.subnetworks.insert",
    "compute.subnetworks.delete",
    "compute.subnetworks.list",
    "compute.firewalls.insert",
    "compute.firewalls.patch",
    "compute.firewalls.delete",
    "compute.*Operations.*",
    "compute.*.aggregatedList",
    f"{CLUSTERS}.create",
    f"{CLUSTERS}.get",
    f"{CLUSTERS}.update",
    f"{CLUSTERS}.setResourceLabels",
    f"{CLUSTERS}.delete",
    f"{POOLS}.create",
    f"{POOLS}.list",
    f"{POOLS}.update",
    f"{POOLS}.setManagement",
    f"{POOLS}.delete",
    "container.projects.locations.operations.get",
    "container.projects.locations.operations.list",
    "serviceusage.services.*",
)
POOL_CALLS = (f"{POOLS}.create", f"{POOLS}.update", f"{POOLS}.delete")
MOST = 6
FIRST_MATCHES = 6


def random_plan(seed: int | str, *, most: int = MOST, lasting: bool = False) -> list[Json]:
    """One to ``most`` faults, as ``/_sandbox/faults`` takes them."""
    rng = random.Random(f"llm-d {seed}")
    names = [name for name, trouble in CATALOG.items() if lasting or trouble.passes != "never"]
    return [_drawn(rng, rng.choice(names)) for _number in range(rng.randint(1, most))]


def _drawn(rng: random.Random, name: str) -> Json:
    fault: Json = {"name": name, "nth": rng.randint(1, FIRST_MATCHES)}
    known = CATALOG[name].fault
    if known["api_method"] == "*":
        fault["api_method"] = rng.choice(CALLS)
    elif known["api_method"] == f"{POOLS}.*" and known["kind"] != "status":
        fault["api_method"] = rng.choice(POOL_CALLS)
    if known["kind"] in ("operation", "slow", "habit"):
        fault["nth"] = rng.randint(1, 3)
    if known["kind"] == "answer":
        fault["when"] = rng.choice(("before", "after"))
    if known["kind"] in ("status", "reset") and known.get("when") != "after":
        fault["times"] = rng.randint(1, max(3, known.get("times", 1)))
    return fault
