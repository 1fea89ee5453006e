# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The life of a deployment on a sandbox of its own, as a person lives it.

Planned on an empty project, begun and killed in the middle, brought to its end, run again, taken away, and once more.
Each stage is a fixture that needs the one before; the tests look at what a stage left behind in outputs and logs."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud, running_cloud
from tests.integration.playbooks.logs import at_once, holding, kubernetes_writes, lines, mutating
from tests.integration.playbooks.run import Run, environment, playbook, playbook_killed

Json = dict[str, Any]
POOLS = 8
CLUSTER = "qwen-serving-cluster"


@dataclass
class Stage:
    """A run, and what it added to the logs."""

    run: Run
    requests: list[Json]
    audit: list[Json]


@dataclass
class World:
    """A sandbox, and everything that was ever printed while it stood."""

    cloud: RunningCloud
    home: Path
    token: str
    outputs: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return environment(self.home, LLM_D_SANDBOX_DIR=str(self.cloud.directory), HF_TOKEN=self.token)

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def audit_log(self) -> Path:
        return self.cloud.directory / "clusters" / CLUSTER / "audit.log"

    @property
    def account(self) -> str:
        return str(self.cloud.info["account"])

    def stage(self, *arguments: str) -> Stage:
        """Run a playbook to its end."""
        requests, audit = len(self.cloud.requests()), len(lines(self.audit_log))
        run = playbook(*self._with_reports(arguments), env=self.env)
        self.outputs.append(run.output)
        return Stage(run, self.cloud.requests()[requests:], lines(self.audit_log, audit))

    def killed(self, *arguments: str, pools: int) -> None:
        """Run a playbook until so many pools are being made, and kill it."""

        def in_the_middle() -> bool:
            return len(self.created_pools()) >= pools

        playbook_killed(*self._with_reports(arguments), env=self.env, when=in_the_middle)

    def created_pools(self) -> list[str]:
        """The operations of all pools that were ever begun."""
        created = self.cloud.requests(api_method="container.projects.locations.clusters.nodePools.create")
        return [request["operation"] for request in created if request["status"] == 200]

    def report(self, name: str) -> Json:
        found: Json = json.loads((self.reports / "sandbox" / name).read_text(encoding="utf-8"))
        return found

    def _with_reports(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (*arguments, "-e", f"deployment_reports={self.reports}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("life")
    with running_cloud(folder, time_scale=60, clusters="real") as cloud:
        yield World(cloud, folder / "home", token=f"canary-{secrets.token_hex(12)}")


@pytest.fixture(scope="module")
def planned(world: World) -> Stage:
    return world.stage("site.yml", "--check", "--diff")


@pytest.fixture(scope="module")
def brought_up(world: World, planned: Stage) -> Stage:
    world.killed("site.yml", pools=3)
    return world.stage("site.yml", "--diff")


@pytest.fixture(scope="module")
def up_again(world: World, brought_up: Stage) -> Stage:
    return world.stage("playbooks/up.yml", "--diff")


@pytest.fixture(scope="module")
def verified_again(world: World, up_again: Stage) -> Stage:
    return world.stage("playbooks/verify.yml")


@pytest.fixture(scope="module")
def taken_away(world: World, verified_again: Stage) -> Stage:
    return world.stage("teardown.yml", "--diff")


@pytest.fixture(scope="module")
def taken_away_again(world: World, taken_away: Stage) -> Stage:
    return world.stage("teardown.yml")


def test_a_plan_on_an_empty_project_goes_to_the_end_and_changes_nothing(world: World, planned: Stage) -> None:
    assert planned.run.status == 0, planned.run.output
    assert mutating(planned.requests, world.account) == []
    for part in ("qwen-serving-main", CLUSTER, f"tpu-v6e-single-{POOLS}", "ms-pd"):
        assert part in planned.run.output, f"the plan does not speak of {part}"


def test_a_run_after_a_killed_one_completes_it(world: World, brought_up: Stage) -> None:
    assert brought_up.run.status == 0, brought_up.run.output
    report = world.report("verify.json")
    assert report["passed"] is True
    assert report["checks"] and all(check["passed"] for check in report["checks"])


def test_the_killed_run_left_no_duplicate_and_lost_nothing(world: World, brought_up: Stage) -> None:
    pools = world.cloud.call("GET", f"{cluster_path(world)}/nodePools")["nodePools"]
    names = sorted(pool["name"] for pool in pools if pool["name"].startswith("tpu-"))
    assert names == sorted(f"tpu-v6e-single-{number}" for number in range(1, POOLS + 1))
    assert len(world.created_pools()) == POOLS, "each pool was begun once"
    clusters = world.cloud.requests(api_method="container.projects.locations.clusters.create")
    assert [request["status"] for request in clusters] == [200]


def test_never_more_than_five_operations_at_once(world: World, brought_up: Stage) -> None:
    project, region = world.cloud.info["project"], world.cloud.info["region"]
    found = world.cloud.call("GET", f"v1/projects/{project}/locations/{region}/operations")["operations"]
    assert 1 < at_once(operation for operation in found if "nodePools" in operation["targetLink"]) <= 5
    refused = [request for request in world.cloud.requests() if request["status"] == 429]
    assert refused == [], "GKE's quota was respected, not run into"


def test_a_second_run_changes_nothing(world: World, up_again: Stage) -> None:
    assert up_again.run.status == 0, up_again.run.output
    assert up_again.run.recap("changed") == 0, up_again.run.output
    assert mutating(up_again.requests, world.account) == []
    assert kubernetes_writes(up_again.audit, world.account) == []
    assert up_again.audit, "the audit log is read where the cluster writes it"


def test_verify_adds_one_probe_and_removes_it(world: World, verified_again: Stage) -> None:
    assert verified_again.run.status == 0, verified_again.run.output
    assert verified_again.run.recap("changed") == 0
    assert mutating(verified_again.requests, world.account) == []
    writes = kubernetes_writes(verified_again.audit, world.account)
    assert [re.sub(r"-\w+$", "-…", write) for write in writes] == [
        "create /api/v1/namespaces/llm-d-pd/pods",
        "delete /api/v1/namespaces/llm-d-pd/pods/llm-d-verify-…",
    ]


def test_a_re_run_is_fast(up_again: Stage, verified_again: Stage) -> None:
    # On an idle machine with two processors that is 60 s of the wall at the most, with room to spare.
    assert up_again.run.cpu_seconds + verified_again.run.cpu_seconds <= 60


def test_teardown_leaves_nothing_and_says_so(world: World, taken_away: Stage) -> None:
    assert taken_away.run.status == 0, taken_away.run.output
    report = world.report("teardown.json")
    assert report["deployment"] == "sandbox"
    assert report["passed"] is True
    assert len(report["checks"]) > 5
    assert all(set(check) == {"name", "passed", "expected", "actual", "remedy"} for check in report["checks"])


def test_google_agrees_that_nothing_is_left(world: World, taken_away: Stage) -> None:
    project = world.cloud.info["project"]
    assert "clusters" not in world.cloud.call("GET", f"v1/projects/{project}/locations/-/clusters")
    for collection in ("global/networks", "global/firewalls", "global/routes"):
        assert "items" not in world.cloud.call("GET", f"compute/v1/projects/{project}/{collection}")
    for kind in ("subnetworks", "forwardingRules", "networkEndpointGroups", "backendServices", "addresses", "disks"):
        scopes = world.cloud.call("GET", f"compute/v1/projects/{project}/aggregated/{kind}")["items"]
        assert [scope for scope in scopes.values() if kind in scope] == []


def test_a_second_teardown_changes_nothing(world: World, taken_away_again: Stage) -> None:
    assert taken_away_again.run.status == 0, taken_away_again.run.output
    assert taken_away_again.run.recap("changed") == 0
    assert mutating(taken_away_again.requests, world.account) == []


def test_the_token_is_nowhere_to_be_read(world: World, taken_away_again: Stage) -> None:
    """The Secret itself is in etcd, and the pods that were given it are gone."""
    readable = [
        *world.reports.rglob("*"),
        *world.cloud.directory.rglob("*.jsonl"),
        *world.cloud.directory.rglob("*.json"),
        *world.cloud.directory.rglob("*.log"),
    ]
    assert len(readable) > 3
    for form in (world.token, base64.b64encode(world.token.encode()).decode()):
        assert list(holding(form, readable)) == []
        assert all(form not in output for output in world.outputs)


def cluster_path(world: World) -> str:
    info = world.cloud.info
    return f"v1/projects/{info['project']}/locations/{info['region']}/clusters/{CLUSTER}"
