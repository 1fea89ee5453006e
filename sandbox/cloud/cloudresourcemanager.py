# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The resource manager API, v1 and v3: the sandbox's projects and their policies."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from sandbox.cloud import policies, roles
from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.errors import permission_denied
from sandbox.cloud.registry import method, on_start
from sandbox.cloud.request import Project, Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

PROJECTS = "cloudresourcemanager.projects"


@on_start
def own_the_project(cloud: Cloud) -> None:
    """The account whose key is handed out owns the projects."""
    owner = {"role": "roles/owner", "members": [f"serviceAccount:{cloud.settings.account_email}"]}
    for project in cloud.settings.projects:
        cloud.store.put(f"projects/{project.id}", {"created": utc_timestamp()})
        policy = {"version": 1, "etag": cloud.store.fingerprint(), "bindings": [copy.deepcopy(owner)]}
        cloud.store.put(f"projects/{project.id}/policies/iam", policy)


def _project(request: Request) -> Project:
    if request.project is None:
        raise permission_denied()
    return request.project


def _shown(cloud: Cloud, project: Project, version: str) -> Json:
    created = cloud.store.get(f"projects/{project.id}")
    time = created.body["created"] if created else utc_timestamp()
    if version == "v3":
        return {
            "name": f"projects/{project.number}",
            "projectId": project.id,
            "displayName": project.id,
            "state": "ACTIVE",
            "createTime": time,
            "etag": policies.EMPTY_ETAG,
        }
    return {
        "projectNumber": project.number,
        "projectId": project.id,
        "lifecycleState": "ACTIVE",
        "name": project.id,
        "createTime": time,
    }


@method(f"{PROJECTS}.get")
def get(cloud: Cloud, request: Request) -> Json:
    return _shown(cloud, _project(request), request.method.version)


@method(f"{PROJECTS}.list", f"{PROJECTS}.search")
def list_projects(cloud: Cloud, request: Request) -> Json:
    return {"projects": [_shown(cloud, project, request.method.version) for project in cloud.settings.projects]}


@method(f"{PROJECTS}.getIamPolicy")
def get_policy(cloud: Cloud, request: Request) -> Json:
    return policies.get(cloud, f"projects/{_project(request).id}")


@method(f"{PROJECTS}.setIamPolicy")
def set_policy(cloud: Cloud, request: Request) -> Json:
    return policies.set_policy(cloud, f"projects/{_project(request).id}", request.body.get("policy", {}))


@method(f"{PROJECTS}.testIamPermissions")
def test_permissions(cloud: Cloud, request: Request) -> Json:
    project = _project(request).id
    asked = policies.granted(request.body).get("permissions", [])
    held = [each for each in asked if roles.may(cloud, request.principal, each, project)]
    return {"permissions": held} if held else {}
