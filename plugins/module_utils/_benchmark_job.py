# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Run a benchmark's Job, follow it, and bring home what it tells.

The Job's name is the lock: the API server lets one of that name be, so two benchmarks of a deployment never disturb
each other. It is made suspended, given its files (a ConfigMap that goes with it), and then started.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._benchmark_files import RunFolder, new_folder, remove_empty
from ._benchmark_log import Told, describe, frames, last_moment, take
from ._benchmark_servers import Row, row
from ._clock import Clock, Deadline
from ._errors import GcpError
from ._kubernetes import Cluster, KubernetesError
from ._progress import Progress
from ._verify_pods import Object, cause, condition, is_ready, troubles

JOB_API = "batch/v1"
RUN_ANNOTATION = "llm-d.gke/run"
CONTAINERS = ("prepare", "client")
AT_ONCE = 8
MANAGER = "llm_d.gke"
# A ConfigMap may hold 1 MiB.
LARGEST_FILES = 1_000_000
# How long a Job that is deleted may take to go.
GOING_SECONDS = 60.0


class BusyBenchmark(GcpError):
    """Another benchmark of this deployment is running."""

    default_remedy = (
        "Wait for it, or set benchmark_queue_timeout to a number of seconds to wait. To end it: the playbook benchmark "
        "with -e benchmark_state=absent."
    )


@dataclass(frozen=True)
class Server:
    """A model server whose counters are read."""

    pod: str
    role: str
    port: int


def run_name(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y%m%dT%H%M%SZ")


def config_map(job: Object, run: str, files: Mapping[str, bytes], owner: Object) -> Object:
    meta = job["metadata"]
    reference = {"apiVersion": JOB_API, "kind": "Job", "name": meta["name"], "uid": owner["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": files_name(job, run),
            "namespace": meta["namespace"],
            "labels": meta.get("labels") or {},
            "ownerReferences": [reference],
        },
        "immutable": True,
        "binaryData": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }


def files_name(job: Object, run: str) -> str:
    return f"{job['metadata']['name']}-{run.lower()}"


def filled(job: Object, run: str) -> Object:
    """The Job as it is sent: suspended, with the run's name and its files."""
    job = copy.deepcopy(job)
    job["metadata"].setdefault("annotations", {})[RUN_ANNOTATION] = run
    job["spec"]["suspend"] = True
    pod = job["spec"]["template"]
    pod.setdefault("metadata", {}).setdefault("annotations", {})[RUN_ANNOTATION] = run
    for volume in pod["spec"]["volumes"]:
        if volume["name"] == "files":
            volume["configMap"]["name"] = files_name(job, run)
    for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
        container.setdefault("env", []).append({"name": "BENCHMARK_RUN", "value": run})
    return job


def finished(job: Object) -> Object | None:
    """The condition that says how the Job ended; None while it has not."""
    status = job.get("status") or {}
    for kind in ("Complete", "Failed"):
        found = condition(status, kind)
        if found and found.get("status") == "True":
            return found
    return None


class Launcher:
    """Makes the Job, when no other runs."""

    def __init__(self, cluster: Cluster, clock: Clock, pause: float, progress: Progress) -> None:
        self._cluster, self._clock, self._pause, self._progress = cluster, clock, pause, progress

    def start(self, job: Object, files: Mapping[str, bytes], base: Path, queue_timeout: float) -> str:
        """The name of the run, which is that of its folder."""
        size = sum(map(len, files.values()))
        if size > LARGEST_FILES:
            raise GcpError(
                f"they are {size:,} bytes; a ConfigMap holds {LARGEST_FILES:,}",
                action="send",
                resource="benchmark_files",
                remedy="Put large tokenizers and data sets into a bucket (gs://) or on a volume (benchmark_volume).",
            )
        folder = new_folder(base, run_name(self._clock.wall()))
        run, made = folder.name, None
        try:
            made = self._create(filled(job, run), queue_timeout)
            self._cluster.create(config_map(job, run, files, made))
            self._cluster.merge({**_identity(job), "spec": {"suspend": False}}, MANAGER)
        except GcpError:
            remove_empty(folder)
            if made is not None:
                self.remove(made)
            raise
        return run

    def _create(self, job: Object, queue_timeout: float) -> Object:
        deadline, going = Deadline.after(self._clock, queue_timeout), Deadline.after(self._clock, GOING_SECONDS)
        while True:
            try:
                return self._cluster.create(job)
            except KubernetesError as error:
                if error.code != 409:
                    raise
            found = self._cluster.get(JOB_API, "Job", job["metadata"]["name"], job["metadata"]["namespace"])
            if found is None:
                continue
            if finished(found) or "deletionTimestamp" in found["metadata"]:
                if going.passed():
                    raise BusyBenchmark("the last one's Job does not go away", action="start", resource="benchmark")
                self.remove(found)
                self._clock.sleep(min(self._pause, 0.5))
                continue
            if deadline.passed():
                raise BusyBenchmark(_busy(found), action="start", resource=f"Job {job['metadata']['name']}")
            going = Deadline.after(self._clock, GOING_SECONDS)
            self._progress.tick("benchmark", "another one is running, waiting for it", deadline.elapsed())
            self._clock.sleep(self._pause)

    def remove(self, job: Object) -> bool:
        """Take a Job away with its pods; false when there was none."""
        if "deletionTimestamp" in job["metadata"]:
            return False
        return self._cluster.delete(_identity(job), propagationPolicy="Background")


def _identity(job: Object) -> Object:
    meta = job["metadata"]
    return {
        "apiVersion": JOB_API,
        "kind": "Job",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }


def _busy(job: Object) -> str:
    meta = job["metadata"]
    run = (meta.get("annotations") or {}).get(RUN_ANNOTATION, "of another make")
    return f"the benchmark {run}, started at {meta.get('creationTimestamp')}, is running"


@dataclass
class Followed:
    """How far a benchmark has come."""

    state: str  # running, succeeded, failed
    trouble: str = ""
    remedy: str = ""


class Follower:
    """Reads a running Job's log and the model servers' counters, and says how it goes."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        folder: RunFolder,
        progress: Progress,
        *,
        pause: float,
        sample_every: float,
        patience: float,
    ) -> None:
        self._cluster, self._clock, self._folder, self._progress = cluster, clock, folder, progress
        self._pause, self._sample_every, self._patience = pause, sample_every, patience
        self._told = folder.told()
        self._until = folder.read_until()
        self._hopeless_since: float | None = None
        self._sampled = float("-inf")

    @property
    def told(self) -> Told:
        return self._told

    def follow(self, job: Object, servers: Sequence[Server], timeout: float) -> Followed:
        """Until the Job has ended, or time is over (then it is still running)."""
        meta, deadline = job["metadata"], Deadline.after(self._clock, timeout)
        while True:
            found = self._cluster.get(JOB_API, "Job", meta["name"], meta["namespace"])
            if found is None or _run_of(found) != self._folder.folder.name:
                return self._vanished()
            pod = self._pod(found)
            if pod is not None:
                self._read(pod)
            self._sample(meta["namespace"], servers, forced=finished(found) is not None)
            outcome = self._outcome(found, pod)
            if outcome is not None:
                return outcome
            if deadline.passed():
                return Followed("running")
            self._clock.sleep(min(self._pause, max(deadline.left(), 0.05)))

    def _vanished(self) -> Followed:
        if self._told.end is not None:
            return self._ended()
        so_far = self._progress_so_far()
        return Followed("failed", f"the Job was deleted by somebody while it ran{so_far}", "Run the benchmark again.")

    def _progress_so_far(self) -> str:
        for name, step in reversed(self._told.steps.items()):
            if "done" in step:
                return f", after {step['done']} of {step['of']} requests of {name}"
        return ""

    def _pod(self, job: Object) -> Object | None:
        selector = f"batch.kubernetes.io/job-name={job['metadata']['name']}"
        pods = self._cluster.find("v1", "Pod", job["metadata"]["namespace"], labels=selector)
        mine = [pod for pod in pods if _run_of(pod) == self._folder.folder.name]
        mine.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
        return mine[-1] if mine else None

    def _read(self, pod: Object) -> None:
        """What the log has that we do not."""
        meta, new = pod["metadata"], []
        for container in _begun(pod):
            since = self._until.get(container, "")
            query = {"timestamps": "true", **({"sinceTime": since[:19] + "Z"} if since else {})}
            try:
                log = self._cluster.pod_log(meta["namespace"], meta["name"], container, **query)
            except KubernetesError:
                continue
            for _other, frame in frames(log):
                if take(self._told, frame):
                    new.append(frame)
                    line = describe(frame)
                    if line:
                        self._progress.event(line)
            until = last_moment(log)
            if until and until != since:
                self._until[container] = until
                new.append({"kind": "read", "container": container, "until": until})
        self._folder.remember(new)

    def _sample(self, namespace: str, servers: Sequence[Server], forced: bool) -> None:
        now = self._clock.now()
        if not servers or (not forced and now - self._sampled < self._sample_every):
            return
        self._sampled = now

        def one(server: Server) -> Row | None:
            try:
                scrape = self._cluster.pod_proxy(namespace, server.pod, server.port, "/metrics")
            except KubernetesError:
                return None
            return row(scrape, server.pod, server.role, self._clock.wall())

        with ThreadPoolExecutor(AT_ONCE) as pool:
            self._folder.sampled(each for each in pool.map(one, servers) if each is not None)

    def _outcome(self, job: Object, pod: Object | None) -> Followed | None:
        ended = finished(job)
        if ended is not None:
            if self._told.end is not None:
                return self._ended()
            return self._ended_without_a_word(ended, pod)
        found = [each for each in troubles(pod) if each.hopeless] if pod else []
        if not found:
            self._hopeless_since = None
            return None
        now = self._clock.now()
        self._hopeless_since = now if self._hopeless_since is None else self._hopeless_since
        if now - self._hopeless_since < self._patience:
            return None
        said = str(found[0])
        return Followed("failed", f"the benchmark's pod does not start: {said}", cause([said]) or IMAGE_REMEDY)

    def _ended(self) -> Followed:
        trouble = self._told.trouble()
        return Followed("failed" if trouble else "succeeded", trouble, self._told.remedy())

    def _ended_without_a_word(self, ended: Object, pod: Object | None) -> Followed:
        so_far = self._progress_so_far()
        if ended.get("reason") == "DeadlineExceeded":
            return Followed("failed", f"the Job ran into its deadline{so_far}", DEADLINE_REMEDY)
        said = "; ".join(str(each) for each in troubles(pod)[:2]) if pod else ""
        detail = said or str(ended.get("message") or ended.get("reason") or "")
        return Followed("failed", f"the benchmark's pod ended{so_far}: {detail}", cause([detail]) or LOG_REMEDY)


DEADLINE_REMEDY = "Give benchmark_timeout a larger value, or ask for less."
IMAGE_REMEDY = "See benchmark_image, and kubectl describe of the Job's pod."
LOG_REMEDY = "kubectl logs of the Job's pod, if it is still there (benchmark_keep_job keeps it)."


def _run_of(thing: Object) -> str:
    return str((thing["metadata"].get("annotations") or {}).get(RUN_ANNOTATION) or "")


def _begun(pod: Object) -> list[str]:
    """Containers that have a log: those that run or have run."""
    status = pod.get("status") or {}
    states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return [
        each["name"]
        for each in states
        if each["name"] in CONTAINERS and {"running", "terminated"} & set(each.get("state") or {})
    ]


def servers_of(pods: Mapping[str, Sequence[Object]]) -> list[Server]:
    """The ready model servers of both roles."""
    found = []
    for role in ("prefill", "decode"):
        for pod in pods.get(role, ()):
            port = _port(pod)
            if is_ready(pod) and port:
                found.append(Server(pod["metadata"]["name"], role, port))
    return found


def _port(pod: Object) -> int:
    ports: list[dict[str, Any]] = [port for each in pod["spec"]["containers"] for port in each.get("ports") or []]
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "vllm"), 0)


def images_of(pods: Mapping[str, Sequence[Object]]) -> dict[str, str]:
    """By role and container, the image that runs, with its digest where the node tells it."""
    images = {}
    for role, members in pods.items():
        for pod in members[:1]:
            status = pod.get("status") or {}
            states = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
            for each in states:
                digest = str(each.get("imageID") or "").rpartition("@")[2]
                suffix = f"@{digest}" if digest.startswith("sha256:") else ""
                images[f"{role}/{each['name']}"] = f"{each.get('image')}{suffix}"
    return images
