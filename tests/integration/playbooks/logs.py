# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a sandbox's logs tell of a run: requests to Google's APIs, and writes to a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# Reads that Google's APIs put into a POST.
_READING_VERBS = ("wait", "getIamPolicy", "testIamPermissions", "token")
_KUBERNETES_WRITES = ("create", "update", "patch", "delete", "deletecollection")
# Questions that Kubernetes puts into a create.
_KUBERNETES_QUESTIONS = ("selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews", "tokenreviews")


def lines(path: Path, after: int = 0) -> list[Json]:
    """The lines of a log that were added after the first ``after``."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[after:]]


def is_mutating(request: Json) -> bool:
    """Whether a request to Google's APIs changes anything; told by the API's method, not by the HTTP verb."""
    verb = str(request.get("api_method") or request["path"]).rsplit("/", 1)[-1].rsplit(".", 1)[-1]
    return request["method"] not in ("GET", "HEAD") and verb not in _READING_VERBS


def mutating(requests: Iterable[Json], principal: str) -> list[str]:
    """What an account changed, or tried to."""
    return [
        f"{request['method']} {request['path']} {request['status']}"
        for request in requests
        if request.get("principal") == principal and is_mutating(request)
    ]


def kubernetes_writes(events: Iterable[Json], user: str) -> list[str]:
    """What a user changed in a cluster; dry runs and questions change nothing."""
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in events
        if event.get("stage") == "ResponseComplete"
        and event.get("user", {}).get("username") == user
        and event["verb"] in _KUBERNETES_WRITES
        and event.get("objectRef", {}).get("resource") not in _KUBERNETES_QUESTIONS
        and "dryRun=All" not in event["requestURI"]
    ]


def at_once(operations: Iterable[Json]) -> int:
    """The most operations of the container API that ran at the same time."""
    moments: list[tuple[datetime, int]] = []
    for operation in operations:
        moments.append((_time(operation["startTime"]), 1))
        if operation.get("endTime"):
            moments.append((_time(operation["endTime"]), -1))
    running = most = 0
    # An operation that ends when another begins does not overlap it.
    for _moment, step in sorted(moments):
        running += step
        most = max(most, running)
    return most


def holding(secret: str, files: Iterable[Path]) -> Iterator[Path]:
    """The files in which a secret stands."""
    needle = secret.encode()
    for path in files:
        if path.is_file() and needle in path.read_bytes():
            yield path


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
