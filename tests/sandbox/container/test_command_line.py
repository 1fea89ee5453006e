# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""python -m sandbox: up, down, env, status, fault; what it says when something is wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import namespaces
from sandbox.cloud.faults import random_plan
from sandbox.daemon import CHECKOUT, is_program
from sandbox.testing import HttpFailure, running_cloud


class Sandbox:
    """The command line, in a directory of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=CHECKOUT,
            env=os.environ | {"LLM_D_SANDBOX_DIR": str(self.directory)} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def up(self, *arguments: str) -> dict[str, Any]:
        result = self.run("up", "--clusters", "none", *arguments)
        assert result.returncode == 0, result.stderr
        return self.info()

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "sandbox.json").read_text())
        return found


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "s")
    yield made
    made.run("down")


def test_up_twice_is_one_sandbox_and_down_leaves_no_process(sandbox: Sandbox) -> None:
    first = sandbox.up()
    again = sandbox.run("up", "--clusters", "none")
    assert "sandbox is up" in again.stdout
    assert sandbox.info()["pid"] == first["pid"]
    assert sandbox.run("down").stdout == "sandbox stopped\n"
    assert not is_program(first["pid"], "sandbox.cloud")
    assert not Path(first["run_dir"]).exists()
    assert not (sandbox.directory / "key.json").exists()
    assert sandbox.run("down").stdout == "no sandbox was running\n"


def test_up_after_a_crash_starts_anew(sandbox: Sandbox) -> None:
    first = sandbox.up()
    os.kill(first["pid"], signal.SIGKILL)
    assert sandbox.run("status").returncode == 3
    second = sandbox.up()
    assert second["pid"] != first["pid"]
    assert not Path(first["run_dir"]).exists()


def test_up_replaces_a_sandbox_that_hangs(sandbox: Sandbox) -> None:
    first = sandbox.up()
    os.kill(first["pid"], signal.SIGSTOP)
    thawing = threading.Timer(7, os.kill, (first["pid"], signal.SIGCONT))
    thawing.start()
    second = sandbox.up()
    thawing.join()
    assert second["pid"] != first["pid"]
    assert not is_program(first["pid"], "sandbox.cloud")


def test_a_reused_process_id_is_not_taken_for_the_sandbox(sandbox: Sandbox) -> None:
    info = sandbox.up()
    sandbox.run("down")
    sandbox.directory.mkdir(exist_ok=True)
    (sandbox.directory / "sandbox.json").write_text(json.dumps(info | {"pid": os.getpid()}))
    assert sandbox.run("status").returncode == 3
    sandbox.run("down")
    assert not (sandbox.directory / "sandbox.json").exists()


def test_two_sandboxes_do_not_disturb_each_other(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other")
    first, second = sandbox.up(), other.up()
    assert first["base"] != second["base"]
    other.run("down")
    assert sandbox.run("status").returncode == 0


def test_a_port_that_is_taken_is_named(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = sandbox.run("up", "--clusters", "none", "--port", str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert "can't listen on its port" in result.stderr
    assert "--port" in result.stderr


def test_without_user_namespaces_it_says_what_to_do(sandbox: Sandbox, tmp_path: Path) -> None:
    """An unshare that refuses stands in for a machine that does."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "unshare").write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    (fake / "unshare").chmod(0o755)
    result = sandbox.run("up", PATH=f"{fake}:{os.environ['PATH']}")
    assert result.returncode == 1
    assert "Operation not permitted" in result.stderr
    assert "kernel.apparmor_restrict_unprivileged_userns" in result.stderr
    assert "--clusters none" in result.stderr
    assert not (sandbox.directory / "sandbox.json").exists()


def test_elsewhere_than_on_linux_it_says_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    namespaces.problem.cache_clear()
    assert namespaces.problem() == namespaces.NOT_LINUX
    namespaces.problem.cache_clear()


def test_env_is_for_eval_and_tells_nothing_else(sandbox: Sandbox) -> None:
    info = sandbox.up()
    lines = sandbox.run("env").stdout.splitlines()
    values = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert all(line.startswith("export ") for line in lines)
    assert values["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"] == f"{info['base']}/compute/v1/"
    assert values["CLOUDSDK_AUTH_TOKEN_HOST"] == f"{info['base']}/token"
    assert values["GOOGLE_APPLICATION_CREDENTIALS"] == values["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]
    assert Path(values["GOOGLE_APPLICATION_CREDENTIALS"]).stat().st_mode & 0o777 == 0o600
    assert (values["ZONE"], values["RESERVATION_NAME"]) == ("us-east5-a", "tpu-v6e-reservation")
    assert values["GCP_ACCESS_TOKEN"].startswith("ya29.")
    assert Path(values["CLOUDSDK_CONFIG"]).is_relative_to(sandbox.directory)
    assert "KUBECONFIG" not in values


def test_without_a_sandbox_commands_say_how_to_start_it(sandbox: Sandbox) -> None:
    for command in (["env"], ["fault", "list"]):
        result = sandbox.run(*command)
        assert (result.returncode, result.stdout) == (1, "")
        assert "make sandbox" in result.stderr


def test_faults_by_the_command_line(sandbox: Sandbox) -> None:
    sandbox.up()
    fault = {"api_method": "compute.networks.insert", "status": 503}
    assert sandbox.run("fault", "add", json.dumps(fault)).returncode == 0
    assert json.loads(sandbox.run("fault", "list").stdout)[0]["status"] == 503
    assert json.loads(sandbox.run("status", "--json").stdout)["faults"] == 1
    assert json.loads(sandbox.run("fault", "clear").stdout) == []
    assert "unknown: nope" in sandbox.run("fault", "add", '{"nope": 1}').stderr
    assert "JSON" in sandbox.run("fault", "add", "{").stderr


def test_faults_by_name_and_by_seed(sandbox: Sandbox) -> None:
    assert "stockout " in sandbox.run("fault", "names").stdout
    sandbox.up("--latency", "1")
    assert json.loads(sandbox.run("fault", "add", "stockout").stdout)[0]["operation"]["condition"] == "GCE_STOCKOUT"
    assert "there is no fault earthquake" in sandbox.run("fault", "add", "earthquake").stderr
    sandbox.run("fault", "clear")
    planned = [item["name"] for item in json.loads(sandbox.run("fault", "chaos", "7").stdout)]
    assert planned == [item["name"] for item in random_plan(7)]


def test_a_sandbox_for_tests(tmp_path: Path) -> None:
    with running_cloud(tmp_path) as cloud:
        pid = cloud.info["pid"]
        with pytest.raises(HttpFailure) as refused:
            cloud.call("GET", f"compute/v1/projects/{cloud.info['project']}/global/networks")
        assert refused.value.status == 403
        cloud.enable("compute")
        cloud.fault("compute.networks.list", status=503)
        with pytest.raises(HttpFailure):
            cloud.call("GET", f"compute/v1/projects/{cloud.info['project']}/global/networks")
        cloud.clear_faults()
        assert cloud.requests(api_method="compute.networks.list", status=503)
        assert cloud.token not in (cloud.directory / "requests.jsonl").read_text()
        assert cloud.env["CLOUDSDK_CORE_PROJECT"] == cloud.info["project"]
    assert not is_program(pid, "sandbox.cloud")
