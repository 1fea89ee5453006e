# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which permission a method needs, and Google's refusal when the caller's roles don't give it.

Storage asks by itself (its permissions hang on buckets); here are the APIs whose permissions hang on projects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cloud import roles
from sandbox.cloud.errors import ApiError, permission_denied
from sandbox.cloud.request import Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

_VERBS = {"insert": "create", "aggregatedList": "list", "patch": "update", "wait": "get", "search": "list"}
_CONTAINER = "container.projects.locations."
# Permissions that are not called like the method.
_NAMED = {
    "compute.subnetworks.expandIpCidrRange": "compute.subnetworks.expandIpCidrRange",
    "compute.networkEndpointGroups.listNetworkEndpoints": "compute.networkEndpointGroups.get",
    f"{_CONTAINER}getServerConfig": "container.clusters.list",
    f"{_CONTAINER}operations.cancel": "container.operations.get",
    "serviceusage.services.batchEnable": "serviceusage.services.enable",
    "serviceusage.services.batchGet": "serviceusage.services.get",
}
_APIS = frozenset({"compute", "container", "iam", "serviceusage", "cloudresourcemanager"})
# Anybody may ask what they may do; and what operation of theirs is done.
_FREE = ("testIamPermissions", "serviceusage.operations.", "cloudresourcemanager.operations.")


def needed(method_id: str) -> str:
    """The permission; empty when the method needs none."""
    if method_id in _NAMED:
        return _NAMED[method_id]
    api, verb = method_id.partition(".")[0], method_id.rpartition(".")[2]
    if api not in _APIS or any(part in method_id for part in _FREE):
        return ""
    if method_id.startswith(_CONTAINER):
        return _of_container(method_id.removeprefix(_CONTAINER))
    resource = method_id.split(".")[-2]
    if api == "cloudresourcemanager":
        return f"resourcemanager.{resource}.{_VERBS.get(verb, verb)}"
    if api == "iam" and resource == "keys":
        return f"iam.serviceAccountKeys.{verb}"
    return f"{api}.{resource}.{_VERBS.get(verb, verb)}"


def _of_container(rest: str) -> str:
    """Node pools have no permissions of their own: they are a part of their cluster."""
    resource, _dot, verb = rest.rpartition(".")
    if resource == "clusters.nodePools":
        return "container.clusters.get" if verb in ("get", "list") else "container.clusters.update"
    if resource == "clusters" and verb not in ("create", "get", "list", "delete"):
        return "container.clusters.update"
    return f"container.{resource}.{verb}"


def check(cloud: Cloud, request: Request) -> None:
    """Refuses in the words of the API."""
    permission = needed(request.method.id)
    if not permission or request.project is None or request.principal.trusted:
        return
    path = request.path.lstrip("/").partition("/projects/")[2]
    resource = f"projects/{path.partition(':')[0]}"
    own = resource if "/serviceAccounts/" in resource else ""
    with cloud.store.lock:
        if roles.may(cloud, request.principal, permission, request.project.id, own):
            return
    if request.method.api == "compute":
        raise ApiError(403, f"Required '{permission}' permission for '{resource}'", reason="forbidden")
    if request.method.api == "container":
        raise permission_denied(f'Required "{permission}" permission(s) for "{resource}".')
    if request.method.api == "iam":
        raise permission_denied(f"Permission '{permission}' denied on resource (or it may not exist).")
    raise permission_denied()
