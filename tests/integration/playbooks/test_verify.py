# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""verify on a running deployment, and on the same deployment made wrong: each time it names what is wrong.

Tests go through one story, in order: each leaves the deployment as the next one needs it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud, running_cloud
from tests.integration.playbooks.run import CHECKOUT, PLAYBOOK, Run, environment, playbook

Json = dict[str, Any]
NAMESPACE = "llm-d-pd"
# One pod a role, and a pool to spare: a role that changes needs room for its new pod beside the old one.
SIZE = {"deployment_pool_count": 3, "deployment_prefill_replicas": 1, "deployment_decode_replicas": 1}
KV_BOTH = {
    "kv_connector": "TPUConnector",
    "kv_connector_module_path": "tpu_inference.distributed.tpu_connector",
    "kv_role": "kv_both",
}


@dataclass
class Deployment:
    """A deployment on a sandbox of its own."""

    cloud: RunningCloud
    home: Path

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    def run(self, name: str, **variables: Any) -> Run:
        env = environment(
            self.home, LLM_D_SANDBOX_DIR=str(self.cloud.directory), HF_TOKEN="any", ANSIBLE_SHOW_CUSTOM_STATS="1"
        )
        told = {**SIZE, "deployment_reports": str(self.reports), **variables}
        return playbook(name, "-e", json.dumps(told), env=env, timeout=540)

    def report(self, name: str = "verify.json") -> Json:
        found: Json = json.loads((self.reports / "sandbox" / name).read_text(encoding="utf-8"))
        return found

    def failing(self) -> dict[str, Json]:
        return {check["name"]: check for check in self.report()["checks"] if not check["passed"]}

    def kubectl(self, *arguments: str) -> str:
        command = [str(CHECKOUT / ".tools" / "bin" / "kubectl"), "-n", NAMESPACE, *arguments]
        done = subprocess.run(
            command,
            env={"HOME": str(self.home), **self.cloud.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def used_by_others(self) -> Iterator[None]:
        """Somebody asks the service all the time."""
        stop = threading.Event()
        body = {"model": "Qwen/Qwen3-32B", "prompt": "Somebody else asks " * 60, "max_tokens": 2}
        url = f"{self.cloud.env['GATEWAY_URL']}/v1/completions"

        def ask() -> None:
            while not stop.is_set():
                request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
                try:
                    urllib.request.urlopen(request, timeout=10).read()
                except urllib.error.URLError:
                    time.sleep(0.5)
                time.sleep(0.2)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("verify")
    with running_cloud(folder, time_scale=60, clusters="real") as cloud:
        yield Deployment(cloud, folder / "home")


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Run:
    run = deployment.run("site.yml")
    assert run.status == 0, run.output
    return run


def test_a_right_deployment_is_proved(deployment: Deployment, up: Run) -> None:
    report = deployment.report()
    told = report["kv_transfer"]
    assert report["passed"] and deployment.failing() == {}
    assert (told["verdict"], told["cause"], told["ran_away"]) == ("proved", "", [])
    assert told["prompts"] == told["answered"] == told["transfers"] == 24
    assert told["external_tokens"] >= 0.9 * told["expected_tokens"] > 0
    assert told["decisions"] == {"prefill-decode": 24, "decode-only": 0}
    assert told["failed_transfers"] == told["held_requests"] == 0
    assert {pod["role"]: pod["requests"] for pod in told["pods"].values()} == {"prefill": 24, "decode": 24}
    assert "KV transfer: proved" in up.output


def test_a_workflow_is_told_in_short(up: Run) -> None:
    stats = up.output.partition("CUSTOM STATS")[2]
    assert "llm_d_verify:" in stats and "verdict: proved" in stats and "verify.json" in stats


def test_the_evidence_is_judged_the_same_without_the_cluster(deployment: Deployment, up: Run) -> None:
    evidence, verdict = deployment.reports / "sandbox" / "verify-evidence.json", deployment.home / "verdict.json"
    command = [str(PLAYBOOK.with_name("ansible")), "localhost", "-m", "llm_d.gke.llm_d_kv_transfer_info"]
    command += ["-a", f"evidence={evidence} dest={verdict}"]
    env = environment(deployment.home)
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    again = json.loads(verdict.read_text(encoding="utf-8"))
    known = deployment.report()["kv_transfer"]
    assert again == {name: known[name] for name in again}


def test_another_name_of_the_model_is_named(deployment: Deployment, up: Run) -> None:
    run = deployment.run("playbooks/verify.yml", verify_model="Qwen/Qwen3-8B")
    assert run.status != 0
    assert deployment.failing()["models listed"]["actual"] == "the model is called Qwen/Qwen3-32B"
    assert "set verify_model (llm_d_model) to that" in run.output
    assert deployment.report()["kv_transfer"]["verdict"] == "inconclusive"


def test_traffic_of_others_is_inconclusive(deployment: Deployment, up: Run) -> None:
    with deployment.used_by_others():
        run = deployment.run("playbooks/verify.yml", verify_rounds=1)
    assert run.status != 0
    told = deployment.report()["kv_transfer"]
    assert (told["verdict"], told["cause"]) == ("inconclusive", "other_traffic")
    assert any("decode pods counted" in words for words in told["ran_away"])
    assert "KV blocks handed over" in deployment.failing()


def test_decode_that_is_a_producer_is_named(deployment: Deployment, up: Run) -> None:
    """Answers are right, prefill pods count the requests, and nothing moves."""
    wrong = ["--max-num-seqs=256", f"--kv-transfer-config={json.dumps(KV_BOTH)}"]
    run = deployment.run("site.yml", llm_d_decode_args=wrong)
    assert run.status != 0
    told = deployment.report()["kv_transfer"]
    assert (told["verdict"], told["cause"]) == ("not_disaggregated", "decode_is_producer"), told
    assert told["answered"] == told["decisions"]["prefill-decode"] == 24
    assert told["external_tokens"] == 0 and told["held_requests"] > 0
    assert {"completion", "same answers without prefill"}.isdisjoint(deployment.failing())
    assert "kv_role kv_consumer" in run.output


def test_a_secret_without_its_key_is_named(deployment: Deployment, up: Run) -> None:
    deployment.kubectl("patch", "secret", "llm-d-hf-token", "--type=json", "-p", '[{"op": "remove", "path": "/data"}]')
    deployment.kubectl("delete", "pod", "-l", "llm-d.ai/role=prefill", "--wait=false", "--grace-period=1")
    run = deployment.run("playbooks/verify.yml", verify_patience=2, verify_ready_timeout=60)
    assert run.status != 0
    assert "CreateContainerConfigError" in deployment.failing()["prefill pods"]["actual"]
    assert "likely cause: The Secret with the Hugging Face token has no key HF_TOKEN" in run.output
    assert deployment.report()["kv_transfer"]["cause"] == "not_ready"
