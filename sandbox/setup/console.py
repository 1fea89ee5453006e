# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What set-up says, and how it runs other programs: quiet when all is well, with their output when not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_STARTED = time.monotonic()
_PROGRESS_EVERY = 10.0  # seconds between two lines of the same step


class SetupError(Exception):
    """Something that a person has to mend; ``remedy`` says how."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def say(text: str) -> None:
    """One line of progress with the time since set-up began."""
    print(f"[set-up {time.monotonic() - _STARTED:4.0f} s] {text}", flush=True)


def run(
    command: Sequence[object],
    *,
    step: str,
    remedy: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    progress: Callable[[int, str], str] | None = None,
) -> str:
    """Run a program to its end and return what it printed (both streams).

    ``progress(lines so far, last line)`` gives the text of a progress line; it is shown every ten seconds.
    Raises SetupError with the last lines of the output when the program fails.
    """
    lines: list[str] = []
    shown = time.monotonic()
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"{step}: {error}", remedy) from error
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if progress and time.monotonic() - shown >= _PROGRESS_EVERY:
                shown = time.monotonic()
                say(progress(len(lines), lines[-1]))
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code != 0:
        tail = "\n".join("    " + line for line in lines[-25:])
        raise SetupError(f"{step} failed (exit code {code}):\n{tail}", remedy)
    return "\n".join(lines)


def fail(error: SetupError) -> int:
    """Tell a person what went wrong and what to do; the exit code to end with."""
    print(f"\nset-up: {error}\n  -> {error.remedy}", file=sys.stderr, flush=True)
    return 1
