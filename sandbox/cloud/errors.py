# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Google's errors, in the form each family of APIs gives them.

There are two: compute and storage answer ``{code, message, errors[]}``; the newer APIs add ``status`` and, where they
have something to add, ``details[]``. Errors of Google's front end (no credentials, API not enabled, malformed JSON)
carry the status whatever the API behind it is: those are raised with ``front_end=True``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

STATUS_OF_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
REASON_OF_CODE = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "alreadyExists",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    502: "backendError",
    503: "backendError",
    504: "backendError",
}
APIS_WITHOUT_STATUS = frozenset({"compute", "storage"})


class ApiError(Exception):
    """An answer that is an error. ``reason`` and ``status`` default to what usually goes with the HTTP code."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        status: str | None = None,
        domain: str = "global",
        details: Sequence[Json] = (),
        error_fields: Json | None = None,
        front_end: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASON_OF_CODE.get(code, "unknown")
        self.status = status or STATUS_OF_CODE.get(code, "UNKNOWN")
        self.domain = domain
        self.details = list(details)
        self.error_fields = error_fields or {}
        self.front_end = front_end
        self.headers = headers or {}

    def render(self, api: str = "") -> Json:
        """The body of the answer, as ``api`` (compute, container, …) writes it."""
        entry: Json = {"message": self.message, "domain": self.domain, "reason": self.reason, **self.error_fields}
        error: Json = {"code": self.code, "message": self.message, "errors": [entry]}
        if self.front_end or api not in APIS_WITHOUT_STATUS:
            error["status"] = self.status
            if self.details:
                error["details"] = self.details
        return {"error": error}


def invalid(message: str, *, reason: str = "badRequest", details: Sequence[Json] = ()) -> ApiError:
    return ApiError(400, message, reason=reason, details=details)


def failed_precondition(message: str, *, reason: str = "failedPrecondition") -> ApiError:
    return ApiError(400, message, reason=reason, status="FAILED_PRECONDITION")


def permission_denied(message: str = "The caller does not have permission") -> ApiError:
    return ApiError(403, message, reason="forbidden", front_end=True)


def not_implemented(api_method: str) -> ApiError:
    return ApiError(501, f"The sandbox does not implement {api_method}.", front_end=True)


def bad_payload(violations: Sequence[tuple[str, str]]) -> ApiError:
    """A request that does not fit the API's schema; ``violations`` are pairs of field and description."""
    message = "\n".join(description for _field, description in violations)
    fields = [{"field": field, "description": description} for field, description in violations]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}
    return ApiError(400, message, reason="invalid", details=[detail], front_end=True)


def missing_credentials() -> ApiError:
    message = (
        "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
        "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return _unauthenticated(message, "Login Required.", "required", "CREDENTIALS_MISSING")


def invalid_credentials(*, expired: bool = False) -> ApiError:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    reason = "ACCESS_TOKEN_EXPIRED" if expired else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
    return _unauthenticated(message, "Invalid Credentials", "authError", reason)


def _unauthenticated(message: str, short: str, reason: str, info: str) -> ApiError:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": info,
        "domain": "googleapis.com",
        "metadata": {},
    }
    return ApiError(
        401,
        message,
        reason=reason,
        details=[detail],
        error_fields={"message": short, "location": "Authorization", "locationType": "header"},
        front_end=True,
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
    )


def service_disabled(service: str, title: str, project_id: str, project_number: str) -> ApiError:
    """The API is off in the project, or was switched on so recently that the front end does not know yet."""
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={project_id}"
    message = (
        f"{title} has not been used in project {project_id} before or it is disabled. Enable it by visiting {url} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "service": service,
            "serviceTitle": title,
            "consumer": f"projects/{project_number}",
            "containerInfo": project_id,
            "activationUrl": url,
        },
    }
    links = [{"description": "Google developers console API activation", "url": url}]
    help_detail = {"@type": "type.googleapis.com/google.rpc.Help", "links": links}
    return ApiError(
        403,
        message,
        reason="accessNotConfigured",
        domain="usageLimits",
        details=[info, help_detail],
        error_fields={"extendedHelp": "https://console.developers.google.com"},
        front_end=True,
    )
