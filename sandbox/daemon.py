# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Starting and stopping the process that answers as Google Cloud, and cleaning up after one that died."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cloud.unixhttp import UnixHttpError, call

Json = dict[str, Any]

CHECKOUT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 60.0
_POLL = 0.05
_LOG_TAIL = 3000
# Started here and left running: held, so that Python does not complain about them.
_STARTED: list[subprocess.Popen[bytes]] = []
# What a sandbox leaves in its directory that is of no use to the next one.
_OF_ONE_LIFE = ("sandbox.json", "sandbox.json.new", "key.json", "kubeconfig")


class SandboxError(Exception):
    """Something a person must know; the message says what to do."""


def default_directory() -> Path:
    """LLM_D_SANDBOX_DIR, or .sandbox in the checkout."""
    return Path(os.environ.get("LLM_D_SANDBOX_DIR") or CHECKOUT / ".sandbox").absolute()


def is_program(pid: int, *words: str) -> bool:
    """Is that process there, and is it the one we mean? Process ids are used again."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and all(word in command for word in words)


@dataclass(frozen=True)
class Daemon:
    """The sandbox of one directory."""

    directory: Path

    @property
    def info_file(self) -> Path:
        """What clients read; it is there while the sandbox is up."""
        return self.directory / "sandbox.json"

    @property
    def log(self) -> Path:
        """What the process writes."""
        return self.directory / "cloud.log"

    def info(self) -> Json | None:
        """The sandbox's own description, if it wrote one (it may have died since)."""
        try:
            found: Json = json.loads(self.info_file.read_text())
        except (OSError, ValueError):
            return None
        return found

    def running(self) -> Json | None:
        """The description of a sandbox that is up and answers."""
        info = self.info()
        if info is None or not is_program(int(info["pid"]), "sandbox.cloud"):
            return None
        try:
            call(info["cloud_socket"], "GET", "/_sandbox/ready", timeout=5)
        except (OSError, UnixHttpError):
            return None
        return info

    def need(self) -> Json:
        """As ``running``, or an error that says what to do."""
        info = self.running()
        if info is None:
            raise SandboxError(f"The sandbox of {self.directory} is not running. Start it: make sandbox")
        return info

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One 'up' or 'down' at a time in a directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def up(self, arguments: Sequence[str] = ()) -> tuple[Json, bool]:
        """Starts the sandbox unless it is up; its description, and whether it was started now."""
        with self._alone():
            info = self.running()
            if info is not None:
                return info, False
            self._clean_up(self.info())
            return self._start(arguments), True

    def _start(self, arguments: Sequence[str]) -> Json:
        requests = self.directory / "requests.jsonl"
        if requests.exists():
            requests.replace(requests.with_name("requests.old.jsonl"))
        shutil.rmtree(self.directory / "clusters", ignore_errors=True)
        command = [sys.executable, "-m", "sandbox.cloud", "--dir", str(self.directory), *arguments]
        python_path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.directory,
                env=os.environ | {"PYTHONPATH": python_path},
            )
        _STARTED.append(process)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise SandboxError(self._why_not(process.returncode))
            info = self.running()
            if info is not None and info["pid"] == process.pid:
                return info
            time.sleep(_POLL)
        process.kill()
        process.wait()
        raise SandboxError(f"The sandbox did not answer within {START_SECONDS:.0f} s.\n{self._log_tail()}")

    def _log_tail(self) -> str:
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        return f"The end of {self.log}:\n{text[-_LOG_TAIL:]}"

    def _why_not(self, code: int) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        if "cannot listen" in text:
            return (
                f"The sandbox can't listen on its port: {text.strip().splitlines()[-1]}\n"
                "Something else has the port. Choose another one with --port, or 0 for any that is free."
            )
        return f"The sandbox ended with {code} instead of starting.\n{self._log_tail()}"

    def down(self) -> bool:
        """Stops the sandbox and everything it started; whether there was anything to stop."""
        if not self.directory.exists():
            return False
        with self._alone():
            return self._clean_up(self.info())

    @staticmethod
    def _end(pid: int, *words: str, patience: float = STOP_SECONDS) -> bool:
        """Asks a process to end, and insists; whether there was one."""
        if not is_program(pid, *words):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + patience
            while is_program(pid, *words) and time.monotonic() < end:
                time.sleep(_POLL)
            if is_program(pid, *words):
                os.kill(pid, signal.SIGKILL)
                while is_program(pid, *words):
                    time.sleep(_POLL)
        return True

    def _clean_up(self, info: Json | None) -> bool:
        """Ends a cloud that is there (or hangs), clusters that outlived theirs, and removes what they left."""
        found = info is not None and self._end(int(info["pid"]), "sandbox.cloud")
        for file in sorted(self.directory.glob("clusters/*/pid")):
            with contextlib.suppress(OSError, ValueError):
                # unshare ignores SIGTERM; its end is the end of everything in the namespace.
                found |= self._end(int(file.read_text()), "sandbox.cluster", str(self.directory), patience=0)
            file.unlink(missing_ok=True)
        if info is not None:
            shutil.rmtree(info.get("run_dir", ""), ignore_errors=True)
        # gcloud keeps access tokens there, which the next sandbox would not know.
        shutil.rmtree(self.directory / "gcloud", ignore_errors=True)
        for name in _OF_ONE_LIFE:
            (self.directory / name).unlink(missing_ok=True)
        return found
