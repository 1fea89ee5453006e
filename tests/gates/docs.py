# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m tests.gates.docs check|build``: documentation and changelog, checked, or made into pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.setup.cache import CHECKOUT
from sandbox.setup.console import SetupError, fail

from .environments import environment

DOCS = CHECKOUT / "docs"
OUT = CHECKOUT / ".cache" / "docs"
PAGES = OUT / "html"
CHECKS: tuple[list[str], ...] = (
    ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", "."],
    ["antsibull-changelog", "lint"],
)


def building() -> tuple[list[str], ...]:
    """The commands that make the pages, from a copy of the guides beside the pages of modules and roles."""
    source = OUT / "source"
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_*", "requirements.txt"))
    antsibull = ["antsibull-docs", "collection", "--use-current", "--fail-on-error", "--squash-hierarchy"]
    reference = source / "collections" / "llm_d" / "gke"
    reference.mkdir(parents=True)
    return (
        [*antsibull, "--dest-dir", str(reference), "llm_d.gke"],
        # Every warning is an error, and all are shown.
        ["sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "-j", "2", str(source), str(PAGES)],
    )


def main(what: str) -> int:
    try:
        programs = environment("docs", DOCS / "requirements.txt")
    except SetupError as error:
        return fail(error)
    variables = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".ansible" / "collections"),
    }
    for command in CHECKS if what == "check" else building():
        done = subprocess.run(command, cwd=CHECKOUT, env=variables, check=False)
        if done.returncode:
            return done.returncode
    if what == "build":
        print(f"the documentation begins at {Path(PAGES).relative_to(CHECKOUT) / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
