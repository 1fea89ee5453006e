# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Long-running operations: wait for them, tell success from "done, with an error", find those already under way.

This file is private to the collection. It is the one place where an operation is waited for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._clients import Cloud
from ._clock import Deadline
from ._errors import BLOCKER, Json, NotFoundError, OperationError, TimeLimit

# google.rpc.Code, as far as operations end with one.
RPC_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
# Messages of GKE name the reason of the compute engine in brackets: "[GCE_STOCKOUT]: Instance …".
BRACKETED = re.compile(r"\[([A-Z][A-Z0-9_]+)\]")


@dataclass(frozen=True)
class Operation:
    """Where an operation is to be asked for."""

    name: str
    method: str
    params: Mapping[str, Any]
    kind: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Outcome:
    """What an answer about an operation says."""

    done: bool
    failed: bool = False
    message: str = ""
    reason: str = ""
    code: int | None = None
    progress: str = ""


def started(method_id: str, params: Mapping[str, Any], answer: Json) -> Operation | None:
    """The operation that a write was answered with; None when it was carried out at once."""
    api = method_id.partition(".")[0]
    name = str(answer.get("name") or "")
    if api == "compute":
        scope = next((s for s in ("zone", "region") if params.get(s)), "global")
        where = {} if scope == "global" else {scope: params[scope]}
        path = {"project": params["project"], "operation": name, **where}
        return Operation(name, f"compute.{scope}Operations.wait", path, str(answer.get("operationType") or ""))
    if api == "container":
        parent = str(params.get("parent") or params["name"])
        return container_operation(location_path(parent), answer)
    if api == "serviceusage":
        if answer.get("done"):
            return None
        return Operation(name, "serviceusage.operations.get", {"name": name})
    return None


def location_path(path: str) -> str:
    """`projects/P/locations/L` of anything below it."""
    return "/".join(path.split("/")[:4])


def container_operation(parent: str, answer: Json) -> Operation:
    name = str(answer.get("name") or "")
    path = {"name": f"{parent}/operations/{name}"}
    return Operation(name, "container.projects.locations.operations.get", path, str(answer.get("operationType") or ""))


def outcome(api: str, answer: Json) -> Outcome:
    """Reads an operation. DONE is not success: GKE has three places for a failure, compute has one."""
    if api == "serviceusage":
        error = answer.get("error") or {}
        done = bool(answer.get("done"))
        reason = RPC_CODES.get(int(error.get("code") or 0), "")
        return Outcome(done, done and bool(error), str(error.get("message") or ""), reason)
    done = answer.get("status") == "DONE"
    if not done:
        aborting = ["aborting"] if answer.get("status") == "ABORTING" else []
        return Outcome(False, progress=", ".join([*aborting, *filter(None, [progress_of(answer)])]))
    return _compute_outcome(answer) if api == "compute" else _container_outcome(answer)


def _compute_outcome(answer: Json) -> Outcome:
    errors = (answer.get("error") or {}).get("errors") or []
    status = answer.get("httpErrorStatusCode")
    if not errors and not status:
        return Outcome(True)
    message = "; ".join(str(error.get("message") or error.get("code")) for error in errors)
    reason = str(errors[0].get("code") or "") if errors else ""
    return Outcome(True, True, message or str(answer.get("httpErrorMessage") or ""), reason, int(status or 0) or None)


def _container_outcome(answer: Json) -> Outcome:
    error = answer.get("error") or {}
    text = str(error.get("message") or "")
    reason = RPC_CODES.get(int(error.get("code") or 0), "")
    text = text or str(answer.get("statusMessage") or "")
    for condition in [*(answer.get("nodepoolConditions") or []), *(answer.get("clusterConditions") or [])]:
        code = str(condition.get("code") or condition.get("canonicalCode") or "")
        reason = code if code and code != "UNKNOWN" else reason
        text = text or str(condition.get("message") or code)
    if not text and not reason:
        return Outcome(True)
    bracketed = BRACKETED.findall(text)
    return Outcome(True, True, text or reason, bracketed[-1] if bracketed else reason)


def progress_of(answer: Json) -> str:
    """What an operation of GKE says about how far it is, in a few words; empty when it says nothing."""
    metrics = {
        str(metric.get("name")): int(metric.get("intValue") or metric.get("doubleValue") or 0)
        for metric in (answer.get("progress") or {}).get("metrics") or []
        if isinstance(metric, dict)
    }
    parts = []
    for name, value in metrics.items():
        if (total := metrics.get(f"{name}_TOTAL")) is not None:
            parts.append(f"{name.rpartition('_')[2].lower()} {value}/{total}")
    if total := metrics.get("NODES_TOTAL"):
        parts.append(f"nodes {metrics.get('NODES_COMPLETE', metrics.get('NODES_DONE', 0))}/{total}")
    return ", ".join(parts)


def running(cloud: Cloud, parent: str, *, deadline: Deadline) -> list[Json]:
    """The operations of a location that are not done. GKE filters nothing, so we do."""
    answer = cloud.call("container.projects.locations.operations.list", {"parent": parent}, deadline=deadline)
    return [op for op in answer.get("operations") or [] if op.get("status") != "DONE"]


def operation_on(operations: list[Json], target: str) -> Json | None:
    """The operation that works on a resource: `…/clusters/C` or `…/clusters/C/nodePools/N`.

    Operations name the project by number, and zones as zones: only the part from `clusters/` on can be compared.
    """
    for op in operations:
        if _tail(str(op.get("targetLink") or "")) == _tail(target):
            return op
    return None


def _tail(link: str) -> str:
    return link.partition("/clusters/")[2]


class Waiter:
    """Waits for operations, saying what happens on the way."""

    def __init__(self, cloud: Cloud, deadline: Deadline) -> None:
        self._cloud = cloud
        self._deadline = deadline

    def wait(self, operation: Operation, *, action: str, resource: str) -> Json:
        """The operation's last answer; raises when it failed or when time is over."""
        api = operation.method.partition(".")[0]
        for elapsed in self._looks():
            try:
                answer = self._cloud.call(
                    operation.method, operation.params, deadline=self._deadline, resource=resource
                )
            except NotFoundError:
                # Google forgets operations after a while. What came of it stands in the resource.
                return {}
            found = outcome(api, answer)
            if found.failed:
                raise failure(found, operation, action=action, resource=resource)
            if found.done:
                return answer
            self._cloud.progress.tick(resource, action, elapsed, found.progress)
        raise TimeLimit(
            f"the operation is still running after {self._deadline.seconds:.0f} s",
            action=action,
            resource=resource,
            operation=operation.name,
            remedy="It goes on in Google Cloud. Run the same task again: it waits for this operation instead of "
            "starting another one. A longer wait_timeout avoids this.",
        )

    def _looks(self) -> Any:
        """Yields the seconds since the start at each moment to look, until the deadline."""
        clock, pace = self._cloud.clock, self._cloud.pace
        begin = clock.now()
        for pause in pace.pauses():
            yield clock.now() - begin
            if self._deadline.passed():
                return
            clock.sleep(min(clock.spread(pause), max(self._deadline.left(), 0.01)))


def failure(found: Outcome, operation: Operation, *, action: str, resource: str) -> OperationError:
    blockers = BLOCKER.findall(found.message)
    return OperationError(
        found.message,
        action=action,
        resource=resource,
        code=found.code,
        reason=found.reason,
        operation=operation.name,
        details={"blockers": blockers} if blockers else {},
    )
