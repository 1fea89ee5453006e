# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Counters in Prometheus' text form: reading, summing, comparing. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+(?:\.\d+)?)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TYPE = re.compile(r"^# (?:TYPE|HELP) ([a-zA-Z_:][\w:]*)")
# What only ever grows, by the end of its name.
_GROWING = ("_total", "_count", "_bucket", "_sum")


@dataclass(frozen=True)
class Sample:
    """One line of a scrape."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, frozenset[tuple[str, str]]]:
        return self.name, frozenset(self.labels.items())


@dataclass(frozen=True)
class Growth:
    """What a histogram saw between two scrapes."""

    count: float
    total: float
    p90: float | None

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


def parse(text: str) -> list[Sample]:
    """The samples of a scrape; what cannot be read is left out."""
    samples = []
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match is None:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if not math.isnan(value):
            samples.append(Sample(match["name"], value, dict(_LABEL.findall(match["labels"] or ""))))
    return samples


def total(samples: list[Sample], *names: str, **labels: str) -> float:
    """The sum over the label sets that fit, of the first of these names that occurs; an absent counter is 0."""
    for name in names:
        found = [each for each in samples if each.name == name]
        if found:
            return sum(each.value for each in found if labels.items() <= each.labels.items())
    return 0.0


def grown(before: float, after: float) -> float:
    """How much a counter counted. A process that restarted began at zero."""
    return after - before if after >= before else after


def families(text: str) -> frozenset[str]:
    """Every metric that a process has, also those that nothing was counted in yet: their type is told."""
    typed = {match[1] for line in text.splitlines() if (match := _TYPE.match(line.strip()))}
    return frozenset(typed | {sample.name for sample in parse(text)})


def fallen(before: str, after: str) -> list[str]:
    """Counters that are lower than they were, or gone: their process began anew."""
    now = {sample.key: sample.value for sample in parse(after)}
    return sorted(
        {
            sample.name
            for sample in parse(before)
            if sample.name.endswith(_GROWING) and sample.value > now.get(sample.key, 0.0)
        }
    )


def excerpt(text: str, names: Iterable[str]) -> str:
    """Only the lines of these metrics, so that a scrape can be kept."""
    wanted = tuple(names)

    def mine(line: str) -> bool:
        match = _TYPE.match(line) or _LINE.match(line)
        return match is not None and match[1].startswith(wanted)

    return "".join(f"{line}\n" for line in map(str.strip, text.splitlines()) if mine(line))


def histogram(before: str, after: str, name: str) -> Growth:
    """What a histogram saw in between, over all its label sets."""
    old, new = parse(before), parse(after)

    def growth(suffix: str) -> float:
        return grown(total(old, f"{name}{suffix}"), total(new, f"{name}{suffix}"))

    edges = {each.labels["le"] for each in new if each.name == f"{name}_bucket" and "le" in each.labels}
    counts = sorted(
        (float(edge), grown(total(old, f"{name}_bucket", le=edge), total(new, f"{name}_bucket", le=edge)))
        for edge in edges
    )
    count = growth("_count")
    return Growth(count, growth("_sum"), quantile(counts, 0.9))


def quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """A quantile out of cumulative buckets, evenly spread within each; None when nothing was seen."""
    if not buckets or not buckets[-1][1]:
        return None
    wanted = share * buckets[-1][1]
    low, seen = 0.0, 0.0
    for edge, count in buckets:
        if count >= wanted:
            if math.isinf(edge):
                return low
            return low + (edge - low) * ((wanted - seen) / (count - seen) if count > seen else 1.0)
        low, seen = edge, count
    return low
