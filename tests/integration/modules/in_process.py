# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A module's work without Ansible around it: milliseconds instead of seconds, for the many cases of one module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.llm_d.gke.plugins.module_utils._converge import Declaration
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._module import argument_spec, run
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy

from sandbox.testing import RunningCloud

from .ansible_run import Outcome, Task, defaults, writes_between

Json = dict[str, Any]


class Module:
    """What the engine needs of an AnsibleModule."""

    def __init__(self, options: Json, args: Json, check: bool) -> None:
        validated = ArgumentSpecValidator(argument_spec(options, timeout=600)).validate(args)
        if validated.error_messages:
            raise ValueError("; ".join(validated.error_messages))
        self.params: Json = validated.validated_parameters
        self.check_mode = check
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class InProcess:
    """Runs tasks of one module."""

    def __init__(
        self, cloud: RunningCloud, options: Json, declare: Callable[[Mapping[str, Any], str, Policy], Declaration]
    ) -> None:
        self._cloud = cloud
        self._options = options
        self._declare = declare

    def run(self, *tasks: Task) -> list[Outcome]:
        return [self._one(task) for task in tasks]

    def one(self, **args: Any) -> Outcome:
        return self._one(Task("", args))

    def _one(self, task: Task) -> Outcome:
        module = Module(self._options, {**defaults(self._cloud), **task.args}, task.check)
        start = len(self._cloud.requests())
        try:
            result, failed = run(module, self._declare), False
        except GcpError as error:
            result, failed = error.as_result(), True
        result["warnings"] = module.warnings
        return Outcome(failed, result, writes_between(self._cloud, start, len(self._cloud.requests())))
