# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is under way in compute, and who uses whom."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute.kinds import Kind, not_found, not_ready
from sandbox.cloud.compute.links import path_of, resolve, slots
from sandbox.cloud.errors import ApiError
from sandbox.cloud.operations import Operation
from sandbox.cloud.request import Project, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

# Every kind, by its collection; filled by ``table.py``. The order is the order in which blockers are named.
KINDS: dict[str, Kind] = {}


class State:
    """Inserts and deletes that are not done yet, and the request ids already seen."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.creating: dict[str, Json] = {}
        self.deleting: set[str] = set()
        self._requests: dict[tuple[str, str], str] = {}

    # Repeated requests

    def repeated(self, request: Request) -> Operation | None:
        """The operation that an earlier request with this ``requestId`` started."""
        request_id = self._request_id(request)
        name = self._requests.get((request.path, request_id)) if request_id else None
        return self._cloud.operations.get(name) if name else None

    def remember(self, request: Request, operation: Operation) -> None:
        if request_id := self._request_id(request):
            self._requests[request.path, request_id] = operation.name

    @staticmethod
    def _request_id(request: Request) -> str:
        text = str(request.params.get("requestId", ""))
        if not text:
            return ""
        try:
            valid = uuid.UUID(text).int != 0
        except ValueError:
            valid = False
        if not valid:
            message = f"Invalid value for field 'requestId': '{text}'. Must be a valid UUID and not the zero UUID."
            raise ApiError(400, message, reason="invalid")
        return f"{request.method.http_method} {text}"

    # Existence

    def existing(self, path: str) -> Resource:
        """A resource that can be used and changed now."""
        resource = self._cloud.store.get(path)
        if path in self.deleting or (resource is None and path in self.creating):
            raise not_ready(path)
        if resource is None:
            raise not_found(path)
        return resource

    def resolve_links(self, kind: Kind, body: Json, project: Project) -> None:
        """Writes every link of a body in full, and sees that what it names exists."""
        for spec in kind.links:
            for container, key in slots(body, spec):
                path = resolve(container[key], project, self._cloud.project, f"resource.{spec.replace('[]', '')}")
                if path.split("/")[-2] in KINDS:
                    self.existing(path)
                container[key] = f"https://www.googleapis.com/compute/v1/{path}"

    def missing_link(self, kind: Kind, body: Json) -> str:
        """The path of something this body refers to that has gone since it was checked."""
        for spec in kind.links:
            for container, key in slots(body, spec):
                path = path_of(container[key])
                if path.split("/")[-2] in KINDS and self._cloud.store.get(path) is None:
                    return path
        return ""

    # Use

    def users(self, resource: Resource) -> Iterator[str]:
        """The paths of everything that uses a resource; what the server made itself does not count."""
        for kind in KINDS.values():
            for other in self._cloud.store.of_kind(kind.collection):
                if (
                    not other.hidden.get("automatic")
                    and other.path != resource.path
                    and refers(kind, other.body, resource.path)
                ):
                    yield other.path
        for path, body in self.creating.items():
            kind = KINDS[path.split("/")[-2]]
            if refers(kind, body, resource.path):
                yield path
        yield from KINDS[resource.kind].other_users(self._cloud, resource)


def refers(kind: Kind, body: Json, path: str) -> bool:
    return any(path_of(container[key]) == path for spec in kind.links for container, key in slots(body, spec))
