# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A cluster with a control plane behind it: it starts with the cluster, nodes join with pools, all of it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import namespaces
from sandbox.daemon import CHECKOUT, is_program
from sandbox.testing import RunningCloud, running_cloud

KUBECTL = CHECKOUT / ".tools" / "bin" / "kubectl"
PARENT = "v1/projects/llm-d-sandbox/locations/us-east5"
CLUSTER = f"{PARENT}/clusters/c"
POOL = {
    "name": "tpu",
    "initialNodeCount": 1,
    "locations": ["us-east5-a"],
    "config": {"machineType": "ct6e-standard-4t"},
}

pytestmark = pytest.mark.skipif(bool(namespaces.problem()), reason="this machine allows no user namespaces")


def _network(cloud: RunningCloud) -> None:
    cloud.enable("compute", "container")
    compute = "compute/v1/projects/llm-d-sandbox"
    cloud.wait_compute(
        cloud.call("POST", f"{compute}/global/networks", {"name": "net", "autoCreateSubnetworks": False})
    )
    subnet = {"name": "sub", "network": f"projects/{cloud.info['project']}/global/networks/net"}
    cloud.wait_compute(
        cloud.call("POST", f"{compute}/regions/us-east5/subnetworks", subnet | {"ipCidrRange": "10.10.0.0/18"})
    )


def _create(cloud: RunningCloud) -> dict[str, Any]:
    asked = {"name": "c", "network": "net", "subnetwork": "sub", "initialNodeCount": 1, "locations": ["us-east5-a"]}
    return cloud.wait(cloud.call("POST", f"{PARENT}/clusters", {"cluster": asked}))


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path, clusters="real") as running:
        _network(running)
        yield running


def _kubectl(cloud: RunningCloud, *arguments: str) -> str:
    command = [str(KUBECTL), "--request-timeout=20s", *arguments]
    return subprocess.run(
        command, env=os.environ | cloud.env, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def _nodes(cloud: RunningCloud) -> dict[str, dict[str, str]]:
    items = json.loads(_kubectl(cloud, "get", "nodes", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["labels"] for item in items}


def _process(cloud: RunningCloud) -> int:
    return int((cloud.directory / "clusters" / "c" / "pid").read_text())


def test_nodes_follow_pools_and_everything_ends_with_the_cluster(cloud: RunningCloud) -> None:
    assert "error" not in _create(cloud)
    assert (cloud.directory / "kubeconfig").exists() is False
    assert [labels["cloud.google.com/gke-nodepool"] for labels in _nodes(cloud).values()] == ["default-pool"]
    assert (cloud.directory / "kubeconfig").stat().st_mode & 0o777 == 0o600
    assert "error" not in cloud.wait(cloud.call("POST", f"{CLUSTER}/nodePools", {"nodePool": POOL}))
    tpu = [labels for labels in _nodes(cloud).values() if labels["cloud.google.com/gke-nodepool"] == "tpu"]
    assert [labels["cloud.google.com/gke-tpu-topology"] for labels in tpu] == ["2x2"]
    assert "error" not in cloud.wait(cloud.call("DELETE", f"{CLUSTER}/nodePools/tpu"))
    assert len(_nodes(cloud)) == 1
    _switches_the_gateway_api_on(cloud)
    process = _process(cloud)
    assert "error" not in cloud.wait(cloud.call("DELETE", CLUSTER))
    assert not is_program(process, "sandbox.cluster")
    assert "KUBECONFIG" not in cloud.env


def _switches_the_gateway_api_on(cloud: RunningCloud) -> None:
    """An update reaches the running cluster: what comes with the Gateway API is there when the operation is done."""
    assert "gatewayclasses" not in _kubectl(cloud, "api-resources")
    update = {"update": {"desiredGatewayApiConfig": {"channel": "CHANNEL_STANDARD"}}}
    ended = cloud.wait(cloud.call("PUT", CLUSTER, update))
    assert "error" not in ended, ended
    assert "gke-l7-regional-external-managed" in _kubectl(cloud, "get", "gatewayclasses", "-o", "name")


def test_a_cluster_that_dies_shows_it_and_can_be_deleted(cloud: RunningCloud) -> None:
    _create(cloud)
    os.kill(_process(cloud), signal.SIGKILL)
    broken = cloud.eventually(lambda: (found := cloud.call("GET", CLUSTER))["status"] == "ERROR" and found)
    assert "process ended" in broken["statusMessage"]
    assert "error" not in cloud.wait(cloud.call("DELETE", CLUSTER))


def test_a_control_plane_that_cannot_start_fails_the_operation(tmp_path: Path) -> None:
    nothing = tmp_path / "no-tools"
    nothing.mkdir()
    with running_cloud(tmp_path, clusters="real", arguments=("--tools", str(nothing))) as cloud:
        _network(cloud)
        operation = _create(cloud)
        assert operation["error"]["code"] == 13
        assert operation["statusMessage"] == operation["error"]["message"]
        found = cloud.call("GET", CLUSTER)
        assert found["status"] == "ERROR"
        assert "cluster.log" in found["statusMessage"]
        assert "error" not in cloud.wait(cloud.call("DELETE", CLUSTER))


def test_down_ends_clusters_whose_cloud_was_killed(tmp_path: Path) -> None:
    with running_cloud(tmp_path, clusters="real") as cloud:
        _network(cloud)
        _create(cloud)
        process = _process(cloud)
        os.kill(cloud.info["pid"], signal.SIGKILL)
        assert is_program(process, "sandbox.cluster")
    assert not is_program(process, "sandbox.cluster")
