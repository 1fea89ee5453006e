# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Stopped in the middle of the pools, by Ctrl-C and by kill -9: what runs is found, nothing is made twice, and nothing
is made behind the back of somebody who stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
import yaml

from sandbox.testing import running_cloud
from tests.integration.playbooks.run import CHECKOUT, PLAYBOOK, playbook
from tests.integration.trouble.conftest import Site

CREATE = "container.projects.locations.clusters.nodePools.create"
POOLS = 3


def only_as_far_as_the_pools() -> str:
    """The playbook up, without what needs a live cluster."""
    [play] = yaml.safe_load((CHECKOUT / "playbooks" / "up.yml").read_text(encoding="utf-8"))
    settle, make = play["tasks"]
    wanted = ("project_services", "network", "cluster", "tpu_pools")
    make["block"] = [
        task for task in make["block"] if task["ansible.builtin.include_role"]["name"].rpartition(".")[2] in wanted
    ]
    return yaml.safe_dump([{**play, "tasks": [settle, make]}])


@pytest.fixture(scope="module")
def slow_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A pool takes two seconds and a half: long enough to stop in the middle."""
    folder = tmp_path_factory.mktemp("interrupted")
    with running_cloud(folder, time_scale=120) as cloud:
        (folder / "pools.yml").write_text(only_as_far_as_the_pools())
        yield Site(cloud, folder / "home")


class Person:
    """Somebody who starts the playbook, and stops it."""

    def __init__(self, site: Site, prefix: str) -> None:
        self.site, self.prefix = site, prefix
        self.temporary = site.home.parent / "tmp"
        self.temporary.mkdir()
        self.env = {**site.env, "TMPDIR": str(self.temporary)}
        settings = {
            "deployment_pool_prefix": prefix,
            "deployment_pool_count": POOLS,
            "deployment_prefill_replicas": 1,
            "deployment_decode_replicas": 1,
            # One after the other, so that there is always something left to begin.
            "tpu_pools_max_operations": 1,
        }
        self.arguments = [str(site.home.parent / "pools.yml"), "-e", json.dumps(settings)]

    def stop_in_the_middle(self, number: signal.Signals) -> None:
        """Starts it, and stops it as soon as a pool is being made."""
        before = len(self.begun())
        process = subprocess.Popen(
            [str(PLAYBOOK), *self.arguments],
            cwd=CHECKOUT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + 300
            while len(self.begun()) == before and process.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            # Ctrl-C reaches the playbook, and with it what it has in the foreground.
            os.kill(process.pid, number)
            output, _ = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode != 0, output
        assert len(self.begun()) == before + 1, output

    def left_behind(self) -> list[str]:
        """Directories of runs, with whatever is secret in them."""
        return sorted(path.name for path in self.temporary.glob("llm-d-run-*"))

    def begun(self) -> list[str]:
        return [line["operation"] for line in self.site.cloud.requests(api_method=CREATE, status=200)]

    def pools(self) -> list[str]:
        info = self.site.cloud.info
        path = f"v1/projects/{info['project']}/locations/{info['region']}/clusters/qwen-serving-cluster/nodePools"
        found = self.site.cloud.call("GET", path).get("nodePools", [])
        return sorted(pool["name"] for pool in found if pool["name"].startswith(self.prefix))


def test_a_run_that_was_stopped_stays_stopped_and_the_next_one_goes_on(slow_site: Site) -> None:
    person = Person(slow_site, "pool")
    for number in (signal.SIGINT, signal.SIGKILL):
        before = len(person.begun())
        person.stop_in_the_middle(number)
        # A pool takes two seconds and a half: a job that went on would have begun the next one by now.
        time.sleep(4)
        assert len(person.begun()) == before + 1, f"after {number.name}, nothing is begun for nobody"

    assert len(person.left_behind()) == 1, "Ctrl-C lets a run clean up, kill -9 does not"
    again = playbook(*person.arguments, env=person.env, timeout=400)
    assert again.status == 0, again.output
    assert f"({POOLS} of {POOLS} ready)" in again.output, "what the background says is shown"
    assert "RUN REPORT" in again.output and "critical path: " in again.output
    assert person.left_behind() == []
    assert person.pools() == [f"pool-{number}" for number in range(1, POOLS + 1)]
    assert len(person.begun()) == POOLS, "each pool was begun once"
    assert slow_site.cloud.requests(api_method=CREATE, status=409) == []
