# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: where the time of a run went, what it asked of Google, and what decided how long it took.

Pure: tasks with their times and results go in, figures and lines come out. A step is a role, or a task of the playbook
itself; tasks of one role that follow each other are one step. A task in the background is a step of its own, from its
start until somebody has its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..module_utils._progress import duration

# Shorter waits for a background task mean that it was ready before anybody asked.
BARELY = 0.02


@dataclass(frozen=True)
class Asked:
    """What was asked of Google."""

    requests: int = 0
    changes: int = 0
    retries: int = 0

    def __add__(self, other: Asked) -> Asked:
        return Asked(self.requests + other.requests, self.changes + other.changes, self.retries + other.retries)


@dataclass
class Step:
    """A part of the run."""

    name: str
    begin: float
    end: float
    asked: Asked = field(default_factory=Asked)

    @property
    def seconds(self) -> float:
        return max(self.end - self.begin, 0.0)


@dataclass
class Job:
    """A task in the background: when it began, when it was first asked for, when its result was there."""

    name: str
    begin: float
    asked_for: float
    end: float = 0.0


def asked_of(result: Any) -> Asked:
    """By a module's result, or by all of a loop's."""
    if not isinstance(result, Mapping):
        return Asked()
    total = Asked()
    for item in result.get("results") or []:
        total += asked_of(item)
    lines = result.get("gcp_actions")
    if not isinstance(lines, Sequence) or isinstance(lines, str):
        return total
    changes = sum(1 for line in lines if not str(line).startswith("GET ") and "/wait" not in str(line))
    calls, retries = result.get("gcp_calls"), result.get("gcp_retries")
    return total + Asked(calls if isinstance(calls, int) else len(lines), changes, retries or 0)


@dataclass
class Run:
    """What one host went through."""

    steps: list[Step] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    failed: str = ""

    def ended(self, step: str, begin: float, end: float, result: Any) -> None:
        """A task has ended."""
        asked = asked_of(result)
        if self.steps and self.steps[-1].name == step:
            last = self.steps[-1]
            last.end, last.asked = end, last.asked + asked
        else:
            self.steps.append(Step(step, begin, end, asked))
        job = str(result.get("ansible_job_id") or "") if isinstance(result, Mapping) else ""
        if not job:
            return
        if job not in self.jobs:
            self.jobs[job] = Job(step, begin, end)
        elif not self.jobs[job].end:
            self.jobs[job].asked_for, self.jobs[job].end = begin, end

    @property
    def seconds(self) -> float:
        return self.steps[-1].end - self.steps[0].begin if self.steps else 0.0

    @property
    def asked(self) -> Asked:
        return sum((step.asked for step in self.steps), Asked())

    def critical_path(self) -> tuple[list[Step], list[Step]]:
        """The steps whose seconds add up to the run's, and those that were done beside them."""
        waited = [
            job for job in self.jobs.values() if job.end and job.end - job.asked_for > BARELY * (job.end - job.begin)
        ]
        path: list[Step] = []
        beside: list[Step] = []
        for step in self.steps:
            over = next((job for job in waited if job.begin <= step.begin and step.end <= job.end), None)
            if over is None:
                path.append(step)
            elif step.name != over.name:
                beside.append(step)
            elif not any(known.name == over.name and known.begin == over.begin for known in path):
                path.append(Step(over.name, over.begin, over.end))
        return path, beside

    def figures(self) -> dict[str, Any]:
        """For machines."""
        path, beside = self.critical_path()
        return {
            "seconds": round(self.seconds, 3),
            "requests": self.asked.requests,
            "changes": self.asked.changes,
            "retries": self.asked.retries,
            "failed": self.failed,
            "steps": [
                {
                    "name": step.name,
                    "seconds": round(step.seconds, 3),
                    "requests": step.asked.requests,
                    "changes": step.asked.changes,
                    "retries": step.asked.retries,
                }
                for step in self.steps
            ],
            "critical_path": [{"name": step.name, "seconds": round(step.seconds, 3)} for step in path],
            "beside": [{"name": step.name, "seconds": round(step.seconds, 3)} for step in beside],
        }


def lines(host: str, run: Run, least: float = 1.0) -> Iterator[str]:
    """For people. Steps of less than ``least`` seconds that asked nothing of Google are not worth a line."""
    stopped = f", stopped at: {run.failed}" if run.failed else ""
    yield f"{host}: {duration(run.seconds)}, {_asked(run.asked)}{stopped}"
    told = [step for step in run.steps if step.seconds >= least or step.asked.requests]
    width = max((len(step.name) for step in told), default=0)
    for step in told:
        yield f"  {step.name:<{width}}  {duration(step.seconds):>7}" + (
            f"  {_asked(step.asked)}" if step.asked.requests else ""
        )
    path, beside = run.critical_path()
    chain = " → ".join(f"{step.name} {duration(step.seconds)}" for step in path if step.seconds >= least)
    aside = ", ".join(f"{step.name} {duration(step.seconds)}" for step in beside if step.seconds >= least)
    if chain:
        yield f"  critical path: {chain}" + (f"; beside it: {aside}" if aside else "")


def _asked(asked: Asked) -> str:
    notes = [f"{count} {word}" for count, word in ((asked.changes, "changing"), (asked.retries, "repeated")) if count]
    noun = "request to Google" if asked.requests == 1 else "requests to Google"
    return f"{asked.requests} {noun}" + (f" ({', '.join(notes)})" if notes else "")
