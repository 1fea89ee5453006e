# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Look at an llm-d deployment, wait until it is ready, and ask it by a pod of its own cluster.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ._clock import Clock, Deadline
from ._kubernetes import Cluster, KubernetesError, UnknownKind
from ._verify_pods import Object, cause, is_ready, troubles
from ._verify_ready import Check, Readings, judge, summary
from ._verify_requests import Served, counters, result_in

GATEWAY_API = "gateway.networking.k8s.io/v1"
INFERENCE_API = "inference.networking.k8s.io/v1"
GKE_API = "networking.gke.io/v1"
AT_ONCE = 8
LOG_LINES = "6"
# A scrape a moment after the last answer may not have it yet.
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Names:
    """How the parts of a deployment are called."""

    namespace: str
    gateway: str
    route: str
    pool: str
    endpoint_picker: str
    prefill: str
    decode: str
    node_selector: Mapping[str, str]
    chips: int

    def deployments(self) -> dict[str, str]:
        return {"endpoint picker": self.endpoint_picker, "prefill": self.prefill, "decode": self.decode}


class Observer:
    """Reads a deployment's objects."""

    def __init__(self, cluster: Cluster, names: Names) -> None:
        self._cluster = cluster
        self._names = names

    def read(self) -> Readings:
        """All objects, by name, at once."""
        names, namespace = self._names, self._names.namespace
        selector = ",".join(f"{name}={value}" for name, value in names.node_selector.items())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            gateway = pool.submit(self._get, GATEWAY_API, "Gateway", names.gateway, namespace)
            route = pool.submit(self._get, GATEWAY_API, "HTTPRoute", names.route, namespace)
            inference_pool = pool.submit(self._get, INFERENCE_API, "InferencePool", names.pool, namespace)
            policies = [
                pool.submit(self._get, GKE_API, kind, names.pool, namespace)
                for kind in ("GCPBackendPolicy", "HealthCheckPolicy")
            ]
            nodes = pool.submit(self._cluster.find, "v1", "Node", labels=selector)
            roles = {role: pool.submit(self._workload, name) for role, name in names.deployments().items()}
            found = gateway.result()
            class_name = found["spec"]["gatewayClassName"] if found else ""
            return Readings(
                gateway=found,
                gateway_class=self._get(GATEWAY_API, "GatewayClass", class_name) if class_name else None,
                route=route.result(),
                pool=inference_pool.result(),
                policies=[policy for each in policies if (policy := each.result())],
                nodes=nodes.result(),
                deployments={role: each.result()[0] for role, each in roles.items()},
                pods={role: each.result()[1] for role, each in roles.items()},
            )

    def _get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        try:
            return self._cluster.get(api_version, kind, name, namespace)
        except UnknownKind:
            return None

    def _workload(self, name: str) -> tuple[Object | None, Sequence[Object]]:
        namespace = self._names.namespace
        found = self._get("apps/v1", "Deployment", name, namespace)
        if found is None:
            return None, []
        labels = found["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        return found, self._cluster.find("v1", "Pod", namespace, labels=selector)

    def explain(self, readings: Readings) -> list[str]:
        """What the pods that are not ready say: state, last event, last lines of the log, likely cause."""
        lines: list[str] = []
        for role, pods in readings.pods.items():
            # One pod speaks for all that have the same trouble.
            speakers = {found[0].reason: pod for pod in reversed(pods) if (found := troubles(pod))}
            for pod in list(speakers.values())[:2]:
                lines += self._explain_pod(role, pod)
        return lines

    def _explain_pod(self, role: str, pod: Object) -> list[str]:
        name, found = pod["metadata"]["name"], troubles(pod)
        said = [f"{role} pod {trouble}" for trouble in found[:2]]
        try:
            fields = f"involvedObject.name={name}"
            events = self._cluster.find("v1", "Event", self._names.namespace, fields=fields)
        except KubernetesError:
            events = []
        warnings = [each for each in events if each.get("type") == "Warning"] or events
        warnings.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))
        said += [f"  event: {each.get('reason')}: {each.get('message')}" for each in warnings[-1:]]
        for trouble in found:
            if trouble.container and (trouble.crashed or trouble.reason == "NotReady"):
                said += [
                    f"  log of {trouble.container}: {line}"
                    for line in self._last_lines(name, trouble.container, trouble.crashed)
                ]
                break
        likely = cause(said)
        return [*said, *([f"  likely cause: {likely}"] if likely else [])]

    def _last_lines(self, pod: str, container: str, crashed: bool) -> list[str]:
        for previous in ([{"previous": "true"}] if crashed else []) + [{}]:
            try:
                log = self._cluster.pod_log(self._names.namespace, pod, container, tailLines=LOG_LINES, **previous)
            except KubernetesError:
                continue
            if log.strip():
                return [line[:300] for line in log.strip().splitlines()]
        return []


@dataclass(frozen=True)
class Waited:
    """How waiting for readiness ended."""

    checks: list[Check]
    readings: Readings
    seconds: float
    hopeless: str

    @property
    def ready(self) -> bool:
        return all(check.passed for check in self.checks)


def wait_ready(
    read: Callable[[], Readings], chips: int, clock: Clock, timeout: float, pause: float, patience: float
) -> Waited:
    """Look until all is ready, time is over, or the same hopeless state has lasted longer than `patience`."""
    deadline = Deadline.after(clock, timeout)
    since: dict[str, float] = {}
    while True:
        readings = read()
        checks = judge(readings, chips)
        now = clock.now()
        since = {check.name: since.get(check.name, now) for check in checks if check.hopeless}
        lost = next((check.hopeless for check in checks if now - since.get(check.name, now) >= patience > 0), "")
        if lost or deadline.passed() or all(check.passed for check in checks):
            return Waited(checks, readings, deadline.elapsed(), lost)
        clock.sleep(min(pause, max(deadline.left(), 0.05)))


def ready_result(waited: Waited, explanation: Sequence[str]) -> Object:
    """Readiness as a module's result."""
    gateway = waited.readings.gateway or {}
    picker_pods = [pod for pod in waited.readings.pods.get("endpoint picker", ()) if is_ready(pod)]
    return {
        "ready": waited.ready,
        "hopeless": waited.hopeless,
        "summary": summary(waited.checks),
        "explanation": list(explanation),
        "seconds": round(waited.seconds, 1),
        "checks": [check.as_dict() for check in waited.checks],
        "url": gateway_url(gateway),
        "picker_addresses": [pod["status"]["podIP"] for pod in picker_pods if pod["status"].get("podIP")],
    }


def gateway_url(gateway: Object) -> str:
    """Where the gateway listens; empty while it has no address."""
    address = next((each.get("value") for each in (gateway.get("status") or {}).get("addresses") or []), None)
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    if not address or not listeners:
        return ""
    scheme = "https" if listeners[0].get("protocol") == "HTTPS" else "http"
    port = int(listeners[0]["port"])
    return f"{scheme}://{address}" + ("" if port == {"http": 80, "https": 443}[scheme] else f":{port}")


class Prober:
    """One pod that asks the gateway, and the model servers' counters around it."""

    def __init__(self, cluster: Cluster, names: Names, clock: Clock, pause: float) -> None:
        self._cluster = cluster
        self._names = names
        self._clock = clock
        self._pause = pause

    def run(self, probe: Object, timeout: float) -> tuple[Object | None, dict[str, Served], str]:
        """The probe's result (None when there is none), the counters, and what went wrong. The pod goes again."""
        servers = self._servers()
        before = self._scrape(servers)
        self._sweep(probe)
        try:
            self._cluster.create(probe)
            trouble = self._wait(probe, timeout)
            log = self._log(probe)
        finally:
            self._cluster.delete(probe, gracePeriodSeconds=0)
        result = result_in(log)
        if result is None:
            return None, {}, trouble or f"the probe said nothing: {log.strip()[-500:]}"
        return result, self._settled(servers, before, result), trouble

    def _servers(self) -> dict[str, tuple[str, int]]:
        """The ready model servers: role and the port of vLLM, by pod."""
        readings = Observer(self._cluster, self._names).read()
        return {
            pod["metadata"]["name"]: (role, port)
            for role in ("prefill", "decode")
            for pod in readings.pods.get(role, ())
            if is_ready(pod) and (port := vllm_port(pod))
        }

    def _scrape(self, servers: Mapping[str, tuple[str, int]]) -> dict[str, Object]:
        def one(pod: str) -> Object:
            return counters(self._cluster.pod_proxy(self._names.namespace, pod, servers[pod][1], "/metrics"))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(servers, pool.map(one, servers), strict=True))

    def _settled(
        self, servers: Mapping[str, tuple[str, int]], before: Mapping[str, Object], result: Object
    ) -> dict[str, Served]:
        """The counters, once both roles have counted as many requests as were answered."""
        asked = sum(1 for name in ("completion", "chat", "stream") if (result.get(name) or {}).get("status") == 200)
        deadline = Deadline.after(self._clock, SETTLE_SECONDS)
        while True:
            after = self._scrape(servers)
            served = {pod: Served(role, before[pod], after[pod]) for pod, (role, _address) in servers.items()}
            counts = [
                sum(each.requests() for each in served.values() if each.role == role) for role in ("prefill", "decode")
            ]
            if min(counts) >= asked or deadline.passed():
                return served
            self._clock.sleep(self._pause)

    def _sweep(self, probe: Object) -> None:
        """Probes that a killed run left behind. One that still runs is somebody's."""
        meta = probe["metadata"]
        selector = ",".join(f"{name}={value}" for name, value in meta["labels"].items())
        for pod in self._cluster.find("v1", "Pod", meta["namespace"], labels=selector):
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                self._cluster.delete({"apiVersion": "v1", "kind": "Pod", **pod}, gracePeriodSeconds=0)

    def _wait(self, probe: Object, timeout: float) -> str:
        """Until the pod has ended; says why it did not end well."""
        meta = probe["metadata"]
        deadline = Deadline.after(self._clock, timeout)
        while True:
            pod = self._cluster.get("v1", "Pod", meta["name"], meta["namespace"])
            if pod is None:
                return "the probe's pod was deleted by somebody"
            phase = (pod.get("status") or {}).get("phase")
            if phase == "Succeeded":
                return ""
            found = troubles(pod)
            if phase == "Failed" or deadline.passed():
                return "; ".join(str(each) for each in found[:2]) or f"the probe's pod is {phase}"
            self._clock.sleep(self._pause)

    def _log(self, probe: Object) -> str:
        meta, container = probe["metadata"], probe["spec"]["containers"][0]["name"]
        try:
            return str(self._cluster.pod_log(meta["namespace"], meta["name"], container))
        except KubernetesError:
            return ""


def vllm_port(pod: Object) -> int:
    """The port that the model server listens on: the one called vllm."""
    ports: list[dict[str, Any]] = [port for each in pod["spec"]["containers"] for port in each.get("ports") or []]
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "vllm"), 0)
