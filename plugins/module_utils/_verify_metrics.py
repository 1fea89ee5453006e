# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Counters in Prometheus' text form: reading, summing, comparing. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    """One line of a scrape."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


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
