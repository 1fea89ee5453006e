# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What was looked at before anything is spent: what is needed, what was found, what to do about the difference.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._errors import Json

# An error stops a run; a warning does not; information is what could not be looked at, and proves nothing.
ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. Without a severity all is well."""

    name: str
    needed: str
    found: str
    remedy: str = ""
    severity: str = ""

    @property
    def sentence(self) -> str:
        """For people: what is wrong, then what to do."""
        return f"{self.found}: {self.remedy}" if self.remedy else self.found

    def as_dict(self) -> Json:
        """In the form of the reports (`expected` is what is needed, `actual` what was found), and its severity."""
        return {
            "name": self.name,
            "severity": self.severity,
            "passed": self.severity != ERROR,
            "expected": self.needed,
            "actual": self.found,
            "remedy": self.remedy,
        }


def good(name: str, needed: str, found: str) -> Check:
    return Check(name, needed, found)


def error(name: str, needed: str, found: str, remedy: str) -> Check:
    return Check(name, needed, found, remedy, ERROR)


def warning(name: str, needed: str, found: str, remedy: str) -> Check:
    return Check(name, needed, found, remedy, WARNING)


def unseen(name: str, needed: str, reason: str, remedy: str = "") -> Check:
    return Check(name, needed, f"could not be looked at: {reason}", remedy, INFO)


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)
