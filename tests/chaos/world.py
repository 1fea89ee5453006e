# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A Google Cloud inside this process: quick to make, open to look into, and with a trap that kills a caller at a
chosen request."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.cloud import apis
from sandbox.cloud.__main__ import description, write_private
from sandbox.cloud.app import Cloud
from sandbox.cloud.discovery import Catalog
from sandbox.cloud.faults import Faults
from sandbox.cloud.operations import Operation
from sandbox.cloud.request import HttpRequest, HttpResponse
from sandbox.cloud.server import Serving
from sandbox.cloud.settings import Settings
from tests.chaos.scene import Place

Json = dict[str, Any]
TIME_SCALE = 3000.0
READING_POSTS = ("/wait", "/token", ":testIamPermissions", ":getIamPolicy")
# The documents are large and keys take long to find, so all seeds of a process share them.
CATALOG: list[Catalog] = []
KEYS: list[tuple[Json, dict[str, Any]]] = []


@dataclass
class Trap:
    """Kills a process at its nth request (or nth request that changes something): before Google hears of it, or when
    it was heard, and the answer is lost."""

    nth: int
    mutating: bool
    heard: bool
    pids: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    sprung: bool = False

    def counts(self, http: HttpRequest) -> bool:
        return not self.mutating or mutates(http)

    def kill(self) -> None:
        self.sprung = True
        for kill, numbers in ((os.kill, self.pids), (os.killpg, self.groups)):
            for number in numbers:
                with contextlib.suppress(ProcessLookupError):
                    kill(number, signal.SIGKILL)


def mutates(http: HttpRequest) -> bool:
    return http.method not in ("GET", "HEAD") and not http.path.endswith(READING_POSTS)


class QuietFaults(Faults):
    """Faults strike those who call over the network, not the story itself."""

    def __init__(self) -> None:
        super().__init__()
        self.teller = threading.get_ident()

    def strike(self, api_method: str, path: str, *, cluster: bool = False) -> Any:
        return None if threading.get_ident() == self.teller else super().strike(api_method, path, cluster=cluster)


class TrappedCloud(Cloud):
    def __init__(self, settings: Settings) -> None:
        if not CATALOG:
            apis.load()
            CATALOG.append(Catalog())
        super().__init__(settings, catalog=CATALOG[0])
        self.faults: QuietFaults = QuietFaults()
        self.trap: Trap | None = None
        self._counting = threading.Lock()

    def handle(self, http: HttpRequest) -> HttpResponse:
        trap = self.trap
        if http.trusted or trap is None or trap.sprung or not trap.counts(http):
            return super().handle(http)
        with self._counting:
            trap.nth -= 1
            due = trap.nth == 0
        if not due:
            return super().handle(http)
        if not trap.heard:
            trap.kill()
            return HttpResponse(0, reset=True)
        response = super().handle(http)
        trap.kill()
        return response


class World:
    """The cloud of one seed."""

    def __init__(self, directory: Path, scale: float = TIME_SCALE) -> None:
        self.directory = directory
        settings = Settings(time_scale=scale, clusters="none", directory=directory, run_dir=directory)
        self.cloud = TrappedCloud(settings)
        self.serving = Serving(self.cloud, socket_path=directory / "cloud.sock")
        if not KEYS:
            made = self.cloud.auth.create_key(settings.account_email, settings.project.id)
            KEYS.append((made, self.cloud.auth._keys))
        self.key, known = KEYS[0]
        self.cloud.auth._keys.update(known)
        write_private(directory / "key.json", self.key)
        self.info = description(settings, self.serving.base, directory / "key.json", directory / "cloud.sock")
        write_private(directory / "sandbox.json", self.info)
        self.account = settings.account_email
        self.baseline = set(self.paths())

    def close(self) -> None:
        self.serving.close()

    @property
    def place(self) -> Place:
        info = self.info
        endpoints = {**info["endpoints"], "token": info["token_host"]}
        return Place(info["project"], info["region"], info["zone"], info["reservation"], endpoints, info["key_file"])

    # What the story does itself

    def call(self, method: str, path: str, body: Json | None = None, *, wait: bool = True) -> Json:
        """A request of nobody in particular: no fault strikes it, no trap counts it."""
        content = b"" if body is None else json.dumps(body).encode()
        answer = self.cloud.handle(HttpRequest(method, f"/{path}", {}, content, trusted=True))
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.body}")
        result: Json = answer.body if isinstance(answer.body, dict) else {}
        operation = self.cloud.operations.get(str(result.get("name", ""))) if wait else None
        if operation is not None and not self.cloud.operations.wait(operation, 20):
            raise RuntimeError(f"{operation.name} does not end")
        if operation is not None and operation.failure is not None:
            raise RuntimeError(f"{method} {path}: {operation.failure.message}")
        return result

    def settle(self, seconds: float = 20.0) -> None:
        """Waits until nothing is under way any more."""
        end = time.monotonic() + seconds
        while [operation for operation in self.operations() if not operation.done]:
            if time.monotonic() > end:
                raise RuntimeError("operations do not end")
            time.sleep(0.01)

    # What can be seen of it

    def operations(self) -> list[Operation]:
        return list(self.cloud.operations.find())

    def paths(self) -> Iterator[str]:
        with self.cloud.store.lock:
            yield from [resource.path for resource in self.cloud.store.everything()]

    def body(self, path: str) -> Json | None:
        with self.cloud.store.lock:
            found = self.cloud.store.get(path)
            return None if found is None else json.loads(json.dumps(found.body))

    def requests(self) -> list[Json]:
        lines = (self.directory / "requests.jsonl").read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line["principal"] == self.account]

    def secrets(self) -> list[str]:
        """What must stand nowhere."""
        key = [line for line in str(self.key["private_key"]).splitlines() if "-----" not in line]
        return [*key[:-1], "ya29.", "BEGIN PRIVATE KEY"]


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
