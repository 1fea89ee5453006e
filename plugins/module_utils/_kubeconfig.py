# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A kubeconfig with a short-lived token: made from what GKE says about a cluster, without gcloud or an exec plugin.

This file is private to the collection. An exec plugin would look for credentials of its own where the playbook runs,
and find somebody else's in a pod on GKE; a token is what our own credentials gave.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ._errors import GcpError, Json, StateError

EXTENSION = "llm-d-gke"


@dataclass(frozen=True)
class Access:
    """How to reach a cluster, and as whom."""

    name: str
    host: str
    ca: str
    token: str
    # None: the token does not say.
    expires: datetime | None
    identity: str

    @property
    def expires_at(self) -> str:
        return self.expires.strftime("%Y-%m-%dT%H:%M:%SZ") if self.expires else ""

    @property
    def ca_pem(self) -> str:
        return base64.b64decode(self.ca).decode() if self.ca else ""


def host_of(cluster: Json, private: bool) -> str:
    """The URL of the API server."""
    endpoint = str(cluster.get("endpoint") or "")
    if private:
        endpoint = str((cluster.get("privateClusterConfig") or {}).get("privateEndpoint") or "")
    if not endpoint:
        raise StateError(
            f"it has no {'private ' if private else ''}endpoint (status {cluster.get('status')})",
            action="reach",
            resource=f"cluster {cluster.get('name')}",
            reason=str(cluster.get("status") or ""),
            remedy="Wait until the cluster is RUNNING.",
        )
    return f"https://{endpoint}"


def render(access: Access) -> str:
    """The file's text. JSON is YAML, and every Kubernetes client reads it."""
    about = {"expires-at": access.expires_at, "identity": access.identity}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": access.name,
        "clusters": [
            {"name": access.name, "cluster": {"server": access.host, "certificate-authority-data": access.ca}}
        ],
        "contexts": [{"name": access.name, "context": {"cluster": access.name, "user": access.name}}],
        "users": [
            {
                "name": access.name,
                "user": {"token": access.token, "extensions": [{"name": EXTENSION, "extension": about}]},
            }
        ],
    }
    return json.dumps(config, indent=2) + "\n"


@dataclass(frozen=True)
class Present:
    """What a file on disk says, without its token."""

    host: str = ""
    ca: str = ""
    identity: str = ""
    expires_at: str = ""
    mode: int = 0

    def as_dict(self) -> Json:
        return {"host": self.host, "identity": self.identity, "expires_at": self.expires_at}


def read(path: Path) -> Present | None:
    """None when there is no file; an empty description when it is not one of ours."""
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None
    try:
        config = json.loads(text)
        cluster = config["clusters"][0]["cluster"]
        about = config["users"][0]["user"]["extensions"][0]["extension"]
        return Present(
            str(cluster["server"]),
            str(cluster["certificate-authority-data"]),
            str(about["identity"]),
            str(about["expires-at"]),
            mode,
        )
    except (ValueError, KeyError, IndexError, TypeError):
        return Present(mode=mode)


def differences(present: Present | None, access: Access, now: datetime, least: timedelta) -> list[str]:
    """Why the file has to be written; empty when it serves."""
    if present is None:
        return ["there is no file"]
    reasons = []
    if present.host != access.host:
        reasons.append("host")
    if present.ca != access.ca:
        reasons.append("ca_cert")
    if present.identity != access.identity:
        reasons.append("identity")
    if present.mode != 0o600:
        reasons.append("mode")
    if not reasons and _too_old(present.expires_at, now, least):
        reasons.append("token")
    return reasons


def _too_old(expires_at: str, now: datetime, least: timedelta) -> bool:
    try:
        expires = datetime.strptime(expires_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return True
    return expires - now < least


def write(path: Path, text: str) -> None:
    """All or nothing, and never readable for others, not even for a moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise GcpError(f"cannot write it: {error}", action="write", resource=str(path)) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise GcpError(f"cannot write it: {error}", action="write", resource=str(path)) from error
