# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Who calls: keys, tokens, impersonation and the project that pays, by options and by what AWX injects."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.unixhttp import call
from sandbox.testing import HttpFailure, RunningCloud, running_cloud

from .ansible_run import Outcome, Task, run

LOOK: dict[str, Any] = {"name": "nothing", "state": "absent"}
# Takes the key of the tests' defaults away.
NO_KEY = {"auth_kind": "{{ omit }}", "service_account_file": "{{ omit }}"}
ROBOT = "deploy-robot@llm-d-sandbox.iam.gserviceaccount.com"
DEPLOYER = "deployer@llm-d-sandbox.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """Slower than usual: a token has to end while a cluster is being made."""
    with running_cloud(tmp_path_factory.mktemp("identities"), time_scale=100) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def robot(cloud: RunningCloud) -> None:
    """A service account that the deployer may act as."""
    cloud.enable("compute", "container", "iam", "cloudresourcemanager", "iamcredentials")
    accounts = "v1/projects/llm-d-sandbox/serviceAccounts"
    cloud.call("POST", accounts, {"accountId": "deploy-robot"})
    binding = {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"serviceAccount:{DEPLOYER}"]}
    cloud.call("POST", f"{accounts}/{ROBOT}:setIamPolicy", {"policy": {"bindings": [binding]}})
    for member, role in ((ROBOT, "roles/owner"),):
        policy = cloud.call("POST", "v1/projects/llm-d-sandbox:getIamPolicy", {})
        bindings = [*policy.get("bindings", []), {"role": role, "members": [f"serviceAccount:{member}"]}]
        grant(cloud, {"policy": {**policy, "bindings": bindings}})


def grant(cloud: RunningCloud, policy: dict[str, Any]) -> None:
    """An account that was just made is not known to policies at once."""
    for _attempt in range(60):
        try:
            cloud.call("POST", "v1/projects/llm-d-sandbox:setIamPolicy", policy)
        except HttpFailure as failure:
            if failure.status != 400:
                raise
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the account stays unknown")


def looks(cloud: RunningCloud) -> list[str]:
    """Who looked for the network, in order."""
    return [line["principal"] for line in cloud.requests() if line["path"].endswith("/global/networks/nothing")]


def test_every_way_of_saying_who_one_is(cloud: RunningCloud) -> None:
    key = Path(cloud.info["key_file"]).read_text()
    before = len(looks(cloud))
    outcomes = run(
        cloud,
        Task("gcp_network", LOOK),
        Task("gcp_network", {**LOOK, "impersonate_service_account": ROBOT}),
        Task("gcp_network", LOOK, env={"GCP_IMPERSONATE_SERVICE_ACCOUNT": ROBOT}),
        Task("gcp_network", {**LOOK, **NO_KEY, "auth_kind": "accesstoken", "access_token": cloud.token}),
        Task("gcp_network", {**LOOK, **NO_KEY}, env={"GCP_ACCESS_TOKEN": cloud.token, "GCP_AUTH_KIND": "accesstoken"}),
        Task("gcp_network", {**LOOK, **NO_KEY, "service_account_contents": json.loads(key)}),
        Task("gcp_network", {**LOOK, **NO_KEY}, env={"GCP_SERVICE_ACCOUNT_CONTENTS": key}),
        Task("gcp_network", {**LOOK, "quota_project": "llm-d-sandbox"}),
    )
    for outcome in outcomes:
        assert not outcome.failed and not outcome.changed, outcome.result.get("msg")
    assert looks(cloud)[before:] == [DEPLOYER, ROBOT, ROBOT, *[DEPLOYER] * 5]
    told = outcomes[0].output + json.dumps([outcome.result for outcome in outcomes])
    assert cloud.token not in told and "PRIVATE KEY" not in told


def test_who_may_not_is_told(cloud: RunningCloud) -> None:
    stranger = "stranger@elsewhere.iam.gserviceaccount.com"
    impersonation, payer, both, neither = run(
        cloud,
        Task("gcp_network", {**LOOK, "impersonate_service_account": stranger}),
        Task("gcp_network", {**LOOK, "quota_project": "somebody-elses"}),
        Task("gcp_network", {**LOOK, "service_account_contents": {"type": "service_account"}}),
        Task("gcp_network", {**LOOK, **NO_KEY, "auth_kind": "accesstoken"}),
    )
    for outcome in (impersonation, payer, both, neither):
        assert outcome.failed and outcome.writes == [] and outcome.result["failure"]["remedy"] != "None"
    assert stranger in impersonation.result["msg"] or "getAccessToken" in impersonation.result["msg"]
    assert "serviceAccountTokenCreator" in impersonation.result["msg"]
    assert "somebody-elses" in payer.result["msg"]
    assert "exclude each other" in both.result["msg"]
    assert "there is no token" in neither.result["msg"]


def test_a_token_that_ends_in_the_middle_is_renewed(cloud: RunningCloud) -> None:
    project = "llm-d-sandbox"
    made = cloud.call(
        "POST", f"compute/v1/projects/{project}/global/networks", {"name": "net", "autoCreateSubnetworks": True}
    )
    cloud.wait_compute(made)
    options = {
        "name": "long",
        "location": "us-east5",
        "network": "net",
        "subnetwork": "net",
        "default_pool": {"name": "first", "initial_node_count": 1},
    }
    outcomes: list[Outcome] = []
    worker = threading.Thread(target=lambda: outcomes.extend(run(cloud, Task("gke_cluster", options))))
    worker.start()
    create = "container.projects.locations.clusters.create"
    cloud.eventually(lambda: cloud.requests(api_method=create), seconds=300)
    call(cloud.info["cloud_socket"], "POST", "/_sandbox/expire-tokens", {})
    expired = len(cloud.requests())
    worker.join(300)
    (outcome,) = outcomes
    assert not outcome.failed and outcome.result["cluster"]["status"] == "RUNNING", outcome.result.get("msg")
    statuses = [line["status"] for line in cloud.requests()[expired:] if line["api_method"].startswith("container.")]
    assert 401 in statuses and statuses[-1] == 200
    assert len(outcome.writes) == 1
