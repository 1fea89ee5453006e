# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The sandbox's Google Cloud as one object, and the way of a request through it.

Authenticate, match the method, find the project, see that the API is on, check query and body, let a fault strike,
run the handler with the store locked, answer, write the log line. In that order, as at Google.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

from sandbox.cloud import enums, permissions, registry, schema
from sandbox.cloud.auth import Auth, check_scopes
from sandbox.cloud.clock import Clock
from sandbox.cloud.discovery import Catalog, Match, Method
from sandbox.cloud.errors import (
    ApiError,
    bad_payload,
    not_implemented,
    permission_denied,
    service_disabled,
)
from sandbox.cloud.faults import OF_OPERATIONS, Faults
from sandbox.cloud.operations import Operations
from sandbox.cloud.partial import select_fields
from sandbox.cloud.request import HttpRequest, HttpResponse, Principal, Project, Request
from sandbox.cloud.requestlog import RequestLog
from sandbox.cloud.services import Services
from sandbox.cloud.settings import Settings
from sandbox.cloud.store import Store

LOG = logging.getLogger(__name__)
Json = dict[str, Any]

# The cluster's own components call over the unix socket; they are Google's, so project settings do not bind them.
INTERNAL = Principal("gke-internal", trusted=True)
# Scopes that Google takes and its discovery documents leave out. Google's own libraries impersonate with this one.
MORE_SCOPES = {"iamcredentials": ("https://www.googleapis.com/auth/iam",)}


ZONAL = "container.projects.zones."


class Part(Protocol):
    def __init__(self, cloud: Cloud) -> None: ...


PartType = TypeVar("PartType", bound=Part)


class Cloud:
    def __init__(self, settings: Settings | None = None, *, catalog: Catalog | None = None) -> None:
        self.settings = settings or Settings()
        self.catalog = catalog or Catalog()
        registry.drop_optional(self.catalog.method_ids)
        if unknown := set(registry.METHODS) - self.catalog.method_ids:
            raise ValueError(f"no discovery document knows {', '.join(sorted(unknown))}")
        self.clock = Clock(self.settings.time_scale)
        self.store = Store()
        self.operations = Operations(self.clock, self.store)
        self.auth = Auth()
        self.services = Services(self.clock)
        self.faults = Faults()
        directory = self.settings.directory
        self.log = RequestLog(directory / "requests.jsonl" if directory else None)
        self._parts: dict[type, Any] = {}
        for hook in registry.START_HOOKS:
            hook(self)

    def close(self) -> None:
        for hook in reversed(registry.STOP_HOOKS):
            hook(self)
        self.clock.stop()
        self.log.close()

    def part(self, kind: type[PartType]) -> PartType:
        """The one object of this class that belongs to this cloud; made as ``kind(cloud)`` when first asked for."""
        with self.store.lock:
            if kind not in self._parts:
                self._parts[kind] = kind(self)
            found: PartType = self._parts[kind]
            return found

    def project(self, name: str) -> Project | None:
        """A project by its id or its number."""
        return next((project for project in self.settings.projects if name in (project.id, project.number)), None)

    # The way of a request

    def handle(self, http: HttpRequest) -> HttpResponse:
        started, clock = time.time(), time.monotonic()
        trace = {"api_method": "", "principal": "", "operation": ""}
        try:
            response = self._dispatch(http, trace)
        except Exception:
            LOG.exception("%s %s", http.method, http.path)
            response = HttpResponse(500, ApiError(500, "The sandbox failed; its log says why.").render())
        self.log.write(
            http,
            status=0 if response.reset else response.status,
            started=started,
            seconds=time.monotonic() - clock,
            **trace,
        )
        return response

    def _dispatch(self, http: HttpRequest, trace: dict[str, str]) -> HttpResponse:
        if handler := registry.find_route(http):
            return self._guarded("", lambda: handler(self, http))
        found = self._match(http)
        if found is None:
            message = f"The requested URL {http.path} was not found on this server."
            return self._failure("", ApiError(404, message, status="NOT_FOUND"))
        trace["api_method"] = found.method.id
        if self.settings.latency and not http.trusted:
            time.sleep(self.settings.latency)
        return self._guarded(found.method.api, lambda: self._call(http, found, trace))

    def _guarded(self, api: str, call: Any) -> HttpResponse:
        try:
            response: HttpResponse = call()
            return response
        except ApiError as error:
            return self._failure(api, error)

    @staticmethod
    def _failure(api: str, error: ApiError) -> HttpResponse:
        return HttpResponse(error.code, error.render(api), error.headers)

    def _match(self, http: HttpRequest) -> Match | None:
        found = self.catalog.match(http.method, http.path)
        if found and found[0].method.id.startswith(ZONAL):
            # The older form of the same methods. Links of zonal clusters have it, and clients follow links.
            found = self.catalog.match(http.method, http.path.replace("/zones/", "/locations/", 1)) + found
        return next((match for match in found if match.method.id in registry.METHODS), found[0] if found else None)

    def _call(self, http: HttpRequest, match: Match, trace: dict[str, str]) -> HttpResponse:
        method = match.method
        principal = self._principal(http, method)
        trace["principal"] = principal.email
        request = Request(method, {}, {}, principal, path=unquote(http.path), headers=http.headers)
        request.project = self._project_of(http, match)
        self._check_enabled(request)
        permissions.check(self, request)
        if method.id not in registry.METHODS:
            raise not_implemented(method.id)
        self._check(request, http, match)
        request.fault = self.faults.strike(method.id, http.path, cluster=principal.trusted)
        if (early := self._strike(request, "before")) is not None:
            return early
        with self.store.lock:
            response = self._answer(request)
        trace["operation"] = request.operation
        if (late := self._strike(request, "after")) is not None:
            return late
        return response

    def _answer(self, request: Request) -> HttpResponse:
        """What the method's handler says. A fault that waits for an operation is kept when there is none."""
        fault = request.fault
        try:
            answer = registry.METHODS[request.method.id](self, request)
        finally:
            if fault is not None and fault.kind in OF_OPERATIONS and not request.operation:
                self.faults.give_back(fault)
        return answer if isinstance(answer, HttpResponse) else _encode(request.method, answer, request)

    def _principal(self, http: HttpRequest, method: Method) -> Principal:
        authorization = http.headers.get("authorization")
        if http.trusted and not authorization:
            return INTERNAL
        principal = self.auth.principal(authorization, method.document.service)
        accepted = [*method.description.get("scopes", []), *MORE_SCOPES.get(method.id.partition(".")[0], ())]
        check_scopes(principal, accepted)
        return principal

    def _project_of(self, http: HttpRequest, match: Match) -> Project | None:
        """The project a request is about. One that does not exist is refused as one that is not ours."""
        quota_project = http.headers.get("x-goog-user-project")
        if quota_project and self.project(quota_project) is None:
            raise _quota_project_denied(quota_project)
        name = project_name(match, http)
        if not name or name == "-":
            return None
        project = self.project(name)
        if project is None:
            raise permission_denied()
        return project

    def _check_enabled(self, request: Request) -> None:
        if request.principal.trusted:
            return
        document = request.method.document
        project = request.project or self.settings.project
        if not self.services.is_effective(project.id, document.service):
            raise service_disabled(document.service, document.title, project.id, project.number)

    @staticmethod
    def _check(request: Request, http: HttpRequest, match: Match) -> None:
        try:
            request.raw_body = http.json()
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise bad_payload([("", f"Invalid JSON payload received. {error}")]) from error
        query, violations = schema.check_query(request.method, http.query)
        request.params = {**query, **match.path_values}
        named = enums.names_for_numbers(request.method, request.raw_body)
        request.body, wrong = schema.check_body(request.method, named)
        if violations + wrong:
            raise bad_payload(violations + wrong)

    def _strike(self, request: Request, when: str) -> HttpResponse | None:
        fault = request.fault
        if fault is None or fault.when != when or fault.kind in OF_OPERATIONS:
            return None
        if fault.kind == "reset":
            return HttpResponse(0, reset=True)
        if fault.kind == "answer":
            return HttpResponse(fault.status, fault.text.encode())
        if fault.kind == "status":
            raise fault.error()
        if fault.kind == "delay":
            time.sleep(fault.seconds)
        elif not registry.TROUBLES[fault.kind](self, request, fault):
            self.faults.give_back(fault)
        return None


def project_name(match: Match, http: HttpRequest) -> str:
    """The project named by a request, as it is spelt there; empty when there is none."""
    values = match.path_values
    for key in ("project", "projectsId", "projectId"):
        if key in values:
            return values[key]
    if values.get("v1Id") == "projects":
        return values.get("v1Id1", "")
    if match.method.api == "cloudresourcemanager" and "projects" in match.method.id:
        return values.get("resource", "")
    return http.query.get("project", [""])[-1]


def _quota_project_denied(name: str) -> ApiError:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "USER_PROJECT_DENIED",
        "domain": "googleapis.com",
        "metadata": {"consumer": f"projects/{name}"},
    }
    message = (
        f"Caller does not have required permission to use project {name}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission."
    )
    return ApiError(403, message, reason="forbidden", details=[detail], front_end=True)


def _encode(method: Method, answer: Json | None, request: Request) -> HttpResponse:
    """The answer as the caller asked for it: some fields only, enums as numbers; 204 when there is nothing to say."""
    if answer is None:
        return HttpResponse(204)
    # A copy, made while the store is locked: the answer may share dicts with it.
    body: Json = json.loads(json.dumps(answer))
    if fields := request.params.get("fields") or request.params.get("$fields"):
        body = select_fields(body, str(fields))
    if enums.wants_numbers(str(request.params.get("$alt", ""))):
        body = enums.numbers_for_names(method, body)
    return HttpResponse(200, body)
