# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Names of compute resources: paths inside, full links outside, and whatever callers write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.cloud.compute import places
from sandbox.cloud.errors import ApiError
from sandbox.cloud.request import Project, Request

Json = dict[str, Any]
BASE = "https://www.googleapis.com/compute/v1/"
PREFIX = "/compute/v1/"
SCOPES = {"global": 1, "regions": 2, "zones": 2}
VERSIONED = re.compile(r"^(https?://[^/]+)?/?(compute/)?(v1|beta|alpha)/(?=projects/)")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
NAME_PATTERN = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"


def link(path: str) -> str:
    return BASE + path


def path_of(value: str) -> str:
    """The path of a link in one of our own bodies; other text comes back as it is."""
    return VERSIONED.sub("", value)


@dataclass(frozen=True)
class Place:
    """Where a request goes: ``global``, ``regions/us-east5`` or ``zones/us-east5-a`` of a project."""

    project: Project
    scope: str

    @property
    def path(self) -> str:
        return f"projects/{self.project.id}/{self.scope}"

    @property
    def kind(self) -> str:
        return {"global": "global", "regions": "region", "zones": "zone"}[self.scope.partition("/")[0]]

    @property
    def name(self) -> str:
        return self.scope.partition("/")[2]

    @property
    def region(self) -> str:
        return places.region_of(self.name) if self.kind == "zone" else self.name

    def fields(self) -> Json:
        """What a resource or an operation says about it: nothing, ``region`` or ``zone``."""
        return {} if self.kind == "global" else {self.kind: link(self.path)}


def split(request: Request) -> tuple[Place, list[str]]:
    """The place of a request, and the rest of its path: collection, name, verb."""
    parts = request.path.removeprefix(PREFIX).split("/")
    assert request.project is not None and parts[0] == "projects"
    depth = SCOPES[parts[2]]
    place = Place(request.project, "/".join(parts[2 : 2 + depth]))
    _check_place(place)
    return place, parts[2 + depth :]


def _check_place(place: Place) -> None:
    known = {"global": True, "region": place.name in places.REGIONS, "zone": places.is_zone(place.name)}
    if not known[place.kind]:
        message = f"Invalid value for field '{place.kind}': '{place.name}'. Unknown {place.kind}."
        raise ApiError(400, message, reason="invalid")


def resolve(reference: str, project: Project, find_project: Callable[[str], Project | None], field: str) -> str:
    """The path that a caller's reference means: a full link to any host, projects/…, or global/…, regions/…, zones/…"""
    text = VERSIONED.sub("", reference).strip("/")
    parts = text.split("/")
    if parts[0] in SCOPES:
        parts = ["projects", project.id, *parts]
    if len(parts) < 5 or parts[0] != "projects" or parts[2] not in SCOPES:
        raise ApiError(
            400, f"Invalid value for field '{field}': '{reference}'. The URL is malformed.", reason="invalid"
        )
    owner = find_project(parts[1])
    parts[1] = owner.id if owner else parts[1]
    return "/".join(parts)


def slots(body: Any, spec: str) -> Iterator[tuple[Any, Any]]:
    """Where in a body a field like ``backends[].group`` stands: pairs (container, key) of strings that are there."""
    head, _dot, rest = spec.partition(".")
    name = head.removesuffix("[]")
    if not isinstance(body, dict) or body.get(name) in (None, ""):
        return
    if not head.endswith("[]"):
        if rest:
            yield from slots(body[name], rest)
        elif isinstance(body[name], str):
            yield body, name
        return
    for index, item in enumerate(body[name]):
        if rest:
            yield from slots(item, rest)
        elif isinstance(item, str):
            yield body[name], index
