# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: checks of several sources become one report, and lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..module_utils._findings import SEVERITIES

CHECK_KEYS = ("name", "passed", "expected", "actual", "remedy")
_MARKS = {"error": "FAIL", "warning": "warn", "info": "  ? "}


def preflight_report(checks: Sequence[Mapping[str, Any]], deployment: str, time: str) -> dict[str, Any]:
    """The form of all reports, with the findings in the order of their weight."""
    findings = [
        {
            "name": check["name"],
            "severity": check["severity"],
            "found": check["actual"],
            "needed": check["expected"],
            "remedy": check["remedy"],
        }
        for severity in SEVERITIES
        for check in checks
        if check["severity"] == severity
    ]
    return {
        "deployment": deployment,
        "time": time,
        "passed": all(check["passed"] for check in checks),
        "errors": sum(finding["severity"] == "error" for finding in findings),
        "warnings": sum(finding["severity"] == "warning" for finding in findings),
        "findings": findings,
        "checks": [{key: check[key] for key in CHECK_KEYS} for check in checks],
    }


def check_lines(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a check, aligned."""
    width = max((len(check["name"]) for check in checks), default=0)
    return [f"{_MARKS.get(check['severity'], 'ok  ')} {check['name']:{width}}  {check['actual']}" for check in checks]


def finding_lines(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Two lines a finding: what is wrong, and what to do."""
    lines = []
    for finding in findings:
        lines.append(
            f"{_MARKS[finding['severity']]} {finding['name']}: {finding['found']} (needed: {finding['needed']})"
        )
        if finding["remedy"]:
            lines.append(f"     {finding['remedy']}")
    return lines
