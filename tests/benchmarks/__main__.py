# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m tests.benchmarks``: measures, and writes docs/performance.md. Exit status 1 when a target is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.bench import Figure, bringing_up, by_gcloud, engine_alone, nothing_to_do, planning

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "engine": lambda: engine_alone(8, 40),
    "plan": planning,
    "up-8": lambda: bringing_up(8),
    "no-op": nothing_to_do,
    "gcloud": by_gcloud,
    "up-40": lambda: bringing_up(40),
}


def table(figures: list[Figure], load: str) -> str:
    verdict = {True: "yes", False: "**no**", None: ""}
    rows = [f"| {figure.what} | {figure.value} | {figure.target} | {verdict[figure.good]} |" for figure in figures]
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    when = time.strftime("%Y-%m-%d", time.gmtime())
    head = ["| what | measured | target | kept |", "| --- | --- | --- | --- |"]
    note = f"Measured {when}: {machine}; {load}."
    return "\n".join([BEGIN, "", note, "", *head, *rows, "", END])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    figures: list[Figure] = []
    before = os.getloadavg()[1]
    for name in options.parts or PARTS:
        for figure in PARTS[name]():
            figures.append(figure)
            kept = {True: "ok  ", False: "MISS", None: "    "}[figure.good]
            print(f"{kept} {figure.what}: {figure.value}" + (f" (target: {figure.target})" if figure.target else ""))
            sys.stdout.flush()
    load = f"{before:.1f} processes wanted to run before it, {os.getloadavg()[1]:.1f} after it"
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        start, rest = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(start + table(figures, load) + rest, encoding="utf-8")
    missed = [figure.what for figure in figures if figure.good is False]
    judged = sum(figure.good is not None for figure in figures)
    print(
        f"bench: {judged - len(missed)} of {judged} targets kept; {load}" + "".join(f"\n  missed: {m}" for m in missed)
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
