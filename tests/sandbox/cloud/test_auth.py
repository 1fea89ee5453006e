# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Keys, the token endpoint, access tokens and self-signed JWTs, with google-auth as the client where it can be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from google.auth import jwt
from google.auth.crypt import RSASigner
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request as AuthRequest
from google.oauth2 import service_account

from sandbox.cloud import policies
from sandbox.cloud.server import Serving
from tests.sandbox.cloud.client import PROJECT, Answer, Client

NETWORKS = f"/compute/v1/projects/{PROJECT}/global/networks"
CLOUD = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "https://oauth2.googleapis.com/token"
EMAIL = f"deployer@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def anonymous(start: Callable[..., Serving]) -> Client:
    return Client(start(), None)


@pytest.fixture
def key(anonymous: Client) -> dict[str, Any]:
    return anonymous.cloud.auth.create_key(EMAIL, PROJECT)


def signed(key: dict[str, Any], **claims: Any) -> str:
    now = int(time.time())
    payload = {"iss": key["client_email"], "iat": now, "exp": now + 3600, **claims}
    token: bytes = jwt.encode(RSASigner.from_service_account_info(key), payload)
    return token.decode()


def exchange(client: Client, assertion: str, grant: str = "urn:ietf:params:oauth:grant-type:jwt-bearer") -> Answer:
    body = urlencode({"grant_type": grant, "assertion": assertion}).encode()
    return client.call("POST", "/token", body)


def call_with(client: Client, token: str, path: str = NETWORKS) -> Answer:
    return client.call("GET", path, headers={"Authorization": f"Bearer {token}"})


def test_no_credentials_is_401(anonymous: Client) -> None:
    answer = anonymous.call("GET", NETWORKS)
    assert (answer.status, answer.error["status"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.error["details"][0]["reason"] == "CREDENTIALS_MISSING"
    basic = anonymous.call("GET", NETWORKS, headers={"Authorization": "Basic abc"})
    assert basic.status == 401
    assert call_with(anonymous, "ya29.made-up").status == 401


def test_google_auth_exchanges_the_key_for_a_token(anonymous: Client, key: dict[str, Any]) -> None:
    """As gcloud does it: to our endpoint, with Google's own audience in the assertion."""
    info = {**key, "token_uri": f"{anonymous.base}/token"}
    credentials = service_account.Credentials.from_service_account_info(info, scopes=[CLOUD])
    credentials.refresh(AuthRequest())
    assert call_with(anonymous, credentials.token).status == 200


def test_a_key_without_its_id_serves_as_well(anonymous: Client, key: dict[str, Any]) -> None:
    """AWX writes a key file of five fields, and the id is not among them."""
    shown = ("type", "private_key", "client_email")
    info = {**{name: key[name] for name in shown}, "project_id": PROJECT, "token_uri": f"{anonymous.base}/token"}
    credentials = service_account.Credentials.from_service_account_info(info, scopes=[CLOUD])
    credentials.refresh(AuthRequest())
    assert call_with(anonymous, credentials.token).status == 200
    forged = {**anonymous.cloud.auth.create_key("other@example.com", PROJECT), "client_email": EMAIL}
    stolen = service_account.Credentials.from_service_account_info(
        {**info, "private_key": forged["private_key"]}, scopes=[CLOUD]
    )
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        stolen.refresh(AuthRequest())


def test_self_signed_jwt_with_audience_or_scope(anonymous: Client, key: dict[str, Any]) -> None:
    """As the official clients do it, which never ask for a token."""
    good = (
        {"sub": EMAIL, "aud": "https://compute.googleapis.com/"},
        {"sub": EMAIL, "scope": CLOUD},
    )
    bad: tuple[dict[str, str], ...] = (
        {"aud": "https://container.googleapis.com/"},
        {"aud": "https://compute.googleapis.com.evil.example/"},
        {},
        {"sub": "somebody@example.com", "aud": "https://compute.googleapis.com/"},
    )
    for claims in good:
        assert call_with(anonymous, signed(key, **claims)).status == 200, claims
    for claims in bad:
        assert call_with(anonymous, signed(key, **claims)).status == 401, claims


def test_scopes_that_do_not_cover_the_method_are_refused(anonymous: Client, key: dict[str, Any]) -> None:
    storage = "https://www.googleapis.com/auth/devstorage.read_only"
    answer = call_with(anonymous, signed(key, scope=storage))
    assert (answer.status, answer.error["details"][0]["reason"]) == (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"iat": 0, "exp": 3600}, "expired"),
        ({"exp": int(time.time()) + 7200 * 100}, "short-lived token"),
        ({"iat": int(time.time()) + 3000, "exp": int(time.time()) + 5000}, "short-lived token"),
        ({"iss": "other@example.com"}, "Invalid JWT Signature."),
        ({"aud": "https://example.com/token"}, "audience"),
        ({"scope": ""}, "Invalid OAuth scope"),
    ],
)
def test_bad_assertion_is_refused(anonymous: Client, key: dict[str, Any], claims: dict[str, Any], text: str) -> None:
    answer = exchange(anonymous, signed(key, **{"aud": AUDIENCE, "scope": CLOUD, **claims}))
    assert answer.status == 400
    assert text in answer.body["error_description"]


def test_signature_counts(anonymous: Client, key: dict[str, Any]) -> None:
    other = anonymous.cloud.auth.create_key(EMAIL, PROJECT)
    forged = signed({**other, "private_key_id": key["private_key_id"]}, aud=AUDIENCE, scope=CLOUD)
    assert exchange(anonymous, forged).body["error"] == "invalid_grant"
    good = signed(key, aud=AUDIENCE, scope=CLOUD)
    assert exchange(anonymous, good).status == 200
    assert exchange(anonymous, good, grant="password").body["error"] == "unsupported_grant_type"
    assert exchange(anonymous, "not.a.jwt").status == 400
    anonymous.cloud.auth.delete_key(key["private_key_id"])
    assert exchange(anonymous, good).status == 400


def test_tokens_can_be_made_to_expire(anonymous: Client) -> None:
    auth = anonymous.cloud.auth
    mine, theirs = auth.issue(EMAIL), auth.issue("other@example.com")
    policies.set_policy(
        anonymous.cloud,
        f"projects/{PROJECT}",
        {"bindings": [{"role": "roles/viewer", "members": ["user:other@example.com", f"serviceAccount:{EMAIL}"]}]},
    )
    answer = anonymous.call("POST", "/_sandbox/expire-tokens", {"email": EMAIL})
    assert answer.body == {"expired": 1}
    refused = call_with(anonymous, mine)
    assert (refused.status, refused.error["details"][0]["reason"]) == (401, "ACCESS_TOKEN_EXPIRED")
    assert call_with(anonymous, theirs).status == 200
    assert call_with(anonymous, auth.issue(EMAIL, lifetime=-1)).status == 401


def test_impersonation_gives_a_token_of_another_account(api: Client) -> None:
    """To whom the account's policy allows it: an owner may give it, but does not have it."""
    runner = f"runner@{PROJECT}.iam.gserviceaccount.com"
    path = "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
    api.call("POST", f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "runner"})
    refused = api.call("POST", path.format(runner), {"scope": [CLOUD]})
    assert (refused.status, "iam.serviceAccounts.getAccessToken" in refused.message) == (403, True)
    creator = {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"serviceAccount:{EMAIL}"]}
    target = f"/v1/projects/{PROJECT}/serviceAccounts/{runner}:setIamPolicy"
    assert api.call("POST", target, {"policy": {"bindings": [creator]}}).status == 200
    answer = api.call("POST", path.format(runner), {"scope": [CLOUD], "lifetime": "600s"})
    info = api.cloud.auth.token_info(answer.body["accessToken"])
    assert info is not None
    assert info["email"] == runner
    assert 590 < info["expires_in"] <= 600
    assert api.call("POST", path.format("runner@elsewhere.example"), {"scope": [CLOUD]}).status == 403
    assert api.call("POST", path.format(runner), {}).status == 400
    assert api.call("POST", path.format(runner), {"scope": [CLOUD], "lifetime": "long"}).status == 400
