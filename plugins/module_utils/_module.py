# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What every module shares: its common options, and how options become a run of the engine.

This file is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _ownership as ownership
from ._auth import APIS, Identity, load_credentials, resolve_endpoints, resolve_identity
from ._clients import Cloud, GoogleTransport, Patience
from ._clock import Clock, Deadline, Pace
from ._converge import Context, Declaration, converge
from ._errors import Json, OptionError
from ._lifeline import RUN_PROCESS, lifeline
from ._plan import Policy
from ._progress import progress_in

AUTH_OPTIONS: Json = {
    "auth_kind": {"type": "str", "choices": ["application", "serviceaccount", "machineaccount", "accesstoken"]},
    "project": {"type": "str"},
    "service_account_file": {"type": "path"},
    "service_account_contents": {"type": "raw", "no_log": True},
    "service_account_email": {"type": "str"},
    "access_token": {"type": "str", "no_log": True},
    "scopes": {"type": "list", "elements": "str"},
    "impersonate_service_account": {"type": "str"},
    "quota_project": {"type": "str"},
    "endpoints": {"type": "dict", "options": {name: {"type": "str", "no_log": False} for name in [*APIS, "token"]}},
}
OWNERSHIP_OPTIONS: Json = {
    "deployment": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
}


def wait_options(timeout: int) -> Json:
    return {
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": timeout},
        "poll_interval": {"type": "float", "default": 2.0},
    }


def argument_spec(
    options: Json, *, timeout: int, states: Sequence[str] = ("present", "absent"), owned: bool = True
) -> Json:
    """The options of a module that converges something."""
    spec: Json = {**options, **AUTH_OPTIONS, **wait_options(timeout)}
    spec["state"] = {"type": "str", "choices": list(states), "default": states[0]}
    if owned:
        spec |= OWNERSHIP_OPTIONS
    return spec


def argument_spec_of_look(options: Json) -> Json:
    """The options of a module that only looks at Google Cloud."""
    return {**options, **AUTH_OPTIONS, "poll_interval": wait_options(0)["poll_interval"]}


def policy(params: Mapping[str, Any]) -> Policy:
    return Policy(
        deployment=ownership.mark_value(str(params.get("deployment") or "")),
        adopt=bool(params.get("adopt")),
        recreate=bool(params.get("recreate")),
        omit_refused_topology=params.get("topology_refused") == "omit",
    )


def connect(
    params: Mapping[str, Any], environ: Mapping[str, str] | None = None, *, libraries: bool = True
) -> tuple[Identity, Cloud, Deadline]:
    """Who calls, through what, and until when."""
    environ = os.environ if environ is None else environ
    identity = resolve_identity(params, environ)
    endpoints = resolve_endpoints(params, environ)
    interval = float(params.get("poll_interval") or 2.0)
    if interval < 0.01:
        raise OptionError("poll_interval has to be at least 0.01 seconds")
    clock = Clock()
    pace = Pace(interval)
    transport = GoogleTransport(load_credentials(identity, endpoints), endpoints, libraries=libraries)
    cloud = Cloud(transport, clock, pace, Patience.from_pace(pace), progress_in(environ, clock))
    cloud.wanted = lifeline(environ.get(RUN_PROCESS) or "")
    return identity, cloud, Deadline.after(clock, float(params.get("wait_timeout") or 600))


def run(module: Any, declare: Callable[[Mapping[str, Any], str, Policy], Declaration]) -> Json:
    """Converges what a module's options declare. `module` is an AnsibleModule; errors are the caller's to show."""
    params = module.params
    identity, cloud, deadline = connect(params)
    declaration = declare(params, identity.project, policy(params))
    context = Context(cloud, deadline, module.check_mode, bool(params.get("wait", True)))
    try:
        return converge(declaration, context)
    finally:
        for warning in context.warnings:
            module.warn(warning)
