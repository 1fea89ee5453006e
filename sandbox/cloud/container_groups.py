# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The managed instance groups of a node pool, one in each of its zones, as compute shows them."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.container_network import LINK, relative
from sandbox.cloud.request import Project
from sandbox.cloud.store import Store

Json = dict[str, Any]

ACTIONS = (
    "abandoning",
    "creating",
    "creatingWithoutRetries",
    "deleting",
    "recreating",
    "refreshing",
    "restarting",
    "resuming",
    "starting",
    "stopping",
    "suspending",
    "verifying",
)


def _body(store: Store, project: Project, path: str, size: int) -> Json:
    zone, name = path.split("/")[3], path.rsplit("/", 1)[-1]
    base, region = name.removesuffix("-grp"), zone.rsplit("-", 1)[0]
    beta = f"https://www.googleapis.com/compute/beta/projects/{project.id}"
    template = f"{beta}/regions/{region}/instanceTemplates/{base}"
    one = {"calculated": 1, "fixed": 1}
    return {
        "kind": "compute#instanceGroupManager",
        "id": store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "name": name,
        "zone": f"{LINK}projects/{project.id}/zones/{zone}",
        "selfLink": LINK + path,
        "baseInstanceName": base,
        "currentActions": {**dict.fromkeys(ACTIONS, 0), "none": size},
        "fingerprint": store.fingerprint(),
        "instanceGroup": f"{beta}/zones/{zone}/instanceGroups/{name}",
        "instanceLifecyclePolicy": {
            "defaultActionOnFailure": "REPAIR",
            "forceUpdateOnRepair": "YES",
            "onFailedHealthCheck": "DEFAULT_ACTION",
        },
        "instanceTemplate": template,
        "listManagedInstancesResults": "PAGINATED",
        "satisfiesPzi": True,
        "satisfiesPzs": True,
        "serviceAccount": f"{project.number}@cloudservices.gserviceaccount.com",
        "standbyPolicy": {"mode": "MANUAL"},
        "status": {
            "allInstancesConfig": {"effective": True},
            "isStable": True,
            "stateful": {
                "hasStatefulConfig": False,
                "isStateful": False,
                "perInstanceConfigs": {"allEffective": True},
            },
            "versionTarget": {"isReached": True},
        },
        "targetSize": size,
        "targetSizePolicy": {"mode": "INDIVIDUAL"},
        "targetStoppedSize": 0,
        "targetSuspendedSize": 0,
        "updatePolicy": {
            "maxSurge": one,
            "maxUnavailable": one,
            "minReadySec": 0,
            "minimalAction": "REPLACE",
            "replacementMethod": "SUBSTITUTE",
            "type": "OPPORTUNISTIC",
        },
        "versions": [{"instanceTemplate": template, "targetSize": {"calculated": size}}],
    }


def settle(store: Store, project: Project, pool: Json, nodes: list[Json], before: list[str]) -> list[str]:
    """Makes the pool's groups what they should be; returns their paths. ``before`` are those it had."""
    wanted = {relative(url): url.split("/zones/")[1].split("/")[0] for url in pool["instanceGroupUrls"]}
    for path in set(before) - set(wanted):
        store.delete(path)
    for path, zone in wanted.items():
        size = sum(node["zone"] == zone for node in nodes)
        found = store.get(path)
        if found is None:
            store.put(path, _body(store, project, path, size))
        else:
            found.body |= {"targetSize": size, "currentActions": {**found.body["currentActions"], "none": size}}
            found.body["versions"][0]["targetSize"] = {"calculated": size}
    return list(wanted)


def remove(store: Store, paths: list[str]) -> None:
    """The groups go with their pool."""
    for path in paths:
        store.delete(path)
