# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""IAM policies of projects, service accounts and buckets: read, change, write back, and what is refused on the way."""

from __future__ import annotations

import copy
import re
import time
from typing import TYPE_CHECKING, Any

from sandbox.cloud.errors import ApiError, invalid

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

EMPTY_ETAG = "ACAB"
# How long a new service account is unknown to policies, in cloud seconds.
VISIBLE_AFTER = 20.0
_STANDARD_BASE64 = str.maketrans("-_", "+/")
_MEMBER_KINDS = (
    "user:",
    "serviceAccount:",
    "group:",
    "domain:",
    "principal:",
    "principalSet:",
    "deleted:",
    "projectOwner:",
    "projectEditor:",
    "projectViewer:",
)
_POOL_MEMBER = re.compile(
    r"principal(?:Set)?://iam\.googleapis\.com/projects/([^/]+)/locations/global/workloadIdentityPools/([^/]+\.svc\.id\.goog)/"
)
_MEMBERS = ("allUsers", "allAuthenticatedUsers")
_CONCURRENT = "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."


def _path(resource: str) -> str:
    return f"{resource}/policies/iam"


def get(cloud: Cloud, resource: str) -> Json:
    """The policy of a resource; one that nobody set is empty."""
    found = cloud.store.get(_path(resource))
    return copy.deepcopy(found.body) if found else {"etag": EMPTY_ETAG, "version": 1}


def set_policy(cloud: Cloud, resource: str, policy: Json) -> Json:
    """Writes a policy read before. An etag is optional; without one the last writer wins."""
    current = get(cloud, resource)["etag"]
    # Bytes in JSON: some clients read them and write them back in the URL-safe alphabet.
    given = policy.get("etag", "").translate(_STANDARD_BASE64)
    if given and given != current:
        raise ApiError(409, _CONCURRENT, status="ABORTED", reason="aborted")
    bindings = [binding for binding in policy.get("bindings", []) if binding.get("members")]
    for binding in bindings:
        _check_binding(cloud, binding)
    stored: Json = {"version": policy.get("version", 1), "etag": cloud.store.fingerprint()}
    if bindings:
        stored["bindings"] = bindings
    cloud.store.put(_path(resource), stored)
    return copy.deepcopy(stored)


def forget(cloud: Cloud, resource: str) -> None:
    """The resource is gone, and its policy with it."""
    cloud.store.delete(_path(resource))


def _check_binding(cloud: Cloud, binding: Json) -> None:
    if not binding.get("role", "").startswith(("roles/", "projects/", "organizations/")):
        raise invalid(f"Role {binding.get('role', '')} is not supported for this resource.")
    for member in binding["members"]:
        if member not in _MEMBERS and not member.startswith(_MEMBER_KINDS):
            raise invalid(f"Invalid value for member: {member}. It needs a type such as user: or serviceAccount:.")
        if member.startswith("serviceAccount:"):
            _check_account(cloud, member.removeprefix("serviceAccount:"))
        if found := _POOL_MEMBER.match(member):
            _check_pool(cloud, found[1], found[2])


def _check_pool(cloud: Cloud, number: str, pool: str) -> None:
    owners = [project.number for project in cloud.settings.projects if pool == f"{project.id}.svc.id.goog"]
    if number not in owners or not _pool_exists(cloud, pool):
        raise _no_pool(pool)


def _no_pool(pool: str) -> ApiError:
    return invalid(
        f"Identity Pool does not exist ({pool}). Please check that you specified a valid resource name as "
        "returned in the `name` attribute in the configuration API."
    )


def _check_account(cloud: Cloud, account: str) -> None:
    pool = account.partition("[")[0]
    if pool.endswith(".svc.id.goog"):
        if not _pool_exists(cloud, pool):
            raise _no_pool(pool)
        return
    ours = any(account.endswith(f"@{project.id}.iam.gserviceaccount.com") for project in cloud.settings.projects)
    if ours and not is_visible(cloud, account):
        raise invalid(f"Service account {account} does not exist.")


def _pool_exists(cloud: Cloud, pool: str) -> bool:
    """A project's workload pool comes with its first cluster that has Workload Identity, and stays."""
    return cloud.store.get(f"workloadIdentityPools/{pool}") is not None


def make_workload_pool(cloud: Cloud, pool: str) -> None:
    """A cluster brings its project's workload pool into being."""
    if pool and not _pool_exists(cloud, pool):
        cloud.store.put(f"workloadIdentityPools/{pool}", {"name": pool})


def is_visible(cloud: Cloud, email: str) -> bool:
    """Whether policies know the account yet."""
    project = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
    path = f"projects/{project}/serviceAccounts/{email}"
    if cloud.faults.habit("account_not_visible", path):
        return False
    found = cloud.store.get(path)
    return found is not None and time.monotonic() >= float(found.hidden.get("visible_from", 0.0))


def granted(body: Json) -> Json:
    """The permissions that testIamPermissions was asked about, if they are ones at all."""
    permissions = body.get("permissions", [])
    for permission in permissions:
        if permission.count(".") < 2 or "*" in permission:
            raise invalid(f"Permission {permission} is not valid for this resource.")
    return {"permissions": permissions} if permissions else {}
