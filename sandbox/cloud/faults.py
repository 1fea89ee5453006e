# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Trouble on demand: what the next matching requests shall suffer.

A fault is posted to ``/_sandbox/faults`` as JSON (``python -m sandbox fault add``)::

    {"name": "stockout",                         from the catalogue (fault_catalog.py): the rest then has defaults
     "api_method": "container.projects.locations.clusters.nodePools.create",   shell pattern on the method's id
     "path": "*/tpu-v6e-single-3",               optional shell pattern on the URL path
     "caller": "any",                            any | client | cluster (what runs inside a GKE cluster)
     "nth": 2, "times": 1,                       from the second match on, once (times 0: for ever)
     "kind": "status",                           see KINDS
     "when": "before",                           before | after the effect (status, answer, reset)
     "status": 503, "message": "…", "reason": "backendError", "error_status": "UNAVAILABLE", "details": […],
     "text": "<html>…",                          the raw body of an answer
     "seconds": 600,                             delay: real ones; slow, own_operation, state: of the cloud
     "operation": {"code": "RESOURCE_EXHAUSTED", "message": "…", "form": "error", "condition": "GCE_STOCKOUT",
                   "http_status": 400, "leaves": "ERROR", "after": 600, "aborting": 0, "deleted_after": null},
     "own": "UPGRADE_MASTER",                    the kind of GKE's own operation
     "state": {"status": "DEGRADED", "message": "…"}}

``operation`` faults let the request succeed and its operation fail: ``form`` is error, statusMessage or conditions,
``leaves`` the state the resource is left in (default: ERROR after a create or delete, else RUNNING), ``after`` the
cloud seconds until the end (default: as long as usual), ``aborting`` how many of them it then says ABORTING, and
``deleted_after`` when GKE deletes what is left by itself. ``slow`` operations succeed, but take so long (0: for ever).
``own_operation``: GKE starts one of its own on the cluster just before the request. ``state``: the cluster or pool gets
a state that nobody wished for, for so long. A ``habit`` is no request's: something Google does otherwise than usual, as
long as it is set (``times``: so often); ``path`` then is the path of the resource.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from sandbox.cloud.chaos_plan import random_plan
from sandbox.cloud.errors import ApiError, invalid_credentials
from sandbox.cloud.fault_catalog import CATALOG, HABITS

__all__ = ["CATALOG", "BadFault", "Fault", "Faults", "OperationFault", "random_plan"]

Json = dict[str, Any]
KINDS = ("status", "answer", "reset", "delay", "operation", "slow", "own_operation", "state", "habit")
OF_OPERATIONS = frozenset({"operation", "slow"})
FORMS = ("error", "statusMessage", "conditions")
CALLERS = ("any", "client", "cluster")
HABIT = "habit:"


class BadFault(ValueError):
    """A fault that makes no sense; the message says why."""


@dataclass
class OperationFault:
    code: str = "INTERNAL"
    message: str = "Internal error."
    form: str = "error"
    condition: str = ""
    http_status: int = 400
    leaves: str = ""
    after: float | None = None
    aborting: float = 0.0
    deleted_after: float | None = None

    def failure(self) -> Any:
        from sandbox.cloud.operations import OperationFailed  # operations import faults by way of requests

        return OperationFailed(
            self.code,
            self.message,
            http_status=self.http_status,
            form=self.form,
            condition=self.condition,
            leaves=self.leaves,
            deleted_after=self.deleted_after,
        )


@dataclass
class Fault:
    api_method: str
    name: str = ""
    path: str = "*"
    caller: str = "any"
    nth: int = 1
    times: int = 1
    kind: str = "status"
    when: str = "before"
    status: int = 503
    message: str = "The service is currently unavailable."
    reason: str | None = None
    error_status: str | None = None
    details: list[Json] = field(default_factory=list)
    text: str = ""
    seconds: float = 0.0
    operation: OperationFault | None = None
    own: str = "UPGRADE_MASTER"
    state: Json = field(default_factory=dict)
    seen: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, text: Json) -> Fault:
        if not isinstance(text, dict):
            raise BadFault("a fault is an object, or the name of one in the catalogue")
        known = {item.name for item in fields(cls)} - {"seen", "hits"}
        if unknown := set(text) - known:
            raise BadFault(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
        values = _named(text)
        if "api_method" not in values:
            raise BadFault("api_method is missing")
        if "operation" in values:
            values.setdefault("kind", "operation")
            try:
                values["operation"] = OperationFault(**values["operation"])
            except TypeError as error:
                raise BadFault(f"operation: {error}") from error
        fault = cls(**values)
        fault._check()
        return fault

    def _check(self) -> None:
        if self.kind not in KINDS or self.when not in ("before", "after") or self.caller not in CALLERS:
            raise BadFault(f"kind is one of {', '.join(KINDS)}; when is before or after; caller any, client or cluster")
        if (self.kind == "operation") != (self.operation is not None):
            raise BadFault("a fault of kind operation says which operation error; the other kinds do not")
        if self.operation is not None and self.operation.form not in FORMS:
            raise BadFault(f"form is one of {', '.join(FORMS)}")
        if self.kind == "habit" and self.api_method.removeprefix(HABIT) not in HABITS:
            raise BadFault(f"habits are {', '.join(sorted(HABITS))}")
        if (self.kind == "state") != bool(self.state):
            raise BadFault("a fault of kind state says which: {status, message}; the other kinds do not")

    def applies(self, api_method: str, path: str, *, cluster: bool = False) -> bool:
        asked = self.caller in ("any", "cluster" if cluster else "client")
        return asked and fnmatchcase(api_method, self.api_method) and fnmatchcase(path, self.path)

    @property
    def spent(self) -> bool:
        return self.times > 0 and self.hits >= self.times

    def error(self) -> ApiError:
        if self.status == 401:
            return invalid_credentials(expired=True)
        return ApiError(
            self.status,
            self.message,
            reason=self.reason,
            status=self.error_status,
            details=self.details,
            front_end=bool(self.details),
        )


def _named(text: Json) -> Json:
    """A fault with what the catalogue says of its name, under what the caller says."""
    name = text.get("name", "")
    if not name:
        return dict(text)
    if name not in CATALOG:
        raise BadFault(f"there is no fault {name}; the catalogue has {', '.join(CATALOG)}")
    defaults = CATALOG[name].fault
    both = {**defaults, **text}
    if "operation" in defaults and "operation" in text:
        both["operation"] = {**defaults["operation"], **text["operation"]}
    return both


class Faults:
    """The faults that are set; the first one that strikes wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, text: Json | str) -> Fault:
        return self.add_all([text])[0]

    def add_all(self, texts: list[Json | str]) -> list[Fault]:
        """All of them or, if one is nonsense, none."""
        found = [Fault.parse({"name": text} if isinstance(text, str) else text) for text in texts]
        with self._lock:
            self._faults += found
        return found

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def listing(self) -> list[Json]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def strike(self, api_method: str, path: str, *, cluster: bool = False) -> Fault | None:
        """The fault this request suffers, if any. Every match counts for ``nth``, whether it strikes or not."""
        struck = None
        with self._lock:
            for fault in self._faults:
                if fault.spent or not fault.applies(api_method, path, cluster=cluster):
                    continue
                fault.seen += 1
                if struck is None and fault.seen >= fault.nth:
                    fault.hits += 1
                    struck = fault
        return struck

    def give_back(self, fault: Fault) -> None:
        """The request was refused anyway: its operation, which was to fail, never came to be."""
        with self._lock:
            fault.hits -= 1

    def habit(self, name: str, path: str = "") -> Fault | None:
        """Is Google to do otherwise than usual here? Asking counts as a match."""
        return self.strike(HABIT + name, path)

    def has_habit(self, name: str, path: str = "") -> bool:
        """The same, without counting."""
        with self._lock:
            return any(not fault.spent and fault.applies(HABIT + name, path) for fault in self._faults)
