# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Readiness is what the objects' status says of them as they are now."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._verify import (
    Names,
    Observer,
    decode_urls,
    gateway_url,
    wait_ready,
)
from ansible_collections.llm_d.gke.plugins.module_utils._verify_pods import cause, is_ready, troubles
from ansible_collections.llm_d.gke.plugins.module_utils._verify_ready import Check, Readings, judge, summary

GATEWAY = "infra-pd-inference-gateway"


def conditions(generation: int = 1, **values: str) -> list[dict[str, Any]]:
    return [
        {"type": kind, "status": status, "observedGeneration": generation, "reason": "Because", "message": "so"}
        for kind, status in values.items()
    ]


def gateway(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "generation": 1},
        "spec": {"gatewayClassName": "gke-l7-rilb", "listeners": [{"name": "default", "port": 80, "protocol": "HTTP"}]},
        "status": {
            "conditions": conditions(Accepted="True", Programmed="True"),
            "addresses": [{"value": "10.10.0.9"}],
            "listeners": [{"name": "default", "attachedRoutes": 1}],
            **status,
        },
    }


def attached(kind: str, *, parent: str = GATEWAY, generation: int = 1, **values: str) -> dict[str, Any]:
    parents = [{"parentRef": {"name": parent}, "conditions": conditions(**values)}]
    return {"kind": kind, "metadata": {"name": "x", "generation": generation}, "status": {"parents": parents}}


def pod(name: str = "p-1", ready: bool = True, sidecar: bool | None = None, **status: Any) -> dict[str, Any]:
    init = [{"name": "routing-proxy", "restartPolicy": "Always"}] if sidecar is not None else []
    return {
        "metadata": {"name": name},
        "spec": {"initContainers": init, "containers": [{"name": "vllm"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "initContainerStatuses": [{"name": "routing-proxy", "started": sidecar, "ready": sidecar}] if init else [],
            **status,
        },
    }


def deployment(replicas: int, generation: int = 1, observed: int = 1, **status: int) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {
            "observedGeneration": observed,
            "availableReplicas": replicas,
            "updatedReplicas": replicas,
            **status,
        },
    }


def node(chips: str = "4", ready: str = "True") -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"google.com/tpu": chips}}
    return {"metadata": {"name": "node-1"}, "status": status}


def policy(generation: int = 1, **values: str) -> dict[str, Any]:
    return {
        "kind": "X",
        "metadata": {"name": "x", "generation": generation},
        "status": {"conditions": conditions(**values)},
    }


def readings() -> Readings:
    return Readings(
        gateway=gateway(),
        gateway_class={"status": {"conditions": conditions(Accepted="True")}},
        route=attached("HTTPRoute", Accepted="True", ResolvedRefs="True"),
        pool=attached("InferencePool", Accepted="True", ResolvedRefs="True"),
        policies={"GCPBackendPolicy": policy(Attached="True"), "HealthCheckPolicy": policy()},
        nodes=[node()] * 2,
        deployments={"endpoint picker": deployment(1), "prefill": deployment(1), "decode": deployment(1)},
        pods={"endpoint picker": [pod()], "prefill": [pod()], "decode": [pod(sidecar=True)]},
    )


def lacking(found: Readings, chips: int = 8) -> dict[str, Check]:
    return {check.name: check for check in judge(found, chips) if not check.passed}


def test_ready() -> None:
    assert lacking(readings()) == {}
    assert summary(judge(readings(), 8)) == "ready"


@pytest.mark.parametrize(
    ("field", "value", "name", "said"),
    [
        ("gateway", None, "gateway", "it is not there"),
        ("gateway", gateway(addresses=[]), "gateway", "address none yet"),
        ("gateway", gateway(listeners=[{"attachedRoutes": 0}]), "gateway", "attached routes 0"),
        ("gateway", gateway(conditions=conditions(Accepted="True")), "gateway", "Programmed not said yet"),
        ("gateway_class", None, "gateway class", "there is no such class"),
        ("route", attached("HTTPRoute", Accepted="True", ResolvedRefs="False"), "route", "not ResolvedRefs"),
        (
            "route",
            attached("HTTPRoute", parent="other", Accepted="True", ResolvedRefs="True"),
            "route",
            "nothing is said",
        ),
        (
            "route",
            attached("HTTPRoute", Accepted="True", ResolvedRefs="True", Reconciled="False"),
            "route",
            "not Reconciled",
        ),
        ("pool", attached("InferencePool", Accepted="False"), "pool", "not Accepted (Because: so)"),
        (
            "policies",
            {"GCPBackendPolicy": policy(Attached="False")},
            "policies",
            "GCPBackendPolicy: not Attached (Because: so)",
        ),
        ("policies", {"HealthCheckPolicy": None}, "policies", "HealthCheckPolicy: it is not there"),
        ("policies", {"HealthCheckPolicy": policy(2, Attached="True")}, "policies", "HealthCheckPolicy: Attached"),
        ("pool", attached("InferencePool", Accepted="True"), "pool", "ResolvedRefs not said yet"),
        (
            "pool",
            attached("InferencePool", Accepted="True", ResolvedRefs="False"),
            "pool",
            "not ResolvedRefs (Because: so)",
        ),
        (
            "gateway",
            gateway(listeners=[{"name": "default", "attachedRoutes": 1, "conditions": conditions(Programmed="False")}]),
            "gateway",
            "listener default: not Programmed (Because: so)",
        ),
        ("nodes", [node(), node("0")], "TPU nodes", "node-1 has no chips yet"),
        ("nodes", [node(), node(ready="False")], "TPU nodes", "4 chips on 1 ready nodes of 2; node-1 is not ready"),
    ],
)
def test_what_is_not_ready_is_named(field: str, value: Any, name: str, said: str) -> None:
    found = readings()
    setattr(found, field, value)
    checks = lacking(found)
    assert name in checks
    assert said in checks[name].actual
    assert checks[name].remedy


def test_a_condition_of_an_older_generation_does_not_count() -> None:
    found = readings()
    found.route = attached("HTTPRoute", generation=2, Accepted="True", ResolvedRefs="True")
    assert set(lacking(found)) == {"route"}


@pytest.mark.parametrize(
    "changed",
    [
        deployment(1, generation=2),  # not seen yet
        deployment(1, updatedReplicas=0),  # an old pod still serves
        deployment(1, availableReplicas=0),
        deployment(0),
        None,
    ],
)
def test_a_deployment_is_ready_as_it_is_now(changed: Any) -> None:
    found = readings()
    found.deployments = {**found.deployments, "decode": changed}
    assert set(lacking(found)) == {"decode pods"}


def test_a_deployment_that_may_make_no_pods_says_why() -> None:
    refused = deployment(1, availableReplicas=0)
    message = 'pods "x" is forbidden: exceeded quota: chips'
    refused["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    ]
    found = readings()
    found.deployments = {**found.deployments, "decode": refused}
    actual = lacking(found)["decode pods"].actual
    assert f"no pod is made (FailedCreate: {message})" in actual
    assert "ResourceQuota" in cause([actual])


class Events:
    """As much of an API server as explaining needs."""

    def __init__(self, log: str, *events: dict[str, str]) -> None:
        self.log, self.events = log, list(events)

    def find(self, api_version: str, kind: str, namespace: str, fields: str) -> list[dict[str, str]]:
        return [each for each in self.events if f"involvedObject.name={each['of']}" == fields]

    def pod_log(self, *_: Any, **__: Any) -> str:
        return self.log


def explain(found: Readings, *events: dict[str, str], log: str = "") -> list[str]:
    names = Names("n", "gateway", "route", "pool", "epp", "prefill", "decode", {}, 8)
    return Observer(Events(log, *events), names).explain(found, judge(found, 8))  # type: ignore[arg-type]


def test_a_gateway_without_an_address_is_explained_by_its_events() -> None:
    found = readings()
    found.gateway = gateway(addresses=[])
    message = "failed: An active proxy-only subnetwork is required in the same region and VPC"
    events = [
        {"of": GATEWAY, "type": "Warning", "reason": "SYNC", "message": message, "lastTimestamp": "2"},
        {"of": GATEWAY, "type": "Normal", "reason": "ADD", "message": "fine", "lastTimestamp": "3"},
        {"of": "other", "type": "Warning", "reason": "X", "message": "of another", "lastTimestamp": "4"},
    ]
    said = explain(found, *events)
    assert "address none yet" in said[0]
    assert said[1] == f"  event: SYNC: {message}"
    assert said[2].startswith("  likely cause: The region has no proxy-only subnetwork")


@pytest.mark.parametrize(
    ("log", "behind"),
    [
        ("vllm serve: error: argument --kv-transfer-config: Invalid JSON", "kv_producer on prefill"),
        ("ValueError: Please specify kv_role when kv_connector is set", "kv_producer on prefill"),
        ("ValueError: Unsupported kv_connector 'X' for the TPU platform", "kv_producer on prefill"),
        ("vllm: error: unrecognized arguments: --no-such-option", "does not take the arguments"),
        ("unknown flag: --connector", "sidecar is too new"),
        ("RESOURCE_EXHAUSTED: Error allocating device buffer", "does not fit into the memory"),
        ("ValueError: To serve at least one request with the model's max seq len (8192)", "no room for one request"),
        ("max_model_len (50000) is greater than the derived max_model_len", "longer than the model's"),
        ("huggingface_hub: 401 Client Error: Unauthorized for url", "Hugging Face refuses"),
        ("OSError: [Errno 98] Address already in use", "want the same port"),
    ],
)
def test_a_crash_is_explained_by_the_last_lines_of_its_log(log: str, behind: str) -> None:
    crashed = waiting("CrashLoopBackOff", "back-off", lastState={"terminated": {"reason": "Error", "exitCode": 2}})
    said = explain(not_ready(crashed), log=f"starting\n{log}\n")
    assert f"  log of vllm: {log}" in said
    assert behind in said[-1] and said[-1].startswith("  likely cause: ")


def test_progressing_is_not_looked_at() -> None:
    late = deployment(1)
    late["status"]["conditions"] = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    found = readings()
    found.deployments = {**found.deployments, "decode": late}
    assert lacking(found) == {}


def test_a_decode_pod_without_its_sidecar_is_not_ready() -> None:
    assert is_ready(pod(sidecar=True))
    assert not is_ready(pod(sidecar=False))


def test_a_pod_that_goes_is_neither_ready_nor_in_trouble() -> None:
    going = pod()
    going["metadata"]["deletionTimestamp"] = "now"
    assert not is_ready(going)
    assert troubles(going) == []


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"name": "vllm", "state": {"waiting": {"reason": reason, "message": message}}, **more}
    return pod(ready=False, containerStatuses=[state])


@pytest.mark.parametrize(
    ("found", "reason", "hopeless", "behind"),
    [
        (
            waiting("CreateContainerConfigError", "couldn't find key HF_TOKEN in Secret llm-d-pd/llm-d-hf-token"),
            "CreateContainerConfigError",
            True,
            "has no key HF_TOKEN",
        ),
        (waiting("ImagePullBackOff", "not found"), "ImagePullBackOff", True, "cannot be pulled"),
        (waiting("ContainerCreating"), "ContainerCreating", False, ""),
        (
            pod(
                ready=False,
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/9 nodes are available: 8 Insufficient google.com/tpu.",
                    }
                ],
            ),
            "Unschedulable",
            True,
            "Not enough free TPU chips",
        ),
        (
            pod(ready=False, phase="Failed", reason="Evicted", message="low on resource: ephemeral-storage"),
            "Evicted",
            True,
            "boot disk is too small",
        ),
        (
            pod(ready=False, containerStatuses=[{"name": "vllm", "state": {"running": {}}, "ready": False}]),
            "NotReady",
            False,
            "",
        ),
    ],
)
def test_a_pod_says_why(found: Any, reason: str, hopeless: bool, behind: str) -> None:
    trouble = troubles(found)[0]
    assert (trouble.reason, trouble.hopeless) == (reason, hopeless)
    assert behind in cause([str(trouble)])


def test_a_crash_is_told_with_its_exit_code() -> None:
    crashed = waiting("CrashLoopBackOff", "back-off", lastState={"terminated": {"reason": "Error", "exitCode": 2}})
    (trouble,) = troubles(crashed)
    assert trouble.crashed and trouble.hopeless and "exit code 2" in str(trouble)


class Steps:
    """A clock that moves when somebody sleeps."""

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


def not_ready(found: Any) -> Readings:
    result = copy.deepcopy(readings())
    result.pods = {**result.pods, "prefill": [found]}
    return result


def wait(*states: Readings, timeout: float = 100, patience: float = 10) -> Any:
    left = list(states)
    return wait_ready(lambda: left.pop(0) if len(left) > 1 else left[0], 8, Steps(), timeout, 1, patience)


def test_waiting_ends_when_all_is_ready() -> None:
    waited = wait(not_ready(waiting("ContainerCreating")), not_ready(waiting("ContainerCreating")), readings())
    assert waited.ready and waited.seconds == 2


def test_waiting_ends_in_time() -> None:
    waited = wait(not_ready(waiting("ContainerCreating")))
    assert not waited.ready and waited.seconds == 100 and not waited.hopeless


def test_a_hopeless_state_is_waited_for_a_little() -> None:
    waited = wait(not_ready(waiting("ImagePullBackOff", "not found")))
    assert waited.seconds == 10 and "ImagePullBackOff" in waited.hopeless


def test_a_hopeless_state_that_passes_costs_nothing() -> None:
    bad = not_ready(waiting("ImagePullBackOff"))
    waited = wait(*[bad] * 9, not_ready(waiting("ContainerCreating")), *[bad] * 9, readings())
    assert waited.ready


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        ({"port": 80, "protocol": "HTTP"}, "http://10.10.0.9"),
        ({"port": 8080, "protocol": "HTTP"}, "http://10.10.0.9:8080"),
        ({"port": 443, "protocol": "HTTPS"}, "https://10.10.0.9"),
    ],
)
def test_where_the_gateway_listens(listener: dict[str, Any], url: str) -> None:
    found = gateway()
    found["spec"]["listeners"] = [listener]
    assert gateway_url(found) == url


def test_a_gateway_without_an_address_listens_nowhere() -> None:
    assert gateway_url(gateway(addresses=[])) == ""
    assert gateway_url({}) == ""


def test_where_decode_pods_answer_by_themselves() -> None:
    """Behind the sidecar's port; where there is none, on the pool's."""
    found = readings()
    with_sidecar, without, not_ready_yet = pod("d-1", sidecar=True), pod("d-2"), pod("d-3", ready=False)
    with_sidecar["spec"]["initContainers"][0]["args"] = ["--port=8001", "--vllm-port=8200"]
    for number, each in enumerate((with_sidecar, without, not_ready_yet), 1):
        each["status"]["podIP"] = f"10.64.0.{number}"
    found.pods = {**found.pods, "decode": [with_sidecar, without, not_ready_yet]}
    found.pool = {**(found.pool or {}), "spec": {"targetPorts": [{"number": 8000}]}}
    assert decode_urls(found) == ["http://10.64.0.1:8001", "http://10.64.0.2:8000"]
