# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Are a model's weights in a bucket, and whole? Judged by the list that whoever filled it wrote last.

This file is private to the collection. It changes nothing.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from .._clients import Cloud
from .._clock import Deadline
from .._errors import DisabledError, Json, LostReply, NotFoundError
from .._fields import dig
from .._module import connect

MANIFEST = "llm-d-weights.json"

OPTIONS: Json = {
    "bucket": {"type": "str", "required": True},
    "folder": {"type": "str", "default": ""},
    "model": {"type": "str", "required": True},
    "revision": {"type": "str", "default": "main"},
}


def judge(params: Mapping[str, Any], manifest: Json | None, objects: Mapping[str, Json]) -> Json:
    """Compares what was fetched with what is there. `objects` are by their names below the folder."""
    wanted = {"model": params["model"], "revision": params["revision"]}
    files: Json = (manifest or {}).get("files") or {}
    result: Json = {
        "complete": False,
        "commit": str((manifest or {}).get("commit") or ""),
        "files": len(files),
        "bytes": sum(int(file.get("size") or 0) for file in files.values()),
        "wrong": [],
        "reason": "",
    }
    if manifest is None:
        return {**result, "reason": "there is no list of what was fetched: it was never filled, or not to the end"}
    others = {key: manifest.get(key) for key in wanted}
    if others != wanted:
        return {**result, "reason": f"it holds {others['model']} at {others['revision']}"}
    wrong = sorted(name for name, file in files.items() if not _same(file, objects.get(name)))
    if wrong or not files:
        return {**result, "wrong": wrong, "reason": "files are missing or not as they were fetched"}
    return {**result, "complete": True}


def _same(file: Json, found: Json | None) -> bool:
    return (
        found is not None
        and str(found.get("size")) == str(file.get("size"))
        and dig(found, "md5Hash") == file.get("md5")
    )


def look(params: Mapping[str, Any]) -> Json:
    """Lists the folder, reads the list of what was fetched, and judges."""
    _identity, cloud, deadline = connect(params)
    folder = f"{params['folder'].strip('/')}/" if params["folder"].strip("/") else ""
    try:
        objects = _listed(cloud, deadline, params["bucket"], folder)
    except (NotFoundError, DisabledError) as error:
        missing = judge(params, None, {})
        return {**missing, "reason": error.message, "changed": False, "gcp_actions": cloud.actions}
    manifest = _manifest(cloud, deadline, params["bucket"], objects.get(MANIFEST))
    return {**judge(params, manifest, objects), "changed": False, "gcp_actions": cloud.actions}


def _listed(cloud: Cloud, deadline: Deadline, bucket: str, folder: str) -> dict[str, Json]:
    query = {"bucket": bucket, "prefix": folder, "maxResults": 1000}
    pages = cloud.pages("storage.objects.list", query, deadline=deadline)
    return {item["name"].removeprefix(folder): item for page in pages for item in page.get("items") or []}


def _manifest(cloud: Cloud, deadline: Deadline, bucket: str, item: Json | None) -> Json | None:
    if item is None:
        return None
    name = urllib.parse.quote(item["name"], safe="")
    params = {"bucket": bucket, "object": name, "generation": item["generation"], "alt": "media"}
    try:
        return cloud.call("storage.objects.get", params, deadline=deadline, resource=f"object {item['name']}")
    except (NotFoundError, LostReply):
        # Gone meanwhile, or no JSON: as good as none.
        return None
