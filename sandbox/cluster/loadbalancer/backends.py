# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What stands behind a rule: Services and InferencePools, the policies attached to them, and their endpoints."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sandbox.cluster.kube import Key, Object
from sandbox.cluster.loadbalancer.model import POOL_GROUP, Backend, BackendRef, HealthCheck, Picker, Verdict
from sandbox.cluster.loadbalancer.store import Store

PROTOCOLS = {"http": "HTTP", "https": "HTTPS", "http2": "HTTP2", "kubernetes.io/h2c": "H2C"}
TARGETS = {("", "Service"): "services", (POOL_GROUP, "InferencePool"): "inferencepools"}
ATTACHED = Verdict(True, "Attached")


@dataclass(frozen=True)
class Endpoint:
    ip: str
    port: int
    node: str


def resolve(store: Store, ref: BackendRef) -> tuple[Backend | None, str]:
    """The backend with all settings, or what is wrong with it."""
    return _resolve_pool(store, ref) if ref.is_pool else _resolve_service(store, ref)


def _resolve_service(store: Store, ref: BackendRef) -> tuple[Backend | None, str]:
    service = store.get("services", ref.namespace, ref.name)
    if service is None:
        return None, f"Error GWCER102: services {ref.namespace}/{ref.name} not found"
    port = _service_port(service, ref.port)
    if port is None:
        return None, f"port {ref.port} of Service {ref.namespace}/{ref.name} not found"
    protocol = PROTOCOLS.get(str(port.get("appProtocol", "http")).lower(), "HTTP")
    return _with_policies(store, Backend(ref, HealthCheck(), protocol=protocol)), ""


def _resolve_pool(store: Store, ref: BackendRef) -> tuple[Backend | None, str]:
    pool = store.get("inferencepools", ref.namespace, ref.name)
    if pool is None:
        return None, f"Error GWCER102: inferencepools {ref.namespace}/{ref.name} not found"
    picker, problem = resolve_picker(store, pool)
    if picker is None:
        return None, problem
    protocol = PROTOCOLS.get(str(pool["spec"].get("appProtocol", "http")).lower(), "HTTP")
    # The check asks the pods' port: that of a pool's backend is made up.
    health = HealthCheck(port=pool["spec"]["targetPorts"][0]["number"])
    return _with_policies(store, Backend(ref, health, protocol=protocol, picker=picker)), ""


def resolve_picker(store: Store, pool: Object) -> tuple[Picker | None, str]:
    reference = pool["spec"]["endpointPickerRef"]
    namespace, name = pool["metadata"]["namespace"], reference["name"]
    prefix = "failed to validate inference pool extension ref: InferencePool extension service"
    if reference.get("kind", "Service") != "Service" or reference.get("group"):
        return None, f"{prefix} must be a Service, not {reference.get('kind')}"
    service = store.get("services", namespace, name)
    if service is None:
        return None, f"{prefix} {name} not found"
    port = (reference.get("port") or {}).get("number")
    if port is None or _service_port(service, port) is None:
        return None, f"{prefix} {name} has no port {port}"
    ref = BackendRef("Service", namespace, name, port)
    return Picker(ref, fail_open=reference.get("failureMode", "FailClose") == "FailOpen"), ""


def picker_backend(picker: Picker) -> Backend:
    """The picker is a backend of the load balancer, too: HTTP/2 with whatever certificate it shows."""
    return Backend(picker.service, HealthCheck(protocol="HTTP2"), protocol="HTTP2")


def _service_port(service: Object, number: int) -> Object | None:
    for port in service["spec"].get("ports") or []:
        if port["port"] == number:
            found: Object = port
            return found
    return None


# --- policies -----------------------------------------------------------------------------------------------------


def policy_verdicts(store: Store, plural: str) -> list[tuple[Object, Verdict]]:
    """Which policies are in force. Of two for one target the older wins."""
    verdicts: list[tuple[Object, Verdict]] = []
    owners: dict[tuple[str, str, str], Object] = {}
    for policy in sorted(store.all(plural), key=_age):
        target = policy["spec"]["targetRef"]
        namespace = policy["metadata"]["namespace"]
        place = (namespace, target["kind"], target["name"])
        kind = TARGETS.get((target.get("group", ""), target["kind"]))
        if kind is None:
            verdict = Verdict(False, "Invalid", f"{target.get('group', '')}/{target['kind']} cannot be a target")
        elif target.get("namespace", namespace) != namespace:
            verdict = Verdict(False, "Invalid", "the target must be in the policy's own namespace")
        elif store.get(kind, namespace, target["name"]) is None:
            verdict = Verdict(False, "TargetNotFound", f"{target['kind']} {namespace}/{target['name']} not found")
        elif place in owners:
            winner = owners[place]["metadata"]["name"]
            verdict = Verdict(False, "Conflicted", f"conflicted with {policy['kind']} {namespace}/{winner}")
        else:
            owners[place] = policy
            verdict = ATTACHED
        verdicts.append((policy, verdict))
    return verdicts


def _age(policy: Object) -> tuple[str, str, str]:
    metadata = policy["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["namespace"], metadata["name"]


def _policy_of(store: Store, plural: str, ref: BackendRef) -> Object:
    """The default section of the policy in force for a backend; empty without one."""
    for policy, verdict in policy_verdicts(store, plural):
        target = policy["spec"]["targetRef"]
        place = (policy["metadata"]["namespace"], target["kind"], target["name"])
        if verdict.ok and place == (ref.namespace, ref.kind, ref.name):
            return policy["spec"].get("default") or {}
    return {}


def _with_policies(store: Store, backend: Backend) -> Backend:
    settings = _policy_of(store, "gcpbackendpolicies", backend.ref)
    logging = settings.get("logging") or {}
    return replace(
        backend,
        health=_health_check(_policy_of(store, "healthcheckpolicies", backend.ref), backend.health),
        timeout=settings.get("timeoutSec") or backend.timeout,
        draining=(settings.get("connectionDraining") or {}).get("drainingTimeoutSec") or 0,
        logging=bool(logging.get("enabled")),
        sample_rate=logging.get("sampleRate", 1_000_000),
    )


def _health_check(settings: Object, default: HealthCheck) -> HealthCheck:
    config = settings.get("config") or {}
    protocol = config.get("type") or default.protocol
    section = f"{protocol.lower()}HealthCheck" if protocol != "GRPC" else "grpcHealthCheck"
    details = config.get(section) or {}
    return HealthCheck(
        protocol=protocol,
        path=details.get("requestPath") or default.path,
        host=details.get("host") or "",
        port=details.get("port") or default.port,
        interval=settings.get("checkIntervalSec") or default.interval,
        timeout=settings.get("timeoutSec") or default.timeout,
        healthy=settings.get("healthyThreshold") or default.healthy,
        unhealthy=settings.get("unhealthyThreshold") or default.unhealthy,
    )


# --- endpoints ----------------------------------------------------------------------------------------------------


def endpoints(store: Store, ref: BackendRef) -> list[Endpoint]:
    """The ready endpoints of a backend, in a stable order."""
    found = _pool_endpoints(store, ref) if ref.is_pool else _service_endpoints(store, ref)
    return sorted(found, key=lambda endpoint: (endpoint.ip, endpoint.port))


def _pool_endpoints(store: Store, ref: BackendRef) -> list[Endpoint]:
    pool = store.get("inferencepools", ref.namespace, ref.name)
    if pool is None:
        return []
    wanted = pool["spec"]["selector"].get("matchLabels") or {}
    ports = [port["number"] for port in pool["spec"]["targetPorts"]]
    found = []
    for pod in store.all("pods"):
        metadata, status = pod["metadata"], pod["status"]
        if metadata["namespace"] != ref.namespace or not wanted.items() <= metadata["labels"].items():
            continue
        if status["podIP"] and status["ready"] and not metadata["deletionTimestamp"]:
            found += [Endpoint(status["podIP"], port, pod["spec"]["nodeName"] or "") for port in ports]
    return found


def _service_endpoints(store: Store, ref: BackendRef) -> list[Endpoint]:
    service = store.get("services", ref.namespace, ref.name)
    port = _service_port(service, ref.port) if service else None
    if port is None:
        return []
    found: dict[tuple[str, int], Endpoint] = {}
    for piece in store.all("endpointslices"):
        metadata = piece["metadata"]
        owner = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        if metadata["namespace"] != ref.namespace or owner != ref.name or piece.get("addressType") == "IPv6":
            continue
        numbers = [p["port"] for p in piece.get("ports") or [] if (p.get("name") or "") == port.get("name", "")]
        for endpoint in piece.get("endpoints") or []:
            # An unset condition means ready.
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for address in endpoint["addresses"]:
                for number in numbers:
                    found[address, number] = Endpoint(address, number, endpoint.get("nodeName") or "")
    return list(found.values())


def pool_keys(refs: list[BackendRef]) -> list[Key]:
    return sorted({(ref.namespace, ref.name) for ref in refs if ref.is_pool})
