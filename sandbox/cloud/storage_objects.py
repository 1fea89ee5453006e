# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The storage API's objects: what they hold, their checksums, and uploads of all three kinds."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sandbox.cloud import roles
from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.crc32c import crc32c
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.registry import method, route
from sandbox.cloud.request import HttpRequest, HttpResponse, Principal, Request
from sandbox.cloud.storage import LINK, find_bucket, page, precondition_failed
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

# A chunk of a resumable upload, other than the last, is a multiple of this.
CHUNK = 256 * 1024
_GIVEN = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "metadata",
    "storageClass",
)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass
class Session:
    """A resumable upload under way. Nobody sees the object before it is whole."""

    bucket: str
    asked: Json
    conditions: Json
    principal: Principal
    content: bytearray = field(default_factory=bytearray)


class Uploads:
    """The resumable uploads of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.sessions: dict[str, Session] = {}


def _object_path(bucket: str, name: str) -> str:
    """A slash in an object's name must not look like one of the store's."""
    return f"b/{bucket}/o/{name.replace('%', '%25').replace('/', '%2F')}"


def _check_conditions(params: Json, found: Resource | None) -> None:
    """ifGenerationMatch and its like; generation 0 stands for an object that is not there."""
    for name, key, absent in (("Generation", "generation", "0"), ("Metageneration", "metageneration", "")):
        current = found.body[key] if found else absent
        wanted, unwanted = params.get(f"if{name}Match"), params.get(f"if{name}NotMatch")
        if (wanted is not None and str(wanted) != current) or (unwanted is not None and str(unwanted) == current):
            raise precondition_failed()


def _check_checksums(asked: Json, body: Json) -> None:
    for key, name in (("md5Hash", "MD5"), ("crc32c", "CRC32C")):
        if asked.get(key) and asked[key] != body[key]:
            message = f'Provided {name} hash "{asked[key]}" doesn\'t match calculated {name} hash "{body[key]}".'
            raise invalid(message, reason="invalid")


def _put(cloud: Cloud, principal: Principal, bucket: str, asked: Json, content: bytes, conditions: Json) -> Json:
    holder = find_bucket(cloud, principal, bucket, "storage.objects.create")
    name = str(asked.get("name") or "")
    if not name:
        raise invalid("Required parameter: name", reason="required")
    known = cloud.store.get(_object_path(bucket, name))
    _check_conditions(conditions, known)
    if known is not None:
        # Who overwrites deletes.
        roles.require_on_bucket(cloud, principal, "storage.objects.delete", bucket, str(holder.hidden["project"]))
    generation, now = str(time.time_ns() // 1000), utc_timestamp()
    quoted = quote(name, safe="")
    body: Json = {
        **{key: asked[key] for key in _GIVEN if asked.get(key)},
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"{LINK}/b/{bucket}/o/{quoted}",
        "mediaLink": (
            f"https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/{quoted}"
            f"?generation={generation}&alt=media"
        ),
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": asked.get("contentType") or "application/octet-stream",
        "storageClass": asked.get("storageClass") or holder.body["storageClass"],
        "size": str(len(content)),
        "md5Hash": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(crc32c(content).to_bytes(4, "big")).decode(),
        "etag": cloud.store.fingerprint(),
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
        "timeFinalized": now,
    }
    _check_checksums(asked, body)
    return cloud.store.put(_object_path(bucket, name), body, content=content).body


# Uploads


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


def _caller(cloud: Cloud, http: HttpRequest) -> Principal:
    authorization = http.headers.get("authorization")
    if http.trusted and not authorization:
        return Principal("gke-internal", trusted=True)
    return cloud.auth.principal(authorization, "storage.googleapis.com")


@route("POST", "/upload/storage/v1/b/*/o")
def upload(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    principal = _caller(cloud, http)
    bucket = unquote(http.path.split("/")[5])
    kind = http.query.get("uploadType", [""])[-1]
    conditions = {name: values[-1] for name, values in http.query.items() if name.startswith("if")}
    content = b""
    if kind == "multipart":
        asked, content = _multipart(http)
    elif kind == "media":
        asked, content = {"contentType": http.headers.get("content-type", "")}, http.body
    elif kind == "resumable":
        asked = http.json() or {}
        asked.setdefault("contentType", http.headers.get("x-upload-content-type", ""))
    else:
        raise invalid(f"Invalid upload type: {kind or 'none'}", reason="invalid")
    if "name" in http.query:
        asked["name"] = http.query["name"][-1]
    with cloud.store.lock:
        if kind == "resumable":
            return _begin(cloud, http, principal, bucket, asked, conditions)
        return HttpResponse(200, _put(cloud, principal, bucket, asked, content, conditions))


def _begin(
    cloud: Cloud, http: HttpRequest, principal: Principal, bucket: str, asked: Json, conditions: Json
) -> HttpResponse:
    find_bucket(cloud, principal, bucket, "storage.objects.create")
    if not asked.get("name"):
        raise invalid("Required parameter: name", reason="required")
    _check_conditions(conditions, cloud.store.get(_object_path(bucket, str(asked["name"]))))
    upload_id = f"AB{cloud.store.hex(40)}"
    cloud.part(Uploads).sessions[upload_id] = Session(bucket, asked, conditions, principal)
    base = f"http://{http.headers['host']}" if "host" in http.headers else cloud.settings.base
    location = f"{base}{http.path}?uploadType=resumable&upload_id={upload_id}"
    return HttpResponse(200, None, {"Location": location, "X-GUploader-UploadID": upload_id})


@route("PUT", "/upload/storage/v1/b/*/o")
def continue_upload(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """The next chunk; or, with `bytes */N`, the question how far it is. The session's URL is its own credential."""
    with cloud.store.lock:
        upload_id, session = _session(cloud, http)
        header = http.headers.get("content-range")
        if header is None:
            session.content[:] = http.body
            return _finish(cloud, upload_id, session)
        found = _CONTENT_RANGE.fullmatch(header)
        if found is None:
            raise invalid(f"Invalid Content-Range: {header}", reason="invalid")
        first, last, total = found[1], found[2], None if found[3] == "*" else int(found[3])
        if first is not None:
            _append(session, int(first), int(last), total, http.body)
        if total is not None and len(session.content) >= total:
            return _finish(cloud, upload_id, session)
        return HttpResponse(308, None, _so_far(session))


def _append(session: Session, first: int, last: int, total: int | None, data: bytes) -> None:
    have = len(session.content)
    if last - first + 1 != len(data):
        raise invalid("The Content-Range does not match the length of the body.", reason="invalid")
    if first > have:
        raise ApiError(503, "Backend Error: the range does not begin where the upload has come to.")
    if (total is None or last + 1 < total) and len(data) % CHUNK:
        raise invalid(f"Chunks, but for the last, have to be multiples of {CHUNK} bytes.", reason="invalid")
    session.content.extend(data[have - first :])


def _so_far(session: Session) -> dict[str, str]:
    return {"Range": f"bytes=0-{len(session.content) - 1}"} if session.content else {}


def _finish(cloud: Cloud, upload_id: str, session: Session) -> HttpResponse:
    asked, content = session.asked, bytes(session.content)
    body = _put(cloud, session.principal, session.bucket, asked, content, session.conditions)
    del cloud.part(Uploads).sessions[upload_id]
    return HttpResponse(200, body)


@route("DELETE", "/upload/storage/v1/b/*/o")
def cancel_upload(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    with cloud.store.lock:
        upload_id, _session_found = _session(cloud, http)
        del cloud.part(Uploads).sessions[upload_id]
    return HttpResponse(499)


def _session(cloud: Cloud, http: HttpRequest) -> tuple[str, Session]:
    upload_id = http.query.get("upload_id", [""])[-1]
    session = cloud.part(Uploads).sessions.get(upload_id)
    if session is None:
        raise ApiError(404, "The upload session was not found: it has ended, or expired.")
    return upload_id, session


# Reading and deleting


def _find_object(cloud: Cloud, principal: Principal, bucket: str, name: str, permission: str, params: Json) -> Resource:
    find_bucket(cloud, principal, bucket, permission)
    found = cloud.store.get(_object_path(bucket, name))
    generation = params.get("generation")
    if found is None or (generation is not None and str(generation) != found.body["generation"]):
        raise ApiError(404, f"No such object: {bucket}/{name}")
    _check_conditions(params, found)
    return found


@method("storage.objects.list")
def list_objects(cloud: Cloud, request: Request) -> Json:
    """Names below a prefix; with a delimiter, what lies deeper is answered as prefixes."""
    bucket = find_bucket(cloud, request.principal, request.params["bucket"], "storage.objects.list")
    prefix, delimiter = request.params.get("prefix", ""), request.params.get("delimiter", "")
    found: dict[str, Json] = {}
    for item in cloud.store.children(f"{bucket.path}/o"):
        name = item.body["name"]
        if not name.startswith(prefix):
            continue
        rest = name.removeprefix(prefix)
        if delimiter and delimiter in rest:
            deeper = prefix + rest.split(delimiter, 1)[0] + delimiter
            found.setdefault(deeper, {"name": deeper})
        else:
            found[name] = item.body
    shown, after = page([found[name] for name in sorted(found)], request.params)
    items = [item for item in shown if "generation" in item]
    prefixes = [item["name"] for item in shown if "generation" not in item]
    return {
        "kind": "storage#objects",
        **({"items": items} if items else {}),
        **({"prefixes": prefixes} if prefixes else {}),
        **after,
    }


@method("storage.objects.get")
def get_object(cloud: Cloud, request: Request) -> Json | HttpResponse:
    params = request.params
    found = _find_object(cloud, request.principal, params["bucket"], params["object"], "storage.objects.get", params)
    return _content(found, request.headers) if params.get("alt") == "media" else found.body


def _content(found: Resource, asked: dict[str, str]) -> HttpResponse:
    """The content, or the part of it that is asked for, with the checksums of the whole."""
    content, body = found.hidden["content"], found.body
    headers = {
        "Content-Type": body["contentType"],
        "ETag": body["etag"],
        "X-Goog-Generation": body["generation"],
        "X-Goog-Metageneration": body["metageneration"],
        "X-Goog-Hash": f"crc32c={body['crc32c']},md5={body['md5Hash']}",
        "X-Goog-Stored-Content-Length": body["size"],
    }
    wanted = _RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
    if wanted is None or wanted[0] == "bytes=-":
        return HttpResponse(200, content, headers)
    size = len(content)
    first = int(wanted[1]) if wanted[1] else max(size - int(wanted[2]), 0)
    last = min(int(wanted[2]), size - 1) if wanted[1] and wanted[2] else size - 1
    if first >= size:
        return HttpResponse(416, b"Request range not satisfiable", {"Content-Range": f"bytes */{size}"})
    return HttpResponse(206, content[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{size}"})


@route("GET", "/download/storage/v1/b/*/o/*")
def download(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """Where gcloud and the client libraries fetch content."""
    principal = _caller(cloud, http)
    bucket, _o, name = http.path.removeprefix("/download/storage/v1/b/").split("/", 2)
    params = {key: values[-1] for key, values in http.query.items()}
    with cloud.store.lock:
        found = _find_object(cloud, principal, unquote(bucket), unquote(name), "storage.objects.get", params)
        return _content(found, http.headers)


@method("storage.objects.patch")
def patch_object(cloud: Cloud, request: Request) -> Json:
    """What describes an object can change; its content cannot."""
    params = request.params
    found = _find_object(cloud, request.principal, params["bucket"], params["object"], "storage.objects.update", params)
    change = {key: value for key, value in request.body.items() if key in _GIVEN and key != "storageClass"}
    if "metadata" in (given := request.raw_body or {}):
        merged = found.body.get("metadata", {}) | (given["metadata"] or {})
        change["metadata"] = {key: value for key, value in merged.items() if value is not None}
    version = str(int(found.body["metageneration"]) + 1)
    found.body = found.body | change | {"metageneration": version, "updated": utc_timestamp()}
    return found.body


@method("storage.objects.delete")
def delete_object(cloud: Cloud, request: Request) -> None:
    params = request.params
    found = _find_object(cloud, request.principal, params["bucket"], params["object"], "storage.objects.delete", params)
    cloud.store.delete(found.path)
