# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The probe's pod goes again, whatever happens, and what became of it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._kubernetes import KubernetesError
from ansible_collections.llm_d.gke.plugins.module_utils._verify import Names, Prober
from ansible_collections.llm_d.gke.plugins.module_utils._verify_requests import MARK

NAMES = Names("n", "gateway", "route", "pool", "epp", "prefill", "decode", {}, 8)
PROBE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe-1", "namespace": "n", "labels": {"app.kubernetes.io/component": "llm-d-verify"}},
    "spec": {"containers": [{"name": "probe"}]},
}
RESULT = {"completion": {"status": 200}}


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
        "metadata": {"name": f"{role}-1"},
        "spec": {"containers": [{"name": "vllm", "ports": [{"name": "vllm", "containerPort": port}]}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


class Cluster:
    """As much of an API server as the probe needs."""

    def __init__(self, phases: list[str], says: str = MARK + json.dumps(RESULT), **broken: KubernetesError) -> None:
        self.phases = phases
        self.says = says
        self.broken = broken
        self.left = [{"metadata": {"name": "old", "namespace": "n"}, "status": {"phase": "Failed"}}]
        self.left.append({"metadata": {"name": "busy", "namespace": "n"}, "status": {"phase": "Running"}})
        self.deleted: list[str] = []
        self.scrapes = 0

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        if kind == "Deployment":
            return {"spec": {"selector": {"matchLabels": {"role": name}}}}
        if kind == "Pod" and name == "probe-1":
            phase = self.phases.pop(0) if len(self.phases) > 1 else self.phases[0]
            return {**PROBE, "status": {"phase": phase, "reason": "DeadlineExceeded" if phase == "Failed" else ""}}
        return None

    def find(self, api_version: str, kind: str, namespace: str | None = None, **how: Any) -> list[dict[str, Any]]:
        if kind != "Pod":
            return []
        if how["labels"].startswith("role="):
            role = how["labels"].removeprefix("role=")
            return [server(role, 8000 if role == "prefill" else 8200)] if role in ("prefill", "decode") else []
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
        return self.says

    def pod_proxy(self, namespace: str, pod: str, port: int, path: str) -> str:
        assert (pod, port) in (("prefill-1", 8000), ("decode-1", 8200))
        self.scrapes += 1
        return f"vllm:request_success_total {self.scrapes}"


def run(cluster: Cluster, timeout: float = 10) -> Any:
    return Prober(cluster, NAMES, Ticks(), 1).run(PROBE, timeout)  # type: ignore[arg-type]


def test_it_asks_and_goes() -> None:
    cluster = Cluster(["Pending", "Running", "Succeeded"])
    result, servers, trouble = run(cluster)
    assert (result, trouble) == (RESULT, "")
    assert {pod: found.role for pod, found in servers.items()} == {"prefill-1": "prefill", "decode-1": "decode"}
    assert all(found.requests() > 0 for found in servers.values())
    assert cluster.deleted == ["old", "probe-1"]  # "busy" is somebody's


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (Cluster(["Running", "Failed"], says=""), "DeadlineExceeded"),
        (Cluster(["Pending"], says=""), "Pending"),
        (Cluster(["Succeeded"], says="Traceback: oops"), "oops"),
        (Cluster(["Succeeded"], log=KubernetesError("gone")), "said nothing"),
    ],
)
def test_it_goes_when_it_did_not_work(cluster: Cluster, said: str) -> None:
    result, _lines, trouble = run(cluster)
    assert result is None and said in trouble
    assert cluster.deleted[-1] == "probe-1"


def test_it_goes_when_it_could_not_even_be_made() -> None:
    cluster = Cluster(["Pending"], create=KubernetesError("forbidden: violates PodSecurity"))
    with pytest.raises(KubernetesError, match="PodSecurity"):
        run(cluster)
    assert cluster.deleted[-1] == "probe-1"
