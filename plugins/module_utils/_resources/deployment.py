# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What of a deployment is up, since when, and what is wrong with it: a few reads, and nothing else.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from .. import _expiry as expiry
from .. import _ownership as ownership
from .._errors import GcpError, Json
from .._fields import link_path
from .._findings import Check, error, good, unseen, warning
from .._module import connect
from .._plan import state_reason
from .._preflight.look import Hidden, Look, Seen

OPTIONS: Json = {
    "deployment": {"type": "str", "required": True},
    "cluster": {"type": "str", "required": True},
    "location": {"type": "str", "required": True},
    "network": {"type": "str"},
    "network_project": {"type": "str"},
    "expiry_only": {"type": "bool", "default": False},
}
AT_REST = {"RUNNING"}
UNDER_WAY = {"PROVISIONING", "RECONCILING", "STOPPING"}


def look(params: Mapping[str, Any]) -> Json:
    """The module's result."""
    identity, cloud, deadline = connect(params, libraries=False)
    cloud.patience.activation = cloud.patience.first_contact = 0
    cloud.patience.faults = min(cloud.patience.faults, 5.0)
    looking = Look(cloud, deadline, identity.project)
    parent = f"projects/{identity.project}/locations/{params['location']}"
    cluster = _none_when_off(
        looking.get("container.projects.locations.clusters.get", name=f"{parent}/clusters/{params['cluster']}")
    )
    if looking.stopped is not None:
        raise looking.stopped.about("look at", f"cluster {params['cluster']}")
    if isinstance(cluster, Hidden):
        raise GcpError(cluster.reason, action="look at", resource=f"cluster {params['cluster']}", remedy=cluster.remedy)
    result: Json = {
        "changed": False,
        "cluster": summary(cluster, params["deployment"], datetime.now(UTC)),
        "node_pools": [pool_summary(pool, params["deployment"]) for pool in _pools(cluster)],
        "expiry": expiry.labels_of(expiry.marked(cluster, params["deployment"])),
        "checks": [check.as_dict() for check in of_cluster(params, cluster)],
    }
    if not params["expiry_only"]:
        operations = looking.get("container.projects.locations.operations.list", parent=parent) if cluster else None
        result["operations"] = running(operations, params["cluster"])
        result |= _network(params, looking, identity.project)
    return {**result, "gcp_actions": list(cloud.actions)}


def _none_when_off(found: Seen) -> Seen:
    """Where the API is off, there is no cluster."""
    return None if isinstance(found, Hidden) and found.service else found


def _pools(cluster: Seen) -> list[Json]:
    return [] if cluster is None or isinstance(cluster, Hidden) else cluster.get("nodePools") or []


def age(since: str, now: datetime) -> float:
    """Hours since a moment that Google wrote down; 0 when it cannot be read."""
    try:
        began = datetime.fromisoformat(since.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    began = began if began.tzinfo else began.replace(tzinfo=UTC)
    return round(max((now - began).total_seconds(), 0.0) / 3600, 3)


def summary(cluster: Json | None, deployment: str, now: datetime) -> Json:
    if not cluster:
        nothing = {"since": "", "hours": 0.0, "version": "", "location": ""}
        return {"exists": False, "ours": False, "status": "ABSENT", **nothing}
    return {
        "exists": True,
        "ours": ownership.owner(cluster, "resourceLabels") == ownership.mark_value(deployment),
        "status": cluster.get("status"),
        "since": str(cluster.get("createTime") or ""),
        "hours": age(str(cluster.get("createTime") or ""), now),
        "version": str(cluster.get("currentMasterVersion") or ""),
        "location": str(cluster.get("location") or ""),
    }


def pool_summary(pool: Json, deployment: str) -> Json:
    """In the words that the filter `cost_estimate` counts machines with."""
    config = pool.get("config") or {}
    zones = len(pool.get("locations") or []) or 1
    return {
        "name": pool.get("name"),
        "ours": ownership.owner(pool, "config.resourceLabels") == ownership.mark_value(deployment),
        "status": pool.get("status"),
        "reason": state_reason(pool),
        "machine_type": str(config.get("machineType") or ""),
        "count": int(pool.get("initialNodeCount") or 0) * zones,
        "disk_size_gb": int(config.get("diskSizeGb") or 100),
        "disk_type": str(config.get("diskType") or "pd-balanced"),
        "capacity": capacity_of(pool),
        "public": not (pool.get("networkConfig") or {}).get("enablePrivateNodes"),
    }


def capacity_of(pool: Json) -> str:
    """The capacity model that a pool was made with."""
    config = pool.get("config") or {}
    affinity = (config.get("reservationAffinity") or {}).get("consumeReservationType")
    if config.get("spot") or config.get("preemptible"):
        return "spot"
    if config.get("flexStart"):
        return "queued" if (pool.get("queuedProvisioning") or {}).get("enabled") else "flex_start"
    return {"SPECIFIC_RESERVATION": "reservation", "ANY_RESERVATION": "any_reservation"}.get(str(affinity), "on_demand")


def of_cluster(params: Mapping[str, Any], cluster: Json | None) -> Iterator[Check]:
    """What is wrong with cluster and pools."""
    if not cluster:
        yield good("cluster", "known", "not there")
        return
    yield _state("cluster", str(cluster.get("status")), state_reason(cluster), "cluster")
    mark = ownership.mark_value(params["deployment"])
    for pool in cluster.get("nodePools") or []:
        if ownership.owner(pool, "config.resourceLabels") == mark:
            name = f"node pool {pool.get('name')}"
            yield _state(name, str(pool.get("status")), state_reason(pool), "pool")


def _state(name: str, status: str, reason: str, kind: str) -> Check:
    told = f"{status} ({reason})" if reason else status
    if status in AT_REST:
        return good(name, "RUNNING", told)
    if status in UNDER_WAY:
        return warning(name, "RUNNING", told, "wait: an operation is under way.")
    remedy = "run the playbook up again: it repairs pools that are broken." if kind == "pool" else "see the reason."
    return error(name, "RUNNING", told, remedy)


def running(operations: Seen, cluster: str) -> list[Json]:
    """What is under way on the cluster."""
    if operations is None or isinstance(operations, Hidden):
        return []
    found = []
    for one in operations.get("operations") or []:
        target = link_path(str(one.get("targetLink") or ""))
        if one.get("status") != "DONE" and f"/clusters/{cluster}/" in f"{target}/":
            keys = ("name", "operationType", "status", "startTime")
            found.append({**{key: str(one.get(key) or "") for key in keys}, "target": target.rpartition("/")[2]})
    return found


def _network(params: Mapping[str, Any], looking: Look, project: str) -> Json:
    """Whether the network is there, and which of its load balancers cost."""
    if not params["network"]:
        return {"network": "", "load_balancers": []}
    owner = params["network_project"] or project
    network = _none_when_off(looking.get("compute.networks.get", project=owner, network=params["network"]))
    if isinstance(network, Hidden):
        hidden = unseen("network", params["network"], network.reason).as_dict()
        return {"network": "", "load_balancers": [], "hidden": [hidden]}
    rules = looking.aggregated("compute.forwardingRules.aggregatedList", "forwardingRules", project=project)
    mine = [] if network is None or isinstance(rules, Hidden) else rules
    suffix = f"/global/networks/{params['network']}"
    balancers = [
        {"name": rule.get("name"), "address": rule.get("IPAddress"), "since": rule.get("creationTimestamp")}
        for rule in mine
        if link_path(str(rule.get("network") or "")).endswith(suffix)
    ]
    return {"network": params["network"] if network else "", "load_balancers": balancers}
