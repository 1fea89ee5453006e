# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Ask an llm-d deployment by a pod of its own cluster, and read the model servers' counters around it.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ._clock import Clock, Deadline
from ._kubernetes import Cluster, KubernetesError
from ._verify import AT_ONCE, MODEL_SERVERS, Observer
from ._verify_evidence import Asked, Evidence, Picker, Server, kept
from ._verify_kv import INCONCLUSIVE, Judgement, judge
from ._verify_pods import Object, is_ready, troubles
from ._verify_settings import Settings, of_pod, sidecar_port, vllm_port
from ._verify_tally import tally

MARK = "llm-d-probe: "
# A scrape a moment after the last answer may not have it yet.
SETTLE_SECONDS = 5.0
# How often to look at the probe, at the least often.
LOOK_SECONDS = 1.0
# How long the probe's pod may be in a state that does not pass by itself, an image that cannot be pulled.
PATIENCE = 60.0


@dataclass(frozen=True)
class Direct:
    """What one pod said when it was asked by itself."""

    pod: str
    role: str
    trouble: str
    models: Sequence[str]


@dataclass(frozen=True)
class Probed:
    """What came of it; None and empty are what it did not come to."""

    smoke: Object | None = None
    direct: Sequence[Direct] = ()
    evidence: Evidence | None = None
    judgement: Judgement | None = None
    compared: Sequence[Object] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Reading:
    """A model server at one moment."""

    pod: Object
    role: str
    metrics: str
    trouble: str = ""


class Prober:
    """One probe, from its making to its end."""

    def __init__(
        self, cluster: Cluster, observer: Observer, clock: Clock, pause: float, block_size: int = 128, rounds: int = 3
    ) -> None:
        self._cluster = cluster
        self._observer = observer
        self._clock = clock
        self._pause = min(pause, LOOK_SECONDS)
        self._block_size = block_size
        self._rounds = rounds
        self._trouble = ""

    def run(self, probe: Object, timeout: float) -> Probed:
        """Make the pod, let it ask, and take it away again, whatever happens."""
        deadline = Deadline.after(self._clock, timeout)
        evidence: Evidence | None = None
        judgement: Judgement | None = None
        compared: Sequence[Object] = ()
        self._sweep(probe)
        try:
            self._cluster.create(probe)
            direct = self._ask_directly()
            smoke = self._said(probe, {"part": "smoke"}, deadline)
            if smoke and not smoke.get("over"):
                for number in range(1, self._rounds + 1):
                    found = self._round(probe, number, deadline)
                    if found is None:
                        break
                    evidence, judgement = found, judge(found)
                    if judgement.verdict != INCONCLUSIVE:
                        break
                if judgement and self._order(probe, "compare"):
                    compared = (self._said(probe, {"order": "compare"}, deadline) or {}).get("answers") or []
            if smoke is None and not self._trouble:
                self._trouble = f"the probe said nothing: {self._log(probe).strip()[-500:]}"
        finally:
            self._cluster.delete(probe, gracePeriodSeconds=0)
        return Probed(smoke, direct, evidence, judgement, compared, self._trouble)

    # -- one round of fresh prompts -------------------------------------------------------------------------------

    def _round(self, probe: Object, number: int, deadline: Deadline) -> Evidence | None:
        before, order = self._at_rest(), f"proof-{number}"
        if not self._order(probe, order):
            return None
        proof = self._said(probe, {"order": order}, deadline)
        if proof is None:
            return None
        asked = [Asked(**each) for each in proof["asked"]]
        picker = _picker(proof.get("picker_before") or [], proof.get("picker_after") or [])
        pool_port = self._observer.pool_port()

        def evidence() -> Evidence:
            return Evidence(asked, _servers(before, self._read()), picker, self._block_size, pool_port)

        return self._settled(evidence)

    def _read(self) -> dict[str, Reading]:
        """All model servers with their metrics; those that are not ready too, if they were before."""
        pods = [(pod, role) for role, found in self._observer.model_servers().items() for pod in found]

        def one(each: tuple[Object, str]) -> Reading:
            pod, role = each
            try:
                port = vllm_port(pod)
                name = pod["metadata"]["name"]
                text = self._cluster.pod_proxy(pod["metadata"]["namespace"], name, port, "/metrics")
                return Reading(pod, role, kept(text))
            except KubernetesError as error:
                return Reading(pod, role, "", f"its metrics cannot be read: {error.headline()}")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(one, pods)
            return {reading.pod["metadata"]["name"]: reading for reading in found}

    def _at_rest(self) -> dict[str, Reading]:
        """Readings that no longer change by what was asked before."""
        deadline = Deadline.after(self._clock, SETTLE_SECONDS)
        found = {name: each for name, each in self._read().items() if is_ready(each.pod)}
        while not deadline.passed():
            self._clock.sleep(min(self._pause, 0.5))
            again = {name: each for name, each in self._read().items() if is_ready(each.pod)}
            if {name: each.metrics for name, each in again.items()} == {
                name: each.metrics for name, each in found.items()
            }:
                return again
            found = again
        return found

    def _settled(self, evidence: Callable[[], Evidence]) -> Evidence:
        """Once both roles have counted as many requests as were answered, and nothing is held any more."""
        deadline = Deadline.after(self._clock, SETTLE_SECONDS)
        while True:
            found = evidence()
            seen = tally(found)
            counted = min(seen.sum(role, "requests") for role in MODEL_SERVERS) >= seen.answered
            held = any(pod.held[1] > pod.held[0] for pod in seen.role("prefill"))
            if (counted and not held) or deadline.passed():
                return found
            self._clock.sleep(min(self._pause, 0.5))

    def _ask_directly(self) -> list[Direct]:
        """Each model server, and each sidecar, by itself."""
        pods = [(pod, role) for role, found in self._observer.model_servers().items() for pod in found]

        def one(each: tuple[Object, str]) -> Direct:
            pod, role = each
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            models: list[str] = []
            try:
                for port in filter(None, (vllm_port(pod), sidecar_port(pod))):
                    self._cluster.pod_proxy(namespace, name, port, "/health")
                    listed = json.loads(self._cluster.pod_proxy(namespace, name, port, "/v1/models"))
                    models = [str(model["id"]) for model in listed["data"]]
            except KubernetesError as error:
                return Direct(name, role, error.headline(), models)
            except (ValueError, KeyError, TypeError) as error:
                return Direct(name, role, f"its list of models is none: {error}", models)
            return Direct(name, role, "", models)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, [each for each in pods if is_ready(each[0])]))

    # -- the probe's pod ------------------------------------------------------------------------------------------

    def _said(self, probe: Object, wanted: Object, deadline: Deadline) -> Object | None:
        """What the probe says that is so marked, once it has said it; None when it ended without."""
        meta, stuck = probe["metadata"], Deadline.after(self._clock, PATIENCE)
        while True:
            pod = self._cluster.get("v1", "Pod", meta["name"], meta["namespace"])
            if pod is None:
                self._trouble = "the probe's pod was deleted by somebody"
                return None
            phase = (pod.get("status") or {}).get("phase")
            if phase in ("Running", "Succeeded", "Failed"):
                for each in parts_in(self._log(probe)):
                    if wanted.items() <= each.items():
                        return each
            if phase == "Succeeded":
                return None
            found = troubles(pod)
            if not found or not found[0].hopeless:
                stuck = Deadline.after(self._clock, PATIENCE)
            if phase == "Failed" or stuck.passed() or deadline.passed():
                self._trouble = "; ".join(str(each) for each in found[:2]) or f"the probe's pod is {phase}, out of time"
                return None
            self._clock.sleep(self._pause)

    def _order(self, probe: Object, order: str) -> bool:
        """Tell the probe what to do next; it listens on a port of its own."""
        meta, settings = probe["metadata"], _probe_settings(probe)
        try:
            path = f"/{settings.get('word', '')}/{order}"
            self._cluster.pod_proxy(meta["namespace"], meta["name"], int(settings.get("port") or 0), path)
        except KubernetesError as error:
            self._trouble = f"the probe's pod cannot be reached by the API server (pods/proxy): {error.headline()}"
            return False
        return True

    def _sweep(self, probe: Object) -> None:
        """Probes that a killed run left behind. One that still runs is somebody's."""
        meta = probe["metadata"]
        selector = ",".join(f"{name}={value}" for name, value in meta["labels"].items())
        for pod in self._cluster.find("v1", "Pod", meta["namespace"], labels=selector):
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                self._cluster.delete({"apiVersion": "v1", "kind": "Pod", **pod}, gracePeriodSeconds=0)

    def _log(self, probe: Object) -> str:
        meta, container = probe["metadata"], probe["spec"]["containers"][0]["name"]
        with contextlib.suppress(KubernetesError):
            return str(self._cluster.pod_log(meta["namespace"], meta["name"], container))
        return ""


def parts_in(log: str) -> list[Object]:
    """What the probe said, out of its log; a line that is not whole yet is left for later."""
    parts = []
    for line in log.splitlines():
        if line.startswith(MARK):
            with contextlib.suppress(ValueError):
                parts.append(dict(json.loads(line.removeprefix(MARK))))
    return parts


def _probe_settings(probe: Object) -> Object:
    env = {each["name"]: each.get("value") for each in probe["spec"]["containers"][0].get("env") or []}
    return dict(json.loads(env.get("PROBE_SETTINGS") or "{}"))


def _picker(before: Sequence[Object], after: Sequence[Object]) -> Picker | None:
    """The endpoint picker's scrapes put together; the first that failed speaks for all."""
    if not after:
        return None
    for each in [*before, *after]:
        if each.get("status") != 200:
            status = f"HTTP {each['status']}" if each.get("status") else "no answer"
            return Picker(trouble=f"{status}: {' '.join(str(each.get('text') or '').split())[:200]}")
    return Picker(*("\n".join(str(each.get("text") or "") for each in scrapes) for scrapes in (before, after)))


def _servers(before: Mapping[str, Reading], after: Mapping[str, Reading]) -> dict[str, Server]:
    """Each model server with both its readings, and what happened to it in between."""
    servers = {}
    for name, old in before.items():
        new = after.get(name)
        settings = of_pod(old.pod)
        trouble = old.trouble or _happened(old.pod, new)
        servers[name] = Server(old.role, old.metrics, new.metrics if new else "", settings, trouble)
    for name, new in after.items():
        if name not in before and is_ready(new.pod):
            servers[name] = Server(new.role, "", new.metrics, Settings(), "it became ready meanwhile")
    return servers


def _happened(pod: Object, now: Reading | None) -> str:
    if now is None or now.pod["metadata"].get("uid") != pod["metadata"].get("uid"):
        return "its pod went away"
    if _restarts(now.pod) > _restarts(pod):
        return "a container of it restarted"
    return now.trouble


def _restarts(pod: Object) -> int:
    status = pod.get("status") or {}
    states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return sum(int(each.get("restartCount") or 0) for each in states)
