# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m tests.gates.newest``: the newest ansible-core that is tested, with the newest Python.

Everything else is tested with the oldest. Here run the unit tests, some of them by ansible-test (which makes a process
for each: all of them would take minutes), and modules as Ansible runs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.setup.cache import CHECKOUT
from sandbox.setup.console import SetupError, fail

from .environments import environment

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


def main() -> int:
    try:
        programs = environment("newest", CHECKOUT / "requirements-dev.txt", interpreter())
    except SetupError as error:
        return fail(error)
    path = f"{programs}{os.pathsep}{CHECKOUT / '.tools' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    units = ["tests.gates.ansible_test", "units", "tests/unit/plugins/plugin_utils/"]
    for arguments in (units, ["pytest", "-q", "tests/unit"], ["pytest", "-q", MODULES]):
        command = [programs / "python", "-m", *arguments]
        done = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PATH": path}, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
