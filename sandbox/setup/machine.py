# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can this machine run the sandbox? Asked before anything is downloaded or built."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from .console import SetupError

ELSEWHERE = (
    "The collection itself works here against Google Cloud: install it with ansible-galaxy and use "
    "inventories/example. Only the sandbox needs Linux."
)
_MEMORY_GB = 3.5  # the sandbox takes up to 2.5 GB; building the programs takes about 3
NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]


def check() -> None:
    """Raise SetupError, with the remedy, on a machine that cannot run the sandbox."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs on whatever Python there is
        raise SetupError(
            f"Python {platform.python_version()} is too old: 3.11 or newer is needed.",
            "Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 ...",
        )
    if platform.system() != "Linux":
        raise SetupError(f"The sandbox needs Linux; this is {platform.system()}.", ELSEWHERE)
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2")):
        if not shutil.which(program):
            raise SetupError(
                f"The program {program} is missing.",
                f"Install the package {package} (Debian, Ubuntu: apt-get install {package}).",
            )
    _check_namespaces()
    _check_memory()


def _check_namespaces() -> None:
    probe = subprocess.run(NAMESPACES, capture_output=True, text=True, check=False)
    if probe.returncode == 0:
        return
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restricted.exists() and restricted.read_text(encoding="utf-8").strip() == "1":
        remedy = "Allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    elif Path("/.dockerenv").exists():
        remedy = "In a container, allow them: docker run --security-opt seccomp=unconfined --cap-add SYS_ADMIN ..."
    else:
        remedy = "Allow them: sudo sysctl -w user.max_user_namespaces=15000 (and kernel.unprivileged_userns_clone=1)"
    raise SetupError(
        f"User namespaces are forbidden here ({probe.stderr.strip() or probe.returncode}); the cluster lives in one.",
        f"{remedy}. {ELSEWHERE}",
    )


def _check_memory() -> None:
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    available = int(meminfo["MemAvailable"].split()[0]) / 1e6
    if available < _MEMORY_GB:
        raise SetupError(
            f"The sandbox needs about {_MEMORY_GB} GB of free memory, {available:.1f} GB are available.",
            f"Stop something, or use a larger machine. {ELSEWHERE}",
        )
