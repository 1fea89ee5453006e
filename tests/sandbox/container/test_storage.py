# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Cloud Storage of the sandbox: who may do what, uploads in parts, checksums, conditions; and Workload Identity."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from sandbox.cloud import roles, workload_identity
from sandbox.cloud.crc32c import crc32c
from sandbox.cloud.request import HttpRequest
from tests.sandbox.container.gke import PROJECT, Gke

Json = dict[str, Any]
POOL = f"{PROJECT}.svc.id.goog"
NUMBER = "415104041262"
PRINCIPAL = (
    f"principal://iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/{POOL}/subject/ns/n/sa/k"
)
ACCOUNTS = f"/v1/projects/{PROJECT}/serviceAccounts"
READER = f"reader@{PROJECT}.iam.gserviceaccount.com"
CHUNK = 256 * 1024


@pytest.fixture
def bucket(gke: Gke) -> str:
    uniform = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
    asked = {"name": "weights", "location": "us-east5", "iamConfiguration": uniform}
    assert gke.call("POST", "/storage/v1/b", asked, project=PROJECT).status == 200
    return "weights"


def raw(gke: Gke, method: str, url: str, data: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request, as it is; statuses that are not a success are answers too."""
    base = gke.base if not url.startswith("http") else ""
    request = urllib.request.Request(f"{base}{url}", data=data or None, method=method)
    request.add_header("Authorization", gke.headers["Authorization"])
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def grant(gke: Gke, bucket: str, role: str, member: str) -> Json:
    policy = gke.call("GET", f"/storage/v1/b/{bucket}/iam", optionsRequestedPolicyVersion=3).body
    policy["bindings"].append({"role": role, "members": [member]})
    answer = gke.call("PUT", f"/storage/v1/b/{bucket}/iam", {**policy, "version": 3})
    assert answer.status == 200, answer.body
    return dict(answer.body)


def workload_token(gke: Gke, acts_as: str = "", account: str = "k") -> tuple[int, Json]:
    asked = {"pool": POOL, "namespace": "n", "account": account, "acts_as": acts_as}
    http = HttpRequest("POST", "/_sandbox/workload-token", {}, json.dumps(asked).encode(), trusted=True)
    answer = gke.cloud.handle(http)
    return answer.status, json.loads(answer.encoded())


def as_(gke: Gke, token: str) -> Gke:
    other = copy.copy(gke)
    other.headers = {"Authorization": f"Bearer {token}"}
    return other


def put(gke: Gke, bucket: str, name: str, content: bytes) -> Json:
    answer = gke.call("POST", f"/upload/storage/v1/b/{bucket}/o", content, uploadType="media", name=name)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def test_checksums() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0


def test_names_are_shared_by_all_of_google_cloud(gke: Gke) -> None:
    theirs = gke.call("GET", "/storage/v1/b/inf-demo-model-storage")
    assert theirs.status == 403 and "storage.buckets.get access" in theirs.message
    taken = gke.call("POST", "/storage/v1/b", {"name": "inf-demo-model-storage"}, project=PROJECT)
    assert (taken.status, taken.reason) == (409, "conflict")
    assert taken.message.startswith("The requested bucket name is not available.")
    assert gke.call("GET", "/storage/v1/b/gcp-public-data-of-somebody/o").status == 200
    assert "items" not in gke.call("GET", "/storage/v1/b", project=PROJECT).body


def test_what_a_bucket_refuses(gke: Gke, bucket: str) -> None:
    for body in ({"location": "europe-west4"}, {"hierarchicalNamespace": {"enabled": True}}):
        assert gke.call("PATCH", f"/storage/v1/b/{bucket}", body).status == 400
    soft = {"softDeletePolicy": {"retentionDurationSeconds": "5"}}
    assert gke.call("PATCH", f"/storage/v1/b/{bucket}", soft).status == 400
    stale = gke.call("PATCH", f"/storage/v1/b/{bucket}", {"labels": {"a": "b"}}, ifMetagenerationMatch=7)
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
    labels = gke.call("PATCH", f"/storage/v1/b/{bucket}", {"labels": {"a": "b", "c": "d"}}).body["labels"]
    assert labels == {"a": "b", "c": "d"}
    assert gke.call("PATCH", f"/storage/v1/b/{bucket}", {"labels": {"a": None}}).body["labels"] == {"c": "d"}
    policy = gke.call("GET", f"/storage/v1/b/{bucket}/iam").body
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": ["allUsers"]})
    public = gke.call("PUT", f"/storage/v1/b/{bucket}/iam", policy)
    assert public.status == 412 and "public access prevention" in public.message


def test_an_upload_in_parts_is_seen_only_when_it_is_whole(gke: Gke, bucket: str) -> None:
    content = bytes(range(256)) * 1024 * 2 + b"the end"
    total = len(content)
    described = json.dumps({"name": "m/model.bin", "metadata": {"sha256": "x"}}).encode()
    status, headers, _ = raw(
        gke, "POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable", described, Content_Type="application/json"
    )
    assert status == 200
    url = headers["location"]
    assert raw(gke, "PUT", url, b"x" * 100, Content_Range=f"bytes 0-99/{total}")[0] == 400, "not a multiple of 256 KiB"
    first = raw(gke, "PUT", url, content[:CHUNK], Content_Range=f"bytes 0-{CHUNK - 1}/{total}")
    assert (first[0], first[1]["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    assert gke.call("GET", f"/storage/v1/b/{bucket}/o/m%2Fmodel.bin").status == 404
    asked = raw(gke, "PUT", url, Content_Range=f"bytes */{total}")
    assert (asked[0], asked[1]["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    ended = raw(gke, "PUT", url, content[CHUNK:], Content_Range=f"bytes {CHUNK}-{total - 1}/{total}")
    found = json.loads(ended[2])
    assert (ended[0], found["size"], found["metadata"]) == (200, str(total), {"sha256": "x"})
    assert found["md5Hash"] == base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    assert raw(gke, "PUT", url, Content_Range=f"bytes */{total}")[0] == 404, "the session is over"
    part = raw(gke, "GET", f"/storage/v1/b/{bucket}/o/m%2Fmodel.bin?alt=media", Range="bytes=256-511")
    assert (part[0], part[1]["content-range"]) == (206, f"bytes 256-511/{total}")
    assert part[2] == content[256:512] and "crc32c=" in part[1]["x-goog-hash"]
    beyond = raw(gke, "GET", f"/storage/v1/b/{bucket}/o/m%2Fmodel.bin?alt=media", Range=f"bytes={total}-")
    assert beyond[0] == 416


def test_an_upload_can_be_given_up(gke: Gke, bucket: str) -> None:
    _status, headers, _ = raw(
        gke, "POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name=given-up", b"{}",
        Content_Type="application/json",
    )  # fmt: skip
    assert raw(gke, "DELETE", headers["location"])[0] == 499
    assert raw(gke, "PUT", headers["location"], b"x", Content_Range="bytes 0-0/1")[0] == 404
    assert "items" not in gke.call("GET", f"/storage/v1/b/{bucket}/o").body


def test_conditions_and_checksums_are_looked_at(gke: Gke, bucket: str) -> None:
    first = put(gke, bucket, "a", b"one")
    upload = f"/upload/storage/v1/b/{bucket}/o"
    again = gke.call("POST", upload, b"two", uploadType="media", name="a", ifGenerationMatch=0)
    assert (again.status, again.reason) == (412, "conditionNotMet")
    match = gke.call("POST", upload, b"two", uploadType="media", name="a", ifGenerationMatch=int(first["generation"]))
    assert match.status == 200
    assert gke.call("DELETE", f"/storage/v1/b/{bucket}/o/a", generation=int(first["generation"])).status == 404
    described = b'{"name": "b", "md5Hash": "bm9uc2Vuc2U="}'
    body = b"--x\r\nContent-Type: application/json\r\n\r\n" + described + b"\r\n--x\r\n\r\ndata\r\n--x--"
    status, _headers, text = raw(
        gke, "POST", f"{upload}?uploadType=multipart", body, Content_Type="multipart/related; boundary=x"
    )
    assert status == 400 and b"doesn't match calculated MD5 hash" in text


def test_lists_come_in_pages(gke: Gke, bucket: str) -> None:
    for name in ("a/1", "a/2", "b", "c"):
        put(gke, bucket, name, b"x")
    path = f"/storage/v1/b/{bucket}/o"
    first = gke.call("GET", path, maxResults=3).body
    rest = gke.call("GET", path, maxResults=3, pageToken=first["nextPageToken"]).body
    assert [item["name"] for item in first["items"] + rest["items"]] == ["a/1", "a/2", "b", "c"]
    assert "nextPageToken" not in rest
    top = gke.call("GET", path, delimiter="/").body
    assert (top["prefixes"], [item["name"] for item in top["items"]]) == (["a/"], ["b", "c"])


def test_a_pod_is_what_the_policies_make_of_it(gke: Gke, bucket: str) -> None:
    put(gke, bucket, "a", b"one")
    gke.cluster(workloadIdentityConfig={"workloadPool": POOL})
    status, told = workload_token(gke)
    assert status == 200
    pod = as_(gke, told["token"])
    refused = pod.call("GET", f"/storage/v1/b/{bucket}/o")
    assert (refused.status, refused.reason) == (403, "forbidden")
    assert refused.message.startswith("Caller does not have storage.objects.list access to the Google Cloud Storage")
    grant(gke, bucket, "roles/storage.objectViewer", PRINCIPAL)
    assert pod.call("GET", f"/storage/v1/b/{bucket}/o").status == 200
    assert pod.call("GET", f"/storage/v1/b/{bucket}/o/a", alt="media").body == b"one"
    write = pod.call("POST", f"/upload/storage/v1/b/{bucket}/o", b"x", uploadType="media", name="b")
    assert write.status == 403 and "storage.objects.create" in write.message
    assert pod.call("DELETE", f"/storage/v1/b/{bucket}/o/a").status == 403
    assert pod.call("GET", f"/storage/v1/b/{bucket}").status == 403
    other = as_(gke, workload_token(gke, account="another")[1]["token"])
    assert other.call("GET", f"/storage/v1/b/{bucket}/o").status == 403


def test_acting_as_an_account_needs_its_consent(gke: Gke, bucket: str) -> None:
    gke.cluster(workloadIdentityConfig={"workloadPool": POOL})
    gke.call("POST", ACCOUNTS, {"accountId": "reader"})
    status, told = workload_token(gke, READER)
    assert status == 403 and "iam.serviceAccounts.getAccessToken" in told["error"]["message"]
    binding = {"role": "roles/iam.workloadIdentityUser", "members": [f"serviceAccount:{POOL}[n/k]"]}
    policy = {"policy": {"version": 3, "bindings": [binding]}}
    assert gke.call("POST", f"{ACCOUNTS}/{READER}:setIamPolicy", policy).status == 200
    status, told = workload_token(gke, READER)
    assert (status, told["email"]) == (200, READER)
    pod = as_(gke, told["token"])
    refused = pod.call("GET", f"/storage/v1/b/{bucket}/o")
    assert refused.status == 403 and refused.message.startswith(f"{READER} does not have storage.objects.list access")
    grant(gke, bucket, "roles/storage.objectViewer", f"serviceAccount:{READER}")
    assert pod.call("GET", f"/storage/v1/b/{bucket}/o").status == 200
    assert workload_token(gke, READER, account="another")[0] == 403


def test_a_principal_of_a_pool_that_is_not_there(gke: Gke, bucket: str) -> None:
    policy = gke.call("GET", f"/storage/v1/b/{bucket}/iam").body
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": [PRINCIPAL]})
    assert gke.call("PUT", f"/storage/v1/b/{bucket}/iam", policy).message.startswith("Identity Pool does not exist")


def test_conditions_grant_nothing_here_and_unknown_roles_neither() -> None:
    binding = {"role": "roles/owner", "members": ["user:a"], "condition": {"expression": "true"}}
    assert not roles.grants({"bindings": [binding]}, ["user:a"], "storage.objects.get")
    assert not roles.allows("roles/nobody.knows", "storage.objects.get")
    assert workload_identity.LIFETIME == 3600
