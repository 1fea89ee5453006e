# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Options and environment → who calls, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._auth import (
    load_credentials,
    resolve_endpoints,
    resolve_identity,
)
from ansible_collections.llm_d.gke.plugins.module_utils._errors import AuthError, GcpError, OptionError

P = {"project": "p"}


@pytest.mark.parametrize(
    ("params", "environ", "kind"),
    [
        ({}, {}, "application"),
        ({"access_token": "t"}, {"GCP_SERVICE_ACCOUNT_FILE": "/k"}, "accesstoken"),
        ({"service_account_file": "/k"}, {"GCP_ACCESS_TOKEN": "t"}, "serviceaccount"),
        ({}, {"GCP_SERVICE_ACCOUNT_FILE": "/k", "GCP_ACCESS_TOKEN": "t"}, "serviceaccount"),
        ({}, {"GCP_ACCESS_TOKEN": "t"}, "accesstoken"),
        ({}, {"GCP_ACCESS_TOKEN": "", "GCP_AUTH_KIND": "", "GCP_SERVICE_ACCOUNT_FILE": ""}, "application"),
        ({}, {"GCP_AUTH_KIND": "serviceaccount", "GCP_SERVICE_ACCOUNT_FILE": "/k"}, "serviceaccount"),
        ({"auth_kind": "application"}, {"GCP_AUTH_KIND": "machineaccount"}, "application"),
    ],
)
def test_kind(params: dict[str, Any], environ: dict[str, str], kind: str) -> None:
    assert resolve_identity({**P, **params}, environ).kind == kind


def test_project_is_needed_and_empty_is_unset() -> None:
    assert resolve_identity({}, {"GCP_PROJECT": "q"}).project == "q"
    assert resolve_identity({"project": "p"}, {"GCP_PROJECT": "q"}).project == "p"
    with pytest.raises(OptionError, match="no project"):
        resolve_identity({"project": ""}, {"GCP_PROJECT": ""})


@pytest.mark.parametrize(
    ("params", "environ"),
    [
        ({"auth_kind": "serviceaccount"}, {}),
        ({"auth_kind": "accesstoken"}, {}),
        ({}, {"GCP_AUTH_KIND": "magic"}),
        ({"service_account_file": "/k", "service_account_contents": "{}"}, {}),
        ({"service_account_contents": "not json secret-word"}, {}),
    ],
)
def test_contradictions_are_refused_without_repeating_a_secret(params: dict[str, Any], environ: dict[str, str]) -> None:
    with pytest.raises(GcpError) as caught:
        resolve_identity({**P, **params}, environ)
    assert "secret-word" not in json.dumps(caught.value.as_result())


def test_endpoints() -> None:
    environ = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "http://h:1/compute/v1/",
        "CLOUDSDK_AUTH_TOKEN_HOST": "http://h:1/token",
    }
    found = resolve_endpoints({"endpoints": {"container": "http://h:2/", "iam": "http://h:3/"}}, environ)
    assert found.base("compute") == "http://h:1"
    assert found.base("container") == "http://h:2"
    assert found.base("iamcredentials") == "http://h:3"
    assert found.base("storage") == "https://storage.googleapis.com"
    assert found.token == "http://h:1/token"
    with pytest.raises(OptionError, match=r"endpoints\.iam"):
        resolve_endpoints({"endpoints": {"iam": "localhost:1"}}, {})


@pytest.fixture(scope="module")
def key() -> dict[str, str]:
    """The short form of a key, as AWX writes it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "private_key": pem.decode(),
        "client_email": "a@p.iam.gserviceaccount.com",
        "project_id": "p",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def test_the_token_host_wins_over_the_key(key: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = resolve_endpoints({"endpoints": {"token": "http://h:1/token"}}, {})
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    for params in (
        {"service_account_contents": key},
        {"service_account_file": str(file)},
        {"auth_kind": "application"},
    ):
        found = load_credentials(resolve_identity({**P, **params}, {}), endpoints)
        assert found._token_uri == "http://h:1/token"


def test_with_a_token_host_nothing_is_asked_of_google_in_the_background(key: dict[str, str]) -> None:
    identity = resolve_identity({**P, "service_account_contents": key, "quota_project": "q"}, {})
    for host, allowed in (("http://h:1/token", False), ("", True)):
        found = load_credentials(identity, resolve_endpoints({"endpoints": {"token": host}}, {}))
        lookup = type(found)._maybe_start_regional_access_boundary_refresh
        own = found._maybe_start_regional_access_boundary_refresh
        assert (getattr(own, "__func__", None) is lookup) == allowed, "google-auth's own look-up stays with Google only"


def test_impersonation_and_quota_project(key: dict[str, str]) -> None:
    params = {**P, "service_account_contents": key, "impersonate_service_account": "b@p", "quota_project": "q"}
    endpoints = resolve_endpoints({"endpoints": {"iam": "http://h:1/"}}, {})
    found = load_credentials(resolve_identity(params, {}), endpoints)
    assert found.service_account_email == "b@p"
    assert found.quota_project_id == "q"
    assert found._iam_endpoint_override == "http://h:1/v1/projects/-/serviceAccounts/b@p:generateAccessToken"


def test_a_key_that_is_missing_or_none() -> None:
    for params in ({"service_account_file": "/nowhere"}, {"service_account_contents": {"type": "x"}}):
        with pytest.raises(AuthError):
            load_credentials(resolve_identity({**P, **params}, {}), resolve_endpoints({}, {}))
