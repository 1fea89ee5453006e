# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""From a kubeconfig with a client certificate, as the cluster writes it, to a client of the API server."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster.kube import KubeClient


def client_of(path: Path, user_agent: str) -> KubeClient:
    """A client of the current context's server."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    contexts = {item["name"]: item["context"] for item in config.get("contexts") or []}
    context = contexts[config["current-context"]]
    cluster = {item["name"]: item["cluster"] for item in config["clusters"]}[context["cluster"]]
    user = {item["name"]: item["user"] for item in config["users"]}[context["user"]]
    return KubeClient(cluster["server"], _tls(path.parent, cluster, user), user_agent)


def _tls(folder: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority := _content(folder, cluster, "certificate-authority"):
        context.load_verify_locations(cadata=authority.decode())
    certificate, key = _content(folder, user, "client-certificate"), _content(folder, user, "client-key")
    if certificate and key:
        # The ssl module reads certificates from files only.
        with tempfile.TemporaryDirectory() as scratch:
            pair = Path(scratch) / "client.pem"
            pair.touch(mode=0o600)
            pair.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(pair)
    return context


def _content(folder: Path, section: Mapping[str, Any], name: str) -> bytes | None:
    """A certificate given inline (NAME-data) or as a file (NAME)."""
    if inline := section.get(f"{name}-data"):
        return base64.b64decode(inline)
    if file := section.get(name):
        return (folder / str(file)).read_bytes()
    return None
