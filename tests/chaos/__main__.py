# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m tests.chaos --seeds N --seed-start K``: tells the stories of N seeds. The last line is the summary; the
exit status is 1 when one of them went wrong."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.chaos.seeds import get_ready, tell


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--seed-start", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="seeds told beside each other")
    parser.add_argument("--keep", default="", metavar="DIR", help="where logs and outputs of failing seeds go")
    options = parser.parse_args()
    if options.seeds < 1 or options.jobs < 1:
        parser.error("--seeds and --jobs have to be at least 1")
    seeds = range(options.seed_start, options.seed_start + options.seeds)
    begin = time.monotonic()
    failed: list[int] = []
    totals: dict[str, float] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(options.jobs, len(seeds)), mp_context=spawn, initializer=get_ready) as pool:
        for future in as_completed([pool.submit(tell, seed, options.keep) for seed in seeds]):
            outcome = future.result()
            for name, value in outcome.figures.items():
                totals[name] = totals.get(name, 0) + value
            if outcome.wrong:
                failed.append(outcome.seed)
                print(f"seed {outcome.seed} FAILED: {outcome.wrong}")
                print("".join(f"    {line}\n" for line in outcome.said), end="")
                print(f"    again: make chaos SEEDS=1 SEED_START={outcome.seed}", flush=True)
    counts = ", ".join(
        f"{totals[name]:.0f} {name}"
        for name in ("runs", "kills", "failures", "faults", "drifts", "requests", "operations", "conflicts")
    )
    mean = totals["seconds"] / len(seeds)
    which = f" ({', '.join(map(str, sorted(failed)))})" if failed else ""
    print(
        f"chaos: {len(seeds)} seeds from {options.seed_start}, {len(failed)} failed{which}; {counts}; "
        f"{mean:.1f} s a seed, {time.monotonic() - begin:.0f} s in all"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
