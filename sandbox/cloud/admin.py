# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is the sandbox's own: the token endpoint and the paths under /_sandbox."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from sandbox.cloud import roles
from sandbox.cloud.errors import ApiError, permission_denied
from sandbox.cloud.faults import CATALOG, BadFault, random_plan
from sandbox.cloud.registry import method, route
from sandbox.cloud.request import HttpRequest, HttpResponse, Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud


@route("POST", "/token")
def token(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    return cloud.auth.exchange(http.form())


@method("iamcredentials.projects.serviceAccounts.generateAccessToken")
def generate_access_token(cloud: Cloud, request: Request) -> dict[str, str]:
    """Impersonation: for those who have roles/iam.serviceAccountTokenCreator on the account (or its project)."""
    email = request.params["serviceAccountsId"]
    found = next((item for item in cloud.store.of_kind("serviceAccounts") if item.body["email"] == email), None)
    needed = "iam.serviceAccounts.getAccessToken"
    if found is None or not roles.may(cloud, request.principal, needed, found.body["projectId"], found.path):
        raise permission_denied(f"Permission '{needed}' denied on resource (or it may not exist).")
    scopes = frozenset(request.body.get("scope", []))
    if not scopes:
        raise ApiError(400, "Scope required.")
    lifetime = float(str(request.body.get("lifetime", "3600s")).removesuffix("s"))
    if not 0 < lifetime <= 3600:
        raise ApiError(400, "The token lifetime must be positive and at most 3600 seconds.")
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lifetime))
    return {"accessToken": cloud.auth.issue(email, scopes, lifetime), "expireTime": expires}


@route("GET", "/_sandbox/ready")
def ready(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    return HttpResponse(200, {"ready": True})


@route("POST", "/_sandbox/tokeninfo", trusted=True)
def token_info(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    body = http.json()
    info = cloud.auth.token_info(str(body.get("token", ""))) if isinstance(body, dict) else None
    return HttpResponse(200, info) if info else HttpResponse(404, {"error": "no such token"})


@route("GET", "/_sandbox/faults")
def list_faults(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    return HttpResponse(200, {"faults": cloud.faults.listing()})


@route("POST", "/_sandbox/faults")
def add_faults(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """One fault, or a list of them; a text is a name of the catalogue."""
    try:
        body = http.json()
        cloud.faults.add_all(body if isinstance(body, list) else [body])
    except (BadFault, ValueError, TypeError) as error:
        return HttpResponse(400, {"error": str(error)})
    return HttpResponse(200, {"faults": cloud.faults.listing()})


@route("GET", "/_sandbox/faults/catalog")
def list_catalog(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    return HttpResponse(200, {"catalog": {name: asdict(trouble) for name, trouble in CATALOG.items()}})


@route("POST", "/_sandbox/chaos")
def add_random_plan(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Sets the faults of a seed: ``{"seed": 7, "most": 6, "lasting": false}``."""
    try:
        body = http.json() or {}
        plan = random_plan(**body)
    except (ValueError, TypeError) as error:
        return HttpResponse(400, {"error": str(error)})
    cloud.faults.add_all(list(plan))
    return HttpResponse(200, {"plan": plan, "faults": cloud.faults.listing()})


@route("DELETE", "/_sandbox/faults")
def clear_faults(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    cloud.faults.clear()
    return HttpResponse(200, {"faults": []})


@route("POST", "/_sandbox/expire-tokens")
def expire_tokens(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Every access token issued so far (to ``email``) ends now, as if its hour were over."""
    body = http.json() or {}
    return HttpResponse(200, {"expired": cloud.auth.expire_tokens(str(body.get("email", "")))})
