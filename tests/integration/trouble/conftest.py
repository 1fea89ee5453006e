# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A Google Cloud for a test file, and the playbooks run on it as a person runs them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud, running_cloud
from tests.integration.playbooks.logs import mutating
from tests.integration.playbooks.run import Run, environment, playbook

Json = dict[str, Any]
TOKEN = "canary-of-a-token"
# Of a run, in seconds; more where others work on the same machine.
PATIENCE = float(os.environ.get("LLM_D_TEST_PATIENCE", "560"))


@dataclass
class Attempt:
    """A run, and what it asked Google to change."""

    run: Run
    changes: list[str]

    @property
    def said(self) -> str:
        """The output without the line breaks that Ansible puts into it."""
        return " ".join(self.run.output.split())

    def refused(self, *words: str) -> None:
        """It failed, said this, and neither showed its insides nor the token."""
        assert self.run.status != 0, self.run.output
        for word in words:
            assert word in self.said, f"{word!r} is not in:\n{self.run.output}"
        assert "Traceback" not in self.run.output
        assert TOKEN not in self.run.output


@dataclass
class Site:
    """A cloud without live clusters, and a person in front of it."""

    cloud: RunningCloud
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return environment(self.home, LLM_D_SANDBOX_DIR=str(self.cloud.directory), HF_TOKEN=TOKEN)

    def run(self, name: str = "site.yml", *arguments: str, **settings: Any) -> Attempt:
        """One playbook with these settings, to its end."""
        before = len(self.cloud.requests())
        settings.setdefault("deployment_reports", str(self.home / "reports"))
        settings.setdefault("deployment_poll_interval", 0.1)
        run = playbook(name, *arguments, "-e", json.dumps(settings), env=self.env, timeout=PATIENCE)
        return Attempt(run, mutating(self.cloud.requests()[before:], str(self.cloud.info["account"])))

    def report(self, name: str) -> Json:
        found: Json = json.loads((self.home / "reports" / "sandbox" / name).read_text(encoding="utf-8"))
        return found

    @property
    def project_path(self) -> str:
        return f"compute/v1/projects/{self.cloud.info['project']}"

    def make_network(self, name: str, description: str = "") -> None:
        body = {"name": name, "autoCreateSubnetworks": False, "description": description}
        self.cloud.wait_compute(self.cloud.call("POST", f"{self.project_path}/global/networks", body))

    def make_subnetwork(self, name: str, network: str, cidr: str) -> None:
        region = self.cloud.info["region"]
        body = {"name": name, "network": f"{self.project_path}/global/networks/{network}", "ipCidrRange": cidr}
        body["network"] = body["network"].replace("compute/v1/", "")
        self.cloud.wait_compute(self.cloud.call("POST", f"{self.project_path}/regions/{region}/subnetworks", body))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("trouble")
    with running_cloud(folder, time_scale=600) as cloud:
        yield Site(cloud, folder / "home")
