# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Compute's operations: how they look, and get, wait, list and delete in each scope."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute import listing
from sandbox.cloud.compute.kinds import not_found
from sandbox.cloud.compute.links import BASE, Place, link, split
from sandbox.cloud.compute.state import State
from sandbox.cloud.operations import Effect, Operation
from sandbox.cloud.registry import method
from sandbox.cloud.request import HttpResponse, Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

LONGEST_WAIT = 120.0  # cloud seconds
SERVICES = ("globalOperations", "regionOperations", "zoneOperations")
HTTP_WORDS = {
    400: "BAD REQUEST",
    403: "FORBIDDEN",
    404: "NOT FOUND",
    409: "CONFLICT",
    412: "PRECONDITION FAILED",
    429: "TOO MANY REQUESTS",
    500: "INTERNAL SERVER ERROR",
    503: "SERVICE UNAVAILABLE",
}


def new_name() -> str:
    """operation-<milliseconds>-<13>-<8>-<8 hex digits>, as compute names them."""
    digits = (secrets.token_hex(7)[:13], secrets.token_hex(4), secrets.token_hex(4))
    return f"operation-{int(time.time() * 1000)}-{'-'.join(digits)}"


def start(
    cloud: Cloud,
    request: Request,
    place: Place,
    path: str,
    target_id: str,
    operation_type: str,
    effect: Effect,
    on_failed: Callable[[Operation], None] | None = None,
) -> Json:
    """Starts the operation of a request and answers it. Compute's say RUNNING from the first."""
    operation = cloud.operations.start(
        request,
        kind=operation_type,
        target=path,
        target_id=target_id,
        scope=place.scope,
        on_done=effect,
        on_failed=on_failed,
        name=new_name(),
    )
    cloud.part(State).remember(request, operation)
    return render(operation) | {"progress": 0}


def render(operation: Operation) -> Json:
    scope_path = f"projects/{operation.project}/{operation.scope}"
    scope_kind, _slash, _name = operation.scope.partition("/")
    body: Json = {
        "kind": "compute#operation",
        "id": operation.number,
        "name": operation.name,
        "operationType": operation.kind,
        "targetLink": BASE + operation.target,
        "targetId": operation.target_id,
        "status": operation.status,
        "user": operation.user,
        # In coarse steps, as Google has it: the first answer says 0.
        "progress": int(operation.fraction * 4) * 25,
        "insertTime": compute_timestamp(operation.inserted),
        "selfLink": link(f"{scope_path}/operations/{operation.name}"),
    }
    if scope_kind != "global":
        body[scope_kind.removesuffix("s")] = link(scope_path)
    if operation.started is not None:
        body["startTime"] = compute_timestamp(operation.started)
    if operation.ended is not None:
        body["endTime"] = compute_timestamp(operation.ended)
    if operation.done and (failure := operation.failure) is not None:
        body["error"] = {"errors": [{"code": failure.code, "message": failure.message}]}
        body["httpErrorStatusCode"] = failure.http_status
        body["httpErrorMessage"] = HTTP_WORDS.get(failure.http_status, "ERROR")
    return body


def _named(cloud: Cloud, request: Request) -> Operation:
    place, rest = split(request)
    operation = cloud.operations.get(rest[1])
    if operation is None or (operation.project, operation.scope) != (place.project.id, place.scope):
        raise not_found(f"{place.path}/operations/{rest[1]}")
    return operation


@method(*(f"compute.{service}.get" for service in SERVICES))
def get(cloud: Cloud, request: Request) -> Json:
    return render(_named(cloud, request))


@method(*(f"compute.{service}.wait" for service in SERVICES))
def wait(cloud: Cloud, request: Request) -> Json:
    """Answers when the operation is done, or after two minutes as it is."""
    operation = _named(cloud, request)
    if cloud.faults.habit("wait_at_once", operation.target):  # "may return at once when overloaded"
        return render(operation)
    cloud.operations.wait(operation, cloud.clock.real_seconds(LONGEST_WAIT))
    return render(operation)


@method(*(f"compute.{service}.delete" for service in SERVICES))
def delete(cloud: Cloud, request: Request) -> HttpResponse:
    cloud.operations.forget(_named(cloud, request).name)
    return HttpResponse(204)


def _rendered(operations: Iterable[Operation]) -> list[tuple[str, Json]]:
    return sorted((f"projects/{item.project}/{item.scope}/operations/{item.name}", render(item)) for item in operations)


@method(*(f"compute.{service}.list" for service in SERVICES))
def list_all(cloud: Cloud, request: Request) -> Json:
    place, _rest = split(request)
    items = cloud.operations.find(api="compute", project=place.project.id, scope=place.scope)
    return listing.listed(request, f"{place.path}/operations", _rendered(items))


@method("compute.globalOperations.aggregatedList")
def aggregated_list(cloud: Cloud, request: Request) -> Json:
    assert request.project is not None
    items = cloud.operations.find(api="compute", project=request.project.id)
    return listing.aggregated(request, "operations", ("global", "region", "zone"), _rendered(items))
