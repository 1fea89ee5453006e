# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Who may not: credentials that are broken, expired or too weak, and APIs that cannot be switched on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.environment import access_token
from tests.integration.trouble.conftest import Site

NONSENSE = "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"
KEY = {"type": "service_account", "client_email": "x@y.iam", "token_uri": "https://localhost/token"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not JSON", ["holds no Google credentials in JSON", "use a service account's key file"]),
        (json.dumps({"type": "service_account", "client_email": "x@y.iam"}), ["missing fields token_uri"]),
        (json.dumps(KEY | {"private_key": NONSENSE}), ["Could not deserialize key data", "service_account_file"]),
    ],
    ids=["no-json", "no-key", "no-private-key"],
)
def test_a_broken_key_file_is_named(site: Site, tmp_path: Path, content: str, words: list[str]) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)
    attempt = site.run(deployment_gcp={"auth_kind": "serviceaccount", "service_account_file": str(path)})
    attempt.refused(str(path), *words)
    assert "nonsense" not in attempt.run.output
    assert attempt.changes == []


@pytest.mark.parametrize("playbook", ["site.yml", "teardown.yml"])
def test_an_expired_token_is_told_as_such(site: Site, playbook: str) -> None:
    token = access_token(site.cloud.info, lifetime=-1)
    attempt = site.run(playbook, deployment_gcp={"auth_kind": "accesstoken", "access_token": token})
    attempt.refused("has expired", "gcloud auth print-access-token")
    assert token not in attempt.run.output
    assert attempt.changes == []


def test_a_key_that_google_does_not_know_is_told(site: Site, tmp_path: Path) -> None:
    """Deleted, or of an account that is gone."""
    key = json.loads(Path(site.cloud.info["key_file"]).read_text()) | {"client_email": "gone@llm-d-sandbox.iam"}
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    attempt = site.run(deployment_gcp={"auth_kind": "serviceaccount", "service_account_file": str(path)})
    attempt.refused("Google refused the credentials", "make a new key")
    assert attempt.changes == []


def test_no_credentials_at_all_are_told(site: Site) -> None:
    attempt = site.run(deployment_gcp={"auth_kind": "application"})
    attempt.refused("default credentials were not found", "gcloud auth application-default login")
    assert attempt.changes == []


def test_an_api_that_may_not_be_switched_on_is_named(site: Site) -> None:
    refusal: dict[str, Any] = {
        "status": 403,
        "error_status": "PERMISSION_DENIED",
        "message": "Permission denied to enable service [container.googleapis.com]",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "AUTH_PERMISSION_DENIED"}],
    }
    site.cloud.fault("serviceusage.services.batchEnable", times=0, **refusal)
    try:
        attempt = site.run("playbooks/up.yml")
    finally:
        site.cloud.clear_faults()
    attempt.refused("container.googleapis.com", "Permission denied to enable", "serviceUsageAdmin", "gcloud services")
    assert [change for change in attempt.changes if "services:batchEnable" not in change] == []
    # The cure: somebody enables it, and the same command goes past that point.
    again = site.run("playbooks/up.yml", deployment_reservation="nowhere")
    again.refused("Reservation nowhere")
