# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Compute's list answers: filter, order, pages; and aggregated lists with one entry a scope."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from sandbox.cloud.compute import places
from sandbox.cloud.compute.filters import compile_filter
from sandbox.cloud.compute.links import link
from sandbox.cloud.errors import ApiError
from sandbox.cloud.request import Request

Json = dict[str, Any]
MOST = 500


def _page(request: Request, items: list[tuple[str, Json]]) -> tuple[list[tuple[str, Json]], str]:
    """One page of (path, body) pairs and the token of the next; the token is the last path of this page."""
    test = compile_filter(str(request.params.get("filter", "")))
    wanted = [(path, body) for path, body in items if test(body)]
    order = str(request.params.get("orderBy", ""))
    if order not in ("", "name", "creationTimestamp desc"):
        raise ApiError(400, f"Invalid value for field 'orderBy': '{order}'.", reason="invalid")
    if order.startswith("creationTimestamp"):
        wanted.sort(key=lambda item: str(item[1].get("creationTimestamp", "")), reverse=True)
    start = 0
    if token := str(request.params.get("pageToken", "")):
        last = _decoded(token)
        start = next((index for index, item in enumerate(wanted) if item[0] == last), -1) + 1
        if start == 0:  # the last one of the page before is gone: go on after where it stood
            start = sum(path <= last for path, _body in wanted)
    size = int(request.params.get("maxResults", MOST)) or MOST
    if size > MOST:
        message = f"Invalid value for field 'maxResults': '{size}'. Must be less than or equal to {MOST}"
        raise ApiError(400, message, reason="invalid")
    page = wanted[start : start + size]
    more = start + size < len(wanted)
    return page, base64.urlsafe_b64encode(page[-1][0].encode()).decode() if more else ""


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ApiError(400, f"Invalid value for field 'pageToken': '{token}'.", reason="invalid") from error


def answer_kind(request: Request) -> str:
    """The ``kind`` of an answer, as the discovery document has it."""
    return str(_properties(request).get("kind", {}).get("default", ""))


def _properties(request: Request) -> Json:
    reference = (request.method.response_schema or {}).get("$ref", "")
    found: Json = request.method.document.schemas.get(reference, {}).get("properties", {})
    return found


def _with_link(request: Request, answer: Json, path: str) -> Json:
    """Most lists tell their own link; a few kinds were made without."""
    return {**answer, "selfLink": link(path)} if "selfLink" in _properties(request) else answer


def listed(request: Request, collection: str, items: Iterable[tuple[str, Json]]) -> Json:
    page, token = _page(request, list(items))
    answer: Json = {"kind": answer_kind(request), "id": collection}
    if page:
        answer["items"] = [body for _path, body in page]
    if token:
        answer["nextPageToken"] = token
    return _with_link(request, answer, collection)


def scope_of(path: str) -> str:
    """``regions/us-east5`` of projects/P/regions/us-east5/subnetworks/S"""
    parts = path.split("/")
    return "global" if parts[2] == "global" else "/".join(parts[2:4])


def all_scopes(kinds: Iterable[str]) -> list[str]:
    wanted = set(kinds)
    scopes = ["global"] if "global" in wanted else []
    if "region" in wanted:
        scopes += [f"regions/{region}" for region in places.REGIONS]
    if "zone" in wanted:
        scopes += [f"zones/{zone}" for region in places.REGIONS for zone in places.zones_of(region)]
    return scopes


def aggregated(
    request: Request, collection: str, scope_kinds: Iterable[str], items: Iterable[tuple[str, Json]]
) -> Json:
    """An entry for each scope; empty ones (on the first page) carry a warning."""
    page, token = _page(request, list(items))
    everywhere = bool(request.params.get("includeAllScopes"))
    first = not request.params.get("pageToken")
    scopes = all_scopes(("global", "region", "zone") if everywhere else scope_kinds) if first else []
    entries: Json = {scope: _nothing(scope) for scope in scopes}
    for path, body in page:
        entry = entries.setdefault(scope_of(path), {})
        entry.pop("warning", None)
        entry.setdefault(collection, []).append(body)
    assert request.project is not None
    identity = f"projects/{request.project.id}/aggregated/{collection}"
    answer: Json = {"kind": answer_kind(request), "id": identity, "items": entries}
    if token:
        answer["nextPageToken"] = token
    return _with_link(request, answer, identity)


def make_incomplete(answer: Json, collection: str) -> None:
    """One scope can't be reached, one with something in it if there is one: its part of the answer is missing."""
    entries: Json = answer["items"]
    scope = next((name for name, entry in entries.items() if entry.get(collection)), next(iter(entries), ""))
    if not scope:
        return
    entries[scope] = {
        "warning": {
            "code": "UNREACHABLE",
            "message": f"The scope '{scope}' could not be reached; its results are missing.",
            "data": [{"key": "scope", "value": scope}],
        }
    }
    answer["unreachables"] = [scope]


def _nothing(scope: str) -> Json:
    return {
        "warning": {
            "code": "NO_RESULTS_ON_PAGE",
            "message": f"No results for the scope '{scope}'.",
            "data": [{"key": "scope", "value": scope}],
        }
    }
