# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows what a module says while it works.

Private to the collection. A module cannot print: its output is its result. So it appends lines to a file, and this
reads them in the controller's worker and shows them, in the terminal as well as as events of AWX.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._progress import PROGRESS_FILE

EVERY_SECONDS = 0.3
# Set to 0 or none for silence.
SWITCH = "LLM_D_GKE_PROGRESS"


@contextmanager
def following(path: Path, show: Callable[[str], None], every: float = EVERY_SECONDS) -> Iterator[None]:
    """Passes the lines that a file gets to `show`, as they come, the last ones at the end."""
    over = threading.Event()

    def follow() -> None:
        rest = ""
        with path.open(encoding="utf-8") as file:
            last = False
            while True:
                rest += file.read()
                *lines, rest = rest.split("\n")
                for line in lines:
                    show(line)
                if last:
                    return
                last = over.wait(every)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


class LiveAction(ActionBase):  # type: ignore[misc]
    """Runs the module of the same name, and shows its progress."""

    _supports_async = True

    @contextmanager
    def shown(self, path: str | None, task_vars: dict[str, Any] | None) -> Iterator[None]:
        """Shows the lines of a file while something else goes on; of one that is not there yet, too."""
        if not path or not self._wanted():
            yield
            return
        Path(path).touch(mode=0o600)
        with following(Path(path), self._teller(task_vars)):
            yield

    @staticmethod
    def _teller(task_vars: dict[str, Any] | None) -> Callable[[str], None]:
        host = str((task_vars or {}).get("inventory_hostname", ""))
        display = Display()
        return lambda line: display.display(f"{host}: {line}" if host else line)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.async_val or not self._wanted():
            # In the background nobody follows; on another machine the file is out of reach.
            module = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
            return {**result, **module}
        handle, name = tempfile.mkstemp(prefix="llm-d-progress-")
        os.close(handle)
        try:
            self._task.environment = [*(self._task.environment or []), {PROGRESS_FILE: name}]
            with following(Path(name), self._teller(task_vars)):
                module = self._execute_module(task_vars=task_vars)
        finally:
            Path(name).unlink(missing_ok=True)
        return {**result, **module}

    def _wanted(self) -> bool:
        silent = os.environ.get(SWITCH, "").lower() in ("0", "none", "no", "false")
        return self._connection.transport == "local" and not silent and not self._task.no_log
