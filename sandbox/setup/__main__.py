# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m sandbox.setup``: set this checkout up; well under a second when all is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import machine, programs, python_env
from .cache import CHECKOUT, cache_root, digest, link, made_once
from .console import SetupError, fail, run, say

_VLLM_REMEDY = "See above; a package index that does not answer is the usual reason. Run make again."
_STAMP = programs.TOOLS / ".ready"


def main() -> int:
    try:
        machine.check()
        if not _is_complete():
            _set_up()
    except SetupError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("\nset-up: stopped; the next run goes on from here.", file=sys.stderr)
        return 130
    return 0


def _set_up() -> None:
    say(f"setting up {CHECKOUT} (cache: {cache_root()})")
    python_env.make_venv()
    # Downloads and the build leave each other the time in between.
    _side_by_side(programs.make_programs, programs.make_envoy, _make_vllm, python_env.make_collections)
    _make_charts()
    _make_benchmark_data()
    _STAMP.write_text(_state(), encoding="utf-8")
    say("set-up is complete")


def _state() -> str:
    """Everything that decides what set-up makes."""
    sources = [CHECKOUT / "requirements-dev.txt", CHECKOUT / "requirements.yml"]
    sources += [CHECKOUT / "sandbox" / "tools" / name for name in ("go.mod", "go.sum")]
    for folder in ("setup", "tools", "charts", "cluster/programs", "benchmark"):
        sources += sorted((CHECKOUT / "sandbox" / folder).rglob("*.py"))
    charts = [file for file in sorted((CHECKOUT / "sandbox" / "charts").rglob("*")) if file.is_file()]
    return digest(str(CHECKOUT), str(cache_root()), sys.version, *sources, *charts)


def _is_complete() -> bool:
    """The last set-up was of this state, and what it linked to is still there."""
    try:
        if _STAMP.read_text(encoding="utf-8") != _state():
            return False
    except OSError:
        return False
    places = [*(programs.TOOLS / "bin").iterdir(), *(programs.TOOLS / "share").iterdir(), programs.TOOLS / "vllm"]
    return all(place.exists() for place in places) and python_env.python().exists()


def _side_by_side(*steps: Callable[[], None]) -> None:
    with ThreadPoolExecutor(max_workers=len(steps)) as pool:
        for done in [pool.submit(step) for step in steps]:
            done.result()


def _make_vllm() -> None:
    """vLLM's own command-line parser and benchmark client, from its wheel, without what needs an accelerator."""
    key = digest(CHECKOUT / "sandbox" / "cluster" / "programs" / "vllm_install.py", sys.version)
    link(made_once("vllm", key, _install_vllm), programs.TOOLS / "vllm")


def _install_vllm(folder: Path) -> None:
    say("vLLM's command line and benchmark client")
    command = [python_env.python(), "-m", "sandbox.cluster.programs.vllm_install", "--target", folder]
    run(command, step="installation of vLLM's command line", remedy=_VLLM_REMEDY, cwd=CHECKOUT)


def _make_charts() -> None:
    share = programs.TOOLS / "share"
    key = digest(*(file for file in sorted((CHECKOUT / "sandbox" / "charts").rglob("*")) if file.is_file()),
                 str((share / "inference-extension").resolve()))  # fmt: skip

    def prepare(folder: Path) -> None:
        say("charts")
        run([python_env.python(), "-m", "sandbox.charts.prepare", "--share", share, "--helm",
             programs.TOOLS / "bin" / "helm", "--out", folder],
            step="preparation of the charts", remedy="See above.", cwd=CHECKOUT)  # fmt: skip

    link(made_once("charts", key, prepare), share / "charts")


def _make_benchmark_data() -> None:
    """A tokenizer and a data set for the benchmark's client, which reaches no hub here."""
    script = CHECKOUT / "sandbox" / "benchmark" / "make.py"

    def make(folder: Path) -> None:
        command = [python_env.python(), "-I", "-S", script, "--site", programs.TOOLS / "vllm", "--out", folder]
        run(command, step="making the benchmark's data", remedy="See above.", cwd=CHECKOUT)

    link(made_once("benchmark-data", digest(script), make), programs.TOOLS / "share" / "benchmark")


if __name__ == "__main__":
    sys.exit(main())
