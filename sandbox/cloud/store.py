# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What exists: every resource of every API, in memory, by its path.

A path is what follows the version in a self link: ``projects/P/global/networks/N``. Callers hold ``Store.lock`` while
they read and write; the server takes it around every handler, the operations around every effect, so code in either
place needs no locking of its own.
"""

from __future__ import annotations

import base64
import random
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Resource:
    """``body`` is what a GET answers; ``hidden`` is what only the server knows."""

    path: str
    body: Json
    hidden: Json = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def collection(self) -> str:
        """``projects/P/global/networks``"""
        return self.path.rpartition("/")[0]

    @property
    def kind(self) -> str:
        """``networks``"""
        return self.collection.rpartition("/")[2]


class Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._collections: dict[str, dict[str, Resource]] = {}
        self._random = random.Random(secrets.randbits(64))

    def get(self, path: str) -> Resource | None:
        collection, _slash, name = path.rpartition("/")
        return self._collections.get(collection, {}).get(name)

    def put(self, path: str, body: Json, **hidden: Any) -> Resource:
        resource = Resource(path, body, hidden)
        self._collections.setdefault(resource.collection, {})[resource.name] = resource
        return resource

    def delete(self, path: str) -> Resource | None:
        collection, _slash, name = path.rpartition("/")
        return self._collections.get(collection, {}).pop(name, None)

    def children(self, collection: str) -> list[Resource]:
        """The resources of one collection, by name, as lists answer them."""
        return [resource for _name, resource in sorted(self._collections.get(collection, {}).items())]

    def of_kind(self, kind: str) -> Iterator[Resource]:
        """Every resource of a kind (``networks``), whatever its project and scope."""
        for collection in sorted(self._collections):
            if collection.endswith(f"/{kind}"):
                yield from self.children(collection)

    def everything(self) -> Iterator[Resource]:
        for collection in sorted(self._collections):
            yield from self.children(collection)

    def new_id(self) -> str:
        """Nineteen digits, as compute numbers its resources and operations."""
        return str(self._random.randrange(10**18, 9 * 10**18))

    def hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def fingerprint(self) -> str:
        """A new fingerprint or etag: eight bytes, base64. Only equality means anything."""
        return base64.b64encode(self._random.randbytes(8)).decode()
