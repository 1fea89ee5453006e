# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The status of pods as the kubelet writes it: phases, conditions, container states. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

POD_INITIALIZING = "PodInitializing"
CONTAINER_CREATING = "ContainerCreating"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """A native sidecar; meaningful for init containers only."""
    return container.get("restartPolicy") == "Always"


@dataclass
class Terminated:
    exit_code: int
    reason: str
    started_at: str
    finished_at: str
    container_id: str = ""
    message: str = ""
    signal: int | None = None

    def as_state(self) -> Object:
        state: Object = {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
        }
        for key, value in (("message", self.message), ("containerID", self.container_id), ("signal", self.signal)):
            if value:
                state[key] = value
        return {"terminated": state}


@dataclass
class ContainerState:
    """What the node agent knows of one container. Exactly one of the three states is set."""

    name: str
    image: str
    waiting: tuple[str, str] | None = (CONTAINER_CREATING, "")
    running_since: str | None = None
    terminated: Terminated | None = None
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""
    image_id: str = ""

    def wait(self, reason: str, message: str = "") -> None:
        if self.terminated is not None:
            self.last = self.terminated
        self.waiting, self.running_since, self.terminated = (reason, message), None, None
        self.started = self.ready = False

    def run(self, container_id: str, image_id: str, since: str) -> None:
        if self.terminated is not None:
            self.last = self.terminated
        self.container_id, self.image_id = container_id, image_id
        self.waiting, self.running_since, self.terminated = None, since, None

    def end(self, terminated: Terminated) -> None:
        self.waiting, self.running_since, self.terminated = None, None, terminated
        self.started = self.ready = False

    @property
    def succeeded(self) -> bool:
        return self.terminated is not None and self.terminated.exit_code == 0

    def as_status(self) -> Object:
        if self.waiting is not None:
            reason, message = self.waiting
            state: Object = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        elif self.running_since is not None:
            state = {"running": {"startedAt": self.running_since}}
        elif self.terminated is not None:
            state = self.terminated.as_state()
        else:
            state = {}
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "containerID": self.container_id,
            "state": state,
            "lastState": self.last.as_state() if self.last else {},
            "restartCount": self.restarts,
            "started": self.started,
            "ready": self.ready,
        }


def phase(spec: Mapping[str, Any], init: Sequence[ContainerState], main: Sequence[ContainerState]) -> str:
    """The phase by the states of the containers alone."""
    policy = spec.get("restartPolicy", "Always")
    init_specs = spec.get("initContainers") or []
    for container, state in zip(init_specs, init, strict=True):
        if is_sidecar(container):
            if not state.started and not state.terminated and not any(item.container_id for item in main):
                return "Pending"
        elif not state.succeeded:
            if state.terminated is not None and policy == "Never":
                return "Failed"
            return "Pending"
    waiting = sum(1 for item in main if item.waiting is not None and item.last is None)
    ended = [item for item in main if item.terminated is not None]
    if waiting:
        return "Pending"
    if len(ended) < len(main):
        return "Running"
    if policy == "Always":
        return "Running"
    if all(item.succeeded for item in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def initialized(spec: Mapping[str, Any], init: Sequence[ContainerState]) -> list[str]:
    """Names of the init containers that still stand in the way."""
    return [
        state.name
        for container, state in zip(spec.get("initContainers") or [], init, strict=True)
        if not (state.started if is_sidecar(container) else state.succeeded)
    ]


def _unready(names: Iterable[str]) -> str:
    return f"containers with unready status: [{' '.join(names)}]"


def conditions(
    spec: Mapping[str, Any],
    current_phase: str,
    init: Sequence[ContainerState],
    main: Sequence[ContainerState],
    *,
    sandbox_ready: bool,
    gates: Mapping[str, str] | None = None,
) -> list[Object]:
    """The kubelet's conditions, without times. `gates`: conditions of readiness gates that others have set."""
    # Once the main containers have begun, a sidecar that restarts does not take the pod back.
    uninitialized = [] if any(item.container_id for item in main) else initialized(spec, init)
    over = current_phase in ("Succeeded", "Failed")
    if current_phase == "Succeeded" or not uninitialized:
        init_condition: Object = {"type": "Initialized", "status": "True"}
        if current_phase == "Succeeded":
            init_condition["reason"] = "PodCompleted"
    else:
        init_condition = {
            "type": "Initialized",
            "status": "False",
            "reason": "ContainersNotInitialized",
            "message": f"containers with incomplete status: [{' '.join(uninitialized)}]",
        }
    sidecars = [
        state for container, state in zip(spec.get("initContainers") or [], init, strict=True) if is_sidecar(container)
    ]
    unready = [state.name for state in [*sidecars, *main] if not state.ready]
    if over:
        reason = "PodCompleted" if current_phase == "Succeeded" else "PodFailed"
        not_ready: Object = {"status": "False", "reason": reason}
    elif unready:
        not_ready = {"status": "False", "reason": "ContainersNotReady", "message": _unready(unready)}
    else:
        not_ready = {}
    closed = [
        gate["conditionType"]
        for gate in spec.get("readinessGates") or []
        if (gates or {}).get(gate["conditionType"]) != "True"
    ]
    ready = not_ready or {"status": "True"}
    if not not_ready and closed:
        ready = {
            "status": "False",
            "reason": "ReadinessGatesNotReady",
            "message": "; ".join(
                f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in closed
            ),
        }
    return [
        {"type": "PodReadyToStartContainers", "status": "True" if sandbox_ready else "False"},
        init_condition,
        {"type": "Ready", **ready},
        {"type": "ContainersReady", **(not_ready or {"status": "True"})},
        {"type": "PodScheduled", "status": "True"},
    ]


def with_times(new: Sequence[Object], old: Sequence[Mapping[str, Any]], generation: int, time: str) -> list[Object]:
    """Conditions with their transition times: kept while the status stays the same."""
    before = {item["type"]: item for item in old}
    result: list[Object] = []
    for item in new:
        former = before.get(item["type"])
        since = former.get("lastTransitionTime") if former and former["status"] == item["status"] else None
        result.append({
            **item,
            "lastProbeTime": None,
            "lastTransitionTime": since or time,
            "observedGeneration": generation,
        })  # fmt: skip
    return result
