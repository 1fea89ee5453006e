# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The measurements. Each brings a sandbox of its own without control planes, and runs what a person runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cloud import critical_path
from sandbox.testing import RunningCloud, running_cloud
from tests.chaos.scene import Scene
from tests.chaos.story import at_once
from tests.chaos.world import World, moment
from tests.integration.playbooks.run import Run, environment, playbook

Json = dict[str, Any]
INFRASTRUCTURE = "tests/integration/playbooks/infrastructure.yml"
CLUSTER = "qwen-serving-cluster"
SLOTS = 4
LATENCY = 150.0
# A minute of Google's is a second; where only requests are counted, time may fly.
TIME_SCALE, FAST = 60.0, 1200.0
TIMEOUT = 1200.0
# As in the sandbox's inventory.
POLL = 0.06


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``good`` is None for what has no target."""

    what: str
    value: str
    target: str = ""
    good: bool | None = None


@dataclass
class Site:
    """A sandbox, and a person in front of it."""

    cloud: RunningCloud
    home: Path

    def up(self, pools: int, *arguments: str, **settings: Any) -> tuple[Run, Json]:
        """The infrastructure's roles, and the report of the run."""
        report = self.home / "run-report.json"
        report.unlink(missing_ok=True)
        chosen = {
            "state": "present",
            "deployment_pool_count": pools,
            "deployment_capacity": "on_demand",
            "deployment_prefill_replicas": 1,
            "deployment_decode_replicas": 1,
            "deployment_reports": str(self.home / "reports"),
            "tpu_pools_max_operations": SLOTS,
            **settings,
        }
        variables = {
            "LLM_D_SANDBOX_DIR": str(self.cloud.directory),
            "LLM_D_GKE_RUN_REPORT_FILE": str(report),
        }
        run = playbook(
            INFRASTRUCTURE, "-e", json.dumps(chosen), *arguments,
            env=environment(self.home, **variables), timeout=TIMEOUT,
        )  # fmt: skip
        if run.status:
            raise RuntimeError(run.output)
        return run, json.loads(report.read_text(encoding="utf-8"))["sandbox"]

    def creates(self) -> list[tuple[float, float]]:
        """Begin and end of each creation of a TPU pool."""
        info = self.cloud.info
        path = f"v1/projects/{info['project']}/locations/{info['region']}/operations"
        operations = self.cloud.call("GET", path)["operations"]
        made = [operation for operation in operations if operation["operationType"] == "CREATE_NODE_POOL"]
        return [(moment(operation["startTime"]), moment(operation["endTime"])) for operation in made]


@contextmanager
def site(scale: float, latency: float = 0.0) -> Iterator[Site]:
    options = ("--latency", str(latency))
    with (
        tempfile.TemporaryDirectory(prefix="llm-d-bench-") as folder,
        running_cloud(Path(folder), time_scale=scale, arguments=options) as cloud,
    ):
        yield Site(cloud, Path(folder) / "home")


def bringing_up(pools: int) -> Iterator[Figure]:
    """From an empty project: against the shortest time there is, and with the queue of operations kept full."""
    with site(TIME_SCALE) as here:
        run, report = here.up(pools)
        creates = here.creates()
    ideal = critical_path.infrastructure(pools, SLOTS) / TIME_SCALE
    fixed = run.seconds - 1.05 * ideal
    yield Figure(
        f"up, {pools} pools: wall against critical path",
        f"{run.seconds:.1f} s against {ideal:.1f} s (1.05 x and {max(fixed, 0):.1f} s)",
        "1.05 x and at most 15 s",
        fixed <= 15,
    )
    yield from _slots(f"up, {pools} pools", pools, creates)
    yield Figure(f"up, {pools} pools: requests to Google", str(report["requests"]))


def engine_alone(*sizes: int) -> Iterator[Figure]:
    """What the modules do, without Ansible around them: waiting and queueing by themselves."""
    from tests.chaos.worker import Module

    for pools in sizes:
        with tempfile.TemporaryDirectory(prefix="llm-d-bench-") as folder:
            world = World(Path(folder), TIME_SCALE)
            try:
                steps = Scene(world.place, pools, SLOTS, False).up()
                for name, params in steps[:1]:
                    Module(name, params, False, print).run()
                started = time.monotonic()
                for name, params in steps[1:]:
                    Module(name, {**params, "poll_interval": POLL, "wait_timeout": 600}, False, print).run()
                seconds = time.monotonic() - started
                made = [op for op in world.operations() if op.kind == "CREATE_NODE_POOL"]
                before = len(world.requests())
                changed = [Module(name, params, False, print).run()["changed"] for name, params in steps]
                asked = len(world.requests()) - before
            finally:
                world.close()
        ideal = critical_path.infrastructure(pools, SLOTS) / TIME_SCALE
        ratio = seconds / ideal
        yield Figure(
            f"engine alone, {pools} pools: wall against critical path",
            f"{seconds:.1f} s against {ideal:.1f} s: {ratio:.2f} x",
            "1.05 x and at most 15 s",
            seconds <= 1.05 * ideal + 15,
        )
        yield from _slots(f"engine alone, {pools} pools", pools, [(op.inserted, op.ended or 0.0) for op in made])
        yield Figure(
            f"engine alone, {pools} pools: requests to Google when there is nothing to do",
            str(asked),
            "at most 15",
            asked <= 15 and not any(changed),
        )


def _slots(what: str, pools: int, creates: list[tuple[float, float]]) -> Iterator[Figure]:
    alone = max(end for _begin, end in creates) - min(begin for begin, _end in creates)
    share = sum(end - begin for begin, end in creates) / (alone * SLOTS)
    best = pools / (-(-pools // SLOTS) * SLOTS)
    yield Figure(
        f"{what}: slots in use while pools are made",
        f"{share / best:.3f} of what {pools} pools can use",
        "at least 0.95",
        share / best >= 0.95,
    )
    most = at_once(creates)
    yield Figure(f"{what}: operations at once", str(most), f"at most {SLOTS}", most <= SLOTS)


def nothing_to_do(few: int = 8, many: int = 100) -> Iterator[Figure]:
    """A run that changes nothing: how much it asks, and whether it grows with the number of pools."""
    seconds, requests = {}, {}
    for pools in (few, many):
        with site(FAST) as here:
            here.up(pools, deployment_poll_interval=0.1, tpu_pools_delay=0.2)
            runs = [here.up(pools, deployment_poll_interval=0.1, tpu_pools_delay=0.2) for _again in range(3)]
        if any(run.recap("changed") for run, _report in runs):
            raise RuntimeError(f"a second run changed something: {runs[0][0].output}")
        # The processor's time: it does not depend on what else the machine does.
        seconds[pools] = min(run.cpu_seconds for run, _report in runs)
        requests[pools] = max(report["requests"] for _run, report in runs)
        yield Figure(
            f"no-op, {pools} pools: requests to Google",
            str(requests[pools]),
            "at most 15",
            requests[pools] <= 15,
        )
    same = requests[few] == requests[many]
    yield Figure(f"no-op: requests at {few} and at {many} pools", "the same" if same else "different", "the same", same)
    ratio = seconds[many] / seconds[few]
    yield Figure(
        f"no-op: processor time at {many} against {few} pools",
        f"{seconds[many]:.1f} s against {seconds[few]:.1f} s: {ratio:.2f} x",
        "at most 1.2 x",
        ratio <= 1.2,
    )


def planning() -> Iterator[Figure]:
    """Check mode on an empty project, near and far from Google."""
    for latency in (0.0, LATENCY):
        with site(FAST, latency) as here:
            run, report = here.up(8, "--check", "--diff")
        yield Figure(
            f"plan of an empty project, {latency:.0f} ms to Google",
            f"{run.seconds:.1f} s ({run.cpu_seconds:.1f} s of a processor), {report['requests']} requests",
            "at most 10 s",
            run.seconds <= 10,
        )


def by_gcloud(pools: int = 8) -> Iterator[Figure]:
    """The tutorial's own commands on the same sandbox: its pools are begun together, in the background of a shell."""
    if shutil.which("gcloud") is None:
        yield Figure("the tutorial's gcloud commands", "gcloud is not installed: not measured")
        return
    with site(TIME_SCALE) as here:
        info = here.cloud.info
        here.cloud.enable("compute", "container")
        home = here.home
        home.mkdir(exist_ok=True)
        env = os.environ | here.cloud.env | {"HOME": str(home), "KUBECONFIG": str(home / "kubeconfig")}
        where = [f"--region={info['region']}"]
        started = time.monotonic()
        for command in (
            ["compute", "networks", "create", "n", "--subnet-mode=custom", "--mtu=8896"],
            ["compute", "networks", "subnets", "create", "s", "--network=n", "--range=10.10.0.0/18", *where],
            ["compute", "networks", "subnets", "create", "p", "--network=n", "--range=172.16.0.0/26", *where,
             "--purpose=REGIONAL_MANAGED_PROXY", "--role=ACTIVE"],
            ["compute", "firewall-rules", "create", "f", "--network=n", "--allow=all", "--source-ranges=10.0.0.0/8"],
            ["container", "clusters", "create", CLUSTER, "--network=n", "--subnetwork=s", "--num-nodes=1", *where],
        ):  # fmt: skip
            subprocess.run(["gcloud", *command, "--quiet"], env=env, check=True, capture_output=True, timeout=TIMEOUT)
        begun = [
            subprocess.Popen(
                ["gcloud", "container", "node-pools", "create", f"tpu-{number}", f"--cluster={CLUSTER}", *where,
                 f"--node-locations={info['zone']}", "--machine-type=ct6e-standard-4t", "--tpu-topology=2x2",
                 "--num-nodes=1", "--quiet"],
                env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for number in range(pools)
        ]  # fmt: skip
        failed = sum(process.wait(TIMEOUT) != 0 for process in begun)
        seconds = time.monotonic() - started
    yield Figure(
        f"the tutorial's gcloud commands, {pools} pools at once",
        f"{seconds:.1f} s; {failed} of {pools} commands failed",
    )
