# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""google.cloud's modules, as released: their hosts are hard-coded, so they come by a tunnel with TLS of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.daemon import CHECKOUT
from sandbox.testing import RunningCloud, running_cloud
from sandbox.tunnel import Tunnel

Json = dict[str, Any]
COLLECTIONS = CHECKOUT / ".ansible" / "collections"


class Modules:
    """Runs tasks in a playbook against the sandbox, as if it were Google."""

    def __init__(self, cloud: RunningCloud, tunnel: Tunnel, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        (folder / "ansible.cfg").write_text("[defaults]\n")
        self._environment = {
            **os.environ,
            **tunnel.environment(),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "HOME": str(folder),
        }

    def run(self, *tasks: Json) -> list[Json]:
        """The results of the tasks, each ``{module: options}``."""
        auth = {
            "project": self.cloud.info["project"],
            "auth_kind": "serviceaccount",
            "service_account_file": self.cloud.info["key_file"],
            "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
        }
        results = self._folder / "results.json"
        steps: list[Json] = []
        for number, task in enumerate(tasks):
            ((module, options),) = task.items()
            steps.append({f"google.cloud.{module}": {**auth, **options}, "register": f"result_{number}"})
        names = ", ".join(f"result_{number}" for number in range(len(tasks)))
        steps.append({"ansible.builtin.copy": {"content": f"{{{{ [{names}] | to_json }}}}", "dest": str(results)}})
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": steps,
        }
        book = self._folder / "play.json"
        book.write_text(json.dumps([play]))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(book)],
            check=False,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[Json] = json.loads(results.read_text())
        return found


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modules]:
    folder = tmp_path_factory.mktemp("modules")
    with running_cloud(folder, time_scale=600.0) as cloud, Tunnel(cloud.base, folder) as tunnel:
        cloud.enable("compute", "container")
        yield Modules(cloud, tunnel, folder)
        assert tunnel.refused == []


def test_they_create_and_describe_a_network_and_a_cluster(modules: Modules) -> None:
    network = {"name": "theirs", "auto_create_subnetworks": True}
    cluster = {"name": "theirs", "location": "us-east5-a", "network": "theirs", "initial_node_count": 1}
    made = modules.run(
        {"gcp_compute_network": network},
        {"gcp_compute_network_info": {"filters": ["name = theirs"]}},
        {"gcp_container_cluster": cluster},
        {"gcp_container_cluster_info": {"location": "us-east5-a"}},
        {"gcp_container_cluster": cluster},
    )
    assert [result["changed"] for result in made[::2]] == [True, True, False]
    assert made[0]["autoCreateSubnetworks"] is True
    assert [item["name"] for item in made[1]["resources"]] == ["theirs"]
    assert (made[2]["status"], made[2]["currentNodeCount"]) == ("RUNNING", 1)
    assert [item["name"] for item in made[3]["resources"]] == ["theirs"]
    gone = modules.run(
        {"gcp_container_cluster": {**cluster, "state": "absent"}},
        {"gcp_compute_network": {**network, "state": "absent"}},
        {"gcp_container_cluster_info": {"location": "us-east5-a"}},
        {"gcp_compute_network_info": {}},
    )
    assert [result["changed"] for result in gone[:2]] == [True, True]
    assert gone[2]["resources"] == gone[3]["resources"] == []
    assert not [line for line in modules.cloud.requests() if line["status"] >= 500]
