# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The Linux namespaces a cluster lives in: how it is started there, and whether this machine allows it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache

NAMESPACE_COMMAND = ("unshare", "-Urnmpf", "--mount-proc", "--kill-child", "--propagation", "private")

NOT_LINUX = """The sandbox's cluster needs Linux: it runs pods in Linux namespaces.
What still works here: the playbooks against Google Cloud, and the sandbox's Google APIs without clusters
(python -m sandbox up --clusters none)."""
NO_UNSHARE = "The program unshare is missing; install the package util-linux."
FORBIDDEN = """User namespaces are not allowed on this machine ({reason}), and the sandbox's cluster runs in one.
Remedy, whichever applies:
  Ubuntu 24.04 and later   sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
  Debian                   sudo sysctl -w kernel.unprivileged_userns_clone=1
  a limit of zero          sudo sysctl -w user.max_user_namespaces=15000
  in a Docker container    --security-opt seccomp=unconfined --security-opt apparmor=unconfined
                           --security-opt systempaths=unconfined
What still works here: the playbooks against Google Cloud, and the sandbox's Google APIs without clusters
(python -m sandbox up --clusters none)."""


@cache
def problem() -> str:
    """Why this machine can't run a cluster, with the remedy; empty when it can."""
    if sys.platform != "linux":
        return NOT_LINUX
    if shutil.which("unshare") is None:
        return NO_UNSHARE
    try:
        probe = subprocess.run([*NAMESPACE_COMMAND, "true"], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return FORBIDDEN.format(reason="unshare did not answer")
    if probe.returncode == 0:
        return ""
    return FORBIDDEN.format(reason=probe.stderr.strip() or f"unshare ended with {probe.returncode}")
