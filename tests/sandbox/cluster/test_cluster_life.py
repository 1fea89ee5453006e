# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The life of a cluster process: start, node pools, gateway, end. Nothing may be left behind."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.sandbox.cluster.cluster_harness import (
    DEFAULT_NODE,
    TPU_NODE,
    ApiFailure,
    Cluster,
    eventually,
    processes_of,
    running_cluster,
)


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": "main",
        "image": "python:3.12",
        "command": ["sleep", "1000"],
        "resources": {"limits": {"google.com/tpu": 4}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def nodes(cluster: Cluster) -> dict[str, Any]:
    return {item["metadata"]["name"]: item for item in cluster.api("GET", "/api/v1/nodes")["items"]}


def test_node_pools_come_and_go_with_their_pods(cluster: Cluster) -> None:
    cluster.put_pool("tpu-v6e-single-1", [TPU_NODE])
    node = nodes(cluster)["gke-test-tpu-1"]
    assert node["status"]["allocatable"]["google.com/tpu"] == "4"
    assert node["metadata"]["labels"]["cloud.google.com/gke-tpu-topology"] == "2x2"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "us-east5-a"
    assert {item["type"]: item["status"] for item in node["status"]["conditions"]}["Ready"] == "True"
    eventually(
        "nothing but GKE's taint is left",
        lambda: [item["key"] for item in nodes(cluster)["gke-test-tpu-1"]["spec"]["taints"]] == ["google.com/tpu"],
    )
    # Asking for the chips is enough: GKE's admission adds the toleration.
    selector = {"cloud.google.com/gke-tpu-topology": "2x2"}
    cluster.create(deployment("tpu", nodeSelector=selector, terminationGracePeriodSeconds=1))
    running = eventually(
        "the pod runs on the TPU node",
        lambda: [item for item in cluster.pods("app=tpu") if item["status"]["phase"] == "Running"],
    )
    assert running[0]["spec"]["nodeName"] == "gke-test-tpu-1"
    assert running[0]["status"]["hostIP"] == node["status"]["addresses"][0]["address"]
    cluster.control("DELETE", "/nodepools/tpu-v6e-single-1")
    assert "gke-test-tpu-1" not in nodes(cluster)
    left = eventually(
        "only the unschedulable replacement is left",
        lambda: [item for item in cluster.pods("app=tpu") if item["status"]["phase"] == "Pending"],
    )
    assert "nodeName" not in left[0]["spec"]
    with pytest.raises(ApiFailure) as missing:
        cluster.control("GET", "/nodepools/tpu-v6e-single-1")
    assert missing.value.code == 404
    cluster.api("DELETE", "/apis/apps/v1/namespaces/default/deployments/tpu")


def test_a_pool_can_shrink(cluster: Cluster) -> None:
    two = [{**DEFAULT_NODE, "name": f"gke-shrinking-{number}"} for number in (1, 2)]
    cluster.put_pool("shrinking", two)
    addresses = {node["internal_ip"] for node in cluster.control("GET", "/nodepools/shrinking")["nodes"]}
    assert len(addresses) == 2
    cluster.put_pool("shrinking", two[:1])
    assert "gke-shrinking-2" not in nodes(cluster)
    assert "gke-shrinking-1" in nodes(cluster)
    cluster.control("DELETE", "/nodepools/shrinking")


def test_the_host_reaches_the_gateway_once_there_is_one(cluster: Cluster) -> None:
    def fetch() -> bytes:
        with urllib.request.urlopen(f"http://{cluster.gateway}/gateway.txt", timeout=5) as response:
            body: bytes = response.read()
            return body

    with pytest.raises((urllib.error.URLError, ConnectionError)):
        fetch()
    serve = "echo through > gateway.txt; exec python3 -m http.server 8080"
    container = {"name": "main", "image": "python:3.12", "command": ["sh", "-c", serve], "workingDir": "/srv/x"}
    metadata = {"name": "gateway"}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})
    address = eventually("the pod runs", lambda: cluster.pod("gateway")["status"].get("podIP"))
    cluster.control("POST", "/gateway", {"address": address, "port": 8080})
    assert eventually("an answer through the relay", fetch) == b"through\n"
    written = json.loads((cluster.directory / "gateway.json").read_text())
    assert written == {"address": address, "port": 8080, "url": f"http://{cluster.gateway}"}
    cluster.control("DELETE", "/gateway")
    assert not (cluster.directory / "gateway.json").exists()


def test_bad_requests_are_refused(cluster: Cluster) -> None:
    for body in ({}, {"nodes": [{"name": "x"}]}):
        with pytest.raises(ApiFailure) as refused:
            cluster.control("PUT", "/nodepools/bad", body)
        assert refused.value.code == 400


def test_the_end_leaves_nothing() -> None:
    with running_cluster(gateway_api=False) as cluster:
        assert cluster.ready_after < 20
        cluster.put_pool("default-pool", [DEFAULT_NODE])
        container = {"name": "main", "image": "python:3.12", "command": ["sleep", f"{cluster.directory}", "1000"]}
        container["command"] = ["sh", "-c", f"sleep 1000; : {cluster.directory}"]
        cluster.create({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "sleeper"},
            "spec": {"containers": [container]},
        })  # fmt: skip
        eventually("the pod runs", lambda: cluster.pod("sleeper")["status"]["phase"] == "Running")
        assert any("sleep 1000" in line for line in processes_of(cluster.directory))
        began = time.monotonic()
        cluster.control("POST", "/shutdown")
        assert cluster.process.wait(15) == 0
        assert time.monotonic() - began < 10
        assert processes_of(cluster.directory) == []
        # An end in order: nobody complains about anybody who has gone before.
        assert "Traceback" not in cluster.words()
        assert " WARNING " not in cluster.words().partition(": stopping")[2]


def test_killing_the_first_process_ends_everything() -> None:
    with running_cluster() as cluster:
        assert len(processes_of(cluster.directory)) >= 5
        cluster.process.kill()
        cluster.process.wait(5)
        eventually("no process is left", lambda: not processes_of(cluster.directory), 5)
