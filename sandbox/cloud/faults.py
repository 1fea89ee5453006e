# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Trouble on demand: what the next matching requests shall suffer.

A fault is posted to ``/_sandbox/faults`` as JSON::

    {"api_method": "container.projects.locations.clusters.nodePools.create",   shell pattern on the method's id
     "path": "*/tpu-v6e-single-3",            optional shell pattern on the URL path
     "nth": 2, "times": 1,                    from the second match on, once (times 0: for ever)
     "kind": "status",                        status | reset | operation
     "when": "before",                        before | after the effect (status and reset)
     "status": 503, "message": "…", "reason": "backendError", "error_status": "UNAVAILABLE", "details": […],
     "operation": {"code": "RESOURCE_EXHAUSTED", "message": "…", "form": "error", "condition": "GCE_STOCKOUT",
                   "http_status": 400, "leaves": "ERROR", "after": 600}}

``operation`` faults let the request succeed and its operation fail: ``form`` is error, statusMessage or conditions,
``leaves`` the state the resource is left in, ``after`` the cloud seconds until the end (default: as long as usual).
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from sandbox.cloud.errors import ApiError

Json = dict[str, Any]
KINDS = ("status", "reset", "operation")
FORMS = ("error", "statusMessage", "conditions")


class BadFault(ValueError):
    """A fault that makes no sense; the message says why."""


@dataclass
class OperationFault:
    code: str = "INTERNAL"
    message: str = "Internal error."
    form: str = "error"
    condition: str = ""
    http_status: int = 400
    leaves: str = "ERROR"
    after: float | None = None

    def failure(self) -> Any:
        from sandbox.cloud.operations import OperationFailed  # operations import faults by way of requests

        return OperationFailed(
            self.code,
            self.message,
            http_status=self.http_status,
            form=self.form,
            condition=self.condition,
            leaves=self.leaves,
        )


@dataclass
class Fault:
    api_method: str
    path: str = "*"
    nth: int = 1
    times: int = 1
    kind: str = "status"
    when: str = "before"
    status: int = 503
    message: str = "The service is currently unavailable."
    reason: str | None = None
    error_status: str | None = None
    details: list[Json] = field(default_factory=list)
    operation: OperationFault | None = None
    seen: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, text: Json) -> Fault:
        known = {item.name for item in fields(cls)} - {"seen", "hits"}
        if unknown := set(text) - known:
            raise BadFault(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
        if "api_method" not in text:
            raise BadFault("api_method is missing")
        values = dict(text)
        if "operation" in values:
            values.setdefault("kind", "operation")
            try:
                values["operation"] = OperationFault(**values["operation"])
            except TypeError as error:
                raise BadFault(f"operation: {error}") from error
        fault = cls(**values)
        if fault.kind not in KINDS or fault.when not in ("before", "after"):
            raise BadFault(f"kind is one of {', '.join(KINDS)}; when is before or after")
        if (fault.kind == "operation") != (fault.operation is not None):
            raise BadFault("a fault of kind operation says which operation error; the other kinds do not")
        if fault.operation is not None and fault.operation.form not in FORMS:
            raise BadFault(f"form is one of {', '.join(FORMS)}")
        return fault

    def applies(self, api_method: str, path: str) -> bool:
        return fnmatchcase(api_method, self.api_method) and fnmatchcase(path, self.path)

    @property
    def spent(self) -> bool:
        return self.times > 0 and self.hits >= self.times

    def error(self) -> ApiError:
        return ApiError(self.status, self.message, reason=self.reason, status=self.error_status, details=self.details)


class Faults:
    """The faults that are set; the first one that strikes wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, text: Json) -> Fault:
        fault = Fault.parse(text)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def listing(self) -> list[Json]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def strike(self, api_method: str, path: str) -> Fault | None:
        """The fault this request suffers, if any. Every match counts for ``nth``, whether it strikes or not."""
        struck = None
        with self._lock:
            for fault in self._faults:
                if fault.spent or not fault.applies(api_method, path):
                    continue
                fault.seen += 1
                if struck is None and fault.seen >= fault.nth:
                    fault.hits += 1
                    struck = fault
        return struck
