# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Teardown begins from whatever is there, without an API server too, and never says "gone" of what it cannot see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud, running_cloud
from tests.integration.playbooks.logs import mutating
from tests.integration.playbooks.run import Run, environment, playbook

Json = dict[str, Any]
NETWORK = "qwen-serving-main"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """Its clusters report an endpoint where nobody listens."""
    with running_cloud(tmp_path_factory.mktemp("teardown")) as cloud:
        yield cloud


def run(cloud: RunningCloud, *arguments: str) -> Run:
    home = cloud.directory / "home"
    reports = f"deployment_reports={home / 'reports'}"
    env = environment(home, LLM_D_SANDBOX_DIR=str(cloud.directory))
    return playbook(*arguments, "-e", reports, env=env)


def half_built(cloud: RunningCloud, *roles: str) -> None:
    settings = {"roles_in_order": roles, "state": "present", "deployment_capacity": "on_demand"}
    result = run(cloud, "tests/integration/playbooks/infrastructure.yml", "-e", json.dumps(settings))
    assert result.status == 0, result.output


def report(cloud: RunningCloud) -> dict[str, Json]:
    """The checks by name."""
    path: Path = cloud.directory / "home" / "reports" / "sandbox" / "teardown.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    assert found["passed"] is all(check["passed"] for check in found["checks"])
    return {check["name"]: check for check in found["checks"]}


def add(cloud: RunningCloud, collection: str, **body: Any) -> None:
    """Something on the network that we did not make."""
    project = cloud.info["project"]
    link = f"projects/{project}/global/networks/{NETWORK}"
    cloud.wait_compute(cloud.call("POST", f"compute/v1/projects/{project}/{collection}", {**body, "network": link}))


def test_a_project_where_nothing_ever_was(cloud: RunningCloud) -> None:
    """Its APIs are off, and stay off."""
    result = run(cloud, "teardown.yml")
    assert result.status == 0, result.output
    assert result.recap("changed") == 0
    assert mutating(cloud.requests(), cloud.info["account"]) == []
    assert all(check["passed"] for check in report(cloud).values())


def test_a_network_alone(cloud: RunningCloud) -> None:
    half_built(cloud, "network")
    result = run(cloud, "teardown.yml")
    assert result.status == 0, result.output
    assert all(check["passed"] for check in report(cloud).values())


def test_a_cluster_that_does_not_answer_and_what_controllers_left(cloud: RunningCloud) -> None:
    half_built(cloud, "network", "cluster")
    zone = cloud.info["zone"]
    add(cloud, "global/firewalls", name="gkegw1-ab12-l7-qwen-serving-main-us-east5", allowed=[{"IPProtocol": "tcp"}])
    add(
        cloud,
        f"zones/{zone}/networkEndpointGroups",
        name="k8s1-0a1b2c3d-llm-d-pd-svc-80-4e5f6a7b",
        networkEndpointType="GCE_VM_IP_PORT",
    )
    result = run(cloud, "teardown.yml")
    assert result.status == 0, result.output
    assert "does not answer" in result.output
    assert all(check["passed"] for check in report(cloud).values())


def test_what_is_left_is_told_and_fails(cloud: RunningCloud) -> None:
    """A rule that somebody put on our network by hand: it blocks the network, and is not ours to delete."""
    half_built(cloud, "network")
    add(cloud, "global/firewalls", name="by-hand", allowed=[{"IPProtocol": "tcp"}])
    result = run(cloud, "teardown.yml")
    assert result.status != 0
    assert "firewalls/by-hand" in result.output, "what is in the way is named"
    checks = report(cloud)
    assert checks["no network is left"]["passed"] is False
    assert checks["no network is left"]["actual"] == NETWORK
    assert checks["no subnetwork is left"]["passed"] is True, "all else went"
    assert checks["no network is left"]["remedy"] in result.output
