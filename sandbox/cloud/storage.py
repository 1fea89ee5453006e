# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The storage API's buckets and their policies (objects: `storage_objects`). Here policies are consulted."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from sandbox.cloud import policies, roles
from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.registry import method, on_start
from sandbox.cloud.request import Principal, Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

LINK = "https://www.googleapis.com/storage/v1"
_NAME = re.compile(r"^[a-z0-9][-a-z0-9_.]{1,220}[a-z0-9]$")
_MULTI_REGIONS = ("US", "EU", "ASIA")
_WEEK = 604800
_LONGEST_SOFT_DELETE = 90 * 24 * 3600
_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY")
_TAKEN = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please "
    "select a different name and try again."
)
# Buckets of somebody else: the tutorial's, and one that anybody may read.
STRANGER = "somebody-elses-project"
FOREIGN = {"inf-demo-model-storage": False, "gcp-public-data-of-somebody": True}


@on_start
def make_foreign_buckets(cloud: Cloud) -> None:
    """Names are shared by all of Google Cloud, so some are taken."""
    for name, public in FOREIGN.items():
        stored = cloud.store.put(path_of(name), _bucket_body(name, "900000000001", {}), project=STRANGER)
        _first_policy(cloud, stored, STRANGER)
        if public:
            policy = cloud.store.get(f"{stored.path}/policies/iam")
            assert policy is not None
            policy.body["bindings"].append({"role": "roles/storage.objectViewer", "members": ["allUsers"]})


def path_of(name: str) -> str:
    return f"b/{name}"


def find_bucket(cloud: Cloud, principal: Principal, name: str, permission: str) -> Resource:
    """The bucket, if there is one and the caller may do this with it."""
    found = cloud.store.get(path_of(name))
    if found is None:
        raise ApiError(404, "The specified bucket does not exist.")
    roles.require_on_bucket(cloud, principal, permission, name, str(found.hidden["project"]))
    return found


def _bucket_of(cloud: Cloud, request: Request, permission: str) -> Resource:
    found = find_bucket(cloud, request.principal, request.params["bucket"], permission)
    _check_metageneration(request, found)
    return found


def _check_metageneration(request: Request, bucket: Resource) -> None:
    current = bucket.body["metageneration"]
    wanted, unwanted = (request.params.get(f"ifMetageneration{kind}Match") for kind in ("", "Not"))
    if (wanted is not None and str(wanted) != current) or (unwanted is not None and str(unwanted) == current):
        raise precondition_failed()


def precondition_failed() -> ApiError:
    message = "At least one of the pre-conditions you specified did not hold."
    fields = {"locationType": "header", "location": "If-Match"}
    return ApiError(412, message, reason="conditionNotMet", error_fields=fields)


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


def _soft_delete(asked: Json) -> Json:
    seconds = int(asked.get("retentionDurationSeconds", _WEEK))
    if seconds and not _WEEK <= seconds <= _LONGEST_SOFT_DELETE:
        raise invalid("The soft delete retention has to be 0, or from 7 to 90 days.", reason="invalid")
    policy = {"retentionDurationSeconds": str(seconds)}
    return {"effectiveTime": utc_timestamp(), **policy} if seconds else policy


def _check_asked(asked: Json) -> None:
    if (kind := asked.get("storageClass")) and kind.upper() not in _CLASSES:
        raise invalid("Invalid argument.", reason="invalid")
    if asked.get("hierarchicalNamespace", {}).get("enabled"):
        uniform = asked.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled")
        if not uniform:
            raise invalid("Hierarchical namespace buckets must use uniform bucket-level access.", reason="invalid")
        if asked.get("versioning", {}).get("enabled"):
            raise invalid("Hierarchical namespace buckets cannot use object versioning.", reason="invalid")
    for rule in asked.get("lifecycle", {}).get("rule", []):
        if not rule.get("action", {}).get("type") or not rule.get("condition"):
            raise invalid("A lifecycle rule needs an action and at least one condition.", reason="invalid")


def _bucket_body(name: str, number: str, asked: Json) -> Json:
    location = asked.get("location", "US").upper()
    now = utc_timestamp()
    body = asked | {
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "selfLink": f"{LINK}/b/{name}",
        "projectNumber": number,
        "generation": str(time.time_ns() // 1000),
        "metageneration": "1",
        "location": location,
        "locationType": "multi-region" if location in _MULTI_REGIONS else "region",
        "storageClass": asked.get("storageClass", "STANDARD").upper(),
        "etag": "CAE=",
        "timeCreated": now,
        "updated": now,
        "iamConfiguration": _configuration(asked.get("iamConfiguration", {})),
        "softDeletePolicy": _soft_delete(asked.get("softDeletePolicy", {})),
        "rpo": "DEFAULT",
        **_autoclass(asked.get("autoclass", {}), now),
    }
    if not body.get("lifecycle", {}).get("rule"):
        body.pop("lifecycle", None)
    return body


@method("storage.buckets.insert")
def insert_bucket(cloud: Cloud, request: Request) -> Json:
    name = request.body.get("name", "")
    if not _NAME.match(name):
        raise ApiError(400, f"Invalid bucket name: '{name}'", reason="invalid")
    project = request.project
    if project is None:
        raise invalid("Required parameter: project", reason="required")
    if not roles.may(cloud, request.principal, "storage.buckets.create", project.id):
        raise ApiError(
            403,
            f"{request.principal.shown} does not have storage.buckets.create access to the Google Cloud project. "
            "Permission 'storage.buckets.create' denied on resource (or it may not exist).",
            reason="forbidden",
        )
    if (known := cloud.store.get(path_of(name))) is not None:
        mine = known.hidden["project"] == project.id
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ApiError(409, message if mine else _TAKEN, reason="conflict")
    _check_asked(request.body)
    stored = cloud.store.put(path_of(name), _bucket_body(name, project.number, request.body), project=project.id)
    _first_policy(cloud, stored, project.id)
    return stored.body


def _autoclass(asked: Json, now: str) -> Json:
    """Only a bucket with autoclass tells of it, and since when."""
    if not asked.get("enabled"):
        return {}
    times = {"toggleTime": now, "terminalStorageClassUpdateTime": now}
    return {"autoclass": {"terminalStorageClass": "NEARLINE"} | asked | times}


def _first_policy(cloud: Cloud, bucket: Resource, project: str) -> None:
    """What Google grants by itself on a new bucket; on objects, too, where access is uniform."""
    owners = {"members": [f"projectEditor:{project}", f"projectOwner:{project}"]}
    readers = {"members": [f"projectViewer:{project}"]}
    kinds = [("legacyBucketOwner", owners), ("legacyBucketReader", readers)]
    if bucket.body["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
        kinds += [("legacyObjectOwner", owners), ("legacyObjectReader", readers)]
    bindings = [{"role": f"roles/storage.{role}", **members} for role, members in kinds]
    policy = {"version": 1, "etag": cloud.store.fingerprint(), "bindings": bindings}
    cloud.store.put(f"{bucket.path}/policies/iam", policy)


@method("storage.buckets.get")
def get_bucket(cloud: Cloud, request: Request) -> Json:
    return _bucket_of(cloud, request, "storage.buckets.get").body


@method("storage.buckets.getStorageLayout")
def get_layout(cloud: Cloud, request: Request) -> Json:
    bucket = _bucket_of(cloud, request, "storage.objects.list").body
    return {
        "kind": "storage#storageLayout",
        "bucket": bucket["name"],
        "location": bucket["location"],
        "locationType": bucket["locationType"],
        **({"hierarchicalNamespace": space} if (space := bucket.get("hierarchicalNamespace")) else {}),
    }


@method("storage.managedFolders.list")
def list_managed_folders(cloud: Cloud, request: Request) -> Json:
    """gcloud looks for them before it removes a bucket; there is no way to make one here."""
    _bucket_of(cloud, request, "storage.managedFolders.list")
    return {"kind": "storage#managedFolders"}


@method("storage.buckets.list")
def list_buckets(cloud: Cloud, request: Request) -> Json:
    project = request.project
    if project is None:
        raise invalid("Required parameter: project", reason="required")
    if not roles.may(cloud, request.principal, "storage.buckets.list", project.id):
        raise ApiError(
            403,
            f"{request.principal.shown} does not have storage.buckets.list access to the Google Cloud project. "
            "Permission 'storage.buckets.list' denied on resource (or it may not exist).",
            reason="forbidden",
        )
    prefix = request.params.get("prefix", "")
    buckets = [bucket for bucket in cloud.store.children("b") if bucket.hidden["project"] == project.id]
    items, after = page([bucket.body for bucket in buckets if bucket.name.startswith(prefix)], request.params)
    return {"kind": "storage#buckets"} | ({"items": items} if items else {}) | after


def page(items: list[Json], params: Json) -> tuple[list[Json], Json]:
    """One page of a list that is in order of names: the token is the last name of the page before."""
    start = params.get("pageToken", "")
    rest = [item for item in items if item["name"] > start]
    most = min(int(params.get("maxResults") or 1000), 1000)
    after = {"nextPageToken": rest[most - 1]["name"]} if len(rest) > most else {}
    return rest[:most], after


@method("storage.buckets.patch")
def patch_bucket(cloud: Cloud, request: Request) -> Json:
    bucket = _bucket_of(cloud, request, "storage.buckets.update")
    given = request.raw_body or {}
    if str(given.get("location", bucket.body["location"])).upper() != bucket.body["location"]:
        raise invalid("Bucket location cannot be changed after creation.", reason="invalid")
    if "hierarchicalNamespace" in given and given["hierarchicalNamespace"] != bucket.body.get("hierarchicalNamespace"):
        raise invalid("Hierarchical namespace can only be set when a bucket is made.", reason="invalid")
    _check_asked({**request.body, "iamConfiguration": bucket.body["iamConfiguration"]})
    change = {key: value for key, value in request.body.items() if key not in ("name", "location", "id", "kind")}
    if "iamConfiguration" in change:
        change["iamConfiguration"] = _configuration(bucket.body["iamConfiguration"] | change["iamConfiguration"])
    if "softDeletePolicy" in change:
        change["softDeletePolicy"] = _soft_delete(change["softDeletePolicy"])
    if "labels" in given:
        change["labels"] = _merged(bucket.body.get("labels", {}), given["labels"])
    removed = {key for key, value in given.items() if value is None and key not in ("name", "location")}
    version = str(int(bucket.body["metageneration"]) + 1)
    body = bucket.body | change | {"metageneration": version, "updated": utc_timestamp()}
    bucket.body = {key: value for key, value in body.items() if key not in removed and value != {}}
    return bucket.body


def _merged(labels: Json, change: Json | None) -> Json:
    """A PATCH of labels adds and changes; null takes one away, null for all takes all."""
    return {key: value for key, value in (labels | (change or {})).items() if value is not None} if change else {}


@method("storage.buckets.delete")
def delete_bucket(cloud: Cloud, request: Request) -> None:
    bucket = _bucket_of(cloud, request, "storage.buckets.delete")
    if cloud.store.children(f"{bucket.path}/o"):
        raise ApiError(409, "The bucket you tried to delete is not empty.", reason="conflict")
    policies.forget(cloud, bucket.path)
    cloud.store.delete(bucket.path)


def _policy(bucket: str, policy: Json) -> Json:
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}", **policy}


@method("storage.buckets.getIamPolicy")
def get_policy(cloud: Cloud, request: Request) -> Json:
    bucket = _bucket_of(cloud, request, "storage.buckets.getIamPolicy")
    return _policy(bucket.name, policies.get(cloud, bucket.path))


@method("storage.buckets.setIamPolicy")
def set_policy(cloud: Cloud, request: Request) -> Json:
    bucket = _bucket_of(cloud, request, "storage.buckets.setIamPolicy")
    everybody = {"allUsers", "allAuthenticatedUsers"}
    prevented = bucket.body["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    if prevented and any(everybody & set(b.get("members", [])) for b in request.body.get("bindings", [])):
        message = (
            "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is "
            "enforced."
        )
        raise ApiError(412, message, reason="conditionNotMet")
    return _policy(bucket.name, policies.set_policy(cloud, bucket.path, request.body))


@method("storage.buckets.testIamPermissions")
def test_permissions(cloud: Cloud, request: Request) -> Json:
    name = request.params["bucket"]
    bucket = cloud.store.get(path_of(name))
    if bucket is None:
        raise ApiError(404, "The specified bucket does not exist.")
    asked = policies.granted(request.params).get("permissions", [])
    asked = [asked] if isinstance(asked, str) else asked
    project = str(bucket.hidden["project"])
    held = [each for each in asked if roles.may(cloud, request.principal, each, project, bucket.path)]
    return {"kind": "storage#testIamPermissionsResponse"} | ({"permissions": held} if held else {})
