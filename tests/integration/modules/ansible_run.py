# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Modules as Ansible runs them: many tasks in one run, as starting Ansible costs more than a task."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.testing import RunningCloud

ROOT = Path(__file__).resolve().parents[3]
Json = dict[str, Any]


@dataclass
class Task:
    """One task; `check` and `diff` as the task keywords."""

    module: str
    args: Json
    check: bool = False
    env: dict[str, str] = field(default_factory=dict)

    def as_yaml(self, name: str) -> Json:
        return {
            "name": name,
            f"llm_d.gke.{self.module}": self.args,
            "check_mode": self.check,
            "diff": True,
            "ignore_errors": True,
            "environment": self.env,
        }


@dataclass
class Outcome:
    """What a task returned, and the requests that Google saw meanwhile."""

    failed: bool
    result: Json
    writes: list[str]
    output: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))

    @property
    def diff(self) -> str:
        blocks = self.result.get("diff") or []
        blocks = blocks if isinstance(blocks, list) else [blocks]
        return "".join(f"--- {b['before_header']}\n{b['before']}+++ {b['after_header']}\n{b['after']}" for b in blocks)


def defaults(cloud: RunningCloud) -> Json:
    return {
        "project": cloud.info["project"],
        "auth_kind": "serviceaccount",
        "service_account_file": cloud.info["key_file"],
        "endpoints": {**cloud.info["endpoints"], "token": cloud.info["token_host"]},
        "poll_interval": 0.05,
    }


READS = ("GET",)
NO_WRITES = ("/token", ":generateAccessToken", "/wait", "getIamPolicy", "testIamPermissions", "/_sandbox")


def writes(cloud: RunningCloud, since: int = 0) -> list[str]:
    """The requests that changed something, as Google saw them."""
    return [
        f"{line['method']} {line['path']}"
        for line in cloud.requests()[since:]
        if line["method"] not in READS and not any(part in line["path"] for part in NO_WRITES)
    ]


def run(cloud: RunningCloud, *tasks: Task) -> list[Outcome]:
    """Runs the tasks one after the other; each outcome has the writes that its task made."""
    with tempfile.TemporaryDirectory() as folder:
        collected = Path(folder) / "results.jsonl"
        marks = Path(folder) / "marks"
        steps: list[Json] = []
        log = cloud.directory / "requests.jsonl"
        for number, task in enumerate(tasks):
            count = {"ansible.builtin.shell": f"wc -l < {log} >> {marks}", "check_mode": False, "changed_when": False}
            steps += [count, task.as_yaml(f"task {number}")]
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/llm_d.gke.gcp": defaults(cloud)},
            "tasks": steps,
        }
        file = Path(folder) / "play.yml"
        file.write_text(yaml.safe_dump([play]))
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": folder,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "collect",
            "ANSIBLE_NOCOLOR": "1",
            "COLLECT_FILE": str(collected),
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(file)]
        command += ["-e", f"ansible_python_interpreter={sys.executable}"]
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=540, check=False
        )
        if not collected.exists():
            raise AssertionError(done.stdout + done.stderr)
        lines = [json.loads(line) for line in collected.read_text().splitlines()]
        lines = [line for line in lines if line["task"].startswith("task ")]
        starts = [int(number) for number in marks.read_text().split()]
        ends = [*starts[1:], len(cloud.requests())]
        if len(lines) != len(tasks):
            raise AssertionError(done.stdout + done.stderr)
        return [
            Outcome(line["failed"], line["result"], writes_between(cloud, start, end), done.stdout)
            for line, start, end in zip(lines, starts, ends, strict=True)
        ]


def writes_between(cloud: RunningCloud, start: int, end: int) -> list[str]:
    return writes(cloud, start)[: len(writes(cloud, start)) - len(writes(cloud, end))]


def one(
    cloud: RunningCloud, module: str, *, check: bool = False, env: dict[str, str] | None = None, **args: Any
) -> Outcome:
    return run(cloud, Task(module, args, check, env or {}))[0]


def secret_in(cloud: RunningCloud, text: str) -> bool:
    """Does the text show a key or a token of the sandbox?"""
    key = json.loads(Path(cloud.info["key_file"]).read_text())
    return any(line and line in text for line in key["private_key"].splitlines()[1:-1]) or "ya29." in text
