# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The process: what it writes, how fast it is there, how it ends."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

PATIENCE = 20.0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "sandbox.cloud", "--dir", str(tmp_path / "sandbox"), "--clusters", "none"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    yield running
    running.kill()
    running.communicate(timeout=PATIENCE)


def info_of(folder: Path) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE
    while not (folder / "sandbox.json").exists():
        assert time.monotonic() < deadline, "the cloud did not start"
        time.sleep(0.02)
    info: dict[str, object] = json.loads((folder / "sandbox.json").read_text())
    return info


def test_writes_what_clients_need_and_cleans_up(process: subprocess.Popen[str], tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    info = info_of(folder)
    for name in ("sandbox.json", "key.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert info["key_file"] == str(folder / "key.json")
    assert info["token_host"] == f"{info['base']}/token"
    assert info["pid"] == process.pid
    key = json.loads((folder / "key.json").read_text())
    assert key["token_uri"] == "https://oauth2.googleapis.com/token"
    assert key["client_email"] == info["account"]
    with urlopen(f"{info['base']}/_sandbox/ready", timeout=5) as answer:
        assert json.load(answer) == {"ready": True}
    run_dir = Path(str(info["run_dir"]))
    assert (run_dir / "cloud.sock").is_socket()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert not (folder / "sandbox.json").exists()
    assert not run_dir.exists()


def test_port_that_is_taken_is_said(process: subprocess.Popen[str], tmp_path: Path) -> None:
    port = str(info_of(tmp_path / "sandbox")["base"]).rpartition(":")[2]
    command = [sys.executable, "-m", "sandbox.cloud", "--dir", str(tmp_path / "second"), "--port", port]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert second.returncode == 1
    assert f"cannot listen on port {port}" in second.stderr
    assert not (tmp_path / "second" / "sandbox.json").exists()
