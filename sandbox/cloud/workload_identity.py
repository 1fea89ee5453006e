# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Workload Identity: what a pod's metadata server asks for, a token for a Kubernetes service account.

Only the cluster process can ask (over the unix socket). The token is as good as the policies make it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud import policies, roles
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.registry import route
from sandbox.cloud.request import HttpRequest, HttpResponse, Principal

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]
LIFETIME = 3600
_NEEDED = "iam.serviceAccounts.getAccessToken"


def identity(cloud: Cloud, pool: str, namespace: str, account: str) -> Principal:
    """A Kubernetes service account as policies name it."""
    project = next((p for p in cloud.settings.projects if pool == f"{p.id}.svc.id.goog"), None)
    if project is None:
        raise invalid(f"Identity Pool does not exist ({pool}).")
    return Principal(
        f"principal://iam.googleapis.com/projects/{project.number}/locations/global/workloadIdentityPools/{pool}"
        f"/subject/ns/{namespace}/sa/{account}"
    )


def _acting_as(cloud: Cloud, caller: Principal, email: str) -> str:
    """The service account of the annotation, if its policy lets the caller act as it."""
    found = next((a for a in cloud.store.of_kind("serviceAccounts") if a.body["email"] == email), None)
    held = found is not None and (
        roles.grants(policies.get(cloud, found.path), roles.names_of(caller), _NEEDED)
        or roles.grants(policies.get(cloud, f"projects/{found.body['projectId']}"), roles.names_of(caller), _NEEDED)
    )
    if not held:
        raise ApiError(403, f"Permission '{_NEEDED}' denied on resource (or it may not exist).")
    return email


@route("POST", "/_sandbox/workload-token", trusted=True)
def workload_token(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """`{pool, namespace, account, acts_as}` becomes `{token, email, expires_in}`, or IAM's refusal."""
    asked = http.json() or {}
    with cloud.store.lock:
        caller = identity(cloud, asked["pool"], asked["namespace"], asked["account"])
        email = _acting_as(cloud, caller, asked["acts_as"]) if asked.get("acts_as") else caller.email
    shown = asked.get("acts_as") or asked["pool"]
    return HttpResponse(200, {"token": cloud.auth.issue(email), "email": shown, "expires_in": LIFETIME})
