# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What happens while a module waits, in lines for people: one when something changes, else one now and then.

This file is private to the collection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ._clock import Clock

QUIET_SECONDS = 15.0
# Where the action plugin of a module listens for lines about what is going on.
PROGRESS_FILE = "LLM_D_GKE_PROGRESS_FILE"


@dataclass
class Progress:
    """Passes lines on to `write`. Shared by all threads of a module."""

    write: Callable[[str], None] = lambda line: None
    clock: Clock = field(default_factory=Clock)
    total: int = 0
    ready: int = 0
    _last: dict[str, str] = field(default_factory=dict)
    _spoke: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def event(self, line: str) -> None:
        """Something happened: said at once."""
        with self._lock:
            self._spoke = self.clock.now()
            self.write(line)

    def tick(self, resource: str, state: str, elapsed: float, detail: str = "") -> None:
        """Still waiting: said when the state is a new one, else when nothing was said for a while."""
        with self._lock:
            now = self.clock.now()
            fresh = self._last.get(resource) != f"{state} {detail}"
            if not fresh and now - self._spoke < QUIET_SECONDS:
                return
            self._last[resource] = f"{state} {detail}"
            self._spoke = now
            notes = [detail] if detail else []
            if self.total > 1:
                notes.append(f"{self.ready} of {self.total} ready")
            self.write(f"{resource}: {state} {duration(elapsed)}" + (f" ({', '.join(notes)})" if notes else ""))

    def finished(self, resource: str, what: str, elapsed: float) -> None:
        with self._lock:
            self.ready += 1
            self._spoke = self.clock.now()
            count = f" ({self.ready} of {self.total} ready)" if self.total > 1 else ""
            self.write(f"{resource}: {what} {duration(elapsed)}{count}")


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def progress_in(environ: Mapping[str, str], clock: Clock) -> Progress:
    """Lines go to the file that the action plugin listens to, if there is one."""
    path = environ.get(PROGRESS_FILE)
    if not path:
        return Progress(clock=clock)

    def write(line: str) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line.replace("\n", " ") + "\n")

    return Progress(write, clock)
