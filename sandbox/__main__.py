# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""python -m sandbox: a Google Cloud of one's own, on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox import environment
from sandbox.cloud import namespaces
from sandbox.cloud.fault_catalog import CATALOG
from sandbox.cloud.unixhttp import UnixHttpError, call
from sandbox.daemon import Daemon, SandboxError, default_directory

Json = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--dir",
        type=Path,
        default=default_directory(),
        help="where the sandbox keeps its state (default: LLM_D_SANDBOX_DIR, or .sandbox in the checkout)",
    )
    result = argparse.ArgumentParser(prog="python -m sandbox", description="A Google Cloud of one's own.")
    commands = result.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", parents=[common], help="start it and wait until it is ready")
    up.add_argument("--clusters", choices=("real", "none"), default="real", help="none: no control plane, no pods")
    up.add_argument("--time-scale", type=float, default=60.0, help="seconds of Google Cloud in a second (60)")
    up.add_argument("--latency", type=float, metavar="MS", help="milliseconds that every call is on its way (0)")
    up.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (a free one)")
    up.add_argument("--zone", help="where the reservation is (us-east5-a)")
    up.add_argument("--reservation", help="the reservation's name (tpu-v6e-reservation)")
    up.add_argument("--reservation-machine-type", help="what it reserves (ct6e-standard-4t)")
    up.add_argument("--reservation-count", type=int, help="how many of them (8)")
    up.add_argument("--project", help="the project's id (llm-d-sandbox)")
    up.add_argument("--tools", type=Path, help="the pinned programs (.tools in the checkout)")
    commands.add_parser("down", parents=[common], help="stop it and everything it started")
    commands.add_parser("env", parents=[common], help="print export lines for eval")
    status = commands.add_parser("status", parents=[common], help="say what there is")
    status.add_argument("--json", action="store_true", help="for programs")
    fault = commands.add_parser("fault", parents=[common], help="make Google Cloud misbehave")
    fault.add_argument(
        "action",
        choices=("add", "list", "clear", "names", "chaos"),
        help="names: the catalogue; chaos SEED: a random plan that passes",
    )
    fault.add_argument(
        "faults", nargs="*", metavar="FAULT", help="names of the catalogue, or JSON (fields: sandbox/cloud/faults.py)"
    )
    return result


def cloud_arguments(options: argparse.Namespace) -> list[str]:
    """The options of 'up' that are the cloud's."""
    names = (
        "clusters",
        "time_scale",
        "latency",
        "port",
        "zone",
        "reservation",
        "reservation_machine_type",
        "reservation_count",
    )
    arguments = []
    for name in (*names, "project", "tools"):
        value = getattr(options, name)
        if value is not None:
            arguments += ["--" + name.replace("_", "-"), str(value)]
    return arguments


def up(options: argparse.Namespace) -> int:
    """Starts, unless it is up."""
    if options.clusters == "real" and (trouble := namespaces.problem()):
        raise SandboxError(trouble)
    info, started = Daemon(options.dir).up(cloud_arguments(options))
    print(f"sandbox {'started' if started else 'is up'}: {info['base']}, project {info['project']}, {options.dir}")
    return 0


def down(options: argparse.Namespace) -> int:
    """Stops, if there is anything to stop."""
    stopped = Daemon(options.dir).down()
    print("sandbox stopped" if stopped else "no sandbox was running")
    return 0


def env(options: argparse.Namespace) -> int:
    """Export lines on standard output, and nothing else."""
    info = Daemon(options.dir).need()
    print(environment.export_lines(environment.variables(info, options.dir)), end="")
    return 0


def _summary(info: Json, directory: Path) -> Json:
    clusters = [
        {
            "name": cluster["name"],
            "location": cluster["location"],
            "status": cluster["status"],
            "nodes": cluster.get("currentNodeCount", 0),
            "endpoint": cluster.get("endpoint", ""),
            "node_pools": {pool["name"]: pool["status"] for pool in cluster.get("nodePools", [])},
        }
        for cluster in environment.clusters(info)
    ]
    faults = call(info["cloud_socket"], "GET", "/_sandbox/faults")["faults"]
    return {"up": True, "directory": str(directory), **info, "clusters": clusters, "faults": len(faults)}


def status(options: argparse.Namespace) -> int:
    """0 when it is up, 3 when it is not (as services do)."""
    info = Daemon(options.dir).running()
    if info is None:
        print(
            json.dumps({"up": False, "directory": str(options.dir)}) if options.json else "the sandbox is not running"
        )
        return 3
    summary = _summary(info, options.dir)
    if options.json:
        print(json.dumps(summary, indent=2))
        return 0
    print(f"up       {info['base']} (process {info['pid']}), a minute takes {60 / info['time_scale']:.3g} s")
    print(f"project  {info['project']}, zone {info['zone']}, reservation {info['reservation']}")
    print(f"files    {options.dir}: requests.jsonl, cloud.log, clusters/")
    for cluster in summary["clusters"]:
        print(f"cluster  {cluster['name']} in {cluster['location']}: {cluster['status']}, {cluster['nodes']} nodes")
        for name, state in cluster["node_pools"].items():
            print(f"         {name}: {state}")
    print(f"faults   {summary['faults']}")
    return 0


def _wanted_faults(texts: list[str]) -> list[Any]:
    """Names as they are, JSON as what it says."""
    try:
        wanted = [text if text.isidentifier() else json.loads(text) for text in texts]
    except ValueError as error:
        raise SandboxError(f"A fault is a name of the catalogue (fault names), or JSON: {error}") from error
    if not wanted:
        raise SandboxError('Say which: fault add stockout \'{"api_method": "compute.networks.insert", "status": 503}\'')
    return wanted


def fault(options: argparse.Namespace) -> int:
    """Adds, lists, clears; names the catalogue; draws a plan."""
    if options.action == "names":
        print("".join(f"{name:24} {trouble.says}\n" for name, trouble in CATALOG.items()), end="")
        return 0
    socket = Daemon(options.dir).need()["cloud_socket"]
    try:
        if options.action == "add":
            answer = call(socket, "POST", "/_sandbox/faults", _wanted_faults(options.faults))
        elif options.action == "chaos":
            answer = call(socket, "POST", "/_sandbox/chaos", {"seed": (options.faults or ["0"])[0]})
        else:
            answer = call(socket, "DELETE" if options.action == "clear" else "GET", "/_sandbox/faults")
    except UnixHttpError as error:
        raise SandboxError(str(error)) from error
    print(json.dumps(answer["faults"], indent=2))
    return 0


COMMANDS = {"up": up, "down": down, "env": env, "status": status, "fault": fault}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; errors go to standard error with exit code 1."""
    options = parser().parse_args(arguments)
    options.dir = options.dir.absolute()
    try:
        return COMMANDS[options.command](options)
    except SandboxError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
