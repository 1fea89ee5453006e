# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""``python -m sandbox.cloud --dir DIR``: the Google APIs, until SIGTERM. ``sandbox up`` starts it.

Writes DIR/key.json (0600) and, once it listens, DIR/sandbox.json: whoever sees that file can call.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from sandbox.cloud import apis
from sandbox.cloud.app import Cloud
from sandbox.cloud.request import Project
from sandbox.cloud.server import Serving
from sandbox.cloud.settings import Settings


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m sandbox.cloud", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where the sandbox keeps its state")
    parser.add_argument(
        "--run-dir", type=Path, help="where unix sockets go; short (default: a new one in the temp folder)"
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--project", default=default.project.id)
    parser.add_argument("--project-number", default=default.project.number)
    parser.add_argument("--other-project", action="append", default=[], metavar="ID:NUMBER")
    parser.add_argument("--zone", default=default.zone)
    parser.add_argument("--reservation", default=default.reservation)
    parser.add_argument("--reservation-machine-type", default=default.reservation_machine_type)
    parser.add_argument("--reservation-count", type=int, default=default.reservation_count)
    parser.add_argument("--time-scale", type=float, default=default.time_scale, help="cloud seconds in a real second")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="milliseconds added to every call")
    parser.add_argument("--clusters", choices=("real", "none"), default=default.clusters)
    parser.add_argument("--tools", type=Path, help="folder of the pinned programs")
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace, directory: Path, run_dir: Path) -> Settings:
    return Settings(
        project=Project(options.project, options.project_number),
        other_projects=tuple(Project(*text.split(":", 1)) for text in options.other_project),
        zone=options.zone,
        reservation=options.reservation,
        reservation_machine_type=options.reservation_machine_type,
        reservation_count=options.reservation_count,
        time_scale=options.time_scale,
        latency=options.latency / 1000,
        clusters=options.clusters,
        directory=directory,
        run_dir=run_dir,
        tools=options.tools,
    )


def write_private(file: Path, content: Any) -> None:
    """Writes JSON that only the owner may read; a reader sees all of it or nothing."""
    partial = file.with_name(file.name + ".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(content, out, indent=2)
    partial.replace(file)


def description(settings: Settings, base: str, key_file: Path, socket_path: Path) -> dict[str, Any]:
    """What DIR/sandbox.json says: all that a client needs."""
    return {
        "base": base,
        "project": settings.project.id,
        "project_number": settings.project.number,
        "account": settings.account_email,
        "zone": settings.zone,
        "region": settings.region,
        "reservation": settings.reservation,
        "key_file": str(key_file),
        "token_host": f"{base}/token",
        "endpoints": {
            "compute": f"{base}/compute/v1/",
            "container": f"{base}/",
            "iam": f"{base}/",
            "iamcredentials": f"{base}/",
            "storage": f"{base}/storage/v1/",
            "serviceusage": f"{base}/",
            "cloudresourcemanager": f"{base}/",
            "cloudbilling": f"{base}/",
        },
        "pid": os.getpid(),
        "run_dir": str(settings.run_dir),
        "cloud_socket": str(socket_path),
        "time_scale": settings.time_scale,
    }


def main(arguments: list[str] | None = None) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    options = parse(arguments)
    directory: Path = options.dir.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    run_dir: Path = options.run_dir or Path(tempfile.mkdtemp(prefix="llm-d-"))
    try:
        return serve(settings_of(options, directory, run_dir), options.port, directory, run_dir, stop)
    finally:
        if options.run_dir is None:
            shutil.rmtree(run_dir, ignore_errors=True)


def serve(settings: Settings, port: int, directory: Path, run_dir: Path, stop: threading.Event) -> int:
    apis.load()
    cloud = Cloud(settings)
    socket_path = run_dir / "cloud.sock"
    try:
        serving = Serving(cloud, port=port, socket_path=socket_path)
    except OSError as error:
        cloud.close()
        print(f"cannot listen on port {port} or on {socket_path}: {error}", file=sys.stderr)
        return 1
    key_file, info_file = directory / "key.json", directory / "sandbox.json"
    write_private(key_file, cloud.auth.create_key(settings.account_email, settings.project.id))
    write_private(info_file, description(settings, serving.base, key_file, socket_path))
    stop.wait()
    info_file.unlink(missing_ok=True)
    serving.close()
    socket_path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
