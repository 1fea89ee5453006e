# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A report as a table."""

from __future__ import annotations

from ansible_collections.llm_d.gke.plugins.filter.check_lines import check_lines


def test_lines_are_aligned_and_failures_stand_out() -> None:
    checks = [
        {"name": "gateway", "passed": True, "actual": "Programmed"},
        {"name": "prefill pods", "passed": False, "actual": "0 of 4 ready"},
    ]
    assert check_lines(checks) == ["ok   gateway       Programmed", "FAIL prefill pods  0 of 4 ready"]
    assert check_lines([]) == []
