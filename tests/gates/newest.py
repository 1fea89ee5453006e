# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m tests.gates.newest``: the newest ansible-core that is tested, with the newest Python.

Everything else is tested with the oldest. What could differ is how modules, plugins and playbooks are loaded and run:
so unit tests by ansible-test, and modules as Ansible runs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.setup.cache import CHECKOUT, cache_root, digest
from sandbox.setup.console import SetupError, fail, run, say

PYTHON = "3.13"
MODULES = "tests/integration/modules/test_services_and_network.py"


def interpreter() -> Path:
    """A Python of that version: on PATH, or among those of pyenv."""
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}.*/bin/python{PYTHON}"))
    places = [shutil.which(f"python{PYTHON}"), *of_pyenv]
    for place in filter(None, places):
        # A name on PATH may be a shim of nothing.
        works = subprocess.run([place, "-c", "import ensurepip"], capture_output=True, check=False)
        if works.returncode == 0:
            return Path(place)
    raise SetupError(
        f"there is no Python {PYTHON}, so the newest ansible-core cannot be tested.",
        f"Install Python {PYTHON} so that `python{PYTHON}` is on PATH.",
    )


def environment() -> Path:
    """A virtual environment of that Python with requirements-dev.txt; returns its folder of programs."""
    base = interpreter()
    wanted = digest(CHECKOUT / "requirements-dev.txt", str(base))
    folder = cache_root() / f"newest-{wanted}"
    if not (folder / ".ready").exists():
        say(f"Python packages for Python {PYTHON}")
        run([base, "-m", "venv", folder], step="making a virtual environment", remedy="See above.")
        install = [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        run([*install, "-r", CHECKOUT / "requirements-dev.txt"], step="pip install", remedy="See above.")
        (folder / ".ready").touch()
    return folder / "bin"


def main() -> int:
    try:
        programs = environment()
    except SetupError as error:
        return fail(error)
    path = f"{programs}{os.pathsep}{CHECKOUT / '.tools' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    for arguments in (["tests.gates.ansible_test", "units"], ["pytest", "-q", MODULES]):
        command = [programs / "python", "-m", *arguments]
        done = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PATH": path}, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
