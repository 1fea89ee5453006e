# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A sandbox for a test: its own directory, free ports, stopped at the end whatever happens."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import environment
from sandbox.cloud.unixhttp import call
from sandbox.daemon import Daemon

Json = dict[str, Any]


class HttpFailure(Exception):
    """An answer that is an error, with its body."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {json.dumps(body)}")
        self.status = status
        self.body = body

    @property
    def error(self) -> Json:
        """Google's error object."""
        found: Json = self.body.get("error", {})
        return found


class RunningCloud:
    """A running sandbox, as a test sees it."""

    def __init__(self, directory: Path, info: Json) -> None:
        self.directory = directory
        self.info = info
        self.base: str = info["base"]
        self._token = ""

    @property
    def env(self) -> dict[str, str]:
        """The variables that 'python -m sandbox env' prints."""
        return environment.variables(self.info, self.directory)

    @property
    def token(self) -> str:
        """An access token of the sandbox's account."""
        if not self._token:
            self._token = environment.access_token(self.info)
        return self._token

    def requests(self, **wanted: Any) -> list[Json]:
        """The request log; only the lines that have these values, if any are given."""
        file = self.directory / "requests.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]

    def fault(self, api_method: str, **fields: Any) -> None:
        """Injects a fault (sandbox/cloud/faults.py has the fields)."""
        call(self.info["cloud_socket"], "POST", "/_sandbox/faults", {"api_method": api_method, **fields})

    def clear_faults(self) -> None:
        """Google Cloud behaves again."""
        call(self.info["cloud_socket"], "DELETE", "/_sandbox/faults")

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        """One authenticated request to a path such as v1/projects/…; HttpFailure when it is refused."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/{path.lstrip('/')}", data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=150) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            raise HttpFailure(error.code, json.loads(text) if text.strip() else {}) from error
        result: Json = json.loads(text) if text.strip() else {}
        return result

    def enable(self, *services: str) -> None:
        """Switches APIs on and waits until their front ends know."""
        project = self.info["project"]
        wanted = [f"{name}.googleapis.com" for name in services]
        self.call("POST", f"v1/projects/{project}/services:batchEnable", {"serviceIds": wanted})
        probes = {
            "compute": f"compute/v1/projects/{project}/global/networks",
            "container": f"v1/projects/{project}/locations/-/clusters",
            "iam": f"v1/projects/{project}/serviceAccounts",
            "cloudresourcemanager": f"v1/projects/{project}",
            "cloudbilling": f"v1/projects/{project}/billingInfo",
        }
        for probe in (probes[name] for name in services if name in probes):
            self.eventually(partial(self._answers, probe))

    def _answers(self, probe: str) -> bool:
        try:
            self.call("GET", probe)
        except HttpFailure as failure:
            if failure.status != 403:
                raise
            return False
        return True

    @staticmethod
    def eventually(look: Callable[[], Any], seconds: float = 60.0, every: float = 0.05) -> Any:
        """Looks until the result is true, and returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(every)
        raise AssertionError(f"nothing came true within {seconds:.0f} s")

    def wait(self, operation: Json) -> Json:
        """Polls a container operation until it is DONE."""
        path = operation["selfLink"].split("googleapis.com/", 1)[1].replace("/zones/", "/locations/")
        found: Json = self.eventually(lambda: (op := self.call("GET", path))["status"] == "DONE" and op)
        return found

    def wait_compute(self, operation: Json) -> Json:
        """Waits for a compute operation with compute's own wait."""
        path = operation["selfLink"].split("googleapis.com/", 1)[1]
        found: Json = self.eventually(lambda: (op := self.call("POST", f"{path}/wait"))["status"] == "DONE" and op)
        return found


@contextmanager
def running_cloud(
    tmp_path: Path, *, time_scale: float = 600.0, clusters: str = "none", arguments: tuple[str, ...] = ()
) -> Iterator[RunningCloud]:
    """A sandbox in ``tmp_path``; ``arguments`` are further options of sandbox.cloud."""
    directory = tmp_path / "sandbox"
    run_dir = tempfile.mkdtemp(prefix="llm-d-test-")
    daemon = Daemon(directory)
    options = ["--clusters", clusters, "--time-scale", str(time_scale), "--run-dir", run_dir, *arguments]
    try:
        info, _started = daemon.up(options)
        yield RunningCloud(directory, info)
    finally:
        daemon.down()
        shutil.rmtree(run_dir, ignore_errors=True)
