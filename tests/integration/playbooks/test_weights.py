# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Weights over Cloud Storage FUSE: up, a pod is killed and comes back without the hub, a second run, teardown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import HttpFailure, RunningCloud, running_cloud
from tests.integration.playbooks.logs import mutating
from tests.integration.playbooks.run import Run, environment, playbook

Json = dict[str, Any]
SMALL = {
    "deployment_weights": "bucket",
    "deployment_pool_count": 2,
    "deployment_prefill_replicas": 1,
    "deployment_decode_replicas": 1,
}
BUCKET = "llm-d-sandbox-qwen-serving-weights"


@dataclass
class World:
    cloud: RunningCloud
    home: Path

    def run(self, *arguments: str, **settings: Any) -> Run:
        given = {**SMALL, **settings, "deployment_reports": str(self.home / "reports")}
        words = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
        env = environment(self.home, LLM_D_SANDBOX_DIR=str(self.cloud.directory), HF_TOKEN="hf_anything")
        return playbook(*arguments, *words, env=env)

    def to_the_hub(self) -> int:
        return sum("/_hub/" in request["path"] for request in self.cloud.requests())

    def kubernetes(self, method: str, path: str) -> Json:
        """As the sandbox's account, through the API server's endpoint."""
        import json
        import ssl
        import urllib.request

        info = self.cloud.info
        cluster = self.cloud.call(
            "GET", f"v1/projects/{info['project']}/locations/{info['region']}/clusters/qwen-serving-cluster"
        )
        request = urllib.request.Request(f"https://{cluster['endpoint']}{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.cloud.token}")
        trust = ssl._create_unverified_context()
        with urllib.request.urlopen(request, timeout=60, context=trust) as answer:
            found: Json = json.loads(answer.read())
        return found

    def prefill_pods(self) -> dict[str, bool]:
        """Pods of the role by name, and whether each is ready."""
        items = self.kubernetes("GET", "/api/v1/namespaces/llm-d-pd/pods?labelSelector=llm-d.ai/role=prefill")["items"]
        return {
            item["metadata"]["name"]: any(
                c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", [])
            )
            for item in items
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("weights")
    with running_cloud(folder, time_scale=60, clusters="real") as cloud:
        yield World(cloud, folder / "home")


@pytest.fixture(scope="module")
def up(world: World) -> Run:
    return world.run("site.yml")


def test_site_fills_the_bucket_and_serves_from_it(world: World, up: Run) -> None:
    assert up.status == 0, up.output
    names = [item["name"] for item in world.cloud.call("GET", f"storage/v1/b/{BUCKET}/o")["items"]]
    assert "Qwen/Qwen3-32B/llm-d-weights.json" in names
    assert world.to_the_hub() > 0
    readers = {r["principal"] for r in world.cloud.requests(api_method="storage.objects.get")}
    assert any(principal.endswith("/subject/ns/llm-d-pd/sa/llm-d-model-server") for principal in readers)


def test_a_pod_that_is_killed_comes_back_without_the_hub(world: World, up: Run) -> None:
    before, asked = world.prefill_pods(), world.to_the_hub()
    (name,) = before
    world.kubernetes("DELETE", f"/api/v1/namespaces/llm-d-pd/pods/{name}?gracePeriodSeconds=1")
    found = world.cloud.eventually(
        lambda: (pods := world.prefill_pods()) and name not in pods and all(pods.values()) and pods,
        seconds=240,
        every=1,
    )
    assert len(found) == 1
    assert world.to_the_hub() == asked


def test_a_second_run_changes_nothing_and_does_not_ask_the_hub(world: World, up: Run) -> None:
    asked, start = world.to_the_hub(), len(world.cloud.requests())
    again = world.run("playbooks/up.yml")
    assert again.status == 0, again.output
    assert again.recap("changed") == 0, again.output
    assert mutating(world.cloud.requests()[start:], str(world.cloud.info["account"])) == []
    assert world.to_the_hub() == asked


def test_teardown_takes_the_bucket_along(world: World, up: Run) -> None:
    ended = world.run("teardown.yml")
    assert ended.status == 0, ended.output
    with pytest.raises(HttpFailure) as missing:
        world.cloud.call("GET", f"storage/v1/b/{BUCKET}")
    assert missing.value.status == 404
