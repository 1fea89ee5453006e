# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Counters, gauges and histograms, and their text form for Prometheus."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence

Labels = tuple[tuple[str, str], ...]


class Family:
    """One metric name with its samples by label."""

    def __init__(self, name: str, kind: str, text: str, labels: Mapping[str, str]) -> None:
        self.name = name
        self._kind = kind
        self._text = text
        self._common = tuple(labels.items())
        self._values: dict[Labels, float] = {}

    def add(self, amount: float, **labels: str) -> None:
        """Count up; an amount of zero makes the sample appear."""
        key = self._common + tuple(labels.items())
        self._values[key] = self._values.get(key, 0.0) + amount

    def set(self, value: float, **labels: str) -> None:
        self._values[self._common + tuple(labels.items())] = value

    def value(self, **labels: str) -> float:
        return self._values.get(self._common + tuple(labels.items()), 0.0)

    def lines(self) -> Iterable[str]:
        # A counter's family is exposed with the suffix that its sample has.
        exposed = f"{self.name}_total" if self._kind == "counter" else self.name
        yield f"# HELP {exposed} {self._text}"
        yield f"# TYPE {exposed} {self._kind}"
        for labels, value in self._values.items():
            yield f"{exposed}{_braces(labels)} {_number(value)}"


class Histogram:
    """Observations of one name, for one set of labels."""

    def __init__(self, name: str, text: str, buckets: Sequence[float], labels: Mapping[str, str]) -> None:
        self.name = name
        self._text = text
        self._bounds = list(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._labels = tuple(labels.items())

    def observe(self, value: float) -> None:
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def lines(self) -> Iterable[str]:
        yield f"# HELP {self.name} {self._text}"
        yield f"# TYPE {self.name} histogram"
        running = 0
        for bound, count in zip([*self._bounds, float("inf")], self._counts, strict=True):
            running += count
            edge = "+Inf" if bound == float("inf") else _number(float(bound))
            yield f"{self.name}_bucket{_braces((*self._labels, ('le', edge)))} {_number(float(running))}"
        yield f"{self.name}_count{_braces(self._labels)} {_number(float(running))}"
        yield f"{self.name}_sum{_braces(self._labels)} {_number(self._sum)}"


def one_two_five(largest: int) -> list[int]:
    """Bucket bounds 1, 2, 5, 10, ... up to the largest."""
    bounds: list[int] = []
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power > largest:
                return bounds
            bounds.append(digit * power)
        power *= 10


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return repr(float(value))
