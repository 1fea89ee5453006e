# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What the modules for Google Cloud share: their common options, and the frame around `main()`.

This file is private to the collection. It is the only place where a module of Google Cloud ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._auth import APIS, KINDS, load_credentials, resolve_endpoints, resolve_identity
from ._clients import Cloud, GoogleTransport, Patience
from ._clock import Clock, Deadline, Pace
from ._converge import Run
from ._errors import GcpError, Json
from ._ownership import mark_value
from ._plan import Policy

AUTH: Json = {
    "auth_kind": {"type": "str", "choices": list(KINDS)},
    "project": {"type": "str"},
    "service_account_file": {"type": "path"},
    "service_account_contents": {"type": "jsonarg", "no_log": True},
    "service_account_email": {"type": "str"},
    "access_token": {"type": "str", "no_log": True},
    "scopes": {"type": "list", "elements": "str"},
    "impersonate_service_account": {"type": "str"},
    "quota_project": {"type": "str"},
    "endpoints": {
        "type": "dict",
        "options": {
            **{api: {"type": "str"} for api in APIS},
            # Where tokens are fetched: an address, not a secret.
            "token": {"type": "str", "no_log": False},
        },
    },
}
PACE: Json = {"poll_interval": {"type": "float", "default": 2.0}}
STATE: Json = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
OWNER: Json = {"deployment": {"type": "str"}, "adopt": {"type": "bool", "default": False}}


def waiting(timeout: int) -> Json:
    """The options of a module that waits."""
    return {"wait": {"type": "bool", "default": True}, "wait_timeout": {"type": "int", "default": timeout}, **PACE}


class Session:
    """One run of one module: its options, who calls, and how far it got."""

    def __init__(self, module: AnsibleModule, environ: Mapping[str, str], clock: Clock | None = None) -> None:
        params: Json = module.params
        self.params = params
        self.check_mode = bool(module.check_mode)
        self.present = params.get("state", "present") == "present"
        clock = clock or Clock()
        pace = Pace(float(params.get("poll_interval") or 2.0))
        self.identity = resolve_identity(params, environ)
        self.project = self.identity.project
        endpoints = resolve_endpoints(params, environ)
        self.transport = GoogleTransport(load_credentials(self.identity, endpoints), endpoints)
        patience = Patience.from_pace(pace)
        if self.check_mode or not self.present:
            # An API that is off now has nothing; in check mode this run would have switched it on before.
            patience.activation = 0
        self.run = Run(
            cloud=Cloud(self.transport, clock, pace, patience),
            deadline=Deadline.after(clock, float(params.get("wait_timeout") or 300)),
            policy=Policy(
                deployment=mark_value(params.get("deployment") or ""),
                adopt=bool(params.get("adopt")),
                recreate=bool(params.get("recreate")),
                topology_optional=params.get("topology_refused") == "omit",
            ),
            check_mode=self.check_mode,
            wait=bool(params.get("wait", True)),
        )


def run_module(
    spec: Mapping[str, Any], work: Callable[[Session], Json], *, required_if: Sequence[Any] = (), **kwargs: Any
) -> None:
    """Runs a module: `work` gives its result, or raises a GcpError, which becomes its failure."""
    module = AnsibleModule(
        argument_spec={**AUTH, **spec}, supports_check_mode=True, required_if=list(required_if), **kwargs
    )
    session: Session | None = None
    try:
        session = Session(module, os.environ)
        result = work(session)
    except GcpError as error:
        module.fail_json(**{**_account(module, session), **error.as_result()})
    else:
        module.exit_json(**{**_account(module, session), **result})


def _account(module: AnsibleModule, session: Session | None) -> Json:
    """What was asked of Google, whatever came of it; warnings are said on the way."""
    if session is None:
        return {}
    for warning in session.run.warnings:
        module.warn(warning)
    return {"gcp_actions": session.run.cloud.actions, "retries": session.run.cloud.retries}
