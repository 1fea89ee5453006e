# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Look at an llm-d deployment, wait until it is ready, and say what it waits for.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ._clock import Clock, Deadline
from ._kubernetes import Cluster, KubernetesError, UnknownKind
from ._verify_pods import Object, cause, is_ready, troubles
from ._verify_ready import Check, Readings, judge, summary
from ._verify_settings import sidecar_port

GATEWAY_API = "gateway.networking.k8s.io/v1"
INFERENCE_API = "inference.networking.k8s.io/v1"
GKE_API = "networking.gke.io/v1"
AT_ONCE = 8
LOG_LINES = "6"
POLICIES = ("GCPBackendPolicy", "HealthCheckPolicy")
MODEL_SERVERS = ("prefill", "decode")


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
            policies = {kind: pool.submit(self._get, GKE_API, kind, names.pool, namespace) for kind in POLICIES}
            nodes = pool.submit(self._cluster.find, "v1", "Node", labels=selector)
            roles = {role: pool.submit(self._workload, name) for role, name in names.deployments().items()}
            found = gateway.result()
            class_name = found["spec"]["gatewayClassName"] if found else ""
            return Readings(
                gateway=found,
                gateway_class=self._get(GATEWAY_API, "GatewayClass", class_name) if class_name else None,
                route=route.result(),
                pool=inference_pool.result(),
                policies={kind: each.result() for kind, each in policies.items()},
                nodes=nodes.result(),
                deployments={role: each.result()[0] for role, each in roles.items()},
                pods={role: each.result()[1] for role, each in roles.items()},
            )

    def model_servers(self) -> dict[str, Sequence[Object]]:
        """The pods of both roles."""
        names = self._names.deployments()
        return {role: self._workload(names[role])[1] for role in MODEL_SERVERS}

    def pool_port(self) -> int:
        """Where everybody takes the pool's pods to listen; 0 when there is no pool."""
        pool = self._get(INFERENCE_API, "InferencePool", self._names.pool, self._names.namespace)
        return pool_port(pool)

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

    def explain(self, readings: Readings, checks: Sequence[Check]) -> list[str]:
        """What is not ready says of itself: state, last event, last lines of the log, likely cause."""
        lacking = {check.name: check.actual for check in checks if not check.passed}
        lines: list[str] = []
        for name, thing in (("gateway", readings.gateway), ("route", readings.route), ("pool", readings.pool)):
            if thing and name in lacking:
                lines += self._explain_object(name, thing, lacking[name])
        for role, pods in readings.pods.items():
            # One pod speaks for all that have the same trouble.
            speakers = {found[0].reason: pod for pod in reversed(pods) if (found := troubles(pod))}
            for pod in list(speakers.values())[:2]:
                lines += self._explain_pod(role, pod)
        return lines

    def _explain_object(self, name: str, found: Object, actual: str) -> list[str]:
        said = [f"{name} {found['metadata']['name']}: {actual}", *self._events(found["metadata"]["name"])]
        likely = cause(said)
        return [*said, *([f"  likely cause: {likely}"] if likely else [])]

    def _events(self, name: str) -> list[str]:
        """The last event of an object; the last warning if there is one."""
        try:
            fields = f"involvedObject.name={name}"
            events = self._cluster.find("v1", "Event", self._names.namespace, fields=fields)
        except KubernetesError:
            return []
        warnings = [each for each in events if each.get("type") == "Warning"] or events
        warnings.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))
        return [f"  event: {each.get('reason')}: {each.get('message')}" for each in warnings[-1:]]

    def _explain_pod(self, role: str, pod: Object) -> list[str]:
        name, found = pod["metadata"]["name"], troubles(pod)
        said = [f"{role} pod {trouble}" for trouble in found[:2]]
        said += self._events(name)
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
        "decode_urls": decode_urls(waited.readings),
    }


def decode_urls(readings: Readings) -> list[str]:
    """Where each ready decode pod answers by itself: its sidecar, else its model server."""
    default = pool_port(readings.pool)
    return [
        f"http://{pod['status']['podIP']}:{port}"
        for pod in readings.pods.get("decode", ())
        if is_ready(pod) and pod["status"].get("podIP") and (port := sidecar_port(pod) or default)
    ]


def pool_port(pool: Object | None) -> int:
    """A pool's target port."""
    ports = ((pool or {}).get("spec") or {}).get("targetPorts") or []
    return int(ports[0]["number"]) if ports else 0


def gateway_url(gateway: Object) -> str:
    """Where the gateway listens; empty while it has no address."""
    address = next((each.get("value") for each in (gateway.get("status") or {}).get("addresses") or []), None)
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    if not address or not listeners:
        return ""
    scheme = "https" if listeners[0].get("protocol") == "HTTPS" else "http"
    port = int(listeners[0]["port"])
    return f"{scheme}://{address}" + ("" if port == {"http": 80, "https": 443}[scheme] else f":{port}")
