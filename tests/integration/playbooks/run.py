# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Playbooks run as a person runs them: the real command, in this checkout, with a clean environment."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
_RECAP = re.compile(r"^\S+\s+: ok=\d+ .*$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    status: int
    output: str
    seconds: float
    # Of processors, by the command and its children: it does not depend on who else works, as the wall clock does.
    cpu_seconds: float = 0.0

    def recap(self, counter: str) -> int:
        """A counter of the recap, summed over hosts."""
        counters = re.findall(rf"\b{counter}=(\d+)", "\n".join(_RECAP.findall(self.output)))
        if not counters:
            raise AssertionError(f"no recap:\n{self.output}")
        return sum(map(int, counters))


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Nothing of the shell that runs the tests but PATH: what a run needs, it brings or finds by itself."""
    home.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", **extra}


def playbook(*arguments: str, env: Mapping[str, str], cwd: Path = CHECKOUT, timeout: float = 560) -> Run:
    """Run to the end."""
    started, used = time.monotonic(), _cpu_of_children()
    with _started(arguments, env, cwd) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise AssertionError(f"no end after {timeout} s:\n{output}") from None
    return Run(process.returncode, output, time.monotonic() - started, _cpu_of_children() - used)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def playbook_killed(
    *arguments: str, env: Mapping[str, str], when: Callable[[], bool], cwd: Path = CHECKOUT, timeout: float = 300
) -> None:
    """Run until something has happened, then kill -9 the command and all its children."""
    deadline = time.monotonic() + timeout
    with _started(arguments, env, cwd) as process:
        while not when():
            if process.poll() is not None or time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
                raise AssertionError(f"it never came to that:\n{process.communicate()[0]}")
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _started(arguments: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(PLAYBOOK), *arguments],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
