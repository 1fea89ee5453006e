# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""From what is stored to what GKE answers: false values left out, lists in any order, what only one version shows."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from sandbox.cloud.container_defaults import BETA_ONLY

Json = dict[str, Any]

# Fields whose false is written out: those that are optional in the API's protocol buffers.
_WRITTEN_WHEN_FALSE = frozenset(
    {
        "allowExternalTraffic",
        "enableK8sCertsViaDns",
        "enableK8sTokensViaDns",
        "enablePrivateNodes",
        "enablePublicEndpoint",
        "gcpPublicCidrsAccessEnabled",
        "insecureKubeletReadonlyPortEnabled",
    }
)
_LEFT_OUT: tuple[Any, ...] = (False, 0, "", [], None)
_ANY_ORDER = frozenset({"locations", "enableComponents", "instanceGroupUrls"})


def compact(value: Any, rng: random.Random, key: str = "") -> Any:
    """A copy without false, zero, empty strings and empty lists; empty messages stay."""
    if isinstance(value, dict):
        items = ((name, compact(inner, rng, name)) for name, inner in value.items() if not name.startswith("_"))
        return {
            name: inner for name, inner in items if name in _WRITTEN_WHEN_FALSE or inner not in (False, 0, "", [], None)
        }
    if isinstance(value, list):
        result = [compact(inner, rng) for inner in value]
        if key in _ANY_ORDER:
            rng.shuffle(result)
        return result
    return value


def label_fingerprint(labels: Json) -> str:
    """Eight characters that change when the labels do."""
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:8]


def resource_version(policy: Json) -> str:
    """The version that a maintenance policy is changed against."""
    content = {key: value for key, value in policy.items() if key != "resourceVersion"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def cluster_etag(cluster: Json) -> str:
    """Changes with everything that a client can change."""
    content = {key: value for key, value in cluster.items() if key not in ("status", "statusMessage", "etag")}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:36]


def pool_answer(pool: Json, version: str, rng: random.Random) -> Json:
    """A node pool as GET shows it."""
    answer: Json = compact(pool, rng)
    if answer.get("autoscaling", {}).get("enabled"):
        answer.pop("initialNodeCount", None)
    answer["selfLink"] = _in_version(answer["selfLink"], version)
    if version == "v1":
        answer["config"].get("workloadMetadataConfig", {}).pop("nodeMetadata", None)
    return answer


def range_use(cluster: Json, pools: list[Json], nodes: list[int]) -> float:
    """The part of the pods' range that nodes have taken, each its block."""
    room = 1 << (32 - int(cluster["clusterIpv4Cidr"].rpartition("/")[2]))
    taken = sum(count << (32 - int(pool["podIpv4CidrSize"])) for pool, count in zip(pools, nodes, strict=True))
    return round(taken / room, 4)


def _with_range_use(answer: Json, use: float) -> None:
    """A cluster tells it, twice; a pool that is asked for alone does not."""
    if not use:
        return
    answer["ipAllocationPolicy"]["defaultPodIpv4RangeUtilization"] = use
    for pool in answer.get("nodePools", []):
        pool["networkConfig"]["podIpv4RangeUtilization"] = use


def cluster_answer(cluster: Json, pools: list[Json], nodes: list[int], version: str, rng: random.Random) -> Json:
    """A cluster as GET shows it, with its pools, what follows from them, and from how many nodes each has."""
    answer: Json = compact(cluster, rng)
    answer["nodePools"] = [pool_answer(pool, version, rng) for pool in pools]
    answer["selfLink"] = _in_version(answer["selfLink"], version)
    answer["labelFingerprint"] = label_fingerprint(cluster.get("resourceLabels", {}))
    answer["maintenancePolicy"] = answer.get("maintenancePolicy", {}) | {
        "resourceVersion": resource_version(answer.get("maintenancePolicy", {}))
    }
    answer["etag"] = cluster_etag(cluster)
    _with_range_use(answer, range_use(cluster, pools, nodes))
    if sum(nodes):
        answer["currentNodeCount"] = sum(nodes)
    if pools:
        first = answer["nodePools"][0]
        answer["nodeConfig"] = first["config"]
        if first.get("initialNodeCount"):
            answer["initialNodeCount"] = first["initialNodeCount"]
        groups = [url for pool in pools for url in pool["instanceGroupUrls"]]
        rng.shuffle(groups)
        answer["instanceGroupUrls"] = groups
    else:
        answer.pop("nodePools")
    if version == "v1":
        for name in BETA_ONLY:
            answer.pop(name, None)
        identity = answer.get("workloadIdentityConfig", {})
        identity.pop("identityNamespace", None)
        identity.pop("identityProvider", None)
    return answer


def _in_version(link: str, version: str) -> str:
    return link.replace("googleapis.com/v1/", f"googleapis.com/{version}/", 1)
