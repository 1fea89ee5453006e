# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The playbook awx, by the modules of awx.awx, against a recorder of AWX's API: planned, interrupted, completed, run
again, changed behind our back, removed, and removed again. Each stage is a fixture that needs the one before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.awx.recorder import rules
from tests.integration.awx.recorder.server import Recorder, running
from tests.integration.playbooks.run import CHECKOUT, Run, environment, playbook

TOKEN, HF_TOKEN, KEY = (
    "canary-of-a-token",
    "hf_canary",
    "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
)
PLAYBOOKS = sorted(file.stem for file in (CHECKOUT / "playbooks").glob("*.yml") if file.stem != "awx")
FIVE = {
    "awx_organization": "Default",
    "awx_project_url": "https://git.example.com/deployments.git",
    "awx_inventory_path": "inventories/mine/hosts.yml",
    "awx_image": "registry.example.com/llm-d-ee:1",
    # Somebody made it long ago.
    "awx_google_credential": "theirs",
}
THEIRS = {"username": "a@b.example.com"}


@dataclass
class Admin:
    """Somebody with an address, a token and five variables."""

    awx: Recorder
    home: Path
    outputs: list[str] = field(default_factory=list)

    def run(self, *arguments: str, token: str = TOKEN, host: str = "", **settings: Any) -> tuple[Run, list[str]]:
        before = len(self.awx.changes())
        env = environment(
            self.home, CONTROLLER_HOST=host or self.awx.url, CONTROLLER_OAUTH_TOKEN=token, HF_TOKEN=HF_TOKEN
        )
        given = json.dumps({**FIVE, **settings})
        run = playbook("playbooks/awx.yml", "--diff", "-e", given, *arguments, env=env, timeout=900)
        self.outputs.append(run.output)
        return run, self.awx.changes()[before:]


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    home = tmp_path_factory.mktemp("awx") / "home"
    home.mkdir()
    key = {
        "type": "service_account",
        "client_email": "robot@p.example.com",
        "project_id": "my-project",
        "private_key": KEY,
    }
    (home / "key.json").write_text(json.dumps(key))
    tokens = {TOKEN: "admin", "of-a-member": "member"}
    with running([f"playbooks/{name}.yml" for name in PLAYBOOKS], tokens) as awx:
        gce = awx.store.find("credential_types", name="Google Compute Engine")
        awx.store.create("credentials", {"name": "theirs", "credential_type": gce["id"], "inputs": THEIRS})
        yield Admin(awx, home)


@pytest.fixture(scope="module")
def planned(admin: Admin) -> tuple[Run, list[str]]:
    return admin.run("--check")


@pytest.fixture(scope="module")
def interrupted(admin: Admin, planned: Any) -> tuple[Run, list[str]]:
    """Cut off in the middle of the job templates, with a repository that AWX could not fetch."""
    admin.awx.store.update_status = "failed"
    failed = admin.run()
    admin.awx.store.update_status = "successful"
    assert failed[0].status != 0
    assert "AWX could not fetch the repository" in failed[0].output
    admin.awx.changes_left = 6
    cut = admin.run()
    admin.awx.changes_left = -1
    return cut


@pytest.fixture(scope="module")
def completed(admin: Admin, interrupted: Any) -> tuple[Run, list[str]]:
    return admin.run()


@pytest.fixture(scope="module")
def again(admin: Admin, completed: Any) -> tuple[Run, list[str]]:
    return admin.run()


@pytest.fixture(scope="module")
def planned_again(admin: Admin, again: Any) -> tuple[Run, list[str]]:
    return admin.run("--check")


@pytest.fixture(scope="module")
def restored(admin: Admin, planned_again: Any) -> tuple[Run, list[str]]:
    """Somebody changed this and that, and switched a schedule on, which is his right. And from now on we use a Google
    credential of our own."""
    store = admin.awx.store
    up = store.find("job_templates", name="llm-d up")
    store.objects["job_templates"][up["id"]]["allow_simultaneous"] = True
    store.surveys["job_templates", up["id"]]["spec"].pop()
    store.members["job_templates", up["id"], "credentials"].clear()
    node = store.find("workflow_job_template_nodes", identifier="approve")
    store.members["workflow_job_template_nodes", node["id"], "success_nodes"].clear()
    nightly = store.find("schedules", name="llm-d nightly teardown")
    store.objects["schedules"][nightly["id"]]["enabled"] = True
    return admin.run(awx_google_key_file=str(admin.home / "key.json"), **OURS)


OURS = {"awx_google_credential": "llm-d Google"}


@pytest.fixture(scope="module")
def removed(admin: Admin, restored: Any) -> tuple[Run, list[str]]:
    return admin.run(awx_state="absent", **OURS)


@pytest.fixture(scope="module")
def removed_again(admin: Admin, removed: Any) -> tuple[Run, list[str]]:
    return admin.run(awx_state="absent", **OURS)


def test_a_plan_for_an_empty_controller_changes_nothing_and_names_everything(planned: tuple[Run, list[str]]) -> None:
    run, changes = planned
    assert run.status == 0, run.output
    assert changes == []
    for name in (*(f"llm-d {name}" for name in PLAYBOOKS), "llm-d nightly teardown", "node approve of the workflow"):
        assert name in run.output


def test_an_interrupted_run_says_what_to_do(interrupted: tuple[Run, list[str]]) -> None:
    run, changes = interrupted
    assert run.status != 0
    assert len(changes) == 6
    assert "The controller cannot be reached" in run.output
    assert "run the same playbook again" in run.output


def test_a_run_after_an_interrupted_one_completes_it(admin: Admin, completed: tuple[Run, list[str]]) -> None:
    run, changes = completed
    assert run.status == 0, run.output
    assert [change for change in changes if not change.endswith(("200", "201", "202", "204"))] == []
    store = admin.awx.store
    assert sorted(one["name"] for one in store.all("job_templates")) == sorted(f"llm-d {name}" for name in PLAYBOOKS)
    assert len(list(store.all("workflow_job_template_nodes"))) == 6


def test_each_template_runs_its_playbook_with_what_it_needs(admin: Admin, completed: Any) -> None:
    store = admin.awx.store
    project, inventory = store.find("projects", name="llm-d"), store.find("inventories", name="llm-d")
    image = store.find("execution_environments", name="llm-d")
    assert project and inventory and image and image["image"] == FIVE["awx_image"]
    google, hugging_face = (store.find("credentials", name=name) for name in ("theirs", "llm-d Hugging Face"))
    assert google and hugging_face
    assert google["inputs"] == THEIRS
    for name in PLAYBOOKS:
        template = store.find("job_templates", name=f"llm-d {name}")
        assert template
        assert template["playbook"] == f"playbooks/{name}.yml"
        assert (CHECKOUT / template["playbook"]).is_file()
        assert (template["project"], template["inventory"]) == (project["id"], inventory["id"])
        assert template["execution_environment"] == image["id"]
        assert template["ask_limit_on_launch"] and template["ask_job_slice_count_on_launch"]
        assert 0 < template["timeout"] <= 8 * 3600
        credentials = store.members["job_templates", template["id"], "credentials"]
        assert google["id"] in credentials
        assert set(credentials) <= {google["id"], hugging_face["id"]}
        if name in ("site", "up", "teardown", "benchmark"):
            assert template["allow_simultaneous"] is False
        if name in ("site", "up"):
            assert hugging_face["id"] in credentials
        assert template["survey_enabled"] is bool(store.survey("job_templates", template["id"]))


def test_an_unanswered_survey_lets_the_job_start(admin: Admin, completed: Any) -> None:
    """What a schedule or a workflow gives: nothing. Then the defaults have to do."""
    surveys = admin.awx.store.surveys.values()
    assert surveys
    for spec in surveys:
        assert rules.survey_refused(spec) == ""
        assert rules.answers_refused(spec, {}) == []
        defaults = {one["variable"]: one["default"] for one in spec["spec"] if one["default"] != ""}
        assert rules.answers_refused(spec, defaults) == []


def test_the_inventory_comes_from_the_repository(admin: Admin, completed: Any) -> None:
    [source] = admin.awx.store.all("inventory_sources")
    project = admin.awx.store.find("projects", name="llm-d")
    assert project and project["scm_url"] == FIVE["awx_project_url"]
    assert (source["source"], source["source_project"]) == ("scm", project["id"])
    assert source["source_path"] == FIVE["awx_inventory_path"]
    assert source["update_on_launch"] is True and source["overwrite"] is True


def test_the_workflow_asks_before_it_costs_and_has_a_way_back(admin: Admin, completed: Any) -> None:
    store = admin.awx.store
    nodes = {one["identifier"]: one for one in store.all("workflow_job_template_nodes")}
    kinds = {name: store.get("unified_job_templates", node["unified_job_template"]) for name, node in nodes.items()}
    assert kinds["approve"]["type"] == kinds["approve-teardown"]["type"] == "workflow_approval_template"

    def after(name: str, list_name: str) -> list[str]:
        ids = store.members.get(("workflow_job_template_nodes", nodes[name]["id"], list_name), [])
        return [other for other, node in nodes.items() if node["id"] in ids]

    assert after("approve", "success_nodes") == ["up"]
    assert after("up", "success_nodes") == ["verify"]
    assert after("verify", "success_nodes") == ["benchmark"]
    assert after("up", "failure_nodes") == after("verify", "failure_nodes") == ["approve-teardown"]
    assert after("benchmark", "always_nodes") == ["approve-teardown"]
    assert after("approve-teardown", "success_nodes") == ["teardown"]
    assert after("approve", "failure_nodes") == [], "what was not approved was not made"


def test_schedules_begin_switched_off(admin: Admin, completed: Any) -> None:
    assert [one["enabled"] for one in admin.awx.store.all("schedules")] == [False, False]


def test_a_second_run_changes_nothing(again: tuple[Run, list[str]]) -> None:
    run, changes = again
    assert run.status == 0, run.output
    assert run.recap("changed") == 0, run.output
    assert changes == []


def test_a_plan_for_a_configured_controller_is_empty(planned_again: tuple[Run, list[str]]) -> None:
    run, changes = planned_again
    assert run.status == 0, run.output
    assert run.recap("changed") == 0, run.output
    assert changes == []


def test_what_was_changed_behind_our_back_is_restored_but_a_switched_schedule_stays(
    admin: Admin, restored: tuple[Run, list[str]]
) -> None:
    run, _changes = restored
    assert run.status == 0, run.output
    store = admin.awx.store
    up = store.find("job_templates", name="llm-d up")
    assert up and up["allow_simultaneous"] is False
    table = yaml.safe_load((CHECKOUT / "roles" / "awx" / "vars" / "main" / "playbooks.yml").read_text(encoding="utf-8"))
    [row] = [row for row in table["awx_playbooks"] if row["name"] == "up"]
    asked = [question["variable"] for question in store.survey("job_templates", up["id"])["spec"]]
    assert asked == row["asks"]
    assert len(store.members["job_templates", up["id"], "credentials"]) == 2
    node = store.find("workflow_job_template_nodes", identifier="approve")
    assert node and len(store.members["workflow_job_template_nodes", node["id"], "success_nodes"]) == 1
    nightly = store.find("schedules", name="llm-d nightly teardown")
    assert nightly and nightly["enabled"] is True


def test_secrets_are_where_they_belong_and_nowhere_else(admin: Admin, restored: Any) -> None:
    store = admin.awx.store
    google, hugging_face = (store.find("credentials", name=f"llm-d {name}") for name in ("Google", "Hugging Face"))
    assert google and hugging_face
    assert store.secrets[google["id"]]["ssh_key_data"] == KEY
    assert store.secrets[hugging_face["id"]] == {"token": HF_TOKEN}
    assert hugging_face["inputs"] == {"token": "$encrypted$"}
    for secret in (TOKEN, HF_TOKEN, "canary"):
        assert all(secret not in output for output in admin.outputs)
        for kind in ("job_templates", "schedules", "workflow_job_templates", "projects", "inventories"):
            assert secret not in json.dumps(list(store.all(kind)))


def test_absent_leaves_nothing_of_ours(admin: Admin, removed: tuple[Run, list[str]]) -> None:
    run, _changes = removed
    assert run.status == 0, run.output
    store = admin.awx.store
    for kind in store.objects:
        if kind not in ("organizations", "instance_groups", "project_updates", "workflow_approval_templates"):
            left = [one["name"] for one in store.all(kind) if not one.get("managed")]
            assert left == (["theirs"] if kind == "credentials" else []), kind


def test_absent_again_changes_nothing(removed_again: tuple[Run, list[str]]) -> None:
    run, changes = removed_again
    assert run.status == 0, run.output
    assert run.recap("changed") == 0
    assert changes == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token": "unknown"}, "The token is unknown to this controller, or has expired"),
        ({"token": "of-a-member"}, "credential types are made by system administrators only"),
        ({"host": "http://127.0.0.1:1"}, "The controller cannot be reached"),
        ({"host": "http://no-such-host.invalid"}, "The controller cannot be reached"),
        ({"awx_organization": "Nobody"}, "has no organization 'Nobody'"),
        ({"token": "", "awx_project_url": "", "awx_image": "", "awx_inventory_path": "/etc/passwd"}, "No token"),
    ],
    ids=["unknown token", "without rights", "nobody answers", "no such host", "no organization", "nothing said"],
)
def test_what_cannot_work_is_refused_with_what_to_do(admin: Admin, settings: dict[str, Any], words: str) -> None:
    run, changes = admin.run(**settings)
    assert run.status != 0
    assert words in " ".join(run.output.split()), run.output
    assert "Traceback" not in run.output
    assert [change for change in changes if not change.endswith("403")] == []
    assert TOKEN not in run.output and HF_TOKEN not in run.output
