# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The module helmfile with the real helm, helmfile and API server."""

from __future__ import annotations

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Deployment

ALL = {"ConfigMap", "Secret", "Deployment", "Thing"}


def releases(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {release["name"]: release for release in result["releases"]}


def changes(result: dict[str, Any], release: str = "first") -> dict[str, str]:
    return {each["kind"]: each["change"] for each in releases(result)[release]["objects"] if each["change"] != "none"}


def at(found: dict[str, Any]) -> int:
    """When an object was last written, in the server's own count."""
    return int(found["metadata"]["resourceVersion"])


def shown(result: dict[str, Any]) -> str:
    return json.dumps(result["diff"])


def test_install_in_order_then_nothing(deployment: Deployment) -> None:
    result = deployment.run()
    assert result["changed"]
    assert [release["name"] for release in result["releases"]] == ["first", "after"]
    assert all(release["status"] == "deployed" and release["action"] == "install" for release in result["releases"])
    assert changes(result) == dict.fromkeys(ALL, "create")
    # The one was done before the other began.
    begun = deployment.get("configmaps", "after")
    assert begun and at(deployment.record("first", 1)) < at(begun)
    deployment.plane.writes()

    began = time.monotonic()
    again = deployment.run()
    assert time.monotonic() - began < 6
    assert not again["changed"] and again["helmfile_actions"] == [] and again["diff"] == []
    assert deployment.plane.writes() == []
    assert {each["change"] for release in again["releases"] for each in release["objects"]} == {"none"}


def test_check_mode_plans_and_writes_nothing(deployment: Deployment) -> None:
    result = deployment.run(check=True)
    assert result["changed"] and result["helmfile_actions"] == []
    assert changes(result) == dict.fromkeys(ALL, "create")
    assert deployment.plane.writes() == []
    assert deployment.get("configmaps") is None


def test_check_mode_before_there_is_a_cluster(deployment: Deployment, tmp_path: Path) -> None:
    result = deployment.run(check=True, kubeconfig=str(tmp_path / "none-yet"))
    assert result["changed"] and changes(result) == dict.fromkeys(ALL, "create")
    refused = deployment.run(kubeconfig=str(tmp_path / "none-yet"), ok=False)
    assert "kubeconfig" in refused["msg"]


def test_a_changed_value_upgrades_its_release_only(installed: Deployment) -> None:
    planned = installed.run(first={"text": "two"}, check=True)
    assert installed.plane.writes() == []
    result = installed.run(first={"text": "two"})
    assert planned["diff"] == result["diff"]
    assert result["helmfile_actions"] == [f"helmfile sync --selector name=first,namespace={installed.namespace}"]
    assert (releases(result)["first"]["revision"], releases(result)["after"]["revision"]) == (2, 1)
    assert changes(result) == {"ConfigMap": "update", "Secret": "update", "Deployment": "update"}
    assert not installed.run(first={"text": "two"})["changed"]
    found = installed.get("configmaps")
    assert found and found["data"]["text"] == "two"


def test_secrets_are_masked_everywhere(installed: Deployment) -> None:
    result = installed.run(first={"text": "two"})
    encoded = [base64.b64encode(f"hidden-{word}".encode()).decode() for word in ("one", "two")]
    said = json.dumps(result)
    assert not any(value in said for value in ("hidden-one", "hidden-two", *encoded))
    assert "(hidden" in shown(result)


@pytest.mark.parametrize(
    ("kind", "patch", "said"),
    [
        ("configmaps", {"data": {"text": "by hand"}}, "by hand"),
        ("deployments", {"spec": {"replicas": 7}}, "replicas: 7"),
        # helm's own upgrade does not look at custom resources.
        ("things", {"spec": {"size": 9}}, "size: 9"),
    ],
)
def test_a_hand_edit_is_found_and_repaired(installed: Deployment, kind: str, patch: dict[str, Any], said: str) -> None:
    before = installed.get(kind)
    installed.edit(kind, patch)
    planned = installed.run(check=True)
    assert planned["changed"] and said in shown(planned)
    assert set(changes(planned).values()) == {"repair"}
    assert installed.plane.writes() == []

    result = installed.run()
    assert not releases(result)["after"]["changed"]
    after = installed.get(kind)
    assert before and after
    assert {key: before.get(key) for key in ("data", "spec")} == {key: after.get(key) for key in ("data", "spec")}
    assert not installed.run()["changed"]


def test_an_entry_added_to_a_list_is_found_and_removed(installed: Deployment) -> None:
    path = installed.path("deployments")
    added = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "MORE", "value": "x"}}]
    installed.plane.request("PATCH", path, added, "application/json-patch+json")
    result = installed.run()
    assert changes(result) == {"Deployment": "repair"} and "MORE" in shown(result)
    found = installed.get("deployments")
    assert found
    assert [each["name"] for each in found["spec"]["template"]["spec"]["containers"][0]["env"]] == ["TEXT"]
    assert not installed.run()["changed"]


def test_labels_and_annotations_of_others_are_left_alone(installed: Deployment) -> None:
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-22T10:00:00Z"}
    installed.edit("deployments", {"spec": {"template": {"metadata": {"annotations": restarted}}}})
    installed.edit("things", {"metadata": {"labels": {"team": "x"}}})
    assert not installed.run()["changed"]


def test_a_missing_object_is_made_again(installed: Deployment) -> None:
    installed.plane.request("DELETE", installed.path("configmaps"))
    result = installed.run()
    assert changes(result) == {"ConfigMap": "create"}
    assert installed.get("configmaps")
    assert not installed.run()["changed"]


def test_fields_of_a_respected_manager_are_not_touched(installed: Deployment) -> None:
    path = installed.path("things") + "?fieldManager=ours&force=true"
    body = {
        "apiVersion": "tests.example.com/v1",
        "kind": "Thing",
        "metadata": {"name": "first"},
        "spec": {"limit": 3600},
    }
    installed.plane.request("PATCH", path, body, "application/apply-patch+yaml")
    assert not installed.run(respect_field_managers=["ours"])["changed"]
    # Nor by an upgrade or a repair of the same object.
    installed.edit("things", {"spec": {"size": 9}})
    installed.run(respect_field_managers=["ours"], first={"text": "two"})
    found = installed.get("things")
    assert found and found["spec"] == {"size": 1, "limit": 3600}
    # Without respect it is a hand edit like any other.
    assert changes(installed.run(check=True, first={"text": "two"})) == {"Thing": "repair"}


def test_an_object_the_chart_no_longer_has_is_deleted(installed: Deployment) -> None:
    installed.run(first={"extra": True})
    assert installed.get("configmaps", "first-extra")
    result = installed.run()
    gone = [each for each in releases(result)["first"]["objects"] if each["change"] == "delete"]
    assert [each["name"] for each in gone] == ["first-extra"]
    assert installed.get("configmaps", "first-extra") is None


def test_what_cannot_be_changed_in_place_is_refused_before_anything_is_done(installed: Deployment) -> None:
    refused = installed.run(first={"selector": "b", "text": "two"}, ok=False)
    assert "immutable" in refused["msg"] and "recreate: true" in refused["msg"]
    assert refused["failure"]["resource"] == "Deployment first"
    assert installed.plane.writes() == []
    before = installed.get("deployments")
    result = installed.run(first={"selector": "b", "text": "two"}, recreate=True)
    assert changes(result)["Deployment"] == "recreate"
    after = installed.get("deployments")
    assert before and after and before["metadata"]["uid"] != after["metadata"]["uid"]
    assert not installed.run(first={"selector": "b", "text": "two"})["changed"]


def test_an_unknown_value_is_refused_by_the_chart_s_schema(installed: Deployment) -> None:
    refused = installed.run(first={"txet": "two"}, ok=False)
    assert "txet" in refused["msg"] and "Correct the value" in refused["msg"]
    assert installed.plane.writes() == []


def test_what_the_server_would_refuse_is_refused_before_anything_is_done(deployment: Deployment) -> None:
    refused = deployment.run(first={"broken": True}, ok=False)
    assert "first-not_a_name" in refused["msg"]
    assert deployment.plane.writes() == []


def pretend(deployment: Deployment, status: str, revision: int = 1, ago: float = 3600) -> None:
    """Leave a release as a helm that was killed leaves it."""
    secret = deployment.record("first", revision)
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    record["info"]["status"] = status
    record["info"]["last_deployed"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    name = secret["metadata"]["name"]
    deployment.edit("secrets", {"metadata": {"labels": {"status": status}}, "data": {"release": packed}}, name)


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "uninstalling", "failed"])
def test_a_release_in_a_bad_state_is_recovered_and_nothing_restarts(installed: Deployment, status: str) -> None:
    before = installed.get("deployments")
    pretend(installed, status)
    planned = installed.run(check=True)
    assert planned["changed"] and status in planned["releases"][0]["reasons"][0]
    assert installed.plane.writes() == []

    result = installed.run()
    first = releases(result)["first"]
    assert (first["status"], first["revision"]) == ("deployed", 2)
    assert any("becomes failed" in action for action in result["helmfile_actions"]) is (status != "failed")
    after = installed.get("deployments")
    assert before and after
    assert (before["metadata"]["uid"], before["spec"]) == (after["metadata"]["uid"], after["spec"])
    assert not installed.run()["changed"]


def test_a_pending_release_is_given_time_first(installed: Deployment) -> None:
    """Another helm may be at work on it."""
    pretend(installed, "pending-upgrade", ago=0)
    began = time.monotonic()
    installed.run(pending_timeout=5)
    assert time.monotonic() - began >= 4


def test_a_first_install_that_failed_half_way_is_completed(deployment: Deployment) -> None:
    deployment.run()
    pretend(deployment, "failed")
    deployment.plane.request("DELETE", deployment.path("deployments"))
    result = deployment.run()
    assert releases(result)["first"]["status"] == "deployed"
    assert deployment.get("deployments")


def test_destroy_and_destroy_again(installed: Deployment) -> None:
    planned = installed.run(state="absent", check=True)
    assert planned["changed"] and changes(planned) == dict.fromkeys(ALL, "delete")
    assert installed.plane.writes() == []

    result = installed.run(state="absent")
    assert [action.split("name=")[1].split(",")[0] for action in result["helmfile_actions"]] == ["after", "first"]
    assert {release["status"] for release in result["releases"]} == {"absent"}
    assert installed.get("configmaps") is None and installed.get("things") is None
    deleted = [line.rsplit(".v1.", 1)[1] for line in installed.plane.writes() if "sh.helm.release" in line]
    assert deleted[0].startswith("after.") and deleted[-1].startswith("first.")

    again = installed.run(state="absent")
    assert not again["changed"] and again["helmfile_actions"] == []
    assert installed.plane.writes() == []


def test_destroy_of_what_is_half_there(installed: Deployment) -> None:
    """Objects that somebody deleted, a release that somebody uninstalled, a helm that was killed: all go."""
    installed.plane.request("DELETE", installed.path("configmaps"))
    pretend(installed, "pending-upgrade")
    installed.run(state="absent")
    assert installed.get("deployments") is None
    assert not installed.run(state="absent")["changed"]


def test_the_programs_are_found_or_named(deployment: Deployment) -> None:
    refused = deployment.run(helm_binary="/nowhere/helm", ok=False)
    assert "/nowhere/helm is not a program" in refused["msg"] and refused["failure"]["remedy"]


def test_an_api_server_that_does_not_answer_is_named(deployment: Deployment, tmp_path: Path) -> None:
    config = json.loads(deployment.plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    dead = tmp_path / "dead"
    dead.write_text(json.dumps(config))
    refused = deployment.run(kubeconfig=str(dead), ok=False)
    assert "https://127.0.0.1:1 cannot be reached" in refused["msg"]
