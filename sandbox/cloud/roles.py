# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a role allows, and whether a policy grants it to somebody: for the few roles that the sandbox asks about.

A role that is not in the table allows nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sandbox.cloud import policies
from sandbox.cloud.errors import ApiError

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud
    from sandbox.cloud.request import Principal

Json = dict[str, Any]

_OBJECT_READ = (
    "storage.objects.get",
    "storage.objects.list",
    "storage.managedFolders.get",
    "storage.managedFolders.list",
)
_OBJECT_WRITE = (
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.update",
    "storage.multipartUploads.*",
)
_TOKENS = ("iam.serviceAccounts.get", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken")

_PROJECT = "resourcemanager.projects.get"
_SERVICES = ("serviceusage.services.get", "serviceusage.services.list")
_READ = tuple(
    f"{api}.*.{verb}"
    for api in ("compute", "container", "iam", "serviceusage", "resourcemanager")
    for verb in ("get", "list", "getIamPolicy")
)
_NETWORK = tuple(
    f"compute.{kind}.*"
    for kind in (
        "networks",
        "subnetworks",
        "routers",
        "routes",
        "addresses",
        "globalAddresses",
        "forwardingRules",
        "globalForwardingRules",
        "backendServices",
        "regionBackendServices",
        "healthChecks",
        "regionHealthChecks",
        "urlMaps",
        "regionUrlMaps",
        "targetHttpProxies",
        "regionTargetHttpProxies",
        "targetHttpsProxies",
        "regionTargetHttpsProxies",
        "networkEndpointGroups",
        "globalOperations",
        "regionOperations",
        "zoneOperations",
        "regions",
        "zones",
        "projects",
    )
)
# Not even an owner may make tokens for others, without being given it.
TOKEN_PERMISSIONS = frozenset(
    f"iam.serviceAccounts.{verb}"
    for verb in ("getAccessToken", "getOpenIdToken", "signBlob", "signJwt", "implicitDelegation")
)

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "roles/owner": ("*",),
    "roles/editor": (
        "storage.buckets.create",
        "storage.buckets.delete",
        "storage.buckets.list",
        "compute.*",
        "container.*",
        "serviceusage.*",
        "iam.serviceAccounts.actAs",
        "iam.serviceAccounts.create",
        "iam.serviceAccounts.delete",
        "iam.serviceAccounts.update",
        *_READ,
    ),
    "roles/viewer": ("storage.buckets.list", *_READ),
    "roles/browser": ("resourcemanager.projects.get",),
    "roles/compute.admin": ("compute.*", _PROJECT, *_SERVICES),
    "roles/compute.networkAdmin": (*_NETWORK, "compute.firewalls.get", "compute.firewalls.list", _PROJECT, *_SERVICES),
    "roles/compute.securityAdmin": (
        "compute.firewalls.*",
        "compute.securityPolicies.*",
        "compute.regionSecurityPolicies.*",
        "compute.sslCertificates.*",
        "compute.networks.get",
        "compute.networks.list",
        "compute.networks.updatePolicy",
        "compute.globalOperations.*",
        _PROJECT,
        *_SERVICES,
    ),
    "roles/compute.viewer": ("compute.*.get", "compute.*.list", _PROJECT, *_SERVICES),
    "roles/container.admin": ("container.*", _PROJECT),
    "roles/container.clusterAdmin": ("container.clusters.*", "container.operations.*", _PROJECT),
    "roles/container.developer": ("container.clusters.get", "container.clusters.list", _PROJECT),
    "roles/container.clusterViewer": ("container.clusters.get", "container.clusters.list", _PROJECT),
    "roles/container.viewer": ("container.*.get", "container.*.list", _PROJECT),
    "roles/iam.serviceAccountUser": (
        "iam.serviceAccounts.actAs",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.list",
    ),
    "roles/iam.serviceAccountAdmin": tuple(
        f"iam.serviceAccounts.{verb}"
        for verb in ("create", "delete", "disable", "enable", "get", "getIamPolicy", "list", "setIamPolicy", "update")
    ),
    "roles/iam.serviceAccountKeyAdmin": ("iam.serviceAccountKeys.*",),
    "roles/resourcemanager.projectIamAdmin": (
        _PROJECT,
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    ),
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.*",),
    "roles/serviceusage.serviceUsageConsumer": (*_SERVICES, "serviceusage.services.use"),
    "roles/storage.admin": ("storage.*",),
    "roles/storage.bucketViewer": ("storage.buckets.get", "storage.buckets.list"),
    "roles/storage.objectAdmin": (*_OBJECT_READ, *_OBJECT_WRITE, "storage.objects.*", "storage.managedFolders.*"),
    "roles/storage.objectUser": (*_OBJECT_READ, *_OBJECT_WRITE, "storage.managedFolders.*"),
    "roles/storage.objectViewer": _OBJECT_READ,
    "roles/storage.objectCreator": ("storage.objects.create", "storage.multipartUploads.create"),
    "roles/storage.legacyBucketOwner": (
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.buckets.setIamPolicy",
        "storage.buckets.update",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.list",
    ),
    "roles/storage.legacyBucketWriter": (
        "storage.buckets.get",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.list",
    ),
    "roles/storage.legacyBucketReader": ("storage.buckets.get", "storage.objects.list"),
    "roles/storage.legacyObjectReader": ("storage.objects.get",),
    "roles/iam.workloadIdentityUser": (*_TOKENS, "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountTokenCreator": (*_TOKENS, "iam.serviceAccounts.signBlob", "iam.serviceAccounts.signJwt"),
}
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")


def grants(policy: Json, members: Iterable[str], permission: str) -> bool:
    """Whether the policy gives one of the members the permission. Conditions are not computed: they grant nothing."""
    wanted = {*members, *_EVERYBODY}
    return any(
        wanted & set(binding["members"]) and allows(binding["role"], permission)
        for binding in policy.get("bindings", [])
        if not binding.get("condition")
    )


def allows(role: str, permission: str) -> bool:
    if permission in TOKEN_PERMISSIONS and role in ("roles/owner", "roles/editor"):
        return False
    return any(fnmatchcase(permission, pattern) for pattern in PERMISSIONS.get(role, ()))


def names_of(principal: Principal) -> list[str]:
    """The names under which policies know a principal."""
    return [principal.member, *principal.aliases]


def _convenience(cloud: Cloud, names: Sequence[str], project: str) -> list[str]:
    """The members projectOwner:P and so on, for those who are."""
    policy = policies.get(cloud, f"projects/{project}")
    found = []
    for role in ("owner", "editor", "viewer"):
        bindings = (b for b in policy.get("bindings", []) if b["role"] == f"roles/{role}" and not b.get("condition"))
        if any(set(names) & set(binding["members"]) for binding in bindings):
            found.append(f"project{role.capitalize()}:{project}")
    return found


def may(cloud: Cloud, principal: Principal, permission: str, project: str, resource: str = "") -> bool:
    """By the policy of the resource's project, or by the resource's own."""
    if principal.trusted:
        return True
    names = names_of(principal)
    if grants(policies.get(cloud, f"projects/{project}"), names, permission):
        return True
    members = [*names, *_convenience(cloud, names, project)]
    return bool(resource) and grants(policies.get(cloud, resource), members, permission)


def require_on_bucket(cloud: Cloud, principal: Principal, permission: str, bucket: str, project: str) -> None:
    """Cloud Storage's own words for what is not allowed."""
    if may(cloud, principal, permission, project, f"b/{bucket}"):
        return
    what = "object" if permission == "storage.objects.get" else "bucket"
    raise ApiError(
        403,
        f"{principal.shown} does not have {permission} access to the Google Cloud Storage {what}. Permission "
        f"'{permission}' denied on resource (or it may not exist).",
        reason="forbidden",
    )
