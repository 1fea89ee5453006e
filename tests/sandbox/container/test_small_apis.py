# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Service usage, resource manager, IAM and storage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cloud.server import Serving
from tests.sandbox.container.conftest import client
from tests.sandbox.container.gke import PROJECT, Gke

SERVICES = f"/v1/projects/{PROJECT}/services"
ACCOUNTS = f"/v1/projects/{PROJECT}/serviceAccounts"
POLICY = f"/v1/projects/{PROJECT}"
READER = f"reader@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def bare(start: Callable[..., Serving]) -> Gke:
    """A project as a newcomer has it: nearly everything off."""
    return client(start(enabled=False, time_scale=100.0))


def _finished(gke: Gke, name: str) -> dict[str, Any]:
    for _look in range(500):
        found: dict[str, Any] = gke.call("GET", f"/v1/{name}").body
        if found.get("done"):
            return found
        time.sleep(0.005)
    raise AssertionError(name)


def test_apis_are_off_until_enabled_and_a_little_longer(bare: Gke) -> None:
    refused = bare.container("GET", "locations/-/clusters")
    assert (refused.status, refused.error["details"][0]["reason"]) == (403, "SERVICE_DISABLED")
    wanted = {"serviceIds": ["container.googleapis.com", "compute.googleapis.com"]}
    started = bare.call("POST", f"{SERVICES}:batchEnable", wanted)
    assert started.body["name"].startswith("operations/") and "done" not in started.body
    ended = _finished(bare, started.body["name"])
    assert ended["response"]["@type"].endswith(".BatchEnableServicesResponse")
    assert {service["state"] for service in ended["response"]["services"]} == {"ENABLED"}
    assert bare.call("GET", f"{SERVICES}/container.googleapis.com").body["state"] == "ENABLED"
    assert bare.container("GET", "locations/-/clusters").status == 403
    for _look in range(500):
        if bare.container("GET", "locations/-/clusters").status == 200:
            break
        time.sleep(0.005)
    assert bare.container("GET", "locations/-/clusters").status == 200


def test_enabling_what_is_on_is_done_at_once(gke: Gke) -> None:
    answer = gke.call("POST", f"{SERVICES}/compute.googleapis.com:enable", {})
    assert (answer.body["name"], answer.body["done"]) == ("operations/noop.DONE_OPERATION", True)
    assert gke.call("GET", "/v1/operations/noop.DONE_OPERATION").body["done"] is True


def test_two_activations_of_an_api_exclude_each_other(start: Callable[..., Serving]) -> None:
    bare = client(start(enabled=False, time_scale=60.0))
    first = bare.call("POST", f"{SERVICES}/compute.googleapis.com:enable", {})
    second = bare.call("POST", f"{SERVICES}/compute.googleapis.com:enable", {})
    assert second.status == 400
    assert second.message.startswith("Another activation or deactivation is in progress")
    _finished(bare, first.body["name"])


def test_services_are_listed_by_state_and_unknown_ones_refused(bare: Gke) -> None:
    enabled = bare.call("GET", SERVICES, filter="state:ENABLED", pageSize=200).body["services"]
    names = {service["config"]["name"] for service in enabled}
    assert "serviceusage.googleapis.com" in names and "container.googleapis.com" not in names
    first = bare.call("GET", SERVICES, pageSize=5).body
    second = bare.call("GET", SERVICES, pageSize=5, pageToken=first["nextPageToken"]).body
    assert len(first["services"]) == len(second["services"]) == 5
    assert first["services"] != second["services"]
    assert bare.call("POST", f"{SERVICES}/nope.googleapis.com:enable", {}).status == 403
    too_many = {"serviceIds": [f"x{number}.googleapis.com" for number in range(21)]}
    assert bare.call("POST", f"{SERVICES}:batchEnable", too_many).status == 400


def test_disabling_is_refused_while_in_use(gke: Gke) -> None:
    gke.cluster()
    path = f"{SERVICES}/container.googleapis.com:disable"
    assert "in use by clusters: c" in gke.call("POST", path, {}).message
    started = gke.call("POST", path, {"checkIfServiceHasUsage": "SKIP"})
    assert _finished(gke, started.body["name"])["response"]["service"]["state"] == "DISABLED"
    assert gke.container("GET", "locations/-/clusters").status == 403


def test_project_in_both_versions(gke: Gke) -> None:
    old, new = gke.call("GET", f"/v1/projects/{PROJECT}").body, gke.call("GET", f"/v3/projects/{PROJECT}").body
    assert (old["projectNumber"], old["lifecycleState"]) == ("415104041262", "ACTIVE")
    assert (new["name"], new["state"]) == ("projects/415104041262", "ACTIVE")
    stranger = gke.call("GET", "/v1/projects/somebody-elses")
    assert (stranger.status, stranger.message) == (403, "The caller does not have permission")


def test_permissions_are_those_of_an_owner(gke: Gke) -> None:
    wanted = ["container.clusters.create", "compute.networks.create"]
    answer = gke.call("POST", f"{POLICY}:testIamPermissions", {"permissions": wanted})
    assert answer.body["permissions"] == wanted


def _bind(policy: dict[str, Any], role: str, member: str) -> dict[str, Any]:
    return policy | {"version": 3, "bindings": [*policy.get("bindings", []), {"role": role, "members": [member]}]}


def test_policies_are_written_against_their_etag(gke: Gke) -> None:
    policy = gke.call("POST", f"{POLICY}:getIamPolicy", {}).body
    changed = _bind(policy, "roles/viewer", "user:a@example.com")
    written = gke.call("POST", f"{POLICY}:setIamPolicy", {"policy": changed}).body
    assert written["etag"] != policy["etag"]
    late = gke.call("POST", f"{POLICY}:setIamPolicy", {"policy": changed})
    assert (late.status, late.error["status"]) == (409, "ABORTED")
    assert late.message.startswith("There were concurrent policy changes.")


def test_an_etag_may_come_back_in_the_other_alphabet(gke: Gke) -> None:
    for _attempt in range(12):
        policy = gke.call("POST", f"{POLICY}:getIamPolicy", {}).body
        policy["etag"] = policy["etag"].replace("+", "-").replace("/", "_")
        assert gke.call("POST", f"{POLICY}:setIamPolicy", {"policy": policy}).status == 200


def test_a_new_account_is_unknown_to_policies_for_a_while(start: Callable[..., Serving]) -> None:
    gke = client(start(time_scale=60.0))
    asked = {"accountId": "reader", "serviceAccount": {"displayName": "Reader"}}
    account = gke.call("POST", ACCOUNTS, asked).body
    assert (account["email"], account["displayName"]) == (READER, "Reader")
    policy = gke.call("POST", f"{POLICY}:getIamPolicy", {}).body
    changed = {"policy": _bind(policy, "roles/viewer", f"serviceAccount:{READER}")}
    refused = gke.call("POST", f"{POLICY}:setIamPolicy", changed)
    assert (refused.status, refused.message) == (400, f"Service account {READER} does not exist.")
    time.sleep(0.4)
    assert gke.call("POST", f"{POLICY}:setIamPolicy", changed).status == 200


def test_service_accounts_come_and_go(gke: Gke) -> None:
    assert gke.call("GET", f"{ACCOUNTS}/{READER}").message == "Unknown service account"
    assert gke.call("POST", ACCOUNTS, {"accountId": "x"}).status == 400
    gke.call("POST", ACCOUNTS, {"accountId": "reader"})
    assert gke.call("POST", ACCOUNTS, {"accountId": "reader"}).status == 409
    patch = {"serviceAccount": {"displayName": "New"}, "updateMask": "displayName"}
    path = f"projects/{PROJECT}/serviceAccounts/{READER}"
    assert gke.call("PATCH", f"/v1/{path}", patch).body == {"name": path, "displayName": "New"}
    assert gke.call("GET", f"/v1/projects/-/serviceAccounts/{READER}").body["displayName"] == "New"
    assert len(gke.call("GET", ACCOUNTS).body["accounts"]) == 2
    assert gke.call("DELETE", f"/v1/projects/-/serviceAccounts/{READER}").body == {}
    assert gke.call("DELETE", f"/v1/projects/-/serviceAccounts/{READER}").status == 404


def test_workload_identity_needs_a_cluster_that_has_it(gke: Gke) -> None:
    gke.call("POST", ACCOUNTS, {"accountId": "reader"})
    member = f"serviceAccount:{PROJECT}.svc.id.goog[default/default]"
    path = f"{ACCOUNTS}/{READER}"
    policy = gke.call("POST", f"{path}:getIamPolicy").body
    changed = {"policy": _bind(policy, "roles/iam.workloadIdentityUser", member)}
    assert gke.call("POST", f"{path}:setIamPolicy", changed).message.startswith("Identity Pool does not exist")
    gke.cluster(workloadIdentityConfig={"workloadPool": f"{PROJECT}.svc.id.goog"})
    written = gke.call("POST", f"{path}:setIamPolicy", changed).body
    assert written["bindings"] == [{"role": "roles/iam.workloadIdentityUser", "members": [member]}]
    emptied = gke.call("POST", f"{path}:setIamPolicy", {"policy": {"etag": written["etag"], "version": 3}})
    assert "bindings" not in emptied.body


def test_keys_of_a_service_account_work_and_end_with_it(gke: Gke) -> None:
    gke.call("POST", ACCOUNTS, {"accountId": "reader"})
    keys = f"{ACCOUNTS}/{READER}/keys"
    key = gke.call("POST", keys, {}).body
    assert key["privateKeyType"] == "TYPE_GOOGLE_CREDENTIALS_FILE"
    assert len(gke.call("GET", keys).body["keys"]) == 1
    assert gke.call("DELETE", f"/v1/{key['name']}").body == {}
    assert gke.call("DELETE", f"/v1/{key['name']}").status == 404


BUCKET = {
    "name": "models",
    "location": "us-east5",
    "iamConfiguration": {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": {"enabled": True}},
}


def test_buckets(gke: Gke) -> None:
    missing = gke.call("GET", "/storage/v1/b/models")
    assert (missing.status, missing.message) == (404, "The specified bucket does not exist.")
    assert "status" not in missing.error
    bucket = gke.call("POST", "/storage/v1/b", BUCKET, project=PROJECT).body
    assert (bucket["location"], bucket["locationType"]) == ("US-EAST5", "region")
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert gke.call("POST", "/storage/v1/b", BUCKET, project=PROJECT).status == 409
    patched = gke.call("PATCH", "/storage/v1/b/models", {"labels": {"a": "b"}}).body
    assert (patched["labels"], patched["metageneration"]) == ({"a": "b"}, "2")
    assert [item["name"] for item in gke.call("GET", "/storage/v1/b", project=PROJECT).body["items"]] == ["models"]
    assert gke.call("DELETE", "/storage/v1/b/models").status == 204


def test_policy_of_a_bucket(gke: Gke) -> None:
    gke.call("POST", "/storage/v1/b", BUCKET, project=PROJECT)
    policy = gke.call("GET", "/storage/v1/b/models/iam", optionsRequestedPolicyVersion=3).body
    assert policy["resourceId"] == "projects/_/buckets/models"
    changed = _bind(policy, "roles/storage.objectViewer", "user:a@example.com")
    assert gke.call("PUT", "/storage/v1/b/models/iam", changed).status == 200
    late = gke.call("PUT", "/storage/v1/b/models/iam", changed)
    assert late.status == 409


def test_objects_keep_a_bucket_from_going(gke: Gke) -> None:
    gke.call("POST", "/storage/v1/b", BUCKET, project=PROJECT)
    upload = "/upload/storage/v1/b/models/o"
    gke.call("POST", upload, b"weights", uploadType="media", name="qwen/model.bin")
    assert gke.call("GET", "/storage/v1/b/models/o/qwen%2Fmodel.bin", alt="media").body == b"weights"
    assert gke.call("GET", "/storage/v1/b/models/o", delimiter="/").body["prefixes"] == ["qwen/"]
    refused = gke.call("DELETE", "/storage/v1/b/models")
    assert (refused.status, refused.reason) == (409, "conflict")
    assert gke.call("DELETE", "/storage/v1/b/models/o/qwen%2Fmodel.bin").status == 204
    assert gke.call("DELETE", "/storage/v1/b/models").status == 204
