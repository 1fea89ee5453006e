# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The probe's pod asks when it is told, goes again whatever happens, and what became of it is told."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._kubernetes import KubernetesError
from ansible_collections.llm_d.gke.plugins.module_utils._verify import Names, Observer
from ansible_collections.llm_d.gke.plugins.module_utils._verify_probe import MARK, Probed, Prober
from kv_counters import LENGTH, MODEL, Counts, picker, received, scrape, share

NAMES = Names("n", "gateway", "route", "pool", "epp", "prefill", "decode", {}, 8)
SETTINGS = {"word": "sesame", "port": 8099}
PROBE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe-1", "namespace": "n", "labels": {"app.kubernetes.io/component": "llm-d-verify"}},
    "spec": {"containers": [{"name": "probe", "env": [{"name": "PROBE_SETTINGS", "value": json.dumps(SETTINGS)}]}]},
}
SMOKE = {"part": "smoke", "completion": {"status": 200}}
PROMPTS = 24


class Ticks:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def spread(self, seconds: float) -> float:
        return seconds


def server(role: str, port: int) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{role}-1", "namespace": "n", "uid": f"{role}-uid"},
        "spec": {"containers": [{"name": "vllm", "ports": [{"name": "vllm", "containerPort": port}]}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"restartCount": 0}]},
    }


class Cluster:
    """As much of an API server as the probe needs, and a probe that obeys."""

    def __init__(self, phases: list[str], *said: dict[str, Any], strangers: int = 0, **broken: KubernetesError) -> None:
        self.phases = phases
        self.said = list(said)
        # How many rounds are disturbed by requests of others.
        self.strangers = strangers
        self.broken = broken
        self.left = [{"metadata": {"name": "old", "namespace": "n"}, "status": {"phase": "Failed"}}]
        self.left.append({"metadata": {"name": "busy", "namespace": "n"}, "status": {"phase": "Running"}})
        self.deleted: list[str] = []
        self.orders: list[str] = []
        self.counts = {"prefill": Counts(), "decode": Counts()}
        self.pods = {"prefill": server("prefill", 8000), "decode": server("decode", 8200)}
        # What happens while the prompts are asked.
        self.meanwhile = lambda: None

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        if kind == "Deployment":
            return {"spec": {"selector": {"matchLabels": {"role": name}}}}
        if kind == "InferencePool":
            return {"spec": {"targetPorts": [{"number": 8000}]}}
        if kind == "Pod" and name == "probe-1" and self.phases[0] != "Gone":
            phase = self.phases.pop(0) if len(self.phases) > 1 else self.phases[0]
            waiting = {"reason": "ImagePullBackOff", "message": "no such image"} if phase == "Stuck" else None
            states = [{"name": "probe", "state": {"waiting": waiting}}] if waiting else []
            status = {"phase": "Pending" if waiting else phase, "containerStatuses": states}
            return {**PROBE, "status": {**status, "reason": "DeadlineExceeded" if phase == "Failed" else ""}}
        return None

    def find(self, api_version: str, kind: str, namespace: str | None = None, **how: Any) -> list[dict[str, Any]]:
        if kind != "Pod":
            return []
        if how["labels"].startswith("role="):
            return [copy.deepcopy(self.pods[how["labels"].removeprefix("role=")])]
        return self.left

    def create(self, definition: dict[str, Any]) -> dict[str, Any]:
        if "create" in self.broken:
            raise self.broken["create"]
        return definition

    def delete(self, definition: dict[str, Any], **options: Any) -> bool:
        self.deleted.append(definition["metadata"]["name"])
        return True

    def pod_log(self, *_: Any, **__: Any) -> str:
        if "log" in self.broken:
            raise self.broken["log"]
        return "".join(f"{MARK}{json.dumps(part)}\n" for part in self.said) or "Traceback: oops"

    def pod_proxy(self, namespace: str, pod: str, port: int, path: str) -> str:
        if pod == "probe-1":
            return self._order(port, path)
        role = pod.removesuffix("-1")
        assert port == {"prefill": 8000, "decode": 8200}[role]
        if path == "/metrics":
            return scrape(self.counts[role])
        return json.dumps({"data": [{"id": MODEL}]}) if path == "/v1/models" else ""

    def _order(self, port: int, path: str) -> str:
        if "order" in self.broken:
            raise self.broken["order"]
        assert port == 8099 and path.startswith("/sesame/")
        order = path.removeprefix("/sesame/")
        self.orders.append(order)
        if order.startswith("proof"):
            strange = 5 if len(self.orders) <= self.strangers else 0
            self.counts["prefill"] = self.counts["prefill"].and_(**share(PROMPTS))
            self.counts["decode"] = self.counts["decode"].and_(**received(PROMPTS + strange))
            self.meanwhile()
            seen = picker(PROMPTS)
            scrapes = {name: [{"status": 200, "text": getattr(seen, name)}] for name in ("before", "after")}
            answer = {"status": 200, "prompt_tokens": LENGTH, "seconds": 0.1, "offers_blocks": False, "said": ""}
            picked = {f"picker_{name}": each for name, each in scrapes.items()}
            self.said.append({"order": order, "asked": [answer] * PROMPTS, **picked})
        else:
            self.said.append({"order": "compare", "answers": [{"url": "u", "status": 200, "same": True}]})
        return ""


def run(cluster: Cluster, timeout: float = 60) -> Probed:
    return Prober(cluster, Observer(cluster, NAMES), Ticks(), 1).run(PROBE, timeout)  # type: ignore[arg-type]


def test_it_asks_and_goes() -> None:
    cluster = Cluster(["Pending", "Running"], SMOKE)
    probed = run(cluster)
    assert probed.judgement and probed.judgement.verdict == "proved"
    assert (probed.smoke, probed.trouble, len(probed.compared)) == (SMOKE, "", 1)
    assert [(each.pod, each.models) for each in probed.direct] == [("prefill-1", [MODEL]), ("decode-1", [MODEL])]
    assert probed.evidence and probed.evidence.pool_port == 8000
    assert cluster.orders == ["proof-1", "compare"]
    assert cluster.deleted == ["old", "probe-1"]  # "busy" is somebody's


def test_it_asks_again_when_others_came_between() -> None:
    cluster = Cluster(["Running"], SMOKE, strangers=2)
    probed = run(cluster)
    assert probed.judgement and probed.judgement.verdict == "proved"
    assert cluster.orders == ["proof-1", "proof-2", "proof-3", "compare"]


def test_traffic_that_does_not_end_is_inconclusive() -> None:
    probed = run(Cluster(["Running"], SMOKE, strangers=9))
    assert probed.judgement and (probed.judgement.verdict, probed.judgement.cause) == ("inconclusive", "other_traffic")
    assert probed.judgement.ran_away


def _restart(cluster: Cluster) -> None:
    cluster.pods["decode"]["status"]["containerStatuses"][0]["restartCount"] += 1


def _replace(cluster: Cluster) -> None:
    cluster.pods["decode"]["metadata"]["uid"] += "-new"


@pytest.mark.parametrize(
    ("happens", "words"), [(_restart, "a container of it restarted"), (_replace, "its pod went away")]
)
def test_a_pod_that_restarts_meanwhile_is_noticed(happens: Any, words: str) -> None:
    cluster = Cluster(["Running"], SMOKE)
    cluster.meanwhile = lambda: happens(cluster)
    probed = run(cluster)
    assert probed.judgement and probed.judgement.verdict == "inconclusive"
    assert probed.judgement.restarted == [f"decode-1: {words}"]


def test_a_restart_in_one_round_is_no_reason_to_doubt_the_next() -> None:
    cluster = Cluster(["Running"], SMOKE)
    once = [_restart]
    cluster.meanwhile = lambda: once.pop()(cluster) if once else None
    probed = run(cluster)
    assert probed.judgement and probed.judgement.verdict == "proved"
    assert cluster.orders == ["proof-1", "proof-2", "compare"]


def test_a_service_that_lists_no_model_is_asked_nothing_more() -> None:
    cluster = Cluster(["Running", "Succeeded"], {"part": "smoke", "models": {"status": 404}, "over": True})
    probed = run(cluster)
    assert probed.smoke and probed.judgement is None and cluster.orders == []


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (Cluster(["Running", "Failed"]), "DeadlineExceeded"),
        (Cluster(["Pending"]), "Pending"),
        (Cluster(["Stuck"]), "ImagePullBackOff: no such image"),
        (Cluster(["Gone"]), "deleted by somebody"),
        (Cluster(["Succeeded"]), "oops"),
        (Cluster(["Succeeded"], log=KubernetesError("gone")), "said nothing"),
    ],
)
def test_it_goes_when_it_did_not_work(cluster: Cluster, said: str) -> None:
    probed = run(cluster)
    assert probed.smoke is None and said in probed.trouble
    assert cluster.deleted[-1] == "probe-1"


def test_an_image_that_cannot_be_pulled_is_not_waited_for_till_the_end() -> None:
    clock = Ticks()
    cluster = Cluster(["Stuck"])
    Prober(cluster, Observer(cluster, NAMES), clock, 1).run(PROBE, 1500)  # type: ignore[arg-type]
    assert clock.at < 70


def test_a_probe_that_cannot_be_told_anything_is_a_finding() -> None:
    probed = run(Cluster(["Running"], SMOKE, order=KubernetesError("pods/proxy is forbidden", code=403)))
    assert probed.smoke == SMOKE and probed.judgement is None
    assert "pods/proxy is forbidden" in probed.trouble


def test_it_goes_when_it_could_not_even_be_made() -> None:
    cluster = Cluster(["Pending"], create=KubernetesError("forbidden: violates PodSecurity"))
    with pytest.raises(KubernetesError, match="PodSecurity"):
        run(cluster)
    assert cluster.deleted[-1] == "probe-1"
