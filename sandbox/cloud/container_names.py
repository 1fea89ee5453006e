# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How GKE names what it makes for a cluster: instance groups, nodes, firewalls, the pods' range."""

from __future__ import annotations

import random
import re
import string

CLUSTER_NAME = re.compile(r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")
_SUFFIX_ALPHABET = string.ascii_lowercase + string.digits
_HALF = 16


def hex8(rng: random.Random) -> str:
    """Eight hexadecimal digits."""
    return f"{rng.getrandbits(32):08x}"


def etag(rng: random.Random) -> str:
    """An opaque tag in the form that pools carry."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-9{digits[17:20]}-{digits[20:]}"


def group_prefix(cluster: str, pool: str) -> str:
    """gke-CLUSTER-POOL, the two sharing 32 characters: each has 16, and what one leaves the other may use."""
    for_cluster = max(_HALF, 2 * _HALF - len(pool))
    for_pool = max(_HALF, 2 * _HALF - len(cluster))
    return f"gke-{cluster[:for_cluster].strip('-')}-{pool[:for_pool].strip('-')}"


def node_suffix(rng: random.Random) -> str:
    """The four characters that tell one instance of a group from another."""
    return "".join(rng.choice(_SUFFIX_ALPHABET) for _ in range(4))


def node_name(cluster: str, pool: str, group: str, rng: random.Random) -> str:
    """The name of an instance in the group of that hash."""
    return f"{group_prefix(cluster, pool)}-{group}-{node_suffix(rng)}"


def pods_range(cluster: str, cluster_id: str) -> str:
    """The secondary range that GKE adds to the subnetwork."""
    return f"gke-{cluster}-pods-{cluster_id[:8]}"


def firewalls(cluster: str, cluster_id: str) -> dict[str, str]:
    """The firewall rules made with a cluster, by their purpose."""
    return {kind: f"gke-{cluster}-{cluster_id[:8]}-{kind}" for kind in ("all", "vms", "exkubelet", "inkubelet")}


def node_tag(cluster: str, cluster_id: str) -> str:
    """The network tag of the cluster's instances, which its firewall rules name."""
    return f"gke-{cluster}-{cluster_id[:8]}-node"


def short(reference: str) -> str:
    """The last part of a link, a path or a name."""
    return reference.rsplit("/", 1)[-1]
