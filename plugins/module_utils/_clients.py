# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Credentials and endpoints become one `Cloud` that sends API methods; the retry policy stands here, and only here.

This file is private to the collection. Compute and container go through Google's client libraries (their REST
transports), the small services through the same authorised session. In and out, everything is JSON as the API's
documentation shows it, so that whoever calls this never meets a protocol buffer.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._auth import Endpoints, missing
from ._clock import Bell, Clock, Deadline, Pace
from ._errors import (
    QUOTA_OF_OPERATIONS,
    Abandoned,
    ApiError,
    AuthError,
    BusyError,
    DisabledError,
    GcpError,
    Json,
    LostReply,
    NotVisibleError,
    OptionError,
    ServerError,
    from_answer,
    remedy_for,
)
from ._methods import METHODS, Method
from ._progress import Progress

USER_AGENT = "llm_d.gke/0.1.0 (Ansible collection)"
READ_TIMEOUT = 60.0
# What google-auth says when it is to refresh a bare access token, which is when Google answered 401.
NO_REFRESH = "necessary fields need to refresh the access token"
REFUSED = (
    "They may have expired or been revoked, or this machine's clock is wrong. Log in again (`gcloud auth "
    "application-default login`), or make a new key."
)
# Compute's `wait` answers after two minutes at the latest.
WAIT_TIMEOUT = 150.0


class Unreachable(LostReply):
    """Nobody listens there: nothing was sent."""

    default_remedy = "Check the endpoint and the network (for the sandbox: is it running? `make sandbox`)."


class Transport(Protocol):
    """What sends one request: the real one below, or a fake one in a test."""

    credentials: Any

    def send(self, method: Method, params: Mapping[str, Any], body: Json | None) -> Json: ...


@dataclass
class Patience:
    """How long each kind of trouble is waited out, in seconds."""

    # 5xx and broken connections, in a row.
    faults: float
    # Nobody listening, before the first answer: then it is rather a wrong address than trouble.
    first_contact: float
    # SERVICE_DISABLED: an API that was just enabled refuses for a while.
    activation: float
    # A service account that was just made is not known everywhere at once.
    visibility: float = 0.0

    @classmethod
    def from_pace(cls, pace: Pace) -> Patience:
        return cls(
            faults=60 * pace.least,
            first_contact=4 * pace.least,
            activation=45 * pace.least,
            visibility=60 * pace.least,
        )


@dataclass
class Requests:
    """What was sent: each change, and one line for each kind of look, with how often."""

    calls: int = 0
    _changes: list[tuple[int, str]] = field(default_factory=list)
    _looks: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: Method, params: Mapping[str, Any]) -> None:
        line = f"{method.verb} {method.url_path(params)}"
        with self._lock:
            self.calls += 1
            if not method.reads:
                self._changes.append((self.calls, line))
                return
            first, earlier, times = self._looks.get(method.id, (self.calls, line, 0))
            self._looks[method.id] = (first, _common(earlier, line), times + 1)

    def lines(self) -> list[str]:
        """In the order of their beginning; where looks of a kind differ, a star stands."""
        looks = [
            (first, line if times == 1 else f"{line} ({times} times)") for first, line, times in self._looks.values()
        ]
        return [line for _number, line in sorted([*self._changes, *looks])]


def _common(left: str, right: str) -> str:
    parts = zip(left.split("/"), right.split("/"), strict=False)
    return "/".join(one if one == other else "*" for one, other in parts)


@dataclass
class Cloud:
    """Sends API methods, retries what deserves it, and remembers what was sent."""

    transport: Transport
    clock: Clock
    pace: Pace
    patience: Patience
    progress: Progress = field(default_factory=Progress)
    sent: Requests = field(default_factory=Requests)
    retries: int = 0
    # Rung when an operation of ours has ended, which may be what somebody else was refused for.
    freed: Bell = field(default_factory=Bell)
    # How many operations Google lets a cluster have at once, once it has said so.
    quota: int | None = None
    # Whether anybody still waits for what is asked.
    wanted: Callable[[], bool] = lambda: True
    _contacted: bool = False

    @property
    def actions(self) -> list[str]:
        return self.sent.lines()

    def call(
        self,
        method_id: str,
        params: Mapping[str, Any],
        body: Json | None = None,
        *,
        deadline: Deadline,
        resource: str = "",
    ) -> Json:
        """One API method, sent until it is answered, refused for good, or too late.

        A write without a request id whose reply is lost is not sent again: the caller has to look first.
        """
        method = METHODS[method_id]
        params = dict(params)
        if method.takes_request_id:
            params["requestId"] = str(uuid.uuid4())
        trouble = Trouble(self, method, deadline, resource)
        while True:
            if not self.wanted():
                raise Abandoned("the run that asked for it is gone", action=method_id, resource=resource)
            self.sent.note(method, params)
            try:
                answer = self.transport.send(method, params, body)
            except ApiError as error:
                error.method = method_id
                trouble.wait_out(error.about("", resource))
                self.retries += 1
            except GcpError as error:
                error.method = method_id
                raise error.about("", resource) from error
            else:
                self._contacted = True
                return answer

    def pages(self, method_id: str, params: Mapping[str, Any], *, deadline: Deadline) -> Iterator[Json]:
        """All pages of a list."""
        token = ""
        while True:
            answer = self.call(method_id, {**params, **({"pageToken": token} if token else {})}, deadline=deadline)
            yield answer
            token = str(answer.get("nextPageToken") or "")
            if not token:
                return


class Trouble:
    """The retry policy for one call: what is worth waiting for, and how long."""

    def __init__(self, cloud: Cloud, method: Method, deadline: Deadline, resource: str) -> None:
        self._cloud = cloud
        self._method = method
        self._deadline = deadline
        self._resource = resource
        self._pauses = cloud.pace.pauses()
        self._since = cloud.clock.now()
        self._last_reason = ""

    def wait_out(self, error: GcpError) -> None:
        """Returns when it is time to try again; raises the error when it is not to be tried again."""
        limit = self._limit(error)
        waited = self._cloud.clock.now() - self._since
        if limit is None or waited >= limit:
            raise error
        if self._deadline.passed():
            # Google's refusal says more than "out of time" would.
            error.message += f" (still so after {self._deadline.elapsed():.0f} s)"
            raise error
        if error.message != self._last_reason:
            self._last_reason = error.message
            self._cloud.progress.event(
                f"{self._resource or self._method.id}: {error.message.splitlines()[0]} (waiting)"
            )
        pause = max(self._cloud.clock.spread(next(self._pauses)), float(error.details.get("retry_after") or 0))
        pause = min(pause, max(self._deadline.left(), 0.05))
        if (quota := QUOTA_OF_OPERATIONS.search(error.message)) is None:
            self._cloud.clock.sleep(pause)
        else:
            self._cloud.quota = max(int(quota.group(1)), 1)
            self._cloud.clock.sleep_until(self._cloud.freed, pause)

    def _limit(self, error: GcpError) -> float | None:
        """How many seconds this kind of error is waited out; None: not at all."""
        patience = self._cloud.patience
        if isinstance(error, BusyError):
            return float("inf")
        if isinstance(error, DisabledError):
            return patience.activation
        if isinstance(error, NotVisibleError):
            return None if self._method.reads else patience.visibility
        if isinstance(error, Unreachable):
            return patience.faults if self._cloud._contacted else patience.first_contact
        if isinstance(error, ServerError | LostReply):
            return patience.faults if self._method.reads or self._method.takes_request_id else None
        return None


class GoogleTransport:
    """Sends requests to Google, or to whatever stands behind the endpoints."""

    def __init__(self, credentials: Any, endpoints: Endpoints, *, libraries: bool = True) -> None:
        self.credentials = credentials
        self._endpoints = endpoints
        # Looks need none of the client libraries, whose import takes longer than a few requests.
        self._libraries = libraries
        self._lock = threading.RLock()
        self._session: Any = None
        self._services: dict[str, Any] = {}

    def send(self, method: Method, params: Mapping[str, Any], body: Json | None) -> Json:
        try:
            if not method.library or not self._libraries:
                return self._plain(method, params, body)
            request = self._checked(method, params, body)
            if method.as_written:
                # Checked by the library, and sent as the plan shows it.
                return self._plain(method, params, body)
            return self._typed(method, request)
        except GcpError:
            raise
        except Exception as error:
            raise _translated(error) from error

    def session(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = _authorized_session(self.credentials)
            return self._session

    def _plain(self, method: Method, params: Mapping[str, Any], body: Json | None) -> Json:
        url = f"{self._endpoints.base(method.api)}/{method.url_path(params)}"
        in_path = {name for name in params if f"{{{name}}}" in method.path}
        query = {name: value for name, value in params.items() if name not in in_path}
        answer = self.session().request(method.verb, url, params=query, json=body, timeout=READ_TIMEOUT)
        payload = _json_of(answer)
        if answer.status_code >= 400:
            raise _refusal(answer)
        if answer.status_code == 204:
            return {}
        if not isinstance(payload, dict):
            raise LostReply("the reply is not JSON", code=answer.status_code)
        return payload

    def _checked(self, method: Method, params: Mapping[str, Any], body: Json | None) -> Any:
        """The request as the library's message: what it does not know is refused before anything is sent."""
        from google.protobuf import json_format

        library = _library(method.api)
        request_class = getattr(library, method.message)
        try:
            return request_class.from_json(json.dumps(_payload(request_class, method, params, body)))
        except json_format.ParseError as error:
            text = str(error).splitlines()[0].partition(" Available Fields")[0]
            raise OptionError(f"the request is not one that {method.api} knows: {text}") from error

    def _typed(self, method: Method, request: Any) -> Json:
        from google.protobuf import json_format

        service, _dot, call = method.library.partition(".")
        timeout = WAIT_TIMEOUT if method.path.endswith("/wait") else READ_TIMEOUT
        answer = getattr(self._service(method.api, service), call)(request, timeout=timeout)
        found: Json = json_format.MessageToDict(type(answer).pb(answer))
        return found

    def _service(self, api: str, name: str) -> Any:
        with self._lock:
            key = f"{api}.{name}"
            if key not in self._services:
                _library(api)
                rest = importlib.import_module(f"google.cloud.{api}_v1.services.{name}.transports.rest")
                title = "".join(part.capitalize() for part in name.split("_"))
                service = getattr(rest, f"{title}RestTransport")(
                    host=self._endpoints.base(api), credentials=self.credentials
                )
                # One session for all services: one token, one pool of connections, one place that sees every answer.
                service._session = self.session()
                self._services[key] = service
            return self._services[key]


def _payload(request_class: Any, method: Method, params: Mapping[str, Any], body: Json | None) -> Json:
    """Container requests carry their body's keys side by side with the path; compute ones in one field of their own."""
    if body is None:
        return dict(params)
    if method.api != "compute":
        return {**params, **body}
    fields = request_class.pb(request_class()).DESCRIPTOR.fields
    home = next((field.json_name for field in fields if field.name.endswith("_resource")), None)
    return {**params, home: body} if home else dict(params)


def _library(api: str) -> Any:
    """The module with the request messages of an API."""
    try:
        if api == "compute":
            _skip_unused_services("google.cloud.compute_v1")
            return importlib.import_module("google.cloud.compute_v1.types.compute")
        return importlib.import_module(f"google.cloud.{api}_v1")
    except ImportError as error:
        raise missing(f"google-cloud-{api}", error) from error


def _skip_unused_services(package: str) -> None:
    """Lets parts of a package be imported without the package's own list of imports.

    Compute's imports more than a hundred services, which takes longer than most tasks; we use a few.
    """
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    sys.modules[package] = importlib.util.module_from_spec(spec)


def _authorized_session(credentials: Any) -> Any:
    try:
        import requests.adapters
        from google.auth.transport.requests import AuthorizedSession, Request
    except ImportError as error:
        raise missing("google-auth and requests", error) from error

    lock = threading.Lock()

    class Session(AuthorizedSession):  # type: ignore[misc]
        """Fetches one token for all threads, and does not take an error for a success."""

        def request(self, *args: Any, **kwargs: Any) -> Any:
            with lock:
                if not credentials.valid:
                    credentials.refresh(Request())
            answer = super().request(*args, **kwargs)
            payload = _json_of(answer) if answer.status_code < 400 and b'"error"' in answer.content else None
            error = payload.get("error") if isinstance(payload, dict) and "name" not in payload else None
            if isinstance(error, dict):
                # An error in the body of an answer that says 200: the libraries would read it as an empty resource.
                code = error.get("code")
                answer.status_code = code if isinstance(code, int) and code >= 400 else 500
            return answer

    session = Session(credentials)
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=32)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = USER_AGENT
    return session


def _json_of(answer: Any) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _refusal(answer: Any) -> ApiError:
    error = from_answer(answer.status_code, _json_of(answer))
    # The header may also be a date, or nonsense: then our own pace has to do.
    with contextlib.suppress(KeyError, ValueError, TypeError):
        error.details["retry_after"] = float(answer.headers["Retry-After"])
    return error


def _translated(error: Exception) -> GcpError:
    """What requests, google-auth and the client libraries raise, as one of ours."""
    import google.api_core.exceptions
    import google.auth.exceptions
    import requests.exceptions
    from google.protobuf import json_format

    if isinstance(error, google.api_core.exceptions.GoogleAPICallError):
        response = error.response
        return (
            _refusal(response)
            if response is not None
            else from_answer(int(error.code or 500), {"error": {"message": error.message}})
        )
    if isinstance(error, json_format.ParseError | UnicodeDecodeError):
        return LostReply(f"the reply is not the JSON that the API documents: {error}")
    if isinstance(error, google.auth.exceptions.TransportError):
        return Unreachable(f"the token service does not answer: {error}")
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        if getattr(error, "retryable", False):
            return Unreachable(f"the token service is in trouble: {error}")
        if NO_REFRESH in str(error):
            return AuthError(
                "Google does not accept the access token: it has expired, or never was one",
                remedy="Give a fresh one: `gcloud auth print-access-token`.",
            )
        return AuthError(f"Google refused the credentials: {error}", remedy=remedy_for("", str(error)) or REFUSED)
    if isinstance(error, requests.exceptions.ConnectionError):
        refused = any(
            text in str(error) for text in ("Connection refused", "Failed to establish", "NameResolutionError")
        )
        return Unreachable(f"cannot connect: {error}") if refused else LostReply(f"the connection broke: {error}")
    if isinstance(error, requests.exceptions.RequestException):
        return LostReply(f"the reply got lost: {error}")
    raise error
