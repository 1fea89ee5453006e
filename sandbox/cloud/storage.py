# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The storage API: buckets, their policies, and objects as far as a model's files need them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sandbox.cloud import policies
from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.registry import method, route
from sandbox.cloud.request import HttpRequest, HttpResponse, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

LINK = "https://www.googleapis.com/storage/v1"
_NAME = re.compile(r"^[a-z0-9][-a-z0-9_.]{1,220}[a-z0-9]$")
_MULTI_REGIONS = ("US", "EU", "ASIA")
_WEEK = "604800"


def _path(name: str) -> str:
    return f"b/{name}"


def _find(cloud: Cloud, name: str) -> Resource:
    found = cloud.store.get(_path(name))
    if found is None:
        raise ApiError(404, "The specified bucket does not exist.")
    return found


def _objects(cloud: Cloud, bucket: str) -> list[Resource]:
    return sorted(cloud.store.children(f"b/{bucket}/o"), key=lambda item: item.body["name"])


def _object_path(bucket: str, name: str) -> str:
    """A slash in an object's name must not look like one of the store's."""
    return f"b/{bucket}/o/{name.replace('/', '%2F')}"


def _configuration(asked: Json) -> Json:
    uniform = bool(asked.get("uniformBucketLevelAccess", {}).get("enabled"))
    access: Json = {"enabled": uniform}
    if uniform:
        access["lockedTime"] = utc_timestamp(time.time() + 90 * 24 * 3600)
    return {
        "bucketPolicyOnly": access,
        "uniformBucketLevelAccess": access,
        "publicAccessPrevention": asked.get("publicAccessPrevention", "inherited"),
    }


@method("storage.buckets.insert")
def insert_bucket(cloud: Cloud, request: Request) -> Json:
    name = request.body.get("name", "")
    if not _NAME.match(name):
        raise ApiError(400, f"Invalid bucket name: '{name}'", reason="invalid")
    if cloud.store.get(_path(name)) is not None:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ApiError(409, message, reason="conflict")
    location = request.body.get("location", "US").upper()
    project = request.project or cloud.settings.project
    now = utc_timestamp()
    body = request.body | {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"{LINK}/b/{name}",
        "projectNumber": project.number,
        "generation": str(time.time_ns() // 1000),
        "metageneration": "1",
        "location": location,
        "locationType": "multi-region" if location in _MULTI_REGIONS else "region",
        "storageClass": request.body.get("storageClass", "STANDARD"),
        "etag": "CAE=",
        "timeCreated": now,
        "updated": now,
        "iamConfiguration": _configuration(request.body.get("iamConfiguration", {})),
        "softDeletePolicy": {"effectiveTime": now, "retentionDurationSeconds": _WEEK},
        "rpo": "DEFAULT",
    }
    stored = cloud.store.put(_path(name), body, project=project.id)
    _first_policy(cloud, stored, project.id)
    return stored.body


def _first_policy(cloud: Cloud, bucket: Resource, project: str) -> None:
    """What Google grants by itself on a new bucket."""
    owners = {"role": "roles/storage.legacyBucketOwner", "members": [f"projectOwner:{project}"]}
    readers = {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{project}"]}
    policy = {"version": 1, "etag": cloud.store.fingerprint(), "bindings": [owners, readers]}
    cloud.store.put(f"{bucket.path}/policies/iam", policy)


@method("storage.buckets.get")
def get_bucket(cloud: Cloud, request: Request) -> Json:
    return _find(cloud, request.params["bucket"]).body


@method("storage.buckets.getStorageLayout")
def get_layout(cloud: Cloud, request: Request) -> Json:
    bucket = _find(cloud, request.params["bucket"]).body
    return {
        "kind": "storage#storageLayout",
        "bucket": bucket["name"],
        "location": bucket["location"],
        "locationType": bucket["locationType"],
    }


@method("storage.managedFolders.list")
def list_managed_folders(cloud: Cloud, request: Request) -> Json:
    """gcloud looks for them before it removes a bucket; there is no way to make one here."""
    _find(cloud, request.params["bucket"])
    return {"kind": "storage#managedFolders"}


@method("storage.buckets.list")
def list_buckets(cloud: Cloud, request: Request) -> Json:
    project = request.project or cloud.settings.project
    prefix = request.params.get("prefix", "")
    buckets = [bucket for bucket in cloud.store.children("b") if bucket.hidden["project"] == project.id]
    items = [bucket.body for bucket in buckets if bucket.name.startswith(prefix)]
    return {"kind": "storage#buckets"} | ({"items": items} if items else {})


@method("storage.buckets.patch")
def patch_bucket(cloud: Cloud, request: Request) -> Json:
    bucket = _find(cloud, request.params["bucket"])
    change = {key: value for key, value in request.body.items() if key not in ("name", "location", "id", "kind")}
    if "iamConfiguration" in change:
        change["iamConfiguration"] = _configuration(bucket.body["iamConfiguration"] | change["iamConfiguration"])
    version = str(int(bucket.body["metageneration"]) + 1)
    bucket.body = bucket.body | change | {"metageneration": version, "updated": utc_timestamp()}
    return bucket.body


@method("storage.buckets.delete")
def delete_bucket(cloud: Cloud, request: Request) -> None:
    bucket = _find(cloud, request.params["bucket"])
    if _objects(cloud, bucket.name):
        raise ApiError(409, "The bucket you tried to delete is not empty.", reason="conflict")
    policies.forget(cloud, bucket.path)
    cloud.store.delete(bucket.path)


def _policy(bucket: str, policy: Json) -> Json:
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}", **policy}


@method("storage.buckets.getIamPolicy")
def get_policy(cloud: Cloud, request: Request) -> Json:
    bucket = _find(cloud, request.params["bucket"])
    return _policy(bucket.name, policies.get(cloud, bucket.path))


@method("storage.buckets.setIamPolicy")
def set_policy(cloud: Cloud, request: Request) -> Json:
    bucket = _find(cloud, request.params["bucket"])
    return _policy(bucket.name, policies.set_policy(cloud, bucket.path, request.body))


@method("storage.buckets.testIamPermissions")
def test_permissions(cloud: Cloud, request: Request) -> Json:
    _find(cloud, request.params["bucket"])
    return {"kind": "storage#testIamPermissionsResponse"} | policies.granted(request.params)


# Objects


def _put_object(cloud: Cloud, bucket: str, asked: Json, content: bytes) -> Json:
    _find(cloud, bucket)
    name = asked.get("name", "")
    if not name:
        raise invalid("Required parameter: name", reason="required")
    generation, now = str(time.time_ns() // 1000), utc_timestamp()
    quoted = name.replace("/", "%2F")
    body: Json = {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"{LINK}/b/{bucket}/o/{quoted}",
        "mediaLink": f"https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/{quoted}?alt=media",
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": asked.get("contentType") or "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(len(content)),
        "md5Hash": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
        "etag": cloud.store.fingerprint(),
        "timeCreated": now,
        "updated": now,
    }
    return cloud.store.put(_object_path(bucket, name), body, content=content).body


def _multipart(http: HttpRequest) -> tuple[Json, bytes]:
    """A multipart/related upload: the object's description, then its content. (gcloud puts the boundary in single
    quotes and ends lines without carriage returns, which mail parsers don't take.)"""
    found = re.search(r"boundary=([^;]+)", http.headers.get("content-type", ""))
    boundary = b"--" + (found[1].strip().strip("\"'") if found else "").encode()
    parts = [
        re.split(rb"\r?\n\r?\n", re.sub(rb"\r?\n$", b"", part, count=1), maxsplit=1)
        for part in http.body.split(boundary)[1:-1]
    ]
    if not found or len(parts) != 2 or any(len(part) != 2 for part in parts):
        raise invalid("A multipart upload has two parts.")
    return json.loads(parts[0][1]), parts[1][1]


@route("POST", "/upload/storage/v1/b/*/o")
def upload(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    if not http.trusted:
        cloud.auth.principal(http.headers.get("authorization"), "storage.googleapis.com")
    bucket = unquote(http.path.split("/")[5])
    kind = http.query.get("uploadType", [""])[-1]
    if kind == "multipart":
        asked, content = _multipart(http)
    elif kind == "media":
        asked = {"name": http.query.get("name", [""])[-1], "contentType": http.headers.get("content-type", "")}
        content = http.body
    else:
        raise ApiError(501, f"The sandbox does not implement uploads of type {kind or 'none'}.")
    if "name" in http.query:
        asked["name"] = http.query["name"][-1]
    with cloud.store.lock:
        return HttpResponse(200, _put_object(cloud, bucket, asked, content))


def _find_object(cloud: Cloud, bucket: str, name: str) -> Resource:
    _find(cloud, bucket)
    found = cloud.store.get(_object_path(bucket, name))
    if found is None:
        raise ApiError(404, f"No such object: {bucket}/{name}")
    return found


@method("storage.objects.list")
def list_objects(cloud: Cloud, request: Request) -> Json:
    """Names below a prefix; with a delimiter, what lies deeper is answered as prefixes."""
    bucket = _find(cloud, request.params["bucket"])
    prefix, delimiter = request.params.get("prefix", ""), request.params.get("delimiter", "")
    items, deeper = [], set()
    for item in _objects(cloud, bucket.name):
        rest = item.body["name"].removeprefix(prefix)
        if not item.body["name"].startswith(prefix):
            continue
        if delimiter and delimiter in rest:
            deeper.add(prefix + rest.split(delimiter, 1)[0] + delimiter)
        else:
            items.append(item.body)
    answer: Json = {"kind": "storage#objects"}
    if items:
        answer["items"] = items
    if deeper:
        answer["prefixes"] = sorted(deeper)
    return answer


@method("storage.objects.get")
def get_object(cloud: Cloud, request: Request) -> Json | HttpResponse:
    found = _find_object(cloud, request.params["bucket"], request.params["object"])
    return _content(found) if request.params.get("alt") == "media" else found.body


def _content(found: Resource) -> HttpResponse:
    return HttpResponse(200, found.hidden["content"], {"Content-Type": found.body["contentType"]})


@route("GET", "/download/storage/v1/b/*/o/*")
def download(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Where gcloud fetches content."""
    if not http.trusted:
        cloud.auth.principal(http.headers.get("authorization"), "storage.googleapis.com")
    bucket, _o, name = http.path.removeprefix("/download/storage/v1/b/").split("/", 2)
    with cloud.store.lock:
        return _content(_find_object(cloud, unquote(bucket), unquote(name)))


@method("storage.objects.delete")
def delete_object(cloud: Cloud, request: Request) -> None:
    cloud.store.delete(_find_object(cloud, request.params["bucket"], request.params["object"]).path)
