# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a sandbox is told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cloud.request import Project

DEFAULT_PROJECT = Project("llm-d-sandbox", "415104041262")


@dataclass(frozen=True)
class Settings:
    project: Project = DEFAULT_PROJECT
    other_projects: tuple[Project, ...] = ()
    zone: str = "us-east5-a"
    reservation: str = "tpu-v6e-reservation"
    reservation_machine_type: str = "ct6e-standard-4t"
    reservation_count: int = 8
    account: str = "deployer"
    time_scale: float = 60.0
    # How long a call is on its way, there and back, in real seconds: a laptop is far from Google.
    latency: float = 0.0
    clusters: str = "real"
    directory: Path | None = None
    run_dir: Path | None = None
    tools: Path | None = None
    base: str = field(default="", compare=False)

    @property
    def region(self) -> str:
        return self.zone.rpartition("-")[0]

    @property
    def projects(self) -> tuple[Project, ...]:
        return (self.project, *self.other_projects)

    @property
    def account_email(self) -> str:
        return f"{self.account}@{self.project.id}.iam.gserviceaccount.com"
