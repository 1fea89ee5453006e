# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The shortest time in which an infrastructure can be there: from the table of durations, from what needs what, and
from the number of operations that may run at once. Never from what a run did.

In cloud seconds. The chain is network, its cluster's subnetwork, cluster, node pools; all else is shorter, and beside
it.
"""

from __future__ import annotations

from sandbox.cloud.container_world import PENDING_SECONDS
from sandbox.cloud.durations import CLUSTERS, NODE_POOLS, duration_of


def pools_alone(pools: int, slots: int) -> float:
    """All pools take the same time, so they come in rounds."""
    rounds = -(-pools // slots)
    return rounds * (PENDING_SECONDS + duration_of(f"{NODE_POOLS}.create"))


def infrastructure(pools: int, slots: int) -> float:
    """From an empty project with its APIs on to the last pool."""
    chain = ("compute.networks.insert", "compute.subnetworks.insert", f"{CLUSTERS}.create")
    return sum(map(duration_of, chain)) + pools_alone(pools, slots)
