# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The billing API, as far as projects are concerned: which account pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud.errors import invalid, permission_denied
from sandbox.cloud.registry import method, on_start
from sandbox.cloud.request import Project, Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

ACCOUNT = "billingAccounts/012345-567890-ABCDEF"


def _path(project: Project) -> str:
    return f"projects/{project.id}/billingInfo"


@on_start
def link(cloud: Cloud) -> None:
    """Somebody pays for the sandbox's projects."""
    for project in cloud.settings.projects:
        cloud.store.put(_path(project), {"billingAccountName": ACCOUNT})


def _shown(cloud: Cloud, project: Project) -> Json:
    found = cloud.store.get(_path(project))
    account = str(found.body["billingAccountName"]) if found else ""
    answer: Json = {"name": _path(project), "projectId": project.id, "billingAccountName": account}
    # False is left out.
    return answer | ({"billingEnabled": True} if account else {})


def _project(request: Request) -> Project:
    if request.project is None:
        raise permission_denied()
    return request.project


@method("cloudbilling.projects.getBillingInfo")
def get(cloud: Cloud, request: Request) -> Json:
    return _shown(cloud, _project(request))


@method("cloudbilling.projects.updateBillingInfo")
def update(cloud: Cloud, request: Request) -> Json:
    """An empty account switches billing off."""
    project, account = _project(request), str(request.body.get("billingAccountName", ""))
    if account and account != ACCOUNT:
        raise (
            invalid(f"Billing account {account} does not exist.")
            if not account.startswith("billingAccounts/")
            else permission_denied()
        )
    cloud.store.put(_path(project), {"billingAccountName": account})
    return _shown(cloud, project)
