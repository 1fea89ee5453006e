# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is implemented: API modules register here when they are imported.

::

    @method("compute.networks.get")
    def get_network(cloud: Cloud, request: Request) -> Json: ...       an API method, by its id in Google's document

    @route("POST", "/token")
    def token(cloud: Cloud, http: HttpRequest) -> HttpResponse: ...    a path that no discovery document knows

    @on_start
    def seed(cloud: Cloud) -> None: ...                                once, before the first request (@on_stop: last)

A method that nobody registered answers 501 by name. A registered name that no document knows stops the start.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sandbox.cloud.request import HttpRequest, HttpResponse, Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud
    from sandbox.cloud.faults import Fault

Json = dict[str, Any]
# A handler answers a dict, None (204) or, where the answer is not JSON, a whole response.
Handler = Callable[["Cloud", Request], Json | HttpResponse | None]
RouteHandler = Callable[["Cloud", HttpRequest], HttpResponse]
Hook = Callable[["Cloud"], None]
# What a fault of some kind does when it strikes; says whether it did.
TroubleMaker = Callable[["Cloud", Request, "Fault"], bool]

METHODS: dict[str, Handler] = {}
OPTIONAL: set[str] = set()
ROUTES: list[tuple[str, str, bool, RouteHandler]] = []
START_HOOKS: list[Hook] = []
STOP_HOOKS: list[Hook] = []
TROUBLES: dict[str, TroubleMaker] = {}


def method(*ids: str, optional: bool = False) -> Callable[[Handler], Handler]:
    """``optional``: for tables that name more methods than an API has; those that no document knows are forgotten."""

    def register(handler: Handler) -> Handler:
        for method_id in ids:
            if method_id in METHODS:
                raise ValueError(f"{method_id} is implemented twice")
            METHODS[method_id] = handler
            if optional:
                OPTIONAL.add(method_id)
        return handler

    return register


def drop_optional(known: set[str]) -> None:
    for method_id in OPTIONAL - known:
        METHODS.pop(method_id, None)


def route(http_method: str, path: str, *, trusted: bool = False) -> Callable[[RouteHandler], RouteHandler]:
    """``path`` may be a shell pattern; ``trusted`` routes exist on the unix socket only."""

    def register(handler: RouteHandler) -> RouteHandler:
        ROUTES.append((http_method, path, trusted, handler))
        return handler

    return register


def on_start(hook: Hook) -> Hook:
    START_HOOKS.append(hook)
    return hook


def on_stop(hook: Hook) -> Hook:
    STOP_HOOKS.append(hook)
    return hook


def trouble(kind: str) -> Callable[[TroubleMaker], TroubleMaker]:
    """For kinds of faults that only one API knows how to make."""

    def register(maker: TroubleMaker) -> TroubleMaker:
        TROUBLES[kind] = maker
        return maker

    return register


def find_route(http: HttpRequest) -> RouteHandler | None:
    for http_method, path, trusted, handler in ROUTES:
        if http.method == http_method and fnmatchcase(http.path, path) and (http.trusted or not trusted):
            return handler
    return None
