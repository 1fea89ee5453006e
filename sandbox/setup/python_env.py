# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environment, and this checkout as an installed collection beside those it works with."""

from __future__ import annotations

import os
import sys
import venv
import zipfile
from pathlib import Path

from .cache import CHECKOUT, cache_root, digest, link, locked, made_once, require_space
from .console import SetupError, run, say

VENV = CHECKOUT / ".venv"
COLLECTIONS = CHECKOUT / ".ansible" / "collections" / "ansible_collections"
# The release of the package `ansible` that carries collections for machines that cannot reach Galaxy, and awx.awx, for
# the tests, in the version of AWX's last release; later ones carry it no more.
_BUNDLE = "12.3.0"
_BUNDLED = ("kubernetes/core", "awx/awx", "google/cloud")
_REMEDY = "See above; a package index that does not answer is the usual reason. Run make again: it goes on from here."


def make_venv() -> None:
    """``.venv`` with requirements-dev.txt: a link into the cache, shared by all checkouts with the same requirements.

    A real folder of that name is somebody's own: it is kept, and what is missing is installed into it.
    """
    wanted = digest(CHECKOUT / "requirements-dev.txt", sys.version)
    own = VENV.is_dir() and not VENV.is_symlink()
    # Not made elsewhere and renamed, as other things are: its programs carry its path.
    folder = VENV if own else cache_root() / f"venv-{wanted}"
    stamp = folder / ".ready"
    with locked(folder.name):
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            _install(folder)
            stamp.write_text(wanted, encoding="utf-8")
    if not own:
        link(folder, VENV)


def _install(folder: Path) -> None:
    require_space(folder, 1.0, "The virtual environment")
    say("Python packages (about a minute, once a machine)")
    python = folder / "bin" / "python"
    if not python.exists():
        venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
    run(
        [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off",
         "-r", CHECKOUT / "requirements-dev.txt"],
        step="pip install",
        remedy=_REMEDY,
        progress=lambda count, line: f"  {line[:100]}",
    )  # fmt: skip


def make_collections() -> None:
    """The checkout as ``llm_d.gke``; awx.awx and google.cloud, for tests; and kubernetes.core from Galaxy or, out of
    its reach, from the package index."""
    link(CHECKOUT, COLLECTIONS / "llm_d" / "gke")
    _link_bundled("awx/awx")
    _link_bundled("google/cloud")
    if (COLLECTIONS / "kubernetes" / "core" / "MANIFEST.json").exists():
        return
    say("collection kubernetes.core")
    galaxy = [
        VENV / "bin" / "ansible-galaxy", "collection", "install", "-r", CHECKOUT / "requirements.yml",
        "-p", COLLECTIONS.parent, "--timeout", "10",
    ]  # fmt: skip
    try:
        run(galaxy, step="ansible-galaxy", remedy="", cwd=CHECKOUT)
    except SetupError:
        say("  Galaxy is out of reach: taking it from the Python package `ansible`")
        _link_bundled("kubernetes/core")


def _link_bundled(name: str) -> None:
    link(made_once("collections", f"{_BUNDLE}-{digest(*_BUNDLED)}", _from_bundle) / name, COLLECTIONS / name)


def _from_bundle(folder: Path) -> None:
    download = folder / "download"
    run(
        [VENV / "bin" / "python", "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
         "--only-binary=:all:", "--python-version=3.12", "--dest", download, f"ansible=={_BUNDLE}"],
        step="download of collections",
        remedy=_REMEDY,
    )  # fmt: skip
    wheel = next(download.glob("ansible-*.whl"))
    prefixes = tuple(f"ansible_collections/{name}/" for name in _BUNDLED)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(prefixes) and not name.endswith("/"):
                target = folder / name.removeprefix("ansible_collections/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    wheel.unlink()
    download.rmdir()


def python() -> Path:
    """The interpreter of the virtual environment."""
    return VENV / "bin" / "python"


def environment() -> dict[str, str]:
    """This process's environment with the virtual environment first on PATH."""
    return {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
