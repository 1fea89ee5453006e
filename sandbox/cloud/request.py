# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What passes through the server: a raw HTTP request and answer, and the checked request that a handler receives."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from sandbox.cloud.discovery import Method

if TYPE_CHECKING:
    from sandbox.cloud.faults import Fault

Json = dict[str, Any]

_WORKLOAD = re.compile(
    r"principal://(iam\.googleapis\.com/projects/\d+/locations/global/workloadIdentityPools)/([^/]+)"
    r"/subject/ns/([^/]+)/sa/([^/]+)"
)


@dataclass(frozen=True)
class Principal:
    """Who is asking. ``scopes`` is None when the credentials carry no scopes (audience tokens, trusted callers).

    The ``email`` of a pod that acts as itself is its name in policies, ``principal://…``.
    """

    email: str
    scopes: frozenset[str] | None = None
    trusted: bool = False

    @property
    def federated(self) -> bool:
        return self.email.startswith("principal://")

    @property
    def shown(self) -> str:
        """As messages name it: a federated identity has no address to be named by."""
        return "Caller" if self.federated else self.email

    @property
    def aliases(self) -> list[str]:
        """Further names of a pod's identity: the older form of its own, and the sets that it is in."""
        found = _WORKLOAD.fullmatch(self.email)
        if found is None:
            return []
        pools, pool, namespace, account = found.groups()
        everybody = f"principalSet://{pools}/{pool}"
        return [
            f"serviceAccount:{pool}[{namespace}/{account}]",
            f"{everybody}/namespace/{namespace}",
            f"{everybody}/*",
        ]

    @property
    def member(self) -> str:
        """As policies name it."""
        if self.federated:
            return self.email
        kind = "serviceAccount" if self.email.endswith(".gserviceaccount.com") else "user"
        return f"{kind}:{self.email}"


@dataclass(frozen=True)
class Project:
    id: str
    number: str


@dataclass
class HttpRequest:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    trusted: bool = False
    via: str = ""

    def __post_init__(self) -> None:
        self.headers = {name.lower(): value for name, value in self.headers.items()}
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query: dict[str, list[str]] = parse_qs(parts.query, keep_blank_values=True)
        if override := self.headers.get("x-http-method-override"):
            self._override(override.upper())

    def _override(self, method: str) -> None:
        """A GET whose query was too long for a URL: it came as a POST with the query as its body."""
        self.method = method
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            self.query.update(parse_qs(self.body.decode(), keep_blank_values=True))
            self.body = b""

    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode(errors="replace")).items()}

    def json(self) -> Any:
        return json.loads(self.body) if self.body.strip() else None


@dataclass
class HttpResponse:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    # The connection breaks in the middle of the body.
    cut: bool = False

    def encoded(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, indent=2, ensure_ascii=False).encode() + b"\n"


@dataclass
class Request:
    """A request to an API method: authenticated, matched, its parameters and body checked and converted.

    ``params`` has path and query parameters under their documented names (and the ``projectsId`` kind for paths);
    ``body`` is normalised (see ``schema``), ``raw_body`` is what was sent. ``project`` is the project in the path,
    ``path`` the path of the URL.
    """

    method: Method
    params: Json
    body: Json
    principal: Principal
    project: Project | None = None
    path: str = ""
    raw_body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    operation: str = ""
