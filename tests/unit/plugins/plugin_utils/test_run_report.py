# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Where the time went, and what decided how long it took."""

from __future__ import annotations

from ansible_collections.llm_d.gke.plugins.plugin_utils._run_report import Asked, Run, asked_of, lines


def run_with_pools(until_pools: float) -> Run:
    """Network, cluster, pools in the background; credentials and releases beside them."""
    run = Run()
    run.ended("network", 0, 4, {"gcp_actions": ["GET a", "POST b", "POST c/wait (3 times)"], "gcp_calls": 5})
    run.ended("cluster", 4, 14, {"gcp_actions": ["GET a", "POST b"], "gcp_retries": 1})
    run.ended("tpu_pools", 14, 15, {"ansible_job_id": "j1", "started": 1})
    run.ended("credentials", 15, 16, {"gcp_actions": ["GET x"]})
    run.ended("llm_d", 16, 24, {})
    run.ended("llm_d", 24, 25, {})
    job = {"ansible_job_id": "j1", "finished": 1, "gcp_actions": ["POST p", "POST q"], "gcp_calls": 40}
    run.ended("tpu_pools", 25, until_pools, job)
    run.ended("Show it", until_pools, until_pools + 1, {})
    return run


def named(steps: list[object]) -> list[tuple[str, float]]:
    return [(step.name, step.seconds) for step in steps]  # type: ignore[attr-defined]


def test_pools_that_are_waited_for_decide() -> None:
    run = run_with_pools(35)
    path, beside = run.critical_path()
    assert named(path) == [("network", 4), ("cluster", 10), ("tpu_pools", 21), ("Show it", 1)]
    assert named(beside) == [("credentials", 1), ("llm_d", 9)]
    assert sum(step.seconds for step in path) == run.seconds == 36


def test_pools_that_were_ready_do_not() -> None:
    path, beside = run_with_pools(25.1).critical_path()
    assert [step.name for step in path] == [
        "network", "cluster", "tpu_pools", "credentials", "llm_d", "tpu_pools", "Show it",
    ]  # fmt: skip
    assert beside == []


def test_what_was_asked_of_google() -> None:
    run = run_with_pools(35)
    assert run.asked == Asked(requests=48, changes=4, retries=1)
    looped = {"results": [{"gcp_actions": ["GET a"]}, {"gcp_actions": ["PUT b"], "gcp_retries": 2}]}
    assert asked_of(looped) == Asked(2, 1, 2)
    assert asked_of("nothing") == asked_of({}) == Asked()


def test_the_report() -> None:
    run = run_with_pools(35)
    run.failed = "Show it"
    assert list(lines("blue", run)) == [
        "blue: 36s, 48 requests to Google (4 changing, 1 repeated), stopped at: Show it",
        "  network           4s  5 requests to Google (1 changing)",
        "  cluster          10s  2 requests to Google (1 changing, 1 repeated)",
        "  tpu_pools         1s",
        "  credentials       1s  1 request to Google",
        "  llm_d             9s",
        "  tpu_pools        10s  40 requests to Google (2 changing)",
        "  Show it           1s",
        "  critical path: network 4s → cluster 10s → tpu_pools 21s → Show it 1s; beside it: credentials 1s, llm_d 9s",
    ]
    assert run.figures()["critical_path"][2] == {"name": "tpu_pools", "seconds": 21}
