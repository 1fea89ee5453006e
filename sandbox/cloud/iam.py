# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The IAM API: service accounts, their keys and their policies."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING, Any

from sandbox.cloud import policies, roles
from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.registry import method, on_start, route
from sandbox.cloud.request import HttpRequest, HttpResponse, Project, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

ACCOUNTS = "iam.projects.serviceAccounts"
_ACCOUNT_ID = re.compile(r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")
_CHANGEABLE = {"displayName": "displayName", "display_name": "displayName", "description": "description"}


def _make(cloud: Cloud, project: Project, account: str, asked: Json, visible_after: float) -> Resource:
    email = f"{account}@{project.id}.iam.gserviceaccount.com"
    path = f"projects/{project.id}/serviceAccounts/{email}"
    body: Json = {
        "name": path,
        "projectId": project.id,
        "uniqueId": "1" + cloud.store.new_id() + "0",
        "email": email,
        "oauth2ClientId": "1" + cloud.store.new_id() + "0",
        "etag": cloud.store.fingerprint(),
        **{key: asked[key] for key in ("displayName", "description") if asked.get(key)},
    }
    visible_from = time.monotonic() + cloud.clock.real_seconds(visible_after)
    return cloud.store.put(path, body, visible_from=visible_from)


@on_start
def make_deployer(cloud: Cloud) -> None:
    """The account whose key the sandbox hands out has been there for long."""
    _make(cloud, cloud.settings.project, cloud.settings.account, {"displayName": "Deployer"}, 0)


def _find(cloud: Cloud, request: Request) -> Resource:
    """By e-mail or unique id; the project may be a dash."""
    wanted = request.params["serviceAccountsId"]
    for account in cloud.store.of_kind("serviceAccounts"):
        if wanted in (account.body["email"], account.body["uniqueId"]):
            if request.project is not None and account.body["projectId"] != request.project.id:
                break
            return account
    raise ApiError(404, "Unknown service account")


def _project(request: Request) -> Project:
    if request.project is None:
        raise invalid("The name must be a project's, projects/PROJECT.")
    return request.project


@method(f"{ACCOUNTS}.create")
def create(cloud: Cloud, request: Request) -> Json:
    project, account = _project(request), request.body.get("accountId", "")
    if not _ACCOUNT_ID.match(account):
        raise invalid(
            f'The account ID "{account}" does not have a length between 6 and 30, or does not match the pattern '
            "[a-z]([-a-z0-9]*[a-z0-9])."
        )
    email = f"{account}@{project.id}.iam.gserviceaccount.com"
    if cloud.store.get(f"projects/{project.id}/serviceAccounts/{email}") is not None:
        raise ApiError(409, f"Service account {account} already exists within project projects/{project.id}.")
    return _make(cloud, project, account, request.body.get("serviceAccount", {}), policies.VISIBLE_AFTER).body


@method(f"{ACCOUNTS}.get")
def get(cloud: Cloud, request: Request) -> Json:
    return _find(cloud, request).body


@method(f"{ACCOUNTS}.list")
def list_accounts(cloud: Cloud, request: Request) -> Json:
    found = [account.body for account in cloud.store.children(f"projects/{_project(request).id}/serviceAccounts")]
    return {"accounts": found} if found else {}


@method(f"{ACCOUNTS}.patch")
def patch(cloud: Cloud, request: Request) -> Json:
    """Changes what the mask names, and answers only that."""
    account, asked = _find(cloud, request), request.body.get("serviceAccount", {})
    mask = [item for item in request.body.get("updateMask", "").split(",") if item]
    if not mask:
        raise invalid("The update mask must name at least one field.")
    if asked.get("etag") and asked["etag"] != account.body["etag"]:
        raise ApiError(409, "The etag does not match: the account has changed.", status="ABORTED", reason="aborted")
    answer: Json = {"name": account.body["name"]}
    for item in mask:
        if item not in _CHANGEABLE:
            raise invalid(f"The field {item} of a service account cannot be changed.")
        name = _CHANGEABLE[item]
        account.body[name] = answer[name] = asked.get(name, "")
    account.body["etag"] = cloud.store.fingerprint()
    return answer


@method(f"{ACCOUNTS}.delete")
def delete(cloud: Cloud, request: Request) -> Json:
    account = _find(cloud, request)
    for key in cloud.auth.keys_of(account.body["email"]):
        cloud.auth.delete_key(key.id)
    policies.forget(cloud, account.path)
    cloud.store.delete(account.path)
    return {}


@method(f"{ACCOUNTS}.getIamPolicy")
def get_policy(cloud: Cloud, request: Request) -> Json:
    return policies.get(cloud, _find(cloud, request).path)


@method(f"{ACCOUNTS}.setIamPolicy")
def set_policy(cloud: Cloud, request: Request) -> Json:
    return policies.set_policy(cloud, _find(cloud, request).path, request.body.get("policy", {}))


@method(f"{ACCOUNTS}.testIamPermissions")
def test_permissions(cloud: Cloud, request: Request) -> Json:
    account = _find(cloud, request)
    asked = policies.granted(request.body).get("permissions", [])
    project = str(account.body["projectId"])
    held = [each for each in asked if roles.may(cloud, request.principal, each, project, account.path)]
    return {"permissions": held} if held else {}


def _key_answer(account: Resource, key_id: str) -> Json:
    return {
        "name": f"{account.path}/keys/{key_id}",
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
        "validAfterTime": utc_timestamp(),
        "validBeforeTime": "9999-12-31T23:59:59Z",
    }


@method(f"{ACCOUNTS}.keys.create")
def create_key(cloud: Cloud, request: Request) -> Json:
    account = _find(cloud, request)
    key = cloud.auth.create_key(account.body["email"], account.body["projectId"])
    encoded = base64.b64encode(json.dumps(key, indent=2).encode()).decode()
    private = {"privateKeyData": encoded, "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"}
    return _key_answer(account, key["private_key_id"]) | private


@method(f"{ACCOUNTS}.keys.list")
def list_keys(cloud: Cloud, request: Request) -> Json:
    account = _find(cloud, request)
    return {"keys": [_key_answer(account, key.id) for key in cloud.auth.keys_of(account.body["email"])]}


@method(f"{ACCOUNTS}.keys.delete")
def delete_key(cloud: Cloud, request: Request) -> Json:
    account, key_id = _find(cloud, request), request.params["keysId"]
    if key_id not in [key.id for key in cloud.auth.keys_of(account.body["email"])]:
        raise ApiError(404, f"Service account key {key_id} does not exist.")
    cloud.auth.delete_key(key_id)
    return {}


@route("POST", "/_sandbox/token", trusted=True)
def new_token(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """An access token for whoever can reach the sandbox's own socket; its life may be longer than Google's hour."""
    body = http.json() or {}
    lifetime = float(body.get("lifetime", 3600))
    token = cloud.auth.issue(str(body.get("email") or cloud.settings.account_email), lifetime=lifetime)
    return HttpResponse(200, {"token": token, "expires_in": int(lifetime)})
