# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a kind of compute resource is: its place in the API, what it refers to, what may change, its own rules.

Most kinds are only a row of a table (``table.py``); those with rules of their own override methods here named after the
moment they are called. Everything else, the verbs above all, is common (``verbs.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute.links import NAME, NAME_PATTERN, Place
from sandbox.cloud.errors import ApiError
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

# Set by the server whatever a caller sends; never a difference in a patch.
SERVER_FIELDS = frozenset(
    {
        "kind",
        "id",
        "creationTimestamp",
        "selfLink",
        "selfLinkWithId",
        "region",
        "zone",
        "fingerprint",
        "labelFingerprint",
    }
)
READ = ("get", "list", "aggregatedList")
WRITE = ("insert", "delete", "patch", "update", "setLabels")


@dataclass
class Kind:
    """``services`` says which discovery resource serves which scope; ``links`` are the fields that refer to others."""

    collection: str
    label: str
    services: dict[str, str]
    links: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    # Fields a patch or update may change; None: all of them.
    changeable: frozenset[str] | None = None
    defaults: Json = field(default_factory=dict)
    fingerprint: bool = False
    labels: bool = False
    verbs: tuple[str, ...] = READ + WRITE

    def patch_type(self, change: Json) -> str:
        """What an operation says that patches: no two kinds agree."""
        return "patch"

    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        """Checks a new or changed body and completes it. Links in it are resolved."""

    def created(self, cloud: Cloud, resource: Resource) -> None:
        """The resource has come to be."""

    def check_change(self, cloud: Cloud, request: Request, resource: Resource, change: Json) -> None:
        """A patch or update is about to be accepted."""

    def changed(self, cloud: Cloud, resource: Resource) -> None:
        """A patch or update has taken effect."""

    def refuse_delete(self, cloud: Cloud, resource: Resource) -> None:
        """Refuses for reasons other than being in use."""

    # In use is normally found at once; a network finds out when its operation ends.
    in_use_fails_operation: bool = False

    def other_users(self, cloud: Cloud, resource: Resource) -> Iterator[str]:
        """Paths of what uses this without a link to it."""
        yield from ()

    def about_to_go(self, cloud: Cloud, resource: Resource) -> None:
        """The operation of a delete is at its end; what is in use is found out next."""

    def removed(self, cloud: Cloud, resource: Resource) -> None:
        """The resource has gone."""

    def hidden(self, cloud: Cloud, resource: Resource) -> bool:
        """Is it kept from callers, as if it were not there?"""
        return False

    def view(self, cloud: Cloud, resource: Resource) -> Json:
        """What a GET answers."""
        return resource.body


def invalid_value(name: str, value: Any, why: str = "") -> ApiError:
    shown = str(value).lower() if isinstance(value, bool) else value
    return ApiError(400, f"Invalid value for field 'resource.{name}': '{shown}'. {why}".strip(), reason="invalid")


def required(name: str) -> ApiError:
    return ApiError(400, f"Required field 'resource.{name}' not specified", reason="required")


def not_found(path: str) -> ApiError:
    return ApiError(404, f"The resource '{path}' was not found", reason="notFound")


def already_exists(path: str) -> ApiError:
    return ApiError(409, f"The resource '{path}' already exists", reason="alreadyExists")


def not_ready(path: str) -> ApiError:
    return ApiError(400, f"The resource '{path}' is not ready", reason="resourceNotReady")


def in_use_message(label: str, path: str, user: str) -> str:
    return f"The {label} resource '{path}' is already being used by '{user}'"


def in_use(label: str, path: str, user: str) -> ApiError:
    return ApiError(400, in_use_message(label, path, user), reason="resourceInUseByAnotherResource")


def condition_not_met() -> ApiError:
    return ApiError(412, "Supplied fingerprint does not match current metadata fingerprint.", reason="conditionNotMet")


def labels_changed() -> ApiError:
    message = "Labels fingerprint either invalid or resource labels have changed"
    return ApiError(412, message, reason="conditionNotMet")


def check_name(name: Any) -> str:
    if not name:
        raise required("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid_value("name", name, f"Must be a match of regex '{NAME_PATTERN}'")
    return name
