# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Every job template's playbook as AWX runs it, on one sandbox: planned with answers at their limits, cancelled in the
middle, brought to its end, run again, and taken away. Each stage is a fixture that needs the one before."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.testing import RunningCloud, running_cloud
from tests.integration.awx.jobs import MAX_EVENT_RES, Controller, Done
from tests.integration.playbooks.logs import mutating
from tests.integration.playbooks.run import CHECKOUT

Json = dict[str, Any]
NOWHERE = "/dev/null/home"
CREATE_POOL = "container.projects.locations.clusters.nodePools.create"
# As a survey or a person gives them: truth values as text, lists as lines, nothing for what may be left out, and Jinja,
# which has to stay text.
JINJA = "{{ 7 * 7 }} and {{ lookup('ansible.builtin.env', 'HF_TOKEN') }}"
ANSWERS: Json = {
    "deployment_network_manage": "true",
    "deployment_cluster_manage": "true",
    "network_description": JINJA,
    "network_auto_mode": "false",
    "network_firewall_source_ranges": "172.16.0.0/12\n10.0.0.0/8\n",
    "cluster_managed_prometheus": "true",
    "cluster_recreate": "false",
    "tpu_pools_prune": "false",
    "tpu_pools_wait_timeout": 5400,
    "llm_d_monitoring": "true",
    "llm_d_recreate": "false",
    "llm_d_decode_args": "--max-num-seqs=256",
    "llm_d_prefill_args": "",
    "llm_d_gateway_hostname": "",
    "deployment_pod_range": "",
    "deployment_service_range": "",
    "routes_security_policy": "",
    "routes_hostnames": "",
    "verify_ready_timeout": 300.0,
    "deployment_ttl": "",
    "deployment_cost_limit_per_hour": "",
}


@dataclass
class World:
    """A sandbox, and AWX in front of it."""

    cloud: RunningCloud
    awx: Controller
    secret: tuple[str, ...]

    def changes(self, after: int) -> list[str]:
        return mutating(self.cloud.requests()[after:], str(self.cloud.info["account"]))

    def begun(self) -> int:
        return len(self.cloud.requests(api_method=CREATE_POOL, status=200))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("jobs")
    tools = CHECKOUT / ".tools"
    with running_cloud(folder, time_scale=60, clusters="real") as cloud:
        info = cloud.info
        key = json.loads(Path(info["key_file"]).read_text())
        google = {
            "type": "service_account",
            "private_key": key["private_key"],
            "client_email": key["client_email"],
            "project_id": info["project"],
            "token_uri": "https://accounts.google.com/o/oauth2/token",
        }
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "deployment_zone": info["zone"],
            "deployment_reservation": info["reservation"],
            "deployment_endpoints": {**info["endpoints"], "token": info["token_host"]},
            "deployment_poll_interval": 0.5,
            "tpu_pools_delay": 1,
            "llm_d_charts_dir": str(tools / "share" / "charts"),
            "llm_d_gateway_api_crds": sorted(map(str, (tools / "share/gateway-api/standard").glob("*.yaml"))),
            "llm_d_inference_crds": sorted(map(str, (tools / "share/inference-extension/crd/bases").glob("*.yaml"))),
            "llm_d_epp_flags": {"refresh-metrics-interval": "500ms"},
            "llm_d_startup_probe": {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 300},
            "llm_d_pending_timeout": 15,
            "verify_ready_round": 30,
            "verify_patience": 30,
            "verify_served_timeout": 60,
            "verify_pause": 0.2,
            "preflight_hub": "",
            "benchmark_tokenizer": f"file:{tools / 'share' / 'benchmark'}",
            "benchmark_dataset_source": f"file:{tools / 'share' / 'benchmark' / 'sharegpt.json'}",
            "benchmark_resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
            "benchmark_settle_seconds": 1,
            "benchmark_ready_timeout": 120,
            "benchmark_patience": 20,
            "benchmark_progress_interval": 2,
        }
        token = f"canary-{secrets.token_hex(12)}"
        awx = Controller(folder / "awx", {"first": host}, google, token, path=str(tools / "bin"))
        awx.fetch_project()
        # What stands between the lines of a key is the same for everybody.
        yield World(cloud, awx, (token, key["private_key"].split("\n")[5], "ya29."))


@pytest.fixture(scope="module")
def looked(world: World) -> tuple[Done, list[str]]:
    before = len(world.cloud.requests())
    return world.awx.run("preflight", deployment_cost_limit_per_hour=""), world.changes(before)


@pytest.fixture(scope="module")
def planned(world: World, looked: Any) -> tuple[Done, list[str]]:
    before = len(world.cloud.requests())
    return world.awx.run("site", "--check --diff", **ANSWERS), world.changes(before)


@pytest.fixture(scope="module")
def cancelled(world: World, planned: Any) -> Done:
    return world.awx.run("up", cancel=lambda: world.begun() >= 2, **ANSWERS)


@pytest.fixture(scope="module")
def brought_up(world: World, cancelled: Done) -> Done:
    return world.awx.run("site", home=NOWHERE, **ANSWERS)


@pytest.fixture(scope="module")
def up_again(world: World, brought_up: Done) -> tuple[Done, list[str]]:
    before = len(world.cloud.requests())
    return world.awx.run("up", **ANSWERS), world.changes(before)


@pytest.fixture(scope="module")
def verified(world: World, up_again: Any) -> Done:
    return world.awx.run("verify", home=NOWHERE, verify_ready_timeout=300.0)


@pytest.fixture(scope="module")
def told(world: World, verified: Done) -> Done:
    return world.awx.run("status", status_strict="false")


@pytest.fixture(scope="module")
def measured(world: World, told: Done) -> Done:
    answers = {"benchmark_stop_when_saturated": "false", "benchmark_label": "", "benchmark_baseline": ""}
    load = {"benchmark_rates": "20\n", "benchmark_num_prompts": 60, "benchmark_dataset": "sharegpt"}
    return world.awx.run("benchmark", home=NOWHERE, **answers, **load)


@pytest.fixture(scope="module")
def taken_away(world: World, measured: Done) -> Done:
    return world.awx.run("teardown", home=NOWHERE, teardown_expired_only="")


@pytest.fixture(scope="module")
def taken_away_again(world: World, taken_away: Done) -> tuple[Done, list[str]]:
    before = len(world.cloud.requests())
    return world.awx.run("teardown"), world.changes(before)


def succeeded(job: Done) -> None:
    assert job.status == "successful", (job.status, job.failures, job.stdout[-3000:])


def small_headline(job: Done) -> None:
    assert job.facts, "nothing for the next node of a workflow"
    assert len(json.dumps(job.facts)) < 10_000


def test_preflight_gives_its_findings_to_the_next_node_and_changes_nothing(looked: tuple[Done, list[str]]) -> None:
    job, changes = looked
    succeeded(job)
    assert changes == []
    small_headline(job)


def test_a_plan_with_answers_at_their_limits_goes_to_the_end_and_changes_nothing(
    planned: tuple[Done, list[str]],
) -> None:
    job, changes = planned
    succeeded(job)
    assert changes == []


def test_a_cancelled_job_makes_nothing_more(world: World, cancelled: Done) -> None:
    assert cancelled.status == "canceled"
    assert 2 <= world.begun() <= 8


def test_the_next_job_completes_what_was_cancelled(world: World, brought_up: Done) -> None:
    succeeded(brought_up)
    assert world.begun() == 8, "each pool was begun once"


def test_progress_arrives_as_events_while_a_module_waits(brought_up: Done) -> None:
    lines = [event["stdout"] for event in brought_up.of("verbose")]
    assert any("first: " in line for line in lines), lines[:5]


def test_jinja_in_what_a_person_gave_stays_text(world: World, brought_up: Done) -> None:
    info = world.cloud.info
    network = world.cloud.call("GET", f"compute/v1/projects/{info['project']}/global/networks/qwen-serving-main")
    assert JINJA in network["description"]


def test_the_job_after_that_changes_nothing(up_again: tuple[Done, list[str]]) -> None:
    job, changes = up_again
    succeeded(job)
    assert job.changed == []
    assert changes == []


def test_verify_gives_its_verdict_to_the_next_node(verified: Done) -> None:
    succeeded(verified)
    small_headline(verified)


def test_status_tells_the_next_node_what_is_up(told: Done) -> None:
    succeeded(told)
    small_headline(told)


def test_benchmark_gives_its_numbers_to_the_next_node(measured: Done) -> None:
    succeeded(measured)
    small_headline(measured)


def test_teardown_takes_everything_away_and_finds_nothing_the_second_time(
    world: World, taken_away: Done, taken_away_again: tuple[Done, list[str]]
) -> None:
    succeeded(taken_away)
    assert taken_away.facts["llm_d_teardown"]["first"] | {"report": ""} == {"passed": True, "left": [], "report": ""}
    job, changes = taken_away_again
    succeeded(job)
    assert changes == []
    networks = world.cloud.call("GET", f"compute/v1/projects/{world.cloud.info['project']}/global/networks")
    assert "items" not in networks


def test_no_secret_is_in_what_a_job_leaves(world: World, taken_away_again: Any) -> None:
    for job in world.awx.jobs:
        for text in job.texts():
            for secret in world.secret:
                at = text.find(secret)
                assert at < 0, text[max(at - 300, 0) : at]


def test_no_result_is_longer_than_awx_keeps(world: World, taken_away_again: Any) -> None:
    for job in world.awx.jobs:
        assert job.longest_result() < MAX_EVENT_RES / 4
        assert len(job.events) < 4000, "more would not be shown"


def test_every_template_s_playbook_was_run(world: World, taken_away_again: Any) -> None:
    table = yaml.safe_load((CHECKOUT / "roles/awx/vars/main/playbooks.yml").read_text(encoding="utf-8"))
    successful = {job.playbook for job in world.awx.jobs if job.status == "successful"}
    assert successful == {row["name"] for row in table["awx_playbooks"]}
