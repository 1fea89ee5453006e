# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whose credentials are used is told by name, and nothing secret with it."""

from __future__ import annotations

import json

from ansible_collections.llm_d.gke.plugins.module_utils._auth import Identity
from ansible_collections.llm_d.gke.plugins.plugin_utils._identity import owner_of

KEY = {"type": "service_account", "client_email": "robot@p.iam.gserviceaccount.com", "private_key": "SECRET"}
FILES = {
    "/key.json": json.dumps(KEY),
    "/home/.config/gcloud/application_default_credentials.json": json.dumps(
        {"type": "authorized_user", "refresh_token": "SECRET"}
    ),
    "/broken.json": "SECRET, but no JSON",
}


def read(path: str) -> str:
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return FILES[path]


def name(identity: Identity, environ: dict[str, str] | None = None) -> str:
    owner = owner_of(identity, environ or {}, read)
    assert owner.finding == ""
    assert "SECRET" not in owner.name
    return owner.name


def test_a_key_file() -> None:
    assert name(Identity("serviceaccount", "p", file="/key.json")) == "robot@p.iam.gserviceaccount.com (/key.json)"


def test_a_key_given() -> None:
    assert name(Identity("serviceaccount", "p", contents=KEY)).startswith("robot@p")


def test_impersonation_names_both() -> None:
    told = name(Identity("serviceaccount", "p", file="/key.json", impersonate="deployer@p"))
    assert told == "deployer@p (impersonated by robot@p.iam.gserviceaccount.com (/key.json))"


def test_the_application_default_login() -> None:
    told = name(Identity("application", "p"), {"HOME": "/home"})
    assert told.endswith("application_default_credentials.json (authorized user)")


def test_the_variable_goes_before_the_login() -> None:
    environ = {"HOME": "/home", "GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}
    assert name(Identity("application", "p"), environ).startswith("robot@p")


def test_without_any_login_it_is_the_machine() -> None:
    assert "this machine" in name(Identity("application", "p"), {"HOME": "/nobody"})


def test_a_file_that_is_missing_or_broken_is_a_finding() -> None:
    missing = owner_of(Identity("serviceaccount", "p", file="/nope.json"), {}, read)
    assert "/nope.json" in missing.finding
    broken = owner_of(Identity("serviceaccount", "p", file="/broken.json"), {}, read)
    assert "no Google credentials" in broken.finding
    assert "SECRET" not in broken.finding
