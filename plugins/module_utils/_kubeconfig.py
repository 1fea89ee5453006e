# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Access to a cluster without gcloud: endpoint, CA, and a short-lived token, on request in a kubeconfig.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ._errors import GcpError, Json, NotFoundError, StateError
from ._module import Session
from ._plan import Target
from ._resources.cluster import CLUSTER

# A token that ends sooner than this is not worth starting a long task with.
LEAST_LIFE = datetime.timedelta(minutes=10)
_GET = "container.projects.locations.clusters.get"


def spec() -> Json:
    return {
        "cluster": {"type": "str", "required": True},
        "location": {"type": "str", "required": True},
        "kubeconfig": {"type": "path"},
        "allow_missing": {"type": "bool", "default": False},
    }


def work(session: Session) -> Json:
    """Reads the cluster, fetches a token, and writes the kubeconfig where one is asked for."""
    params = session.params
    scope = {"project": session.project, "location": params["location"]}
    target = Target(CLUSTER, params["cluster"], scope)
    try:
        cluster = session.run.cloud.call(
            _GET, target.params(_GET), deadline=session.run.deadline, resource=target.label
        )
    except NotFoundError as error:
        if not params["allow_missing"]:
            error.remedy = "Make the cluster first (llm_d.gke.gke_cluster), or correct its name and location."
            raise
        return {"changed": False, "exists": False, "host": "", "ca_cert": ""}
    endpoint = str(cluster.get("endpoint") or "")
    authority = str((cluster.get("masterAuth") or {}).get("clusterCaCertificate") or "")
    if not endpoint or not authority:
        raise StateError(
            f"it has no endpoint yet (it is {cluster.get('status')})",
            action="get credentials",
            resource=target.label,
            remedy="Wait until the cluster runs, then run the same task again.",
        )
    result: Json = {
        "exists": True,
        "host": f"https://{endpoint}",
        "ca_cert": base64.b64decode(authority).decode(),
        "version": cluster.get("currentMasterVersion") or "",
        "changed": False,
    }
    token, expires = _token(session)
    result["expires_at"] = expires.isoformat() if expires else ""
    if not params["kubeconfig"]:
        return {**result, "api_key": token}
    path = Path(params["kubeconfig"])
    text = render(target.name, result["host"], authority, token)
    result["kubeconfig"] = str(path)
    if _differs(path, text):
        result["changed"] = True
        if not session.check_mode:
            _write(path, text)
    return result


def _token(session: Session) -> tuple[str, datetime.datetime | None]:
    """A token with enough life left, and its end (UTC; unknown for a token that was given)."""
    from google.auth.transport.requests import Request

    credentials: Any = session.transport.credentials
    try:
        if not credentials.valid or (credentials.expiry and credentials.expiry - _utc_now() < LEAST_LIFE):
            credentials.refresh(Request())
    except Exception as error:
        raise GcpError(f"no token for the cluster: {error}", action="get credentials") from error
    expiry = credentials.expiry
    return str(credentials.token), expiry.replace(tzinfo=datetime.UTC) if expiry else None


def _utc_now() -> datetime.datetime:
    """Google's library keeps naive times, in UTC."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def render(name: str, host: str, authority: str, token: str) -> str:
    """A kubeconfig with the token in it and no program to run; JSON, which every reader of YAML takes."""
    entry = {"name": name}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{**entry, "cluster": {"server": host, "certificate-authority-data": authority}}],
        "users": [{**entry, "user": {"token": token}}],
        "contexts": [{**entry, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(document, indent=1) + "\n"


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except OSError:
        return True


def _write(path: Path, text: str) -> None:
    """In one step, and never readable by others, not even for a moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
