# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Phases, conditions and container states."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.cluster.node.backoff import BackOff, as_go_duration
from sandbox.cluster.node.containers import invalid_image_name
from sandbox.cluster.node.status import ContainerState, Terminated, conditions, phase, with_times

SIDECAR = {"name": "side", "restartPolicy": "Always"}
PLAIN = {"name": "init"}


def waiting(name: str = "c") -> ContainerState:
    return ContainerState(name, "image")


def running(name: str = "c", ready: bool = True) -> ContainerState:
    state = ContainerState(name, "image", started=True, ready=ready)
    state.run("containerd://1", "image@sha256:1", "t1")
    return state


def over(code: int, name: str = "c") -> ContainerState:
    state = running(name)
    state.end(Terminated(code, "Completed" if code == 0 else "Error", "t1", "t2", "containerd://1"))
    return state


def crashed() -> ContainerState:
    state = over(1)
    state.wait("CrashLoopBackOff", "back-off")
    return state


@pytest.mark.parametrize(
    ("policy", "init_specs", "init", "main", "expected"),
    [
        ("Always", [], [], [waiting()], "Pending"),
        ("Always", [], [], [running()], "Running"),
        ("Always", [], [], [running(), waiting("d")], "Pending"),
        ("Always", [], [], [crashed()], "Running"),
        ("Always", [], [], [over(0)], "Running"),
        ("OnFailure", [], [], [over(0)], "Succeeded"),
        ("OnFailure", [], [], [over(1)], "Running"),
        ("Never", [], [], [over(1)], "Failed"),
        ("Never", [], [], [over(0), over(1)], "Failed"),
        ("Never", [], [], [over(0), running()], "Running"),
        ("Always", [PLAIN], [running("init")], [waiting()], "Pending"),
        ("Always", [PLAIN], [over(1, "init")], [waiting()], "Pending"),
        ("Never", [PLAIN], [over(1, "init")], [waiting()], "Failed"),
        ("Always", [PLAIN, SIDECAR], [over(0, "init"), running("side")], [running()], "Running"),
        ("Always", [SIDECAR], [waiting("side")], [waiting()], "Pending"),
    ],
)
def test_phase(
    policy: str,
    init_specs: list[dict[str, Any]],
    init: list[ContainerState],
    main: list[ContainerState],
    expected: str,
) -> None:
    assert phase({"restartPolicy": policy, "initContainers": init_specs}, init, main) == expected


def by_type(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["type"]: item for item in found}


def test_conditions_of_a_pod_that_is_not_ready() -> None:
    spec = {"initContainers": [SIDECAR], "containers": []}
    found = by_type(conditions(spec, "Running", [running("side", ready=False)], [running()], sandbox_ready=True))
    assert found["Initialized"]["status"] == "True"
    assert found["Ready"] == {
        "type": "Ready",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [side]",
    }
    assert found["ContainersReady"]["reason"] == "ContainersNotReady"


def test_conditions_before_the_init_containers_are_through() -> None:
    spec = {"initContainers": [PLAIN, {"name": "second"}]}
    found = by_type(conditions(spec, "Pending", [over(0), waiting("second")], [waiting()], sandbox_ready=True))
    assert found["Initialized"]["reason"] == "ContainersNotInitialized"
    assert found["Initialized"]["message"] == "containers with incomplete status: [second]"


def test_conditions_of_a_completed_pod() -> None:
    found = by_type(conditions({}, "Succeeded", [], [over(0)], sandbox_ready=False))
    assert found["Ready"]["reason"] == found["Initialized"]["reason"] == "PodCompleted"
    assert found["PodReadyToStartContainers"]["status"] == "False"


def test_readiness_gates_are_for_others_to_open() -> None:
    spec = {"readinessGates": [{"conditionType": "example.com/neg"}]}
    closed = by_type(conditions(spec, "Running", [], [running()], sandbox_ready=True))
    assert (closed["Ready"]["reason"], closed["ContainersReady"]["status"]) == ("ReadinessGatesNotReady", "True")
    gates = {"example.com/neg": "True"}
    opened = by_type(conditions(spec, "Running", [], [running()], sandbox_ready=True, gates=gates))
    assert opened["Ready"]["status"] == "True"


def test_transition_times_change_with_the_status_only() -> None:
    first = with_times([{"type": "Ready", "status": "False", "reason": "A"}], [], 1, "10:00")
    second = with_times([{"type": "Ready", "status": "False", "reason": "B"}], first, 2, "10:01")
    third = with_times([{"type": "Ready", "status": "True"}], second, 2, "10:02")
    assert [item[0]["lastTransitionTime"] for item in (first, second, third)] == ["10:00", "10:00", "10:02"]
    assert second[0]["observedGeneration"] == 2


def test_the_last_state_is_the_one_before() -> None:
    state = crashed()
    assert state.as_status()["lastState"]["terminated"]["exitCode"] == 1
    assert state.as_status()["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    state.run("containerd://2", "i", "t3")
    assert state.as_status()["state"] == {"running": {"startedAt": "t3"}}
    assert state.as_status()["lastState"]["terminated"]["containerID"] == "containerd://1"


def test_back_off_doubles_is_bounded_and_forgets() -> None:
    back_off = BackOff()
    assert [back_off.after_run(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert back_off.after_run(700) == 0
    assert [as_go_duration(seconds) for seconds in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]


@pytest.mark.parametrize(
    ("image", "wrong"),
    [
        ("python", False),
        ("vllm/vllm-tpu:v0.26.0", False),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1", False),
        ("localhost:5000/a/b:TAG", False),
        ("Python:3", True),
        ("ghcr.io/Some/Thing", True),
        ("a b", True),
        ("", True),
    ],
)
def test_image_names(image: str, wrong: bool) -> None:
    assert (invalid_image_name(image) is not None) == wrong
