# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The Job: one at a time, followed to whatever end it comes to, and nothing of it lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_files import RunFolder
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_job import (
    BusyBenchmark,
    Follower,
    Launcher,
    Server,
    finished,
)
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_log import MARK
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._kubernetes import KubernetesError
from ansible_collections.llm_d.gke.plugins.module_utils._progress import Progress

Object = dict[str, Any]
JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "llm-d-benchmark", "namespace": "n", "labels": {"a": "b"}},
    "spec": {
        "template": {
            "spec": {
                "initContainers": [{"name": "prepare"}],
                "containers": [{"name": "client", "env": []}],
                "volumes": [{"name": "files", "configMap": {"name": ""}}],
            }
        }
    },
}
RUN = "20261126T111232Z"
WALL = 1795691552.0


class Ticks:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return WALL + self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def spread(self, seconds: float) -> float:
        return seconds


def job(run: str, condition: str = "", reason: str = "") -> Object:
    conditions = [{"type": condition, "status": "True", "reason": reason, "message": reason}] if condition else []
    meta = {"name": "llm-d-benchmark", "namespace": "n", "uid": run, "annotations": {"llm-d.gke/run": run}}
    return {"metadata": {**meta, "creationTimestamp": "2026-11-26T11:12:32Z"}, "status": {"conditions": conditions}}


class Cluster:
    """As much of an API server as a benchmark needs; `moments` is what is to be seen at each look."""

    def __init__(self, *moments: Callable[[Cluster], None]) -> None:
        self.job: Object | None = None
        self.pod: Object | None = None
        self.log = ""
        self.made: list[Object] = []
        self.merged: list[Object] = []
        self.deleted: list[str] = []
        self.scrapes = 0
        self.moments = list(moments)
        self.refuse: dict[str, KubernetesError] = {}

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        if self.moments:
            self.moments.pop(0)(self)
        return self.job

    def create(self, definition: Object) -> Object:
        kind = definition["kind"]
        if kind in self.refuse:
            raise self.refuse[kind]
        if kind == "Job":
            if self.job is not None:
                raise KubernetesError("exists", code=409)
            self.job = {**definition, "metadata": {**definition["metadata"], "uid": "u-1"}}
            self.made.append(definition)
            return self.job
        self.made.append(definition)
        return definition

    def merge(self, definition: Object, field_manager: str, dry_run: bool = False) -> Object:
        self.merged.append(definition)
        return definition

    def delete(self, definition: Object, **options: Any) -> bool:
        self.deleted.append(definition["kind"])
        was, self.job = self.job, None
        return was is not None

    def find(self, api_version: str, kind: str, namespace: str | None = None, **how: Any) -> list[Object]:
        return [self.pod] if self.pod else []

    def pod_log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        return self.log if container == "client" else ""

    def pod_proxy(self, namespace: str, pod: str, port: int, path: str) -> str:
        self.scrapes += 1
        return f"vllm:request_success_total {self.scrapes}\n"


def pod(reason: str = "") -> Object:
    state = {"waiting": {"reason": reason}} if reason else {"running": {}}
    meta = {"name": "llm-d-benchmark-x", "namespace": "n", "annotations": {"llm-d.gke/run": RUN}}
    status = {"phase": "Pending" if reason else "Running", "containerStatuses": [{"name": "client", "state": state}]}
    return {"metadata": meta, "spec": {"containers": []}, "status": status}


def say(second: int, kind: str, **fields: Any) -> str:
    return f"2026-11-26T11:13:{second:02}.000000001Z {MARK}{json.dumps({'kind': kind, 'at': second, **fields})}\n"


def launcher(cluster: Cluster, clock: Ticks | None = None) -> Launcher:
    clock = clock or Ticks()
    return Launcher(cluster, clock, 5, Progress(clock=clock))  # type: ignore[arg-type]


def follower(cluster: Cluster, folder: Path, clock: Ticks, lines: list[str] | None = None) -> Follower:
    progress = Progress((lines if lines is not None else []).append, clock)  # type: ignore[arg-type]
    run = RunFolder(folder / RUN)
    run.folder.mkdir(exist_ok=True)
    (run.folder / "steps").mkdir(exist_ok=True)
    return Follower(cluster, clock, run, progress, pause=1, sample_every=2, patience=10)  # type: ignore[arg-type]


def test_it_is_made_suspended_given_its_files_and_started(tmp_path: Path) -> None:
    cluster = Cluster()
    run = launcher(cluster).start(JOB, {"client.py": b"x"}, tmp_path, 0)
    assert run == RUN and (tmp_path / RUN / "steps").is_dir()
    made, files = cluster.made
    assert made["spec"]["suspend"] is True and made["metadata"]["annotations"]["llm-d.gke/run"] == RUN
    assert (
        files["metadata"]["name"]
        == f"llm-d-benchmark-{RUN.lower()}"
        == made["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
    )
    assert files["metadata"]["ownerReferences"][0]["uid"] == "u-1", "the files go with the Job"
    assert cluster.merged == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "llm-d-benchmark", "namespace": "n"},
            "spec": {"suspend": False},
        }
    ]
    assert {"name": "BENCHMARK_RUN", "value": RUN} in made["spec"]["template"]["spec"]["containers"][0]["env"]
    assert "suspend" not in JOB["spec"], "what was handed in is left as it was"


def test_a_second_one_is_refused_while_one_runs(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.job = job("20261126T100000Z")
    with pytest.raises(BusyBenchmark) as error:
        launcher(cluster).start(JOB, {}, tmp_path, 0)
    assert "the benchmark 20261126T100000Z, started at 2026-11-26T11:12:32Z, is running" in error.value.headline()
    assert "benchmark_queue_timeout" in error.value.remedy
    assert list(tmp_path.iterdir()) == [] and cluster.deleted == []


def test_or_waits_for_its_turn(tmp_path: Path) -> None:
    def over(cluster: Cluster) -> None:
        cluster.job = job("20261126T100000Z", "Complete")

    cluster = Cluster(lambda _other: None, lambda _other: None, over)
    cluster.job = job("20261126T100000Z")
    assert launcher(cluster).start(JOB, {}, tmp_path, 60) == RUN
    assert cluster.deleted == ["Job"]


def test_one_that_has_ended_is_replaced(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.job = job("20261126T100000Z", "Failed", "BackoffLimitExceeded")
    assert launcher(cluster).start(JOB, {}, tmp_path, 0) == RUN


def test_a_job_that_cannot_be_given_its_files_is_taken_away_again(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.refuse["ConfigMap"] = KubernetesError("quota exceeded", code=403)
    with pytest.raises(GcpError):
        launcher(cluster).start(JOB, {}, tmp_path, 0)
    assert cluster.deleted == ["Job"] and list(tmp_path.iterdir()) == []


def test_files_too_large_for_a_config_map(tmp_path: Path) -> None:
    with pytest.raises(GcpError) as error:
        launcher(Cluster()).start(JOB, {"dataset.json": b"x" * 1_200_000}, tmp_path, 0)
    assert "1,200,000 bytes" in error.value.headline() and "gs://" in error.value.remedy


def test_it_is_followed_to_its_end_and_all_is_written_down(tmp_path: Path) -> None:
    clock, lines = Ticks(), []  # type: ignore[var-annotated]
    started = say(1, "step", step="rate-5", state="started", rate=5, concurrency=None, requests=10)

    def begins(cluster: Cluster) -> None:
        cluster.job, cluster.pod, cluster.log = job(RUN), pod(), started

    def ends(cluster: Cluster) -> None:
        cluster.log += say(2, "progress", step="rate-5", done=10, of=10, seconds=2.0, rate=5.0) + say(
            3, "end", trouble=""
        )
        cluster.job = job(RUN, "Complete")

    cluster = Cluster(begins, lambda _other: None, ends)
    mine = follower(cluster, tmp_path, clock, lines)
    servers = [Server("p-1", "prefill", 8000), Server("d-1", "decode", 8200)]
    assert mine.follow(JOB, servers, 100).state == "succeeded"
    assert lines[-1] == "rate-5: 10 of 10 requests, 5/s, 2 s"
    folder = RunFolder(tmp_path / RUN)
    assert folder.told().steps["rate-5"]["done"] == 10
    assert {row["pod"] for row in folder.rows()} == {"p-1", "d-1"} and len(folder.rows()) >= 4


def test_a_round_that_is_over_leaves_it_running(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.job, cluster.pod = job(RUN), pod()
    assert follower(cluster, tmp_path, Ticks()).follow(JOB, [], 10).state == "running"


def test_a_job_that_somebody_deletes(tmp_path: Path) -> None:
    def begins(cluster: Cluster) -> None:
        cluster.job, cluster.pod = job(RUN), pod()
        cluster.log = say(1, "step", step="rate-5", state="started", rate=5, concurrency=None, requests=10)
        cluster.log += say(2, "progress", step="rate-5", done=4, of=10, seconds=2.0, rate=2.0)

    def goes(cluster: Cluster) -> None:
        cluster.job = None

    found = follower(Cluster(begins, goes), tmp_path, Ticks()).follow(JOB, [], 100)
    assert (
        found.state == "failed"
        and "deleted by somebody while it ran, after 4 of 10 requests of rate-5" in found.trouble
    )


def test_a_job_that_ran_into_its_deadline(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.job = job(RUN, "Failed", "DeadlineExceeded")
    found = follower(cluster, tmp_path, Ticks()).follow(JOB, [], 100)
    assert found.state == "failed" and "deadline" in found.trouble and "benchmark_timeout" in found.remedy


def test_an_image_that_cannot_be_pulled_is_not_waited_for_long(tmp_path: Path) -> None:
    cluster, clock = Cluster(), Ticks()
    cluster.job, cluster.pod = job(RUN), pod("ImagePullBackOff")
    found = follower(cluster, tmp_path, clock).follow(JOB, [], 1000)
    assert found.state == "failed" and "ImagePullBackOff" in found.trouble and clock.at < 20


def test_what_the_client_says_of_its_end_counts(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.job, cluster.pod = job(RUN, "Failed", "BackoffLimitExceeded"), pod()
    cluster.log = say(1, "end", trouble="the data set is empty", remedy="See benchmark_dataset_source.")
    found = follower(cluster, tmp_path, Ticks()).follow(JOB, [], 100)
    assert (found.state, found.trouble, found.remedy) == (
        "failed",
        "the data set is empty",
        "See benchmark_dataset_source.",
    )


def test_a_full_disk_here_is_told(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.job, cluster.pod, cluster.log = job(RUN), pod(), say(1, "note", text="x")
    mine = follower(cluster, tmp_path, Ticks())
    (tmp_path / RUN / "journal.jsonl").mkdir()
    with pytest.raises(GcpError) as error:
        mine.follow(JOB, [], 10)
    assert "journal.jsonl" in error.value.headline()


def test_whether_a_job_has_ended() -> None:
    assert finished(job(RUN)) is None
    assert finished(job(RUN, "SuspendedX")) is None
    ended = finished(job(RUN, "Failed", "x"))
    assert ended is not None and ended["reason"] == "x"
