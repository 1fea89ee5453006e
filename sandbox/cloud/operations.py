# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Asynchronous operations: they start, take time, have an effect, and end well or badly.

The engine knows neither compute nor container: an ``Operation`` is plain data with a life cycle, and each API renders
it in its own form. Effects run on the clock's thread with the store locked.

A handler starts one::

    operation = cloud.operations.start(request, kind="insert", target=path, scope="global", on_done=effect)

and ``effect(operation)`` runs when its time is over. It may raise ``OperationFailed`` (the operation ends DONE with an
error), or return a number: not yet, ask again after so many cloud seconds.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.cloud.clock import Clock, Timer
from sandbox.cloud.durations import duration_of
from sandbox.cloud.request import Request
from sandbox.cloud.store import Store

if TYPE_CHECKING:
    from sandbox.cloud.faults import Fault

LOG = logging.getLogger(__name__)
Json = dict[str, Any]

# Cloud seconds that nobody will see the end of (and a scale of thousands must not either).
FOR_EVER = 1e12
PENDING, RUNNING, DONE, ABORTING = "PENDING", "RUNNING", "DONE", "ABORTING"


class OperationFailed(Exception):
    """How an operation ended badly. ``code`` is compute's word (RESOURCE_IN_USE_BY_ANOTHER_RESOURCE) or a canonical
    code (RESOURCE_EXHAUSTED); ``form`` says where container puts it: error, statusMessage or conditions; ``leaves``
    is the state in which its resource is left; ``deleted_after`` when Google deletes it by itself."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        http_status: int = 400,
        form: str = "error",
        condition: str = "",
        leaves: str = "",
        deleted_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.form = form
        self.condition = condition
        self.leaves = leaves
        self.deleted_after = deleted_after


Effect = Callable[["Operation"], float | None]


@dataclass
class Operation:
    """``target`` is the path of the resource, ``scope`` where the operation lives: global, regions/R, zones/Z or
    locations/L."""

    name: str
    api: str
    api_method: str
    kind: str
    target: str
    scope: str
    project: str
    user: str
    number: str
    duration: float
    target_id: str = ""
    request_id: str = ""
    status: str = PENDING
    inserted: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    failure: OperationFailed | None = None
    aborting: float = 0.0
    details: Json = field(default_factory=dict)
    _real_duration: float = 0.0
    _timer: Timer | None = None
    _on_done: Effect | None = None
    _on_failed: Callable[[Operation], None] | None = None

    @property
    def done(self) -> bool:
        return self.status == DONE

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1; below 1 until it is done, whatever the clock says."""
        if self.done:
            return 1.0
        if self.started is None or self._real_duration <= 0:
            return 0.0
        return min(0.99, (time.time() - self.started) / self._real_duration)


def _with_fault(operation: Operation, fault: Fault | None, seconds: float) -> float:
    """What an injected fault makes of an operation; returns the cloud seconds it takes."""
    if fault is None:
        return seconds
    if fault.kind == "slow":
        return seconds + fault.seconds if fault.seconds else FOR_EVER
    if fault.operation is None:
        return seconds
    operation.failure = fault.operation.failure()
    operation.aborting = fault.operation.aborting
    return seconds if fault.operation.after is None else fault.operation.after


class Operations:
    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._by_name: dict[str, Operation] = {}
        self._ended = threading.Condition(store.lock)

    def start(
        self,
        request: Request,
        *,
        kind: str,
        target: str,
        scope: str,
        target_id: str = "",
        duration: float | None = None,
        pending: float = 0.0,
        on_done: Effect | None = None,
        on_failed: Callable[[Operation], None] | None = None,
        details: Json | None = None,
        name: str = "",
    ) -> Operation:
        """Starts an operation for a request: PENDING for ``pending`` cloud seconds (none: RUNNING at once), then
        RUNNING for ``duration`` (default: what the table says), then the effect. A fault injected on the request makes
        it fail in the effect's place; ``on_failed(operation)`` then decides what is left behind."""
        seconds = duration_of(request.method.id) if duration is None else duration
        operation = Operation(
            name=name or f"operation-{int(time.time() * 1000)}-{uuid.uuid4()}",
            api=request.method.api,
            api_method=request.method.id,
            kind=kind,
            target=target,
            scope=scope,
            project=request.project.id if request.project else "",
            user=request.principal.email,
            number=self._store.new_id(),
            duration=seconds,
            target_id=target_id,
            request_id=str(request.params.get("requestId", "")),
            details=details or {},
        )
        operation._real_duration = self._clock.real_seconds(seconds)
        operation._on_done = on_done
        operation._on_failed = on_failed
        seconds = _with_fault(operation, request.fault, seconds)
        request.operation = operation.name
        with self._store.lock:
            self._by_name[operation.name] = operation
            if pending > 0:
                operation._timer = self._clock.call_after(pending, lambda: self._run(operation, seconds))
            else:
                self._run(operation, seconds)
        return operation

    def _run(self, operation: Operation, seconds: float) -> None:
        with self._store.lock:
            operation.status = RUNNING
            operation.started = time.time()
            operation._timer = self._clock.call_after(seconds, lambda: self._take_effect(operation))

    def _abort(self, operation: Operation) -> None:
        """Some say ABORTING for a while before they end."""
        with self._store.lock:
            if not operation.done:
                operation.status = ABORTING
                operation._timer = self._clock.call_after(operation.aborting, lambda: self._take_effect(operation))

    def _take_effect(self, operation: Operation) -> None:
        with self._store.lock:
            if operation.done:
                return
            if operation.aborting and operation.status != ABORTING:
                self._abort(operation)
                return
            if operation.failure is None and operation._on_done is not None:
                try:
                    again = operation._on_done(operation)
                except OperationFailed as failure:
                    operation.failure = failure
                except Exception as error:  # a bug of ours must show as a failed operation, not as one that never ends
                    LOG.exception("the effect of %s failed", operation.name)
                    operation.failure = OperationFailed("INTERNAL_ERROR", f"Internal error: {error}", http_status=500)
                else:
                    if again is not None:
                        operation._timer = self._clock.call_after(again, lambda: self._take_effect(operation))
                        return
            self._end(operation)

    def _end(self, operation: Operation) -> None:
        if operation.failure is not None and operation._on_failed is not None:
            operation._on_failed(operation)
        operation.status = DONE
        operation.ended = time.time()
        self._ended.notify_all()

    def finish(self, operation: Operation, failure: OperationFailed | None = None) -> None:
        """Ends an operation now, without its effect (cancelled, or decided elsewhere)."""
        with self._store.lock:
            if operation.done:
                return
            if operation._timer is not None:
                operation._timer.cancel()
            operation.failure = failure
            self._end(operation)

    def get(self, name: str) -> Operation | None:
        return self._by_name.get(name)

    def forget(self, name: str) -> None:
        self._by_name.pop(name, None)

    def find(self, **wanted: Any) -> Iterator[Operation]:
        """Operations whose attributes have these values, oldest first."""
        with self._store.lock:
            for operation in list(self._by_name.values()):
                if all(getattr(operation, name) == value for name, value in wanted.items()):
                    yield operation

    def running(self, target_prefix: str) -> list[Operation]:
        """Those not done whose target is this resource or lies below it."""
        with self._store.lock:
            return [
                operation
                for operation in self._by_name.values()
                if not operation.done and (operation.target + "/").startswith(target_prefix + "/")
            ]

    def wait(self, operation: Operation, real_seconds: float) -> bool:
        """Waits for the end; gives the store's lock back while it waits."""
        with self._ended:
            return self._ended.wait_for(lambda: operation.done, real_seconds)
