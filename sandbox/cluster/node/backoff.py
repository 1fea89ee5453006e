# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The kubelet's exponential back-off, in its own seconds; whoever waits scales them."""

from __future__ import annotations


class BackOff:
    """10 s, 20 s, 40 s, … at most 300 s; forgotten after a run of ten minutes."""

    def __init__(self, first: float = 10.0, longest: float = 300.0, good_run: float = 600.0) -> None:
        self._first = first
        self._longest = longest
        self._good_run = good_run
        self._next = 0.0

    def after_run(self, seconds: float) -> float:
        """The pause before the next attempt, after one that lasted `seconds`. The first pause is none."""
        if seconds >= self._good_run:
            self._next = 0.0
        pause = self._next
        self._next = min(max(pause * 2, self._first), self._longest)
        return pause


def as_go_duration(seconds: float) -> str:
    """10s, 1m20s, 5m0s: as messages of the kubelet have it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
