# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m tests.gates.ansible_test sanity|units``: ansible-test on a copy of the collection.

It makes virtual environments of its own, kept in the cache. The one thing that it does not take from the package index
is the script that installs pip into them, so that script is put where it would keep it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandbox.setup.cache import cache_root

from .stage import stage

# Installs pip into the interpreter that runs it, from what the interpreter brings along, then what it is asked for.
BOOTSTRAP = """
import subprocess, sys
wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *wanted])
"""
# Their names in the releases of ansible-core that the collection supports: 2.19, and 2.20 and later.
BOOTSTRAPS = ("get_pip_24_2.py", "get_pip_25_2.py")


def home() -> Path:
    """A home directory for ansible-test, with the script in it."""
    place = cache_root() / "ansible-test"
    scripts = place / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for name in BOOTSTRAPS:
        (scripts / name).write_text(BOOTSTRAP, encoding="utf-8")
    return place


def main(arguments: list[str]) -> int:
    collection = stage()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # Its own messages are for people who debug ansible-test; what it finds goes to standard output either way.
    command = ["ansible-test", *arguments[:1], "--venv", "--python", version, "--color", "no", *arguments[1:]]
    environment = {**os.environ, "HOME": str(home()), "PATH": path}
    environment.pop("ANSIBLE_COLLECTIONS_PATH", None)
    return subprocess.run(command, cwd=collection, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
