# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is somebody else's is used or refused, never changed and never deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud, running_cloud
from tests.integration.playbooks.logs import is_mutating
from tests.integration.playbooks.run import Run, environment, playbook

Json = dict[str, Any]
PLAYBOOK = "tests/integration/playbooks/infrastructure.yml"
# A guest lives in the owner's network and cluster, with two pools of its own.
GUEST = {
    "deployment_network_manage": False,
    "deployment_cluster_manage": False,
    "deployment_pool_prefix": "guest",
    "deployment_pool_count": 2,
    "deployment_prefill_replicas": 1,
    "deployment_decode_replicas": 1,
}
OWNER = {**GUEST, "deployment_network_manage": True, "deployment_cluster_manage": True, "deployment_pool_prefix": "own"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("existing")) as cloud:
        yield cloud


def run(cloud: RunningCloud, name: str, settings: Json, state: str) -> Run:
    """Converge one deployment."""
    info = cloud.info
    variables = {
        "deployment_project": info["project"],
        "deployment_zone": info["zone"],
        "deployment_reservation": info["reservation"],
        "deployment_endpoints": {**info["endpoints"], "token": info["token_host"]},
        "deployment_gcp": {"auth_kind": "serviceaccount", "service_account_file": info["key_file"]},
        "deployment_poll_interval": 0.1,
        "deployment_hf_token": "unused",
        "tpu_pools_delay": 0.5,
        **settings,
    }
    inventory = cloud.directory / f"{name}.json"
    inventory.write_text(json.dumps({"llm_d": {"hosts": {name: variables}}}), encoding="utf-8")
    env = environment(cloud.directory / "home")
    return playbook(PLAYBOOK, "-i", str(inventory), "-e", f"state={state}", env=env)


def changed_since(cloud: RunningCloud, start: int) -> list[str]:
    """What was changed, as verb and kind of resource."""
    methods = [str(request["api_method"]) for request in cloud.requests()[start:] if is_mutating(request)]
    return sorted({".".join(method.split(".")[-2:]) for method in methods})


@pytest.fixture(scope="module")
def owner(cloud: RunningCloud) -> Run:
    result = run(cloud, "owner", OWNER, "present")
    assert result.status == 0, result.output
    return result


def test_a_guest_adds_its_pools_and_takes_them_away_and_nothing_else(cloud: RunningCloud, owner: Run) -> None:
    start = len(cloud.requests())
    result = run(cloud, "guest", GUEST, "present")
    assert result.status == 0, result.output
    assert changed_since(cloud, start) == ["nodePools.create"]
    assert pools(cloud) == ["default-pool", "guest-1", "guest-2", "own-1", "own-2"]

    start = len(cloud.requests())
    result = run(cloud, "guest", GUEST, "absent")
    assert result.status == 0, result.output
    assert changed_since(cloud, start) == ["nodePools.delete"]
    assert pools(cloud) == ["default-pool", "own-1", "own-2"]


def test_a_network_of_that_name_that_is_not_ours_is_refused_and_survives(cloud: RunningCloud, owner: Run) -> None:
    start = len(cloud.requests())
    settings = {**OWNER, "deployment_pool_prefix": "stranger"}
    result = run(cloud, "stranger", settings, "present")
    assert result.status != 0
    assert "network qwen-serving-main" in result.output
    assert "owner" in result.output, "whose it is"
    assert changed_since(cloud, start) == []

    result = run(cloud, "stranger", settings, "absent")
    assert result.status == 0, result.output
    assert result.recap("changed") == 0
    assert changed_since(cloud, start) == []


def test_a_shared_network_is_named_by_its_own_project(cloud: RunningCloud, tmp_path: Path) -> None:
    """The host project of a Shared VPC; here it is one that nobody knows, which is where the request must have gone."""
    settings = {**OWNER, "deployment_network_manage": False, "deployment_network_project": "host-project"}
    result = run(cloud, "shared", {**settings, "deployment_cluster": "shared-cluster"}, "present")
    assert result.status != 0
    assert "host-project" in result.output


def pools(cloud: RunningCloud) -> list[str]:
    info = cloud.info
    path = f"v1/projects/{info['project']}/locations/{info['region']}/clusters/qwen-serving-cluster/nodePools"
    return sorted(pool["name"] for pool in cloud.call("GET", path)["nodePools"])
