# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What can go wrong, as exceptions that carry Google's code, reason and message, and what to do next.

This file is private to the collection. Nothing here talks to anybody: an answer of Google goes in, an exception comes
out, and `main()` of a module turns that into its result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


class GcpError(Exception):
    """Anything that a user has to be told. `main()` of a module shows `as_result()`."""

    default_remedy = ""

    def __init__(
        self,
        message: str,
        *,
        action: str = "",
        resource: str = "",
        code: int | None = None,
        reason: str = "",
        operation: str = "",
        remedy: str = "",
        details: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.action = action
        self.resource = resource
        self.code = code
        self.reason = reason
        self.operation = operation
        self.remedy = remedy or remedy_for(reason, message) or self.default_remedy
        self.details = details or {}
        self.partial: Json = {}
        # The API method that was refused, if it was one.
        self.method = ""

    def about(self, action: str, resource: str) -> GcpError:
        """The same error, told which action on which resource it belongs to (the innermost one to know wins)."""
        self.action = self.action or action
        self.resource = self.resource or resource
        return self

    def headline(self) -> str:
        subject = " ".join(part for part in (self.action or self.method, self.resource) if part)
        status = " ".join(str(part) for part in (self.code, self.reason) if part)
        text = self.message.rstrip()
        if subject:
            text = f"{subject}: {text}"
        if status and status not in text:
            text = f"{text} ({status})"
        return text

    def as_failure(self) -> Json:
        return {
            "action": self.action,
            "method": self.method,
            "resource": self.resource,
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "operation": self.operation,
            "remedy": self.remedy,
            **self.details,
        }

    def as_result(self) -> Json:
        message = self.headline()
        if self.operation and self.operation not in message:
            message = f"{message} [operation {self.operation}]"
        if self.remedy:
            message = (
                f"{message}. {self.remedy}" if not message.endswith((".", "!", "?")) else f"{message} {self.remedy}"
            )
        return {**self.partial, "msg": message, "failure": self.as_failure()}


class OptionError(GcpError):
    """The options cannot mean anything: nothing was sent."""


class LibraryMissing(GcpError):
    """A Python library is not installed for the interpreter that runs the module."""


class AuthError(GcpError):
    """Google did not accept the credentials, or none could be found."""

    default_remedy = (
        "Give credentials by the options auth_kind, service_account_file, access_token, or by "
        "`gcloud auth application-default login`."
    )


class ApiError(GcpError):
    """Google answered with an error."""


class NotFoundError(ApiError):
    """404: there is no such resource."""


class ExistsError(ApiError):
    """409: a resource of that name is there already."""


class BusyError(ApiError):
    """Google refuses for now: another operation runs, a quota of operations is full, or a rate limit is reached."""


class StaleError(ApiError):
    """The resource changed between our look and our write (412, ABORTED)."""


class InUseError(ApiError):
    """Another resource still uses the one to be deleted."""


class DisabledError(ApiError):
    """The API is not enabled in the project."""


class NotVisibleError(ApiError):
    """An identity that a policy names does not exist, or was made so lately that not all of Google knows it yet."""


class ServerError(ApiError):
    """5xx: whether the request had an effect is not known."""


class LostReply(ApiError):
    """The connection broke, or the reply could not be read: whether the request had an effect is not known."""


class OperationError(GcpError):
    """An operation ended, and not well."""


class StateError(GcpError):
    """A resource rests in a state that is not the wanted one."""


class TimeLimit(GcpError):
    """wait_timeout is over. What was started goes on in Google Cloud."""


class Abandoned(GcpError):
    """The run that asked for this is gone: nothing more is asked for."""

    default_remedy = "Run the playbook again: it goes on from what is there."


class OwnershipError(GcpError):
    """The resource is there, but it does not carry our mark."""

    default_remedy = (
        "Choose another name (in the playbooks: deployment_prefix), use it as it is (deployment_network_manage or "
        "deployment_cluster_manage: false), or set `adopt: true` of the module to take it over."
    )


class ImmutableError(GcpError):
    """A field differs that Google does not let anybody change."""


class SeveralErrors(GcpError):
    """More than one resource failed. None hides another."""

    def __init__(self, errors: Sequence[GcpError], total: int, noun: str) -> None:
        lines = [error.as_result()["msg"] for error in errors]
        first = errors[0]
        super().__init__(
            f"{len(errors)} of {total} {noun} failed:\n" + "\n".join(f"- {line}" for line in lines),
            action=first.action,
            resource=", ".join(error.resource for error in errors),
            code=first.code,
            reason=first.reason,
            operation=first.operation,
            remedy="",
        )
        self.remedy = ""
        self.errors = list(errors)

    def headline(self) -> str:
        return self.message

    def as_result(self) -> Json:
        result = super().as_result()
        result["msg"] = self.message
        result["failure"] = {**self.errors[0].as_failure(), "resource": self.resource}
        result["failures"] = [error.as_failure() for error in self.errors]
        return result


# 400 FAILED_PRECONDITION and its like: only what speaks of something under way passes by itself.
PASSING = re.compile(
    r"running incompatible operation"
    r"|currently being created, deleted, updated or repaired"
    r"|is currently \S+ cluster"
    r"|Please wait and try again once it is done"
    r"|concurrent operations quota"
    r"|Another activation or deactivation is in progress",
    re.IGNORECASE,
)

# How many operations at once a cluster may have, in Google's own words.
QUOTA_OF_OPERATIONS = re.compile(r"concurrent operations quota (\d+)")

# A 429 that no waiting cures, unlike those about operations and rates: what is reserved is used up.
USED_UP = re.compile(r"[Rr]eservation .*(insufficient|exhausted|not enough|no capacity|fully)|RESERVATION_CAPACITY")
# What IAM says of an account that was just made (and of one that never was).
NOT_VISIBLE = re.compile(
    r"^Service account \S+ does not exist"
    r"|^Permission 'iam\.serviceAccounts\.\w+' denied on resource \(or it may not exist\)"
)
NOT_EMPTY = "you tried to delete is not empty"
BLOCKER = re.compile(r"already being used by '([^']+)'")
TOPOLOGY_REFUSAL = re.compile(r"TPU topology can't be specified with single-host TPU slice pool")

# What people do about the failures Google is known for: (matches the reason or the message, what to do).
REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"STOCKOUT|does not have enough resources available|lack of capacity|Requested resource is exhausted"
        ),
        "The zone has no capacity for this machine type now: use a reservation, another zone, spot or flex-start, or "
        "run the same task again later; it repairs what is in ERROR.",
    ),
    (
        re.compile(r"IP_SPACE_EXHAUSTED|available private IP space|RANGE_EXHAUSTED"),
        "The subnet has too few free addresses: widen its range or choose ranges that do not overlap.",
    ),
    (
        re.compile(r"GCE_QUOTA_EXCEEDED|QUOTA_EXCEEDED|Quota '?\w+'? exceeded|quotaExceeded"),
        "Ask for more quota (IAM & Admin, Quotas), or use fewer or smaller nodes.",
    ),
    (
        re.compile(r"NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS|GKE_SERVICE_ACCOUNT_DELETED"),
        "Restore the service account, and give it roles/container.defaultNodeServiceAccount (nodes) or "
        "roles/container.serviceAgent (GKE's own).",
    ),
    (
        re.compile(r"does not have access to service account|iam\.serviceAccounts\.actAs"),
        "Give the identity roles/iam.serviceAccountUser on the nodes' service account.",
    ),
    (
        re.compile(r"[Ss]ervice account .*(does not exist|not found)|Unknown service account"),
        "Make the service account, or name another one (config.service_account); a new one takes a minute to be seen.",
    ),
    (
        re.compile(r"CLOUD_KMS_KEY_ERROR"),
        "Check the key, and that GKE's and Compute Engine's service agents may use it.",
    ),
    (
        re.compile(r"[Mm]achine type .*(GCE_NOT_FOUND|does not exist|not found|not available)"),
        "Choose a zone that has this machine type (`gcloud compute machine-types list`), or another type.",
    ),
    (
        re.compile(r"Use workload policy instead"),
        "This kind of TPU takes a workload policy: leave placement_policy out.",
    ),
    (
        re.compile(r"version .* is (unsupported|not supported)|No valid versions"),
        "Choose a version that Google offers (`gcloud container get-server-config`), or leave it to the channel.",
    ),
    (
        re.compile(r"BILLING_DISABLED|billing (account|to be enabled)"),
        "Link the project to a billing account, and run again.",
    ),
    (
        re.compile(r"constraints/\w+"),
        "A policy of the organisation forbids it: choose settings that it allows, or have it changed.",
    ),
    (TOPOLOGY_REFUSAL, "Leave tpu_topology out for single-host pools, or set `topology_refused: omit`."),
    (
        re.compile(r"resource\.reservationAffinity|[Rr]eservation .*(not found|does not exist|INVALID)"),
        "Check the reservation's name, project, zone and machine type (for one of another project: "
        "projects/OWNER/reservations/NAME).",
    ),
    (
        USED_UP,
        "The reservation is in use up to its size: delete what uses it, or have it enlarged.",
    ),
    (
        re.compile(r"SERVICE_DISABLED|accessNotConfigured|has not been used in project .* before or it is disabled"),
        "Enable the API (llm_d.gke.gcp_project_services, or `gcloud services enable`), wait a minute, and run again.",
    ),
    (
        re.compile(r"iam\.serviceAccounts\.getAccessToken|Unable to acquire impersonated credentials"),
        "Give the identity that impersonates roles/iam.serviceAccountTokenCreator on the service account.",
    ),
    (
        re.compile(r"Permission denied to enable service|AUTH_PERMISSION_DENIED"),
        "Have somebody enable the APIs who may (`gcloud services enable` with the names above), or give the identity "
        "roles/serviceusage.serviceUsageAdmin, and run again.",
    ),
    (
        re.compile(r"^Identity Pool does not exist"),
        "The workload pool comes with the project's first cluster that has Workload Identity: make the cluster first.",
    ),
    (
        re.compile(NOT_EMPTY),
        "Take the objects out, or have them deleted with it (`delete_objects: true` of the bucket).",
    ),
    (
        re.compile(r"^The requested bucket name is not available"),
        "Bucket names are shared by all of Google Cloud: choose another name.",
    ),
    (
        re.compile(r"CREDENTIALS_MISSING|UNAUTHENTICATED|authError"),
        "The credentials were not accepted: they may have expired. Log in again, or give a fresh token or key.",
    ),
    (
        re.compile(r"PERMISSION_DENIED|IAM_PERMISSION_DENIED|^forbidden$"),
        "Check the project, and give the identity the missing permission (see the message for its name).",
    ),
    (
        re.compile(r"conflicts with existing (sub)?network|overlaps with"),
        "Choose a range that does not overlap another one of this network.",
    ),
    (
        re.compile(r"is already being used by"),
        "Remove what uses it first (what a cluster left behind: llm_d.gke.gcp_leftovers), and run again.",
    ),
    (
        PASSING,
        "Something else works on it. Run again when that has ended, or allow more time (wait_timeout).",
    ),
)


def remedy_for(reason: str, message: str) -> str:
    """What to do about a failure of a known kind; empty when it is not a known one."""
    for pattern, remedy in REMEDIES:
        if pattern.search(reason or "") or pattern.search(message or ""):
            return remedy
    return ""


def from_answer(code: int, payload: object, *, action: str = "", resource: str = "") -> ApiError:
    """The exception that an HTTP answer of Google stands for."""
    error = payload.get("error") if isinstance(payload, Mapping) else None
    if not isinstance(error, Mapping):
        text = str(error) if error else f"HTTP {code} without a readable explanation"
        return _class_for(code, "", "", text)(text, code=code, action=action, resource=resource)
    message = str(error.get("message") or f"HTTP {code}")
    status = str(error.get("status") or "")
    entries = [entry for entry in error.get("errors") or [] if isinstance(entry, Mapping)]
    legacy = str(entries[0].get("reason") or "") if entries else ""
    info = _error_info(error.get("details"))
    reason = str(info.get("reason") or "") or status or legacy
    kind = _class_for(code, reason, legacy, message)
    details: Json = {}
    if blockers := BLOCKER.findall(message):
        details["blockers"] = blockers
    if service := (info.get("metadata") or {}).get("service"):
        details["service"] = service
    return kind(message, code=code, reason=reason, action=action, resource=resource, details=details)


def _error_info(details: object) -> Mapping[str, Any]:
    if isinstance(details, Sequence) and not isinstance(details, str):
        for detail in details:
            if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith("ErrorInfo"):
                return detail
    return {}


def _class_for(code: int, reason: str, legacy: str, message: str) -> type[ApiError]:
    """The order matters: the precise signs come before the status codes."""
    rules: tuple[tuple[bool, type[ApiError]], ...] = (
        (reason == "SERVICE_DISABLED" or legacy == "accessNotConfigured", DisabledError),
        (legacy == "resourceInUseByAnotherResource" or "is already being used by" in message, InUseError),
        (code == 409 and NOT_EMPTY in message, InUseError),
        (code in (400, 403) and bool(NOT_VISIBLE.search(message)), NotVisibleError),
        (code == 404, NotFoundError),
        (bool(USED_UP.search(message)), ApiError),
        (code == 429, BusyError),
        (code in (400, 403, 409) and bool(PASSING.search(message)), BusyError),
        (legacy in ("resourceNotReady", "operationInProgress"), BusyError),
        (reason == "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", BusyError),
        (code == 403 and legacy in ("rateLimitExceeded", "userRateLimitExceeded"), BusyError),
        (code == 403 and "Quota exceeded for quota metric" in message and "per minute" in message, BusyError),
        (code == 412 or reason == "ABORTED" or legacy == "conditionNotMet", StaleError),
        (code == 409, ExistsError),
        # 501 is no trouble that passes: there is no such method.
        (code >= 500 and code != 501, ServerError),
    )
    return next((kind for matches, kind in rules if matches), ApiError)
