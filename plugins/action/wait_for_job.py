# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits for a task in the background, and shows what it says meanwhile."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..plugin_utils._live import LiveAction

SPEC = {
    "jid": {"type": "str", "required": True},
    "progress_file": {"type": "path"},
    "timeout": {"type": "int", "default": 7200},
    "delay": {"type": "float", "default": 1.0},
}


class ActionModule(LiveAction):
    """On this machine the job's own file tells when it is done; elsewhere a module has to look."""

    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        _checked, args = self.validate_argument_spec(SPEC)
        end = time.monotonic() + args["timeout"]
        with self.shown(args["progress_file"], task_vars):
            look = self._looker(args["jid"], task_vars)
            while not look() and time.monotonic() < end:
                time.sleep(max(args["delay"], 0.05))
        result = self._status(args["jid"], task_vars)
        if not result.get("finished") and not result.get("failed"):
            result |= {
                "failed": True,
                "msg": f"the task in the background is still running after {args['timeout']} s. It goes on: run the "
                "same playbook again to go on waiting.",
            }
        return result

    def _status(self, jid: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(
            module_name="ansible.legacy.async_status",
            module_args={"jid": jid, "_async_dir": self._folder()},
            task_vars=task_vars,
        )
        return {"ansible_job_id": jid, **found, "finished": bool(found.get("finished"))}

    def _looker(self, jid: str, task_vars: dict[str, Any] | None) -> Callable[[], bool]:
        if self._connection.transport != "local":
            return lambda: bool(self._status(jid, task_vars).get("finished"))
        file = Path(self._folder()) / jid

        def finished() -> bool:
            # It is written anew all the time: half a file is one that is not finished.
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(file.read_text(encoding="utf-8"))
                # While it runs, the file says so; after that it holds what the module returned.
                return "started" not in found or bool(found.get("finished"))
            return not file.exists()

        return finished

    def _folder(self) -> str:
        return str(self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async")))
