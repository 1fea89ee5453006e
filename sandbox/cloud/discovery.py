# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which API method is this request? Answered from Google's own discovery documents.

The documents come with google-api-python-client. A request is matched by verb and ``flatPath`` (the plain ``path`` is
ambiguous: ``v1/{+name}`` matches everything). All APIs share one port, so a path may belong to methods of two APIs
(``v1/operations/…``): the catalog returns all of them, best match first, and the caller takes the one it implements.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient

Json = dict[str, Any]

DOCUMENTS = (
    "compute.v1",
    "container.v1",
    "container.v1beta1",
    "serviceusage.v1",
    "iam.v1",
    "iamcredentials.v1",
    "cloudresourcemanager.v1",
    "cloudresourcemanager.v3",
    "cloudbilling.v1",
    "storage.v1",
)
# Understood by Google's front end for every API, under both spellings.
SYSTEM_PARAMETERS = frozenset({"$alt", "$prettyPrint", "$fields", "$key", "$quotaUser", "$userProject", "userProject"})
VARIABLE = re.compile(r"\{(\+?)([^}]+)\}")


def _document_folder() -> Path:
    return Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"


class Document:
    """One API version: its schemas, its system parameters, its title."""

    def __init__(self, content: Json) -> None:
        self.api: str = content["name"]
        self.version: str = content["version"]
        self.title: str = content["title"]
        self.service: str = content["rootUrl"].removeprefix("https://").rstrip("/")
        self.schemas: dict[str, Json] = content["schemas"]
        self.parameters: dict[str, Json] = content["parameters"]
        self.service_path: str = content["servicePath"]
        self._content = content

    @classmethod
    def load(cls, name: str) -> Document:
        return cls(json.loads((_document_folder() / f"{name}.json").read_bytes()))

    def methods(self) -> Iterator[Method]:
        yield from self._walk(self._content)

    def _walk(self, node: Json) -> Iterator[Method]:
        for description in node.get("methods", {}).values():
            yield Method(self, description)
        for child in node.get("resources", {}).values():
            yield from self._walk(child)

    def __repr__(self) -> str:
        return f"<{self.api} {self.version}>"


@dataclass(frozen=True)
class Segment:
    """One piece of a path between slashes: ``clusters``, ``{clustersId}`` or ``{clustersId}:setResourceLabels``."""

    literal: str
    variable: str = ""

    @classmethod
    def parse(cls, text: str) -> Segment:
        found = VARIABLE.match(text)
        return cls(text[found.end() :], found.group(2)) if found else cls(text)

    def matches(self, text: str) -> bool:
        if not self.variable:
            return text == self.literal
        if self.literal:
            return text.endswith(self.literal) and len(text) > len(self.literal)
        return bool(text) and ":" not in text


@dataclass(eq=False)
class Method:
    """A method of an API, as its discovery document describes it."""

    document: Document
    description: Json = field(repr=False)

    @property
    def id(self) -> str:
        return str(self.description["id"])

    @property
    def api(self) -> str:
        return self.document.api

    @property
    def version(self) -> str:
        return self.document.version

    @property
    def http_method(self) -> str:
        return str(self.description["httpMethod"])

    @property
    def is_read(self) -> bool:
        return self.http_method == "GET"

    @property
    def request_schema(self) -> Json | None:
        return self.description.get("request")

    @property
    def response_schema(self) -> Json | None:
        return self.description.get("response")

    @cached_property
    def parameters(self) -> dict[str, Json]:
        return dict(self.description.get("parameters", {}))

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        template = self.description.get("flatPath") or self.description["path"]
        return tuple(Segment.parse(part) for part in (self.document.service_path + template).strip("/").split("/"))

    @cached_property
    def _path_pattern(self) -> re.Pattern[str]:
        template = self.document.service_path + self.description["path"]
        pattern, position = "", 0
        for variable in VARIABLE.finditer(template):
            name = re.sub(r"\W", "_", variable.group(2))
            piece = f"(?P<{name}>.+)" if variable.group(1) else f"(?P<{name}>[^/]+)"
            pattern += re.escape(template[position : variable.start()]) + piece
            position = variable.end()
        return re.compile(pattern + re.escape(template[position:]))

    def path_values(self, parts: Sequence[str]) -> dict[str, str]:
        """Both spellings of what the path says: ``projectsId``, ``clustersId`` … and the documented ``name``."""
        values = {}
        for segment, text in zip(self.segments, parts, strict=True):
            if segment.variable:
                values[segment.variable] = text[: len(text) - len(segment.literal)]
        if "flatPath" in self.description and (found := self._path_pattern.fullmatch("/".join(parts))):
            values.update(found.groupdict())
        return values


@dataclass(frozen=True)
class Match:
    method: Method
    path_values: dict[str, str]


class Catalog:
    """All methods of all APIs the sandbox knows, whether it implements them or not."""

    def __init__(self, documents: Sequence[str] = DOCUMENTS) -> None:
        self.documents = {name: Document.load(name) for name in documents}
        self._by_shape: dict[tuple[str, int], list[Method]] = {}
        self.method_ids: set[str] = set()
        for document in self.documents.values():
            for method in document.methods():
                self._by_shape.setdefault((method.http_method, len(method.segments)), []).append(method)
                self.method_ids.add(method.id)

    def match(self, http_method: str, path: str) -> list[Match]:
        """The methods whose path this is; the one with the most literal path first."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        found = [
            method
            for method in self._by_shape.get((http_method, len(parts)), ())
            if all(segment.matches(part) for segment, part in zip(method.segments, parts, strict=True))
        ]
        found.sort(key=lambda method: sum(bool(segment.literal) for segment in method.segments), reverse=True)
        return [Match(method, method.path_values(parts)) for method in found]
