# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Jobs as AWX runs them: ansible-runner on a private data directory with project, inventory, variables, credentials and
environment as AWX writes them. Nothing of the shell that runs the tests but PATH, and no home directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.playbooks.run import CHECKOUT

Json = dict[str, Any]
# The longest result of an event that AWX keeps whole.
MAX_EVENT_RES = 700_000
BIN = Path(sys.executable).parent
# One of the template's own processes: cancelled by the presence of a file, as AWX's dispatcher asks its database.
_RUN = """
import os, sys, ansible_runner
private, playbook, ident, cmdline, flag = sys.argv[1:]
done = ansible_runner.run(private_data_dir=private, playbook=playbook, ident=ident, cmdline=cmdline, quiet=True,
                          cancel_callback=lambda: os.path.exists(flag))
print(done.status)
"""


class Unsafe(str):
    """A value that AWX marks: its Jinja stays text."""


class _Dumper(yaml.SafeDumper):
    """Writes extra variables as AWX does."""


_Dumper.add_representer(Unsafe, lambda dumper, value: dumper.represent_scalar("!unsafe", str(value)))


def marked(value: Any) -> Any:
    """Everything that a person or AWX gave, marked."""
    if isinstance(value, str):
        return Unsafe(value)
    if isinstance(value, list):
        return [marked(one) for one in value]
    if isinstance(value, Mapping):
        return {marked(key): marked(one) for key, one in value.items()}
    return value


@dataclass
class Done:
    """A job that ended."""

    playbook: str
    status: str
    events: list[Json]
    stdout: str
    artifacts: Path
    seconds: float

    def of(self, kind: str) -> list[Json]:
        return [event for event in self.events if event["event"] == kind]

    @property
    def failures(self) -> list[str]:
        found = [event for event in self.of("runner_on_failed") if not event["event_data"].get("ignore_errors")]
        return [json.dumps(event["event_data"]["res"].get("msg"))[:2000] for event in found]

    @property
    def changed(self) -> list[str]:
        return [
            event["event_data"]["task"]
            for event in self.of("runner_on_ok")
            if event["event_data"]["res"].get("changed")
        ]

    @property
    def facts(self) -> Json:
        """What AWX keeps as the job's artifacts, and gives to the next node of a workflow."""
        [stats] = self.of("playbook_on_stats")
        found: Json = stats["event_data"].get("artifact_data") or {}
        return found

    def longest_result(self) -> int:
        return max(len(json.dumps(event["event_data"].get("res") or {})) for event in self.events)

    def texts(self) -> Iterator[str]:
        """Everything that the job leaves to be read."""
        yield self.stdout
        for file in self.artifacts.rglob("*"):
            if file.is_file():
                yield file.read_text(encoding="utf-8", errors="replace")


@dataclass
class Controller:
    """AWX: a project that was fetched, an inventory, credentials, and jobs one after the other."""

    folder: Path
    hosts: Mapping[str, Mapping[str, Any]]
    google: Json
    hf_token: str
    path: str = ""
    jobs: list[Done] = field(default_factory=list)
    number: int = 100

    def fetch_project(self) -> None:
        """The repository as AWX copies it, with the collections that it asks for."""
        project = self.folder / "project"
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, check=True,
                                capture_output=True, text=True).stdout.split("\n")  # fmt: skip
        for name in filter(None, listed):
            if (CHECKOUT / name).is_file():
                (project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / name, project / name)
        # What an execution environment brings.
        (self.folder / "ee" / "ansible_collections").mkdir(parents=True)
        brought = CHECKOUT / ".ansible" / "collections" / "ansible_collections" / "kubernetes"
        (self.folder / "ee" / "ansible_collections" / "kubernetes").symlink_to(brought)
        required = self.folder / "requirements_collections"
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        environ["ANSIBLE_COLLECTIONS_PATH"] = f"{required}:{self.folder / 'ee'}"
        install = [BIN / "ansible-galaxy", "collection", "install", "-r", "collections/requirements.yml", "--offline"]
        subprocess.run([*install, "-p", required], cwd=project, check=True, capture_output=True, env=environ)

    def run(
        self,
        playbook: str,
        cmdline: str = "",
        *,
        home: str | None = None,
        cancel: Callable[[], bool] | None = None,
        timeout: float = 1200,
        env: Mapping[str, str] | None = None,
        **answers: Any,
    ) -> Done:
        """One job, to its end, or until it is cancelled."""
        self.number += 1
        private = self.folder / f"awx_{self.number}_x"
        self._write(private, answers, dict(env or {}))
        flag = private / "cancel"
        programs = [self.path, str(BIN), os.environ["PATH"]] if self.path else [str(BIN), os.environ["PATH"]]
        environ = {"PATH": os.pathsep.join(programs), "LANG": "C.UTF-8"}
        if home is not None:
            # Ansible itself needs a place; an execution environment gives it one.
            environ |= {"HOME": home, "ANSIBLE_HOME": str(private / "a"), "ANSIBLE_REMOTE_TEMP": str(private / "r")}
        arguments = [str(private), f"playbooks/{playbook}.yml", str(self.number), f"--forks=20 {cmdline}", str(flag)]
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *arguments],
            env=environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            while process.poll() is None and time.monotonic() - started < timeout:
                if cancel and not flag.exists() and cancel():
                    flag.touch()
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                flag.touch()
            said, _ = process.communicate(timeout=60)
        artifacts = private / "artifacts" / str(self.number)
        events = [json.loads(file.read_text()) for file in (artifacts / "job_events").glob("*.json")]
        events.sort(key=lambda event: event["counter"])
        stdout = (artifacts / "stdout").read_text()
        done = Done(playbook, said.strip().split("\n")[-1], events, stdout, artifacts, time.monotonic() - started)
        self.jobs.append(done)
        return done

    def _write(self, private: Path, answers: Json, more: dict[str, str]) -> None:
        for name in ("env", "inventory", "artifacts"):
            (private / name).mkdir(parents=True, mode=0o700)
        shutil.copytree(self.folder / "project", private / "project", symlinks=True)
        (private / "requirements_collections").symlink_to(self.folder / "requirements_collections")
        self._write_inventory(private / "inventory" / "hosts")
        key_file = private / "env" / "tmp_google"
        key_file.write_text(json.dumps(self.google))
        key_file.chmod(0o600)
        paths = f"{private}/requirements_collections:.ansible/collections:{self.folder / 'ee'}"
        environ = {
            "AWX_PRIVATE_DATA_DIR": str(private), "AWX_HOST": "https://awx.example.com", "JOB_ID": str(self.number),
            "INVENTORY_ID": "2", "PROJECT_REVISION": "0" * 40, "MAX_EVENT_RES": str(MAX_EVENT_RES),
            "ANSIBLE_FORCE_COLOR": "True", "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True", "ANSIBLE_COLLECTIONS_PATH": paths,
            # The credential Google Compute Engine
            "GCE_EMAIL": self.google["client_email"], "GCE_PROJECT": self.google["project_id"],
            "GCE_CREDENTIALS_FILE_PATH": str(key_file), "GCP_SERVICE_ACCOUNT_FILE": str(key_file),
            "GOOGLE_APPLICATION_CREDENTIALS": str(key_file), "GCP_AUTH_KIND": "serviceaccount",
            "GCP_PROJECT": self.google["project_id"], "GCP_ENV_TYPE": "tower",
            # The credential of our own type
            "HF_TOKEN": self.hf_token,
            **more,
        }  # fmt: skip
        (private / "env" / "envvars").write_text(yaml.safe_dump(environ))
        (private / "env" / "settings").write_text(yaml.safe_dump({"suppress_env_files": True, "idle_timeout": 0}))
        (private / "env" / "extravars").write_text(yaml.dump(self._variables(answers), Dumper=_Dumper))

    def _variables(self, answers: Json) -> Json:
        own: Json = {
            "job_id": self.number, "job_launch_type": "manual", "job_template_id": 7, "job_template_name": "llm-d",
            "project_revision": "0" * 40, "project_scm_branch": "", "inventory_id": 2, "inventory_name": "llm-d",
            "user_id": 1, "user_name": "admin", "user_email": "a@example.com", "user_first_name": "",
            "user_last_name": "", "execution_node": "node-1",
        }  # fmt: skip
        both = {f"{prefix}_{name}": value for name, value in own.items() for prefix in ("awx", "tower")}
        found: Json = marked({**both, **answers})
        return found

    def _write_inventory(self, file: Path) -> None:
        variables = {
            name: {**given, "remote_tower_enabled": "true", "remote_tower_id": number}
            for number, (name, given) in enumerate(self.hosts.items(), 1)
        }
        data = {"all": {"children": ["llm_d"]}, "llm_d": {"hosts": list(self.hosts)}, "_meta": {"hostvars": variables}}
        file.write_text(f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(data)!r})\n")
        file.chmod(0o700)
