# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: who a run will be, as far as that can be told without asking anybody.

Only names are read from key files: nothing secret leaves this file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..module_utils._auth import Identity

ReadText = Callable[[str], str]


@dataclass(frozen=True)
class Owner:
    """A name for a person to read, and what is wrong with the credentials, if anything is."""

    name: str
    finding: str = ""


def owner_of(identity: Identity, environ: Mapping[str, str], read_text: ReadText) -> Owner:
    """Who the credentials belong to that the modules would use."""
    owner = _owner(identity, environ, read_text)
    if identity.impersonate:
        return Owner(f"{identity.impersonate} (impersonated by {owner.name})", owner.finding)
    return owner


def _owner(identity: Identity, environ: Mapping[str, str], read_text: ReadText) -> Owner:
    if identity.kind == "accesstoken":
        return Owner("the owner of the access token")
    if identity.kind == "machineaccount":
        return Owner(identity.email or "this machine's own account")
    if identity.kind == "serviceaccount":
        return _from_key(identity.contents, "key given") if identity.contents else _from_file(identity.file, read_text)
    return _application_default(environ, read_text)


def _application_default(environ: Mapping[str, str], read_text: ReadText) -> Owner:
    """In the order google-auth looks: the variable, gcloud's login, the machine."""
    named = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        return _from_file(named, read_text)
    folder = environ.get("CLOUDSDK_CONFIG") or f"{environ.get('HOME', '')}/.config/gcloud"
    path = f"{folder}/application_default_credentials.json"
    try:
        return _from_text(read_text(path), path)
    except OSError:
        return Owner("this machine's own account (no application default login found)")


def _from_file(path: str, read_text: ReadText) -> Owner:
    try:
        return _from_text(read_text(path), path)
    except OSError as error:
        return Owner("nobody", f"The credentials file {path} cannot be read ({error.strerror}): correct its path.")


def _from_text(text: str, source: str) -> Owner:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    return _from_key(parsed if isinstance(parsed, dict) else {}, source)


def _from_key(key: Mapping[str, Any], source: str) -> Owner:
    if key.get("client_email"):
        return Owner(f"{key['client_email']} ({source})")
    if key.get("type"):
        return Owner(f"the login in {source} ({str(key['type']).replace('_', ' ')})")
    return Owner("nobody", f"{source} holds no Google credentials in JSON: use a service account's key file.")
