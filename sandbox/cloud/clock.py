# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Time in the sandbox: one clock, one scale.

Durations are given in *cloud seconds*, as Google would need them. With a scale of 60 a cloud minute passes in a
second. Tokens, by contrast, live in real time: their lifetimes are checked by clients against the machine's clock.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

LOG = logging.getLogger(__name__)
PACIFIC = timezone(timedelta(hours=-7))


def compute_timestamp(at: float | None = None) -> str:
    """Compute writes milliseconds and the time zone of Google's headquarters."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, tz=PACIFIC)
    return moment.isoformat(timespec="milliseconds")


def utc_timestamp(at: float | None = None) -> str:
    """The form of the newer APIs: microseconds, Z."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Timer:
    """A call that will happen, unless it is cancelled first."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Calls things after a number of cloud seconds, in one background thread and in the order of their due times."""

    def __init__(self, scale: float = 60.0) -> None:
        if scale <= 0:
            raise ValueError(f"the time scale must be positive, not {scale}")
        self.scale = scale
        self._due: list[tuple[float, int, Timer]] = []
        self._tie_breaker = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def real_seconds(self, cloud_seconds: float) -> float:
        return cloud_seconds / self.scale

    def call_after(self, cloud_seconds: float, action: Callable[[], object]) -> Timer:
        timer = Timer(action)
        due = time.monotonic() + max(0.0, self.real_seconds(cloud_seconds))
        with self._changed:
            heapq.heappush(self._due, (due, next(self._tie_breaker), timer))
            self._changed.notify()
        return timer

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _next_timer(self) -> Timer | None:
        with self._changed:
            while not self._stopped:
                if not self._due:
                    self._changed.wait()
                    continue
                left = self._due[0][0] - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
            return None

    def _run(self) -> None:
        while (timer := self._next_timer()) is not None:
            if timer.cancelled:
                continue
            try:
                timer.action()
            except Exception:  # one broken effect must not stop the clock for everybody
                LOG.exception("a timed action failed")
