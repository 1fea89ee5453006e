# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Looks at Google Cloud of which none stops the others. PRIVATE to this collection.

Something that is not there is None. Something that may not be looked at, or cannot be, is a `Hidden`: it proves
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .._clients import Cloud
from .._clock import Deadline
from .._errors import ApiError, AuthError, DisabledError, GcpError, Json, NotFoundError
from .._findings import Check, unseen


@dataclass(frozen=True)
class Hidden:
    """Why something could not be looked at."""

    reason: str
    remedy: str = ""
    # The API that is off, when that is the reason: a later step may switch it on.
    service: str = ""

    def check(self, name: str, needed: str) -> Check:
        return unseen(name, needed, self.reason, self.remedy)


Seen: TypeAlias = "Json | Hidden | None"


@dataclass
class Look:
    """Asks Google, and keeps what stood in the way."""

    cloud: Cloud
    deadline: Deadline
    project: str
    # APIs that are off.
    disabled: set[str] = field(default_factory=set)
    # Nobody could be reached, or the credentials were refused: then no other look makes sense.
    stopped: GcpError | None = None

    def get(self, method: str, **params: Any) -> Seen:
        """One look."""
        return self.ask(method, None, **params)

    def ask(self, method: str, body: Json | None, **params: Any) -> Seen:
        """One look that is asked for with a body."""
        if self.stopped is not None:
            return Hidden("Google could not be asked")
        try:
            return self.cloud.call(method, params, body, deadline=self.deadline)
        except NotFoundError:
            return None
        except DisabledError as error:
            service = str(error.details.get("service") or "an API")
            self.disabled.add(service)
            remedy = f"The playbook up looks again once it is on; by hand: gcloud services enable {service}"
            return Hidden(f"{service} is not enabled", remedy, service)
        except ApiError as error:
            if error.code in (None, 401):
                self.stopped = error
            return Hidden(_first_line(error.message))
        except AuthError as error:
            self.stopped = error
            return Hidden("Google could not be asked")

    def items(self, method: str, key: str, **params: Any) -> list[Json] | Hidden:
        """All pages of a list."""
        found: list[Json] = []
        token = ""
        while True:
            page = self.get(method, **params, **({"pageToken": token} if token else {}))
            if isinstance(page, Hidden):
                return page
            found += (page or {}).get(key) or []
            token = str((page or {}).get("nextPageToken") or "")
            if not token:
                return found

    def aggregated(self, method: str, key: str, **params: Any) -> list[Json] | Hidden:
        """All pages of a list over all places."""
        scopes: list[Json] = []
        token = ""
        while True:
            page = self.get(method, **params, **({"pageToken": token} if token else {}))
            if isinstance(page, Hidden):
                return page
            scopes += ((page or {}).get("items") or {}).values()
            token = str((page or {}).get("nextPageToken") or "")
            if not token:
                return [item for scope in scopes for item in scope.get(key) or []]


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"


def number(value: Any) -> int:
    """64-bit numbers are text; what is zero is left out."""
    return int(value or 0)


def total(items: Iterable[Mapping[str, Any]], path: str) -> int:
    """The sum of one field, whose parts may be missing."""
    result = 0
    for item in items:
        value: Any = item
        for part in path.split("."):
            value = (value or {}).get(part)
        result += number(value)
    return result
