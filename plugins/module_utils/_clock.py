# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Time, as the engine sees it: a clock that can be replaced, deadlines, and growing pauses.

This file is private to the collection.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


class Bell:
    """Wakes all who wait for it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def ring(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def wait(self, seconds: float) -> None:
        with self._condition:
            self._condition.wait(seconds)


class Clock:
    """The real clock. Tests hand in one of their own, so that nothing has to be patched and nothing sleeps."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def sleep_until(self, bell: Bell, seconds: float) -> None:
        """A pause that ends early when the bell rings."""
        bell.wait(seconds)

    def spread(self, seconds: float) -> float:
        """The pause with jitter, so that many clients that were refused together do not come back together."""
        return seconds * random.uniform(0.8, 1.2)


@dataclass(frozen=True)
class Deadline:
    """The moment after which waiting ends. Monotonic: a wall clock that jumps changes nothing."""

    clock: Clock
    seconds: float
    start: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        return cls(clock, seconds, clock.now())

    def elapsed(self) -> float:
        return self.clock.now() - self.start

    def left(self) -> float:
        return self.seconds - self.elapsed()

    def passed(self) -> bool:
        return self.left() <= 0


@dataclass(frozen=True)
class Pace:
    """How long to pause between two looks: from `least`, growing by half each time, up to `most`.

    The user sets the smallest pause. Google's own pace (2 to 15 seconds) is the default, and a sandbox whose minutes
    are seconds sets a smaller one; the largest keeps the same proportion.
    """

    least: float = 2.0
    growth: float = 1.5
    most: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "most", self.least * 7.5)

    def pauses(self) -> Iterator[float]:
        pause = self.least
        while True:
            yield pause
            pause = min(pause * self.growth, self.most)
