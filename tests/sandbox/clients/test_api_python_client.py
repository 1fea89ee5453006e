# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""google-api-python-client, which knows the APIs by their discovery documents alone: paths, pages, batches, errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.oauth2 import service_account
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from sandbox.testing import RunningCloud, running_cloud

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
PROJECT = "llm-d-sandbox"
HOME = f"projects/{PROJECT}/locations/us-east5"


class Apis:
    """A service object for each API, at the sandbox's endpoint."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud = cloud
        found = service_account.Credentials.from_service_account_file(cloud.info["key_file"], scopes=SCOPES)
        self._credentials = found.with_token_uri(cloud.info["token_host"])

    def api(self, name: str) -> Any:
        options = ClientOptions(api_endpoint=self.cloud.info["endpoints"][name])
        return discovery.build(name, "v1", credentials=self._credentials, client_options=options, static_discovery=True)


@pytest.fixture(scope="module")
def apis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), time_scale=600.0) as cloud:
        cloud.enable("compute", "container", "iam", "cloudresourcemanager")
        yield Apis(cloud)
        assert [line for line in cloud.requests() if line["status"] >= 500] == []


def test_networks_by_pages_batches_and_errors(apis: Apis) -> None:
    compute = apis.api("compute")
    for name in ("one", "two"):
        body = {"name": name, "autoCreateSubnetworks": False}
        started = compute.networks().insert(project=PROJECT, body=body).execute()
        ended = compute.globalOperations().wait(project=PROJECT, operation=started["name"]).execute()
        assert ended["status"] == "DONE"
    pages, request = [], compute.networks().list(project=PROJECT, maxResults=1)
    while request is not None:
        page = request.execute()
        pages.append([item["name"] for item in page["items"]])
        request = compute.networks().list_next(request, page)
    assert pages == [["one"], ["two"]]
    answers: dict[str, Any] = {}
    batch = compute.new_batch_http_request(callback=lambda key, found, error: answers.update({key: error or found}))
    batch._batch_uri = f"{apis.cloud.base}/batch/compute/v1"  # the client takes Google's own host for batches
    for name in ("one", "absent"):
        batch.add(compute.networks().get(project=PROJECT, network=name), request_id=name)
    batch.execute()
    assert answers["one"]["name"] == "one"
    assert answers["absent"].status_code == 404
    with pytest.raises(HttpError, match="was not found"):
        compute.networks().get(project=PROJECT, network="absent").execute()


def test_a_cluster_and_its_pools(apis: Apis) -> None:
    compute, locations = apis.api("compute"), apis.api("container").projects().locations()
    body = {"name": "s", "network": f"projects/{PROJECT}/global/networks/one", "ipCidrRange": "10.0.0.0/20"}
    started = compute.subnetworks().insert(project=PROJECT, region="us-east5", body=body).execute()
    compute.regionOperations().wait(project=PROJECT, region="us-east5", operation=started["name"]).execute()
    cluster = {"name": "c", "network": "one", "subnetwork": "s", "initialNodeCount": 1}
    started = locations.clusters().create(parent=HOME, body={"cluster": cluster}).execute()
    name = f"{HOME}/operations/{started['name']}"
    end = time.monotonic() + 60
    while locations.operations().get(name=name).execute()["status"] != "DONE":
        assert time.monotonic() < end
        time.sleep(0.1)
    found = locations.clusters().list(parent=f"projects/{PROJECT}/locations/-").execute()["clusters"]
    assert [item["status"] for item in found] == ["RUNNING"]
    pools = locations.clusters().nodePools().list(parent=f"{HOME}/clusters/c").execute()["nodePools"]
    assert [item["name"] for item in pools] == ["default-pool"]


def test_accounts_permissions_services_and_buckets(apis: Apis) -> None:
    accounts = apis.api("iam").projects().serviceAccounts().list(name=f"projects/{PROJECT}").execute()["accounts"]
    assert [item["email"] for item in accounts] == [f"deployer@{PROJECT}.iam.gserviceaccount.com"]
    asked = {"permissions": ["compute.networks.create"]}
    projects = apis.api("cloudresourcemanager").projects()
    assert projects.testIamPermissions(resource=PROJECT, body=asked).execute() == asked
    services = apis.api("serviceusage").services()
    enabled = services.list(parent=f"projects/{PROJECT}", filter="state:ENABLED").execute()["services"]
    assert f"projects/{apis.cloud.info['project_number']}/services/compute.googleapis.com" in {
        item["name"] for item in enabled
    }
    bucket = {"name": "discovered-bucket", "location": "us-east5"}
    assert apis.api("storage").buckets().insert(project=PROJECT, body=bucket).execute()["name"] == bucket["name"]
