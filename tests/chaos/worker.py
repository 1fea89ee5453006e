# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A process that does what the modules of a playbook do, one after the other, without Ansible around them; so that
it starts in no time and can be killed for real. All that it says goes into one file."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_COLLECTIONS = Path(__file__).resolve().parents[2] / ".ansible" / "collections"
if str(_COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(_COLLECTIONS))

# ruff: noqa: E402
# What a worker needs is imported by the process that all workers are forked from.
import google.auth.transport.requests
import google.cloud.container_v1
import google.oauth2.service_account
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.llm_d.gke.plugins.module_utils import _clients, _module
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._methods import METHODS
from ansible_collections.llm_d.gke.plugins.module_utils._progress import PROGRESS_FILE
from ansible_collections.llm_d.gke.plugins.module_utils._resources import (
    cluster,
    leftovers,
    network,
    node_pool,
    services,
)

for _method in METHODS.values():
    if _method.library:
        _clients._library(_method.api)
        _service = _method.library.partition(".")[0]
        importlib.import_module(f"google.cloud.{_method.api}_v1.services.{_service}.transports.rest")

Json = dict[str, Any]
# Python itself ends with 1 when something goes wrong before we can tell.
SUCCESS, FAILURE = 0, 3


def _spec(options: Json, **how: Any) -> ArgumentSpecValidator:
    return ArgumentSpecValidator(_module.argument_spec(options, timeout=600, **how))


# Module → its options and its declaration, as in the module's own file.
MODULES: dict[str, tuple[ArgumentSpecValidator, Callable[..., Any]]] = {
    "gcp_project_services": (_spec(services.OPTIONS, owned=False), services.ServicesDeclaration),
    "gcp_network": (_spec(network.OPTIONS), network.NetworkDeclaration),
    "gke_cluster": (_spec(cluster.OPTIONS), cluster.ClusterDeclaration),
    "gke_node_pools": (_spec(node_pool.OPTIONS), node_pool.NodePoolsDeclaration),
    "gcp_leftovers": (
        _spec(leftovers.OPTIONS, states=("absent",), owned=False),
        leftovers.LeftoversDeclaration,
    ),
}


_load_credentials = _module.load_credentials
_CREDENTIALS: dict[str, Any] = {}


def _credentials_of(identity: Any, endpoints: Any) -> Any:
    """Reading a key costs more than all else here, so a run reads it once."""
    if identity.file not in _CREDENTIALS:
        _CREDENTIALS[identity.file] = _load_credentials(identity, endpoints)
    return _CREDENTIALS[identity.file]


_module.load_credentials = _credentials_of


class Module:
    """As much of an AnsibleModule as the engine knows of."""

    def __init__(self, name: str, params: Json, check: bool, say: Callable[[Json], None]) -> None:
        validated = MODULES[name][0].validate(params)
        if validated.error_messages:
            raise ValueError(f"{name}: {'; '.join(validated.error_messages)}")
        self.name = name
        self.params: Json = validated.validated_parameters
        self.check_mode = check
        self._say = say

    def warn(self, text: str) -> None:
        self._say({"warning": text})

    def run(self) -> Json:
        result: Json = _module.run(self, MODULES[self.name][1])
        return result


def work(steps: list[tuple[str, Json]], output: str, check: bool) -> None:
    """Ends with SUCCESS, FAILURE (an error that a user would be told), or otherwise (one that nobody foresaw)."""
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ[PROGRESS_FILE] = output

    def say(line: Json) -> None:
        os.write(handle, f"{json.dumps(line, default=str)}\n".encode())

    try:
        for number, (name, params) in enumerate(steps):
            module = Module(name, params, check, say)
            try:
                say({"module": name, "result": module.run()})
            except GcpError as error:
                say({"module": name, "failed": error.as_result()})
                if not _sweep_again(steps, number, check, say):
                    os._exit(FAILURE)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(SUCCESS)


def _sweep_again(steps: list[tuple[str, Json]], number: int, check: bool, say: Callable[[Json], None]) -> bool:
    """As roles/teardown/tasks/network.yml: what turned up between sweep and network is swept once more."""
    last_two = [name for name, _params in steps[-2:]]
    if last_two != ["gcp_leftovers", "gcp_network"] or number < len(steps) - 2:
        return False
    try:
        for name, params in steps[-2:]:
            say({"module": name, "result": Module(name, params, check, say).run()})
    except GcpError as error:
        say({"failed": error.as_result()})
        return False
    os._exit(SUCCESS)


__all__ = ["FAILURE", "SUCCESS", "google", "work"]
