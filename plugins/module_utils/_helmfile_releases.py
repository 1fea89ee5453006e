# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What helm remembers of its releases: the Secrets it keeps, read without helm. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = dict[str, Any]

# A helm that is killed leaves one of these behind, and no helm goes on from it.
INTERRUPTED = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
NOT_INSTALLED = "uninstalled"
LEFT_BEHIND = "left behind by a helm that was killed"


@dataclass(frozen=True)
class Release:
    """One release as helmfile declares it."""

    name: str
    namespace: str
    chart: str
    version: str
    installed: bool = True

    @property
    def selector(self) -> str:
        return f"name={self.name},namespace={self.namespace}"


@dataclass(frozen=True)
class Stored:
    """One release as helm stored it: its newest revision."""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    version: str
    manifest: str
    changed_at: float
    secret: str

    @property
    def interrupted(self) -> bool:
        return self.status in INTERRUPTED

    @property
    def chart_version(self) -> str:
        return f"{self.chart} {self.version}"


def newest(secrets: Iterable[Object]) -> dict[str, Object]:
    """The newest revision of each release among helm's Secrets (their metadata is enough)."""
    latest: dict[str, Object] = {}
    for secret in secrets:
        labels = secret["metadata"].get("labels") or {}
        name = labels.get("name", "")
        if name not in latest or _revision(secret) > _revision(latest[name]):
            latest[name] = secret
    return latest


def _revision(secret: Object) -> int:
    return int((secret["metadata"].get("labels") or {}).get("version", "0"))


def decode(secret: Object) -> Object:
    """The release record in a Secret: JSON, gzipped, in base64, once more in base64 by Kubernetes."""
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
    return dict(json.loads(text))


def encode(record: Object) -> str:
    packed = gzip.compress(json.dumps(record).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()


def stored(secret: Object) -> Stored:
    record = decode(secret)
    chart = (record.get("chart") or {}).get("metadata") or {}
    info = record.get("info") or {}
    return Stored(
        name=record["name"],
        namespace=record.get("namespace", ""),
        revision=int(record.get("version", 0)),
        status=info.get("status", "unknown"),
        chart=chart.get("name", ""),
        version=chart.get("version", ""),
        manifest=record.get("manifest", ""),
        changed_at=_timestamp(info.get("last_deployed", "")),
        secret=secret["metadata"]["name"],
    )


def _timestamp(text: str) -> float:
    """Seconds since the epoch; 0 when the text is no time (Go writes up to nine decimals)."""
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[: min(digits, 6)]}{tail[digits:]}"
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def marked_failed(secret: Object) -> Object:
    """The merge patch that ends a pending release as helm itself ends one that fails.

    helm refuses every operation on a pending release for ever, and goes on from a failed one. Nothing that runs is
    touched by this, which a rollback or an uninstall could not say.
    """
    record = decode(secret)
    info = record.setdefault("info", {})
    info["description"] = f"{info.get('status')}: {LEFT_BEHIND}"
    info["status"] = "failed"
    meta = secret["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": {"status": "failed"}},
        "data": {"release": encode(record)},
    }


def same_version(wanted: str, held: str) -> bool:
    """Whether a chart version asked for is the one held. Ranges and no version at all are not judged."""
    exact = wanted.removeprefix("v")
    if not exact or not exact[0].isdigit() or any(mark in exact for mark in " *xX<>=~^|,"):
        return True
    return exact == held.removeprefix("v")
