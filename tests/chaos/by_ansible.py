# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The same story, told by the real playbooks: the command that a person types is what is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.chaos.scene import DEPLOYMENT, PREFIX, Scene
from tests.chaos.story import SECONDS_FOR_A_RUN, Broken, Story
from tests.chaos.worker import SUCCESS
from tests.chaos.world import Trap

Json = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
INFRASTRUCTURE = "tests/integration/playbooks/infrastructure.yml"


class AnsibleStory(Story):
    """Up by the roles of the infrastructure, down by the playbook teardown. Each run takes seconds of a processor, so
    there are fewer of them."""

    def __post_init__(self) -> None:
        self.most_kills, self.rests = 1, (False,)

    def _drawn(self) -> Scene:
        drawn = super()._drawn()
        return Scene(drawn.place, min(drawn.pools, 3), drawn.most_operations, drawn.reserved)

    def _settings(self, recreate: bool) -> Json:
        return {
            "state": "present",
            "deployment_name": DEPLOYMENT,
            "deployment_prefix": PREFIX,
            "deployment_pool_prefix": f"{PREFIX}-tpu",
            "deployment_pool_count": self.scene.pools,
            "deployment_prefill_replicas": 1,
            "deployment_decode_replicas": 1,
            "deployment_checks": ["place", "names"],
            "deployment_capacity": "reservation" if self.scene.reserved else "on_demand",
            "deployment_poll_interval": 0.05,
            "deployment_reports": str(self.directory / "reports"),
            "cluster_labels": {"team": "serving"},
            "cluster_recreate": recreate,
            "tpu_pools_max_operations": self.scene.most_operations,
            "tpu_pools_node_labels": {"role": "serving"},
            "tpu_pools_delay": 0.2,
        }

    def _run(self, way: str, recreate: bool, trap: Trap | None, check: bool = False) -> int:
        self._outputs += 1
        self.figures.runs += 1
        output = self.directory / f"output-{self._outputs}.txt"
        playbook = INFRASTRUCTURE if way == "up" else "teardown.yml"
        command = [str(PLAYBOOK), playbook, "-e", json.dumps(self._settings(recreate)), *(["--check"] if check else [])]
        with output.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=CHECKOUT, env=self._environment(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            if trap is not None:
                trap.groups.append(process.pid)
                self._note(f"{way}: kill -9 at {'change' if trap.mutating else 'request'} {trap.nth}")
            self.world.cloud.trap = trap
            try:
                code = process.wait(SECONDS_FOR_A_RUN)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise Broken(f"{way} hangs: {self._tail(output)}") from None
            finally:
                self.world.cloud.trap = None
        if code < 0:
            self.figures.kills += 1
        elif code != SUCCESS:
            self.figures.failures += 1
        self._failed_at = self._tail(output) if code > 0 else ""
        if "Traceback (most recent call last)" in output.read_text(encoding="utf-8", errors="replace") and code >= 0:
            raise Broken(f"{way} shows its insides: {self._tail(output)}")
        self._note(f"{way}: playbook {self._outputs} ended with {code}")
        return code

    def _environment(self) -> dict[str, str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        return {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            "LLM_D_SANDBOX_DIR": str(self.directory),
            "TMPDIR": str(home),
        }

    @staticmethod
    def _tail(output: Path) -> str:
        text = output.read_text(encoding="utf-8", errors="replace")
        return "gke_cluster: " * ("recreate: true" in " ".join(text.split()[-400:])) + text[-2500:]

    def _changes(self) -> str:
        text = (self.directory / f"output-{self._outputs}.txt").read_text(encoding="utf-8")
        counters = re.findall(r"\bchanged=(\d+)", text)
        return "" if counters and not any(map(int, counters)) else text[-3000:]
