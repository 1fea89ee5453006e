# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Options and environment become google-auth credentials and endpoints.

This file is private to the collection. An option wins over its environment variable; a variable that is empty counts
as unset (AWX sets empty ones).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ._errors import AuthError, LibraryMissing, OptionError

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
KINDS = ("application", "serviceaccount", "machineaccount", "accesstoken")
APIS = {
    "compute": "https://compute.googleapis.com",
    "container": "https://container.googleapis.com",
    "iam": "https://iam.googleapis.com",
    "iamcredentials": "https://iamcredentials.googleapis.com",
    "storage": "https://storage.googleapis.com",
    "serviceusage": "https://serviceusage.googleapis.com",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com",
    "cloudbilling": "https://cloudbilling.googleapis.com",
    "cloudquotas": "https://cloudquotas.googleapis.com",
}
# Who moved the one has moved the other, too, unless he says otherwise: nothing of one world goes to another.
FOLLOWS = {"iamcredentials": "iam", "cloudbilling": "cloudresourcemanager", "cloudquotas": "serviceusage"}
# What an override carries behind the host, in gcloud's own convention; our request paths begin with it.
OVERRIDE_SUFFIX = {"compute": "/compute/v1", "storage": "/storage/v1"}


@dataclass(frozen=True)
class Endpoints:
    """Where each API listens: a base URL without a trailing slash, to which a request path is appended."""

    bases: Mapping[str, str]
    token: str = ""

    def base(self, api: str) -> str:
        return self.bases[api]


@dataclass(frozen=True)
class Identity:
    """Everything that says who calls: resolved from options and environment, nothing loaded yet."""

    kind: str
    project: str
    file: str = ""
    contents: Mapping[str, Any] = field(default_factory=dict)
    email: str = ""
    token: str = ""
    scopes: tuple[str, ...] = (CLOUD_PLATFORM,)
    impersonate: str = ""
    quota_project: str = ""


def resolve_endpoints(params: Mapping[str, Any], environ: Mapping[str, str]) -> Endpoints:
    """The `endpoints` option, then gcloud's own variables, then Google."""
    given = params.get("endpoints") or {}
    bases = {}
    for api, default in APIS.items():
        value = given.get(api) or environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}") or ""
        if not value and (leader := FOLLOWS.get(api)):
            value = given.get(leader) or environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{leader.upper()}") or ""
        bases[api] = _base(api, str(value)) if value else default
    token = given.get("token") or environ.get("CLOUDSDK_AUTH_TOKEN_HOST") or ""
    return Endpoints(bases, str(token))


def _base(api: str, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise OptionError(f"endpoints.{api} is not an http or https URL: {value!r}")
    base = value.rstrip("/")
    return base.removesuffix(OVERRIDE_SUFFIX.get(api, "")).rstrip("/")


def resolve_identity(params: Mapping[str, Any], environ: Mapping[str, str]) -> Identity:
    """Who calls, and for which project; complains about what contradicts itself before anything is sent."""
    project = str(params.get("project") or environ.get("GCP_PROJECT") or "")
    if not project:
        raise OptionError(
            "no project is given", remedy="Set the option `project`, or the environment variable GCP_PROJECT."
        )
    if params.get("service_account_file") and params.get("service_account_contents"):
        raise OptionError("service_account_file and service_account_contents exclude each other")
    contents: Any = params.get("service_account_contents")
    file = str(params.get("service_account_file") or "")
    if not contents and not file:
        contents = environ.get("GCP_SERVICE_ACCOUNT_CONTENTS") or ""
        file = "" if contents else str(environ.get("GCP_SERVICE_ACCOUNT_FILE") or "")
    token = str(params.get("access_token") or environ.get("GCP_ACCESS_TOKEN") or "")
    kind = str(params.get("auth_kind") or environ.get("GCP_AUTH_KIND") or "") or _likely_kind(
        params, contents or file, token
    )
    if kind not in KINDS:
        raise OptionError(f"auth_kind is {kind!r}; it can be one of {', '.join(KINDS)}")
    if kind == "serviceaccount" and not (contents or file):
        raise AuthError(
            "auth_kind is serviceaccount, but there is no key",
            remedy="Set service_account_file (GCP_SERVICE_ACCOUNT_FILE) or service_account_contents.",
        )
    if kind == "accesstoken" and not token:
        raise AuthError(
            "auth_kind is accesstoken, but there is no token", remedy="Set access_token or GCP_ACCESS_TOKEN."
        )
    scopes = params.get("scopes") or [s for s in str(environ.get("GCP_SCOPES") or "").replace(",", " ").split() if s]
    return Identity(
        kind=kind,
        project=project,
        file=file,
        contents=_key(contents) if contents else {},
        email=str(params.get("service_account_email") or environ.get("GCP_SERVICE_ACCOUNT_EMAIL") or ""),
        token=token,
        scopes=tuple(scopes) or (CLOUD_PLATFORM,),
        impersonate=str(
            params.get("impersonate_service_account") or environ.get("GCP_IMPERSONATE_SERVICE_ACCOUNT") or ""
        ),
        quota_project=str(params.get("quota_project") or environ.get("GCP_QUOTA_PROJECT") or ""),
    )


def _likely_kind(params: Mapping[str, Any], key: object, token: str) -> str:
    """Nobody named a kind: options count before the environment, a key before a token, else google-auth looks."""
    if params.get("access_token") and not (
        params.get("service_account_file") or params.get("service_account_contents")
    ):
        return "accesstoken"
    if key:
        return "serviceaccount"
    return "accesstoken" if token else "application"


def _key(contents: object) -> Mapping[str, Any]:
    if isinstance(contents, Mapping):
        return dict(contents)
    try:
        key = json.loads(str(contents))
    except ValueError:
        key = None
    if not isinstance(key, dict):
        # The text itself is a secret: it is not repeated.
        raise AuthError("service_account_contents is not the JSON of a service account key")
    return key


def load_credentials(identity: Identity, endpoints: Endpoints) -> Any:
    """Credentials of google-auth. Nothing is sent before they are used."""
    try:
        import google.auth
        import google.auth.exceptions
        from google.auth import compute_engine, impersonated_credentials
        from google.oauth2 import credentials as oauth2
        from google.oauth2 import service_account
    except ImportError as error:
        raise missing("google-auth", error) from error
    scopes = list(identity.scopes)
    try:
        if identity.kind == "accesstoken":
            found: Any = oauth2.Credentials(identity.token)
        elif identity.kind == "machineaccount":
            found = compute_engine.Credentials(identity.email or "default")
        elif identity.kind == "serviceaccount":
            key = dict(identity.contents) or _read_key(identity.file)
            found = service_account.Credentials.from_service_account_info(key, scopes=scopes)
        else:
            found, _project = google.auth.default(scopes=scopes)
    except (google.auth.exceptions.GoogleAuthError, ValueError, OSError) as error:
        source = f" from {identity.file}" if identity.kind == "serviceaccount" and identity.file else ""
        raise AuthError(f"no usable credentials ({identity.kind}{source}): {error}") from error
    if endpoints.token and hasattr(found, "with_token_uri") and identity.kind != "accesstoken":
        # A key names its own token service; like gcloud, the override wins over it.
        found = found.with_token_uri(endpoints.token)
    if identity.impersonate:
        base = endpoints.base("iamcredentials")
        mint = f"{base}/v1/projects/-/serviceAccounts/{identity.impersonate}:generateAccessToken"
        overridden = base != APIS["iamcredentials"]
        found = impersonated_credentials.Credentials(
            source_credentials=found,
            target_principal=identity.impersonate,
            target_scopes=scopes,
            iam_endpoint_override=mint if overridden else None,
        )
    if identity.quota_project and hasattr(found, "with_quota_project"):
        found = found.with_quota_project(identity.quota_project)
    if endpoints.token:
        _stay_off_google(found)
    return found


def _stay_off_google(credentials: Any) -> None:
    """Whoever moved the token service means another world: nothing of it is sent to Google.

    google-auth looks up, in the background and at a fixed address, in which regions a service account may work.
    """
    name = "_maybe_start_regional_access_boundary_refresh"
    if hasattr(credentials, name):
        setattr(credentials, name, lambda *_args, **_kwargs: None)


def _read_key(path: str) -> Mapping[str, Any]:
    with open(path, encoding="utf-8") as file:
        return _key(file.read())


def missing(library: str, error: ImportError) -> LibraryMissing:
    """The error for a library that cannot be imported, with the interpreter to install it for."""
    from ansible.module_utils.basic import missing_required_lib

    return LibraryMissing(f"{missing_required_lib(library)} ({error})")
