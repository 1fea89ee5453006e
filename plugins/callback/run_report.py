# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callback ``llm_d.gke.run_report``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_report
author: The llm_d.gke contributors (@llm-d-gke)
version_added: 0.1.0
type: aggregate
short_description: Where the time of a run went, and what it asked of Google
description:
  - Shows at the end, for each deployment, the time of each step, the requests to Google with those that changed
    something and those that were repeated, and the chain of steps that decided how long the run took.
  - Says nothing after a run that used no module of this collection.
requirements:
  - "enable it in the configuration: C(callbacks_enabled = llm_d.gke.run_report)"
options:
  show:
    description: Whether to show the report.
    type: bool
    default: true
    env:
      - name: LLM_D_GKE_RUN_REPORT
    ini:
      - section: callback_run_report
        key: show
  file:
    description: A file for the same figures as JSON, by deployment.
    type: path
    env:
      - name: LLM_D_GKE_RUN_REPORT_FILE
    ini:
      - section: callback_run_report
        key: file
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from ..plugin_utils._run_report import Run, lines


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Keeps the times of tasks, and tells them at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "llm_d.gke.run_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._runs: dict[str, Run] = {}
        self._begun: dict[tuple[str, str], float] = {}

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """A host begins a task."""
        self._begun[host.get_name(), task._uuid] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._ended(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        run = self._ended(result)
        if not ignore_errors:
            run.failed = run.failed or str(result.task.get_name())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._ended(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._begun.pop((result.host.get_name(), result.task._uuid), None)

    def _ended(self, result: Any) -> Run:
        now, host, task = time.monotonic(), result.host.get_name(), result.task
        role = getattr(task, "_role", None)
        step = role.get_name().rpartition(".")[2] if role is not None else task.get_name()
        run = self._runs.setdefault(host, Run())
        run.ended(step, self._begun.pop((host, task._uuid), now), now, result.result)
        return run

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The end."""
        runs = {host: run for host, run in self._runs.items() if run.asked.requests}
        if not runs:
            return
        if self.get_option("show"):
            self._display.banner("RUN REPORT")
            for host, run in runs.items():
                for line in lines(host, run):
                    self._display.display(line)
        if file := self.get_option("file"):
            figures = {host: run.figures() for host, run in runs.items()}
            try:
                Path(file).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
            except OSError as error:
                self._display.warning(f"the run report cannot be written: {error}")
