# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The module llm_d_benchmark, from its options to its result.

This file is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._benchmark_files import RunFolder
from ._benchmark_job import JOB_API, Follower, Launcher, finished, images_of, servers_of
from ._clock import Clock
from ._errors import OptionError
from ._kubernetes import Cluster
from ._progress import Progress, progress_in
from ._verify import Observer
from ._verify_options import names

Options = Mapping[str, Any]


def run(options: Options, cluster: Cluster, check_mode: bool, clock: Clock | None = None) -> dict[str, Any]:
    """What the module does. Raises GcpError."""
    clock = clock or Clock()
    progress = progress_in(os.environ, clock)
    launcher = Launcher(cluster, clock, options["poll_interval"], progress)
    if options["state"] == "absent":
        return absent(options, cluster, launcher, check_mode)
    if check_mode:
        return {"changed": True, "run": "", "state": "planned", "trouble": "", "msg": "A Job would be run."}
    base, changed = Path(options["results"]), False
    name = options["run"]
    if not name:
        name, changed = launcher.start(options["job"], contents(options["files"]), base, options["queue_timeout"]), True
        progress.event(f"benchmark {name}: Job {options['job']['metadata']['name']} is started")
    folder = RunFolder(base / name)
    return {
        "changed": changed,
        "run": name,
        "folder": str(folder.folder),
        **follow(options, cluster, folder, progress, clock),
    }


def absent(options: Options, cluster: Cluster, launcher: Launcher, check_mode: bool) -> dict[str, Any]:
    """Take the Job away, with its pods and files. One that runs is ended."""
    meta = options["job"]["metadata"]
    found = cluster.get(JOB_API, "Job", meta["name"], meta["namespace"])
    if found is None or "deletionTimestamp" in found["metadata"]:
        return {"changed": False, "run": "", "state": "absent", "trouble": ""}
    was_running = finished(found) is None
    changed = True if check_mode else launcher.remove(found)
    return {"changed": changed, "run": "", "state": "absent", "trouble": "", "was_running": was_running}


def contents(files: Mapping[str, str]) -> dict[str, bytes]:
    """The files to send along, read."""
    found = {}
    for name, path in files.items():
        try:
            found[name] = Path(path).read_bytes()
        except OSError as error:
            raise OptionError(f"files: {path} cannot be read: {error.strerror}") from error
    return found


def follow(options: Options, cluster: Cluster, folder: RunFolder, progress: Progress, clock: Clock) -> dict[str, Any]:
    """One round: until the benchmark has ended, or the time for a round is over."""
    pods = Observer(cluster, names(options)).read().pods
    follower = Follower(
        cluster,
        clock,
        folder,
        progress,
        pause=options["poll_interval"],
        sample_every=options["sample_interval"],
        patience=options["patience"],
    )
    followed = follower.follow(options["job"], servers_of(pods), options["wait_timeout"])
    result: dict[str, Any] = {"state": followed.state, "trouble": followed.trouble, "remedy": followed.remedy}
    if followed.state != "running":
        told = follower.told
        lost = folder.keep_results(told)
        if not lost:
            folder.compact()
        result |= {"lost": lost, "notes": told.notes, "steps": told.ended_steps(), "results": _files(folder)}
        result["images"] = images_of(pods)
        result["kubernetes"] = cluster.version
    return result


def _files(folder: RunFolder) -> list[str]:
    return sorted(str(path) for path in (folder.folder / "steps").glob("*.json"))
