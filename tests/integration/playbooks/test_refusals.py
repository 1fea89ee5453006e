# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What cannot work is refused before the first call, with what to do; and nothing ends in success by doing nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.playbooks.run import CHECKOUT, Run, environment, playbook

COLLECTIONS = str(CHECKOUT / ".ansible" / "collections")
ENDPOINTS = {
    api: "http://127.0.0.1:9/"
    for api in ("compute", "container", "iam", "storage", "serviceusage", "cloudresourcemanager", "token")
}
# Complete, and pointing at a port where nobody listens: whatever gets past the checks fails otherwise.
SETTINGS = {
    "deployment_project": "my-project",
    "deployment_zone": "us-east5-a",
    "deployment_reservation": "my-reservation",
    "deployment_hf_token": "canary-of-a-token",
    "deployment_endpoints": ENDPOINTS,
    "deployment_gcp": {"auth_kind": "accesstoken", "access_token": "canary-of-a-token"},
}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.json"
    path.write_text(json.dumps({"llm_d": {"hosts": {"east": SETTINGS}}, "other": {"hosts": {"jump": {}}}}))
    return path


def run(tmp_path: Path, *arguments: str, **env: str) -> Run:
    """Outside a checkout, so that neither its ansible.cfg nor its inventory helps."""
    return playbook(
        *arguments, env=environment(tmp_path / "home", ANSIBLE_COLLECTIONS_PATH=COLLECTIONS, **env), cwd=tmp_path
    )


@pytest.mark.parametrize("name", ["site", "preflight", "up", "verify", "status", "benchmark", "teardown"])
def test_without_a_deployment_no_playbook_succeeds(tmp_path: Path, name: str) -> None:
    result = run(tmp_path, f"llm_d.gke.{name}")
    assert result.status != 0
    assert "No deployment" in result.output
    assert "-i" in result.output


def test_a_limit_that_leaves_no_deployment_fails(tmp_path: Path, inventory: Path) -> None:
    result = run(tmp_path, "llm_d.gke.teardown", "-i", str(inventory), "--limit", "jump")
    assert result.status != 0
    assert "--limit jump" in result.output


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"deployment_project": ""}, "No project"),
        ({"deployment_region": "europe-west4"}, "Zone us-east5-a is not in region"),
        ({"deployment_hf_token": ""}, "No Hugging Face token"),
        ({"deployment_hf_token": "canary-of-a-token\n"}, "newline"),
        ({"deployment_reservation": ""}, "No reservation"),
        ({"deployment_machine_type": "ct6e-standard-8t"}, "does not fit machine type"),
        ({"deployment_pool_count": 7}, "do not fit"),
        ({"deployment_proxy_range": "10.10.0.0/24"}, "overlap"),
        ({"deployment_endpoints": {"compute": "http://127.0.0.1:9/"}}, "half here, half there"),
        ({"deployment_gcp": {"service_account_file": "/nowhere/key.json"}}, "/nowhere/key.json cannot be read"),
    ],
)
def test_a_bad_setting_is_refused(tmp_path: Path, inventory: Path, settings: dict[str, object], expected: str) -> None:
    result = run(tmp_path, "llm_d.gke.up", "-i", str(inventory), "-e", json.dumps(settings))
    assert result.status != 0
    assert expected in result.output
    assert "project    " in result.output, "project, identity and endpoints are shown first"
    assert "canary-of-a-token" not in result.output
    assert "Switch the Google Cloud APIs on" not in result.output, "nothing was changed"


def test_the_environment_of_another_world_is_refused(tmp_path: Path, inventory: Path) -> None:
    """`eval "$(make sandbox-env)"` in the shell, and then an inventory of Google Cloud."""
    theirs = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": url for api, url in ENDPOINTS.items() if api != "token"}
    theirs |= {"CLOUDSDK_AUTH_TOKEN_HOST": ENDPOINTS["token"], "CLOUDSDK_CORE_PROJECT": "another-project"}
    settings = json.dumps({"deployment_endpoints": {}})
    result = run(tmp_path, "llm_d.gke.up", "-i", str(inventory), "-e", settings, **theirs)
    assert result.status != 0
    assert "for project another-project" in result.output
    assert "Switch the Google Cloud APIs on" not in result.output
    assert "credentials that Google accepts" not in result.output, "nobody was asked"


def test_a_sandbox_that_does_not_run_is_told_with_the_remedy(tmp_path: Path) -> None:
    result = playbook("site.yml", env=environment(tmp_path / "home", LLM_D_SANDBOX_DIR=str(tmp_path / "none")))
    assert result.status != 0
    assert "make sandbox" in result.output
