# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""gcp_workload_identity against the sandbox: as Ansible runs it, and its many cases without Ansible around them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._resources.workload_identity import (
    OPTIONS,
    WorkloadIdentityDeclaration,
)

from sandbox.testing import HttpFailure, RunningCloud

from .ansible_run import Outcome, Task, secret_in
from .ansible_run import run as as_ansible
from .in_process import InProcess

Json = dict[str, Any]
MODULE = "gcp_workload_identity"
BUCKET = "llm-d-sandbox-weights"
VIEWER = "roles/storage.objectViewer"
USER = "roles/iam.workloadIdentityUser"


@pytest.fixture(scope="module", autouse=True)
def pool(cloud: RunningCloud) -> Iterator[None]:
    """A cluster with Workload Identity: with it the project's workload pool comes into being."""
    cloud.enable("compute", "container", "iam", "cloudresourcemanager")
    project = cloud.info["project"]
    path = f"v1/projects/{project}/locations/us-east5-a/clusters"
    network = {"name": "n", "autoCreateSubnetworks": True}
    cloud.wait_compute(cloud.call("POST", f"compute/v1/projects/{project}/global/networks", network))
    asked = {
        "name": "c",
        "initialNodeCount": 1,
        "network": "n",
        "workloadIdentityConfig": {"workloadPool": f"{project}.svc.id.goog"},
    }
    cloud.wait(cloud.call("POST", path, {"cluster": asked}))
    yield


def run(cloud: RunningCloud, *tasks: Task) -> list[Outcome]:
    return InProcess(cloud, OPTIONS, WorkloadIdentityDeclaration).run(*tasks)


def one(cloud: RunningCloud, module: str, **args: Any) -> Outcome:
    return run(cloud, Task(module, args))[0]


def email(cloud: RunningCloud, name: str) -> str:
    return f"{name}@{cloud.info['project']}.iam.gserviceaccount.com"


def declared(account: str = "", bucket: str = BUCKET, deployment: str = "blue", **changes: Any) -> Json:
    identity = {"namespace": "llm-d-pd", "name": "servers", "bucket_roles": [VIEWER]}
    if account:
        identity |= {"service_account": account, "display_name": "Reader", "description": "Reads weights."}
    return {
        "deployment": deployment,
        "identities": [identity],
        "bucket": {"name": bucket, "location": "us-east5", "soft_delete_seconds": 0},
        **changes,
    }


def absent(*args: Any, **kwargs: Any) -> Json:
    return {**declared(*args, **kwargs), "state": "absent"}


def members(policy: Json, role: str) -> list[str]:
    return [m for b in policy.get("bindings", []) if b["role"] == role for m in b["members"]]


def bucket_policy(cloud: RunningCloud, name: str = BUCKET) -> Json:
    return cloud.call("GET", f"storage/v1/b/{name}/iam?optionsRequestedPolicyVersion=3")


def account_path(cloud: RunningCloud, name: str) -> str:
    return f"v1/projects/{cloud.info['project']}/serviceAccounts/{email(cloud, name)}"


def gone(cloud: RunningCloud, path: str) -> bool:
    try:
        cloud.call("GET", path)
    except HttpFailure as failure:
        return failure.status == 404
    return False


def message(outcome: Outcome) -> str:
    assert outcome.failed, outcome.result
    return str(outcome.result["msg"])


def test_from_nothing_to_nothing_by_a_service_account(cloud: RunningCloud) -> None:
    wanted = declared("tpu-reader-sa")
    moved, described = deepcopy(wanted), deepcopy(wanted)
    moved["bucket"]["location"] = "europe-west4"
    described["identities"][0]["display_name"] = "Another"
    described["bucket"]["labels"] = {"team": "serving"}
    plan, made, again, planned_again, refused, updated, denied, planned_end, ended, ended_again = as_ansible(
        cloud,
        Task(MODULE, wanted, check=True),
        Task(MODULE, wanted),
        Task(MODULE, wanted),
        Task(MODULE, wanted, check=True),
        Task(MODULE, moved),
        Task(MODULE, described),
        Task(MODULE, declared(bucket="inf-demo-model-storage")),
        Task(MODULE, absent("tpu-reader-sa"), check=True),
        Task(MODULE, absent("tpu-reader-sa")),
        Task(MODULE, absent("tpu-reader-sa")),
    )
    assert plan.changed and plan.writes == []
    assert [step["action"] for step in plan.result["plan"]] == ["create", "create", "update", "update"]
    for part in ("service account tpu-reader-sa", f"bucket {BUCKET}", VIEWER, USER):
        assert part in plan.diff
    assert not made.failed, made.result
    # A new account is unknown to policies for a while, so a write may be there twice.
    assert made.changed and len(set(made.writes)) == 4
    reader = email(cloud, "tpu-reader-sa")
    assert made.result["identities"] == [
        {
            "namespace": "llm-d-pd",
            "name": "servers",
            "service_account": reader,
            "member": f"serviceAccount:{reader}",
            "annotations": {"iam.gke.io/gcp-service-account": reader},
        }
    ]
    assert made.result["identities"] == plan.result["identities"]
    assert made.result["bucket"]["labels"] == {"llm-d-deployment": "blue"}
    assert made.result["bucket"]["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert made.result["bucket"]["softDeletePolicy"] == {"retentionDurationSeconds": "0"}
    assert made.result["service_accounts"][0]["description"] == "Reads weights. [llm-d-deployment: blue]"
    assert not secret_in(cloud, made.output)
    for unchanged in (again, planned_again, ended_again):
        assert not unchanged.failed and not unchanged.changed and unchanged.writes == [], unchanged.result
    assert "location is 'US-EAST5', wanted 'europe-west4'" in message(refused) and refused.writes == []
    assert updated.changed and {write.split()[0] for write in updated.writes} == {"PATCH"}
    assert "display_name: Reader" in updated.diff and "display_name: Another" in updated.diff
    assert "does not have storage.buckets.get access" in message(denied) and denied.writes == []
    assert planned_end.changed and planned_end.writes == []
    assert not ended.failed and ended.changed, ended.result
    assert gone(cloud, account_path(cloud, "tpu-reader-sa")) and gone(cloud, f"storage/v1/b/{BUCKET}")


def test_a_principal_needs_neither_account_nor_annotation(cloud: RunningCloud) -> None:
    made, again, ended = run(
        cloud,
        Task(MODULE, declared(bucket="by-principal")),
        Task(MODULE, declared(bucket="by-principal")),
        Task(MODULE, absent(bucket="by-principal"), check=True),
    )
    assert not made.failed and len(made.writes) == 2, made.result
    (found,) = made.result["identities"]
    number = cloud.call("GET", f"v1/projects/{cloud.info['project']}")["projectNumber"]
    assert found["annotations"] == {} and found["service_account"] == ""
    assert found["member"] == (
        f"principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/"
        f"{cloud.info['project']}.svc.id.goog/subject/ns/llm-d-pd/sa/servers"
    )
    assert members(bucket_policy(cloud, "by-principal"), VIEWER) == [found["member"]]
    assert not again.changed and again.writes == []
    assert [step["action"] for step in ended.result["plan"]] == ["delete"], "the policy goes with the bucket"


def test_drift_is_named_and_put_right(cloud: RunningCloud) -> None:
    one(cloud, MODULE, **declared("drifting-sa", bucket="drifting"))
    policy = bucket_policy(cloud, "drifting")
    other = {"role": VIEWER, "members": ["user:a@example.com"], "condition": {"title": "t", "expression": "true"}}
    kept = [b for b in policy["bindings"] if b["role"] != VIEWER] + [other]
    cloud.call("PUT", "storage/v1/b/drifting/iam", {**policy, "version": 3, "bindings": kept})
    account = account_path(cloud, "drifting-sa")
    cloud.call("POST", f"{account}:setIamPolicy", {"policy": {"version": 3}})
    cloud.call("PATCH", account, {"serviceAccount": {"displayName": "Else"}, "updateMask": "displayName"})
    cloud.call("PATCH", "storage/v1/b/drifting", {"iamConfiguration": {"publicAccessPrevention": "inherited"}})
    cloud.call("PATCH", "storage/v1/b/drifting", {"labels": {"somebodys": "label"}})
    seen, mended, again = run(
        cloud,
        Task(MODULE, declared("drifting-sa", bucket="drifting"), check=True),
        Task(MODULE, declared("drifting-sa", bucket="drifting")),
        Task(MODULE, declared("drifting-sa", bucket="drifting")),
    )
    assert seen.changed and seen.writes == []
    fields = {(step["resource"], d["field"]) for step in seen.result["plan"] for d in step["differences"]}
    assert fields == {
        ("service account drifting-sa", "display_name"),
        ("bucket drifting", "public_access_prevention"),
        ("access to service account drifting-sa", "granted"),
        ("access to bucket drifting", "granted"),
    }
    assert not mended.failed and len(mended.writes) == 4, mended.result
    assert not again.changed and again.writes == []
    found = bucket_policy(cloud, "drifting")
    assert other in found["bindings"], "the conditional binding of somebody else stays"
    reader = f"serviceAccount:{email(cloud, 'drifting-sa')}"
    assert {"role": VIEWER, "members": [reader]} in found["bindings"]
    assert cloud.call("GET", "storage/v1/b/drifting")["labels"] == {"llm-d-deployment": "blue", "somebodys": "label"}


def test_what_cannot_be_changed_is_an_error_that_says_so(cloud: RunningCloud) -> None:
    wanted = declared(bucket="fixed")
    one(cloud, MODULE, **wanted)
    moved = deepcopy(wanted)
    moved["bucket"]["location"] = "europe-west4"
    refused = one(cloud, MODULE, **moved)
    for part in ("location is 'US-EAST5', wanted 'europe-west4'", "choose another name"):
        assert part in message(refused)
    assert refused.writes == []


def test_each_field_of_a_bucket_can_be_changed(cloud: RunningCloud) -> None:
    wanted = declared(bucket="changing")
    one(cloud, MODULE, **wanted)
    wanted["bucket"] |= {
        "storage_class": "NEARLINE",
        "versioning": True,
        "soft_delete_seconds": 604800,
        "labels": {"team": "serving"},
        "public_access_prevention": "inherited",
        "uniform_bucket_level_access": False,
        "lifecycle_rules": [{"action": "Delete", "age": 30, "is_live": False, "matches_prefix": ["tmp/"]}],
    }
    changed, again, cleared = run(
        cloud,
        Task(MODULE, wanted),
        Task(MODULE, wanted),
        Task(MODULE, {**wanted, "bucket": {**wanted["bucket"], "lifecycle_rules": []}}),
    )
    assert not changed.failed and changed.changed and len(changed.writes) == 1, changed.result
    assert changed.result["bucket"]["lifecycle"]["rule"] == [
        {"action": {"type": "Delete"}, "condition": {"age": 30, "isLive": False, "matchesPrefix": ["tmp/"]}}
    ]
    assert not again.changed, again.result["plan"]
    assert cleared.changed and not cleared.result["bucket"].get("lifecycle", {}).get("rule")


def test_a_bucket_of_another_owner(cloud: RunningCloud) -> None:
    cloud.call("POST", f"storage/v1/b?project={cloud.info['project']}", {"name": "unmarked", "location": "us-east5"})
    strange, unmarked, of_another, used, used_again, left, adopted = run(
        cloud,
        Task(MODULE, declared(bucket="inf-demo-model-storage")),
        Task(MODULE, declared(bucket="unmarked")),
        Task(MODULE, {**absent(bucket="inf-demo-model-storage"), "deployment": "nobody"}),
        Task(MODULE, {**declared(deployment="user"), "bucket": {"name": "unmarked", "manage": False}}),
        Task(MODULE, {**absent(deployment="user"), "bucket": {"name": "unmarked", "manage": False}}),
        Task(MODULE, absent(bucket="unmarked", deployment="user")),
        Task(MODULE, declared(bucket="unmarked", adopt=True, deployment="green")),
    )
    assert strange.writes == [] and unmarked.writes == []
    for part in ("not ours to see", "storage.buckets.get", "Choose another name"):
        assert part in message(strange)
    assert "carries no mark" in message(unmarked)
    assert not of_another.failed and not of_another.changed
    assert not used.failed and len(used.writes) == 1, "only the binding"
    assert not used_again.failed and len(used_again.writes) == 1, "and the binding goes again"
    assert not left.failed and left.writes == [], left.result
    assert "is left" in str(left.result["warnings"])
    assert not adopted.failed, adopted.result
    assert cloud.call("GET", "storage/v1/b/unmarked")["labels"] == {"llm-d-deployment": "green"}
    one(cloud, MODULE, **absent(bucket="unmarked", deployment="green"))
    assert gone(cloud, "storage/v1/b/unmarked")


def test_a_bucket_goes_with_its_objects_only_when_told(cloud: RunningCloud) -> None:
    one(cloud, MODULE, **declared(bucket="filled"))
    for name in ("Qwen/Qwen3-32B/config.json", "ä %2F b"):
        upload(cloud, "filled", name, b"content")
    told = absent(bucket="filled")
    told["bucket"]["delete_objects"] = True
    refused, planned, ended = run(
        cloud, Task(MODULE, absent(bucket="filled")), Task(MODULE, told, check=True), Task(MODULE, told)
    )
    assert "not empty" in message(refused) and "delete_objects" in message(refused)
    assert len(planned.result["plan"]) == 3 and planned.writes == []
    assert not ended.failed and len(ended.writes) == 3, ended.result
    assert gone(cloud, "storage/v1/b/filled")


def test_what_is_marked_goes_although_it_is_not_named_any_more(cloud: RunningCloud) -> None:
    one(cloud, MODULE, **declared("former-sa", bucket="former-bucket", deployment="former"))
    one(cloud, MODULE, **declared("bystander-sa", bucket="bystander-bucket", deployment="bystander"))
    ended = one(cloud, MODULE, deployment="former", state="absent")
    assert not ended.failed and ended.changed, ended.result
    assert gone(cloud, account_path(cloud, "former-sa")) and gone(cloud, "storage/v1/b/former-bucket")
    assert not gone(cloud, account_path(cloud, "bystander-sa")) and not gone(cloud, "storage/v1/b/bystander-bucket")


def test_another_writer_s_grant_is_kept_when_policies_cross(cloud: RunningCloud) -> None:
    """The policy changes between our reading and our writing: 409, and the whole is done again."""
    one(cloud, MODULE, **declared(bucket="crossing"))
    aborted = {
        "status": 409,
        "error_status": "ABORTED",
        "reason": "aborted",
        "message": "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
        "backoff.",
    }
    cloud.fault("storage.buckets.setIamPolicy", times=2, **aborted)
    second = declared(bucket="crossing")
    second["identities"].append(
        {"namespace": "llm-d-pd", "name": "filler", "bucket_roles": ["roles/storage.objectUser"]}
    )
    made = one(cloud, MODULE, **second)
    assert not made.failed, made.result
    assert [write for write in made.writes if "/iam" in write] == ["PUT /storage/v1/b/crossing/iam"] * 3
    reads = [action for action in made.result["gcp_actions"] if action.startswith("GET storage/v1/b/crossing/iam")]
    times = re.search(r"\((\d+) times\)", " ".join(reads))
    assert times and int(times.group(1)) >= 4, "each attempt begins with a look"
    assert len(members(bucket_policy(cloud, "crossing"), "roles/storage.objectUser")) == 1

    cloud.fault("storage.buckets.setIamPolicy", times=0, **aborted)
    third = declared(bucket="crossing")
    third["identities"][0]["name"] = "third"
    refused = one(cloud, MODULE, **third, wait_timeout=5)
    assert "does not come to rest" in message(refused)
    cloud.clear_faults()


def test_many_writers_of_one_policy_lose_nothing(cloud: RunningCloud) -> None:
    one(cloud, MODULE, **declared(bucket="busy-policy"))
    stop = threading.Event()
    others: list[str] = []

    def disturb() -> None:
        while not stop.is_set():
            policy = bucket_policy(cloud, "busy-policy")
            member = f"user:u{len(others)}@example.com"
            policy["bindings"].append({"role": "roles/storage.objectCreator", "members": [member]})
            try:
                cloud.call("PUT", "storage/v1/b/busy-policy/iam", {**policy, "version": 3})
                others.append(member)
            except HttpFailure as failure:
                assert failure.status == 409
            time.sleep(0.01)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    wanted = declared(bucket="busy-policy")
    wanted["identities"] = [{"namespace": "n", "name": f"a{number}", "bucket_roles": [VIEWER]} for number in range(5)]
    try:
        made = one(cloud, MODULE, **wanted)
    finally:
        stop.set()
        disturber.join()
    assert not made.failed, made.result
    policy = bucket_policy(cloud, "busy-policy")
    assert len(members(policy, VIEWER)) == 6
    assert set(members(policy, "roles/storage.objectCreator")) == set(others)


def test_an_account_that_is_not_seen_at_once(cloud: RunningCloud) -> None:
    """Made, but unknown for a while: to whoever asks for it, and to policies."""
    cloud.fault(
        "iam.projects.serviceAccounts.get", path=f"*{email(cloud, 'late-sa')}", status=404, nth=2, times=3,
        message="Unknown service account",
    )  # fmt: skip
    cloud.fault(
        "storage.buckets.setIamPolicy", status=400, times=2,
        message=f"Service account {email(cloud, 'late-sa')} does not exist.",
    )  # fmt: skip
    made = one(cloud, MODULE, **declared("late-sa", bucket="late-bucket"))
    assert not made.failed, made.result
    assert made.result["gcp_retries"] >= 2


def test_lost_replies_make_nothing_twice(cloud: RunningCloud) -> None:
    for method in ("iam.projects.serviceAccounts.create", "storage.buckets.insert", "storage.buckets.setIamPolicy"):
        cloud.fault(method, kind="reset", when="after", times=1)
    made = one(cloud, MODULE, **declared("lost-sa", bucket="lost-bucket"))
    assert not made.failed, made.result
    assert len([write for write in made.writes if write.startswith("POST") and "setIam" not in write]) == 2
    again = one(cloud, MODULE, **declared("lost-sa", bucket="lost-bucket"))
    assert not again.changed


def test_refusals_are_shown_in_google_s_words(cloud: RunningCloud) -> None:
    denied = "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist)."
    cloud.fault("iam.projects.serviceAccounts.create", status=403, times=0, message=denied)
    refused = one(cloud, MODULE, **declared("nope-sa", bucket="nope-bucket"), wait_timeout=2)
    assert denied in message(refused) and "service account nope-sa" in message(refused)
    assert "not tried, because service account nope-sa failed" in message(refused)
    cloud.clear_faults()
    pool = one(cloud, MODULE, **declared(bucket="nope-bucket"), workload_pool="nobody.svc.id.goog", project_number="1")
    assert "Identity Pool does not exist (nobody.svc.id.goog)" in message(pool)
    assert "make the cluster first" in message(pool)
    strangers, nonsense, twice = run(
        cloud,
        Task(MODULE, declared(email(cloud, "nobody"), bucket="nope-bucket")),
        Task(MODULE, declared("X", bucket="nope-bucket")),
        Task(MODULE, {**declared(), "identities": declared()["identities"] * 2}),
    )
    assert "there is no such service account" in message(strangers)
    assert "is not a service account's name" in message(nonsense)
    assert "twice" in message(twice)


def test_somebody_s_account_is_used_and_not_changed(cloud: RunningCloud) -> None:
    created = {"accountId": "given-sa", "serviceAccount": {"displayName": "Theirs"}}
    before = cloud.call("POST", f"v1/projects/{cloud.info['project']}/serviceAccounts", created)
    given = declared(email(cloud, "given-sa"), bucket="given")
    made, ended, unmarked = run(
        cloud,
        Task(MODULE, given),
        Task(MODULE, {**given, "state": "absent"}),
        Task(MODULE, declared("given-sa", bucket="given")),
    )
    assert not made.failed and made.result["service_accounts"] == [], made.result
    assert not ended.failed, ended.result
    assert "carries no mark" in message(unmarked)
    after = cloud.call("GET", account_path(cloud, "given-sa"))
    assert after == before
    policy = cloud.call("POST", f"{account_path(cloud, 'given-sa')}:getIamPolicy")
    assert members(policy, USER) == []


def test_a_busy_iam_is_waited_for_until_time_is_over(cloud: RunningCloud) -> None:
    cloud.fault("storage.buckets.insert", status=429, times=0, message="The rate limit is exceeded.")
    begin = time.monotonic()
    refused = one(cloud, MODULE, **declared(bucket="slow-bucket"), wait_timeout=1)
    assert "The rate limit is exceeded" in message(refused) and "still so after" in message(refused)
    assert time.monotonic() - begin < 30


def test_on_an_empty_project_the_plan_goes_to_the_end(cloud: RunningCloud) -> None:
    project = cloud.info["project"]
    cloud.call("POST", f"v1/projects/{project}/services/iam.googleapis.com:disable", {})
    try:
        cloud.eventually(lambda: not _answers(cloud, f"v1/projects/{project}/serviceAccounts"))
        plan, ended = run(
            cloud, Task(MODULE, declared("any-sa"), check=True), Task(MODULE, {"deployment": "x", "state": "absent"})
        )
        assert plan.changed and plan.writes == [] and "is not enabled" in str(plan.result["warnings"])
        assert not ended.failed and not ended.changed
    finally:
        cloud.enable("iam")


def _answers(cloud: RunningCloud, path: str) -> bool:
    try:
        cloud.call("GET", path)
    except HttpFailure:
        return False
    return True


def upload(cloud: RunningCloud, bucket: str, name: str, content: bytes) -> None:
    import urllib.parse
    import urllib.request

    url = f"{cloud.base}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
    request = urllib.request.Request(url, data=content, method="POST")
    request.add_header("Authorization", f"Bearer {cloud.token}")
    request.add_header("Content-Type", "application/octet-stream")
    urllib.request.urlopen(request, timeout=30).close()
