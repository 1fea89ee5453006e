# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Writes each task's result as a line of JSON, for the tests that ran it."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: collect
type: notification
short_description: Task results as lines of JSON
description: Used by the tests of the modules.
"""


class CallbackModule(CallbackBase):
    """One line a result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "collect"

    def _write(self, result: Any, failed: bool) -> None:
        line = {"task": result.task_name, "failed": failed, "result": result.result}
        with open(os.environ["COLLECT_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write(result, False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, True)
