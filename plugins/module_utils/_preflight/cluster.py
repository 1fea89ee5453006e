# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The cluster and its pools: names, versions, and the quotas that their nodes take up. PRIVATE to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import _ownership as ownership
from .._errors import Json
from .._findings import Check, error, good, listed, warning
from .look import Hidden, Look, Seen

NAME = "the cluster's name is free or ours"
THERE = "the cluster exists"
HEALTH = "the cluster is well"
POOLS = "names of the TPU pools are free or ours"
VERSION = "GKE knows the TPUs"
INFERENCE = "GKE brings the InferencePool along"
QUOTAS = "quotas"
# From which version of GKE on a family of TPUs can be had, and from which it installs the InferencePool itself.
LEAST_FOR = {"ct6e": "1.31.2-gke.1115000", "ct5p": "1.29.0", "ct5lp": "1.28.0", "tpu7x": "1.34.0-gke.2201000"}
LEAST_FOR_INFERENCE = "1.34.0-gke.1626000"
# What machines of a family count against, when it is not CPUS; TPU machines have quotas of their own.
CPU_METRICS = {"n2": "N2_CPUS", "n2d": "N2D_CPUS", "c2": "C2_CPUS", "c2d": "C2D_CPUS", "c3": "C3_CPUS"}


@dataclass(frozen=True)
class Found:
    """None: it does not exist."""

    cluster: Seen
    server: Seen
    region: Seen
    project: Seen


def look(want: Json, looking: Look) -> Found:
    parent = f"projects/{looking.project}/locations/{want['location']}"
    return Found(
        cluster=looking.get("container.projects.locations.clusters.get", name=f"{parent}/clusters/{want['name']}"),
        server=looking.get("container.projects.locations.getServerConfig", name=parent),
        region=looking.get("compute.regions.get", project=looking.project, region=want["location"]),
        project=looking.get("compute.projects.get", project=looking.project),
    )


def pools_of(found: Found) -> list[Json]:
    """The pools that are there."""
    return [] if found.cluster is None or isinstance(found.cluster, Hidden) else found.cluster.get("nodePools") or []


def judge(want: Json, found: Found, deployment: str) -> Iterator[Check]:
    if isinstance(found.cluster, Hidden):
        yield found.cluster.check(NAME if want["manage"] else THERE, want["name"])
    elif want["manage"]:
        yield _own(want, found.cluster, deployment)
    else:
        yield _existing(want, found.cluster)
    if found.cluster and not isinstance(found.cluster, Hidden):
        yield from _health(want, found.cluster)
        yield from _pools(want, pools_of(found), deployment)
    yield from _versions(want, found)


def _own(want: Json, cluster: Seen, deployment: str) -> Check:
    needed = f"free, or marked as of {deployment}"
    if cluster is None:
        return good(NAME, needed, "free")
    owner = ownership.owner(dict(cluster), "resourceLabels")  # type: ignore[arg-type]
    if owner == ownership.mark_value(deployment):
        return good(NAME, needed, "ours")
    return error(
        NAME,
        needed,
        f"cluster {want['name']} exists, and {ownership.whose(owner)}",
        "set deployment_prefix or deployment_cluster to another one, or deployment_cluster_manage to false to use it as"
        " it is.",
    )


def _existing(want: Json, cluster: Seen) -> Check:
    needed = f"{want['name']} in {want['location']}"
    if cluster is None:
        return error(
            THERE,
            needed,
            f"Cluster {want['name']} does not exist in {want['location']}",
            "correct deployment_cluster, or set deployment_cluster_manage to true.",
        )
    return good(THERE, needed, "found")


def _health(want: Json, cluster: Json) -> Iterator[Check]:
    status = str(cluster.get("status") or "")
    if status in ("ERROR", "DEGRADED", "STOPPING"):
        reasons = [str(one.get("message") or one.get("code") or "") for one in cluster.get("conditions") or []]
        yield error(
            HEALTH,
            "RUNNING",
            f"Cluster {want['name']} is {status}" + (f" ({listed(filter(None, reasons))})" if any(reasons) else ""),
            "take it away with the playbook teardown, or wait until it is gone.",
        )
    else:
        yield good(HEALTH, "RUNNING", status)


def _pools(want: Json, pools: list[Json], deployment: str) -> Iterator[Check]:
    there = [pool for pool in pools if pool.get("name") in want["node_pools"]]
    mark = ownership.mark_value(deployment)
    owners = {str(pool["name"]): ownership.owner(pool, "config.resourceLabels") for pool in there}
    foreign = {name: owner for name, owner in owners.items() if owner != mark}
    needed = f"free, or marked as of {deployment}"
    if not foreign:
        yield good(POOLS, needed, f"{len(there)} are ours" if there else "free")
    for name, owner in foreign.items():
        yield error(
            POOLS,
            needed,
            f"node pool {name} exists, and {ownership.whose(owner)}",
            "set deployment_pool_prefix to another one.",
        )


def _versions(want: Json, found: Found) -> Iterator[Check]:
    family = str(want["machine_type"]).partition("-")[0]
    least = LEAST_FOR.get(family, "")
    needed = f"{least} or later" if least else f"a version that knows {family}"
    version = _version(want, found)
    if isinstance(version, Hidden):
        yield version.check(VERSION, needed)
        return
    if least and version and _number(version) < _number(least):
        yield error(
            VERSION,
            needed,
            f"the cluster {'is' if found.cluster else 'would be'} of {version}",
            "set cluster_release_channel to RAPID, or have the cluster upgraded.",
        )
    else:
        yield good(VERSION, needed, version or "not told")
    if version and _number(version) < _number(LEAST_FOR_INFERENCE):
        yield warning(
            INFERENCE,
            f"{LEAST_FOR_INFERENCE} or later",
            f"{version}",
            "nothing to do: the role llm_d installs the definitions; a newer version brings them along.",
        )


def _version(want: Json, found: Found) -> str | Hidden:
    """Of the cluster that is there, or of the one that the channel would give."""
    if found.cluster and not isinstance(found.cluster, Hidden):
        return str(found.cluster.get("currentMasterVersion") or "")
    if isinstance(found.server, Hidden):
        return found.server
    config = found.server or {}
    channels = {one.get("channel"): one.get("defaultVersion") for one in config.get("channels") or []}
    return str(channels.get(want["channel"]) or config.get("defaultClusterVersion") or "")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def quota_needs(want: Json, found: Found) -> dict[str, float]:
    """What of the region's quotas the nodes take up that are not there yet."""
    pools = {pool.get("name") for pool in pools_of(found)}
    needs: dict[str, float] = {}
    for group in want["nodes"]:
        if group["name"] in pools:
            continue
        count, machine = int(group["count"]), str(group["machine_type"])
        needs["INSTANCES"] = needs.get("INSTANCES", 0) + count
        needs["SSD_TOTAL_GB"] = needs.get("SSD_TOTAL_GB", 0) + count * int(group["disk_size_gb"])
        if group.get("public", True):
            needs["IN_USE_ADDRESSES"] = needs.get("IN_USE_ADDRESSES", 0) + count
        family, _sign, size = machine.partition("-")
        if match := re.search(r"-(\d+)$", f"{family}-{size}"):
            metric = CPU_METRICS.get(family, "CPUS")
            needs[metric] = needs.get(metric, 0) + count * int(match.group(1))
    return needs


def judge_quotas(found: Found, needs: Mapping[str, float], project: str) -> Iterator[Check]:
    """All quotas that are short are one finding each; those that suffice are one check together."""
    enough: list[str] = []
    short = False
    for place in (found.region, found.project):
        if isinstance(place, Hidden):
            yield place.check(QUOTAS, "room for nodes and network")
            return
        for quota in (place or {}).get("quotas") or []:
            metric, need = str(quota.get("metric")), needs.get(str(quota.get("metric")), 0)
            limit, usage = float(quota.get("limit") or 0), float(quota.get("usage") or 0)
            if not need:
                continue
            if usage + need > limit:
                short = True
                yield error(
                    QUOTAS,
                    f"{need:g} {metric}",
                    f"{max(limit - usage, 0):g} of {limit:g} {metric} are free in {(place or {}).get('name')}",
                    "ask for more, or use fewer or smaller nodes:"
                    f" https://console.cloud.google.com/iam-admin/quotas?project={project}",
                )
            else:
                enough.append(f"{metric} {need:g}")
    if not short:
        yield good(QUOTAS, listed(enough) or "nothing new", "enough")


def facts(found: Found) -> Any:
    """The cluster as it is, for whoever goes on from here."""
    return None if isinstance(found.cluster, Hidden) else found.cluster
