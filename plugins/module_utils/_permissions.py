# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which permissions of IAM the collection's calls need: by API method, and by step of the story.

This file is private to the collection. The methods are those of `_methods`, and no others: a test sees to it that none
is missing here, and another compares the custom role that we document with the calls of a whole life cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ._methods import METHODS

# For GKE: https://cloud.google.com/kubernetes-engine/docs/reference/api-permissions. A cluster and its nodes run as a
# service account, which takes leave to act as it.
_ACT = "iam.serviceAccounts.actAs"
_CLUSTER_GET = ("container.clusters.get", "container.clusters.getCredentials")
_UPDATE = ("container.clusters.update",)
_GKE: Mapping[str, tuple[str, ...]] = {
    "getServerConfig": ("container.clusters.list",),
    "clusters.list": ("container.clusters.list",),
    "clusters.get": _CLUSTER_GET,
    "clusters.create": ("container.clusters.create", _ACT),
    "clusters.update": _UPDATE,
    "clusters.delete": ("container.clusters.delete",),
    "clusters.setResourceLabels": _UPDATE,
    "clusters.setMaintenancePolicy": _UPDATE,
    "clusters.nodePools.list": ("container.clusters.get",),
    "clusters.nodePools.get": ("container.clusters.get",),
    "clusters.nodePools.create": (*_UPDATE, _ACT),
    "clusters.nodePools.update": _UPDATE,
    "clusters.nodePools.delete": _UPDATE,
    "clusters.nodePools.setSize": _UPDATE,
    "clusters.nodePools.setManagement": _UPDATE,
    "operations.list": ("container.operations.list",),
    "operations.get": ("container.operations.get",),
}
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "serviceusage.services.list": ("serviceusage.services.list",),
    "serviceusage.services.batchEnable": ("serviceusage.services.enable",),
    "serviceusage.services.disable": ("serviceusage.services.disable",),
    # Whoever may enable may look at what came of it.
    "serviceusage.operations.get": ("serviceusage.services.get",),
    "cloudresourcemanager.projects.get": ("resourcemanager.projects.get",),
    # Anybody may ask what he may do.
    "cloudresourcemanager.projects.testIamPermissions": (),
    "cloudbilling.projects.getBillingInfo": ("resourcemanager.projects.get",),
    "cloudquotas.projects.locations.services.quotaInfos.list": ("cloudquotas.quotas.get",),
    "compute.projects.get": ("compute.projects.get",),
}
# Without these less can be told beforehand; nothing else suffers.
ONLY_FOR_LOOKS = frozenset({"cloudquotas.quotas.get"})
# The other APIs call their permissions as their methods, but for these verbs.
_VERBS = {
    "insert": "create",
    "aggregatedList": "list",
    "wait": "get",
    "patch": "update",
    "addRule": "update",
    "patchRule": "update",
    "removeRule": "update",
}
_NETWORK_POLICY = "compute.networks.updatePolicy"
_COMPUTE_FURTHER: Mapping[str, tuple[str, ...]] = {
    "compute.subnetworks.insert": (_NETWORK_POLICY,),
    "compute.subnetworks.delete": (_NETWORK_POLICY,),
    "compute.firewalls.insert": (_NETWORK_POLICY,),
    "compute.firewalls.patch": (_NETWORK_POLICY,),
    "compute.firewalls.delete": (_NETWORK_POLICY,),
    "compute.routes.delete": (_NETWORK_POLICY,),
}


def permissions_of(method: str) -> tuple[str, ...]:
    """What one API method asks for; a KeyError for one that nobody thought of."""
    api, _sign, rest = method.partition(".")
    if method in _OTHERS:
        return _OTHERS[method]
    if api == "container":
        return _GKE[rest.removeprefix("projects.locations.")]
    if api in ("compute", "iam", "storage"):
        collection, _sign, verb = rest.removeprefix("projects.").rpartition(".")
        return (f"{api}.{collection}.{_VERBS.get(verb, verb)}", *_COMPUTE_FURTHER.get(method, ()))
    raise KeyError(method)


# What each step of the story may call, as patterns on the methods' ids.
_WAITS = ("compute.*Operations.wait",)
_GKE_WAITS = ("container.projects.locations.operations.*",)
STEPS: Mapping[str, tuple[str, ...]] = {
    "preflight": (
        "serviceusage.services.list",
        "cloudresourcemanager.*",
        "cloudbilling.*",
        "cloudquotas.*",
        "compute.projects.get",
        "compute.regions.get",
        "compute.zones.get",
        "compute.machineTypes.get",
        "compute.reservation*",
        "compute.networks.get",
        "compute.subnetworks.aggregatedList",
        "compute.firewalls.get",
        "container.projects.locations.getServerConfig",
        "container.projects.locations.clusters.get",
    ),
    "project_services": (
        "serviceusage.services.list",
        "serviceusage.services.batchEnable",
        "serviceusage.operations.*",
    ),
    "network": ("compute.networks.*", "compute.subnetworks.*", "compute.firewalls.*", *_WAITS),
    "cluster": (
        "container.projects.locations.clusters.[!n]*",
        "container.projects.locations.clusters.nodePools.[gls]*",
        *_GKE_WAITS,
    ),
    "node_pools": (
        "container.projects.locations.clusters.get",
        "container.projects.locations.clusters.update",
        "container.projects.locations.clusters.nodePools.*",
        *_GKE_WAITS,
    ),
    "weights": (
        "cloudresourcemanager.projects.get",
        "iam.projects.serviceAccounts.*",
        "storage.*",
    ),
    "source_ranges": ("compute.regionSecurityPolicies.*", *_WAITS),
    "leftovers": (
        "compute.networks.get",
        "compute.subnetworks.aggregatedList",
        "compute.firewalls.*",
        "compute.routes.*",
        "compute.*ddresses.*",
        "compute.disks.*",
        "compute.*orwardingRules.*",
        "compute.*etworkEndpointGroups.*",
        "compute.*ackendServices.*",
        "compute.*ealthChecks.*",
        "compute.*rlMaps.*",
        "compute.*argetHttp*Proxies.*",
        "compute.*slCertificates.*",
        "container.projects.locations.clusters.list",
        *_WAITS,
    ),
}


def methods_of(steps: Iterable[str]) -> list[str]:
    """The API methods that these steps may call."""
    patterns = [pattern for step in steps for pattern in STEPS[step]]
    return [method for method in METHODS if any(fnmatchcase(method, pattern) for pattern in patterns)]


def permissions_for(steps: Iterable[str]) -> list[str]:
    """What these steps need, in order and without repetition."""
    return sorted({name for method in methods_of(steps) for name in permissions_of(method)})


def batches(permissions: Sequence[str], size: int = 100) -> Iterator[list[str]]:
    """Google takes so many at once."""
    for start in range(0, len(permissions), size):
        yield list(permissions[start : start + size])
