# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What the controller makes of the API objects: Gateways with their listeners, bound routes and resolved backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.cluster.kube import Key, Object

CONTROLLER = "networking.gke.io/gateway"
GATEWAY_GROUP = "gateway.networking.k8s.io"
POOL_GROUP = "inference.networking.k8s.io"


@dataclass(frozen=True)
class GatewayClass:
    """Which kind of load balancer a class stands for."""

    regional: bool
    scheme: str
    pools: bool


CLASSES = {
    "gke-l7-rilb": GatewayClass(regional=True, scheme="INTERNAL_MANAGED", pools=True),
    "gke-l7-regional-external-managed": GatewayClass(regional=True, scheme="EXTERNAL_MANAGED", pools=True),
    "gke-l7-global-external-managed": GatewayClass(regional=False, scheme="EXTERNAL_MANAGED", pools=False),
    "gke-l7-gxlb": GatewayClass(regional=False, scheme="EXTERNAL", pools=False),
}


@dataclass(frozen=True)
class Verdict:
    """A condition in the making."""

    # None: not known yet.
    ok: bool | None
    reason: str
    message: str = ""


ACCEPTED = Verdict(True, "Accepted")
RESOLVED = Verdict(True, "ResolvedRefs")


@dataclass(frozen=True)
class BackendRef:
    """What a rule points at: a Service by its port, or an InferencePool."""

    kind: str
    namespace: str
    name: str
    port: int

    @property
    def is_pool(self) -> bool:
        return self.kind == "InferencePool"


@dataclass(frozen=True)
class HealthCheck:
    """The load balancer's own check. A port of None is the port that serves."""

    protocol: str = "HTTP"
    path: str = "/"
    host: str = ""
    port: int | None = None
    interval: int = 5
    timeout: int = 5
    healthy: int = 2
    unhealthy: int = 2


@dataclass(frozen=True)
class Picker:
    """The endpoint picker of a pool: the load balancer asks it for every request."""

    service: BackendRef
    fail_open: bool


@dataclass(frozen=True)
class Backend:
    ref: BackendRef
    health: HealthCheck
    protocol: str = "HTTP"
    timeout: int = 30
    draining: int = 0
    logging: bool = False
    sample_rate: int = 0
    picker: Picker | None = None


@dataclass
class Rule:
    matches: list[Object]
    filters: list[Object]
    backends: list[tuple[Backend, int]]


@dataclass
class BoundRoute:
    """One HTTPRoute as seen from one of its parents."""

    route: Object
    parent: Object
    accepted: Verdict
    resolved: Verdict
    # (listener name, host names served there)
    listeners: list[tuple[str, list[str]]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    pools: list[Key] = field(default_factory=list)

    @property
    def programmable(self) -> bool:
        return bool(self.accepted.ok and self.resolved.ok)


@dataclass
class Listener:
    name: str
    port: int
    protocol: str
    hostname: str
    accepted: Verdict
    resolved: Verdict
    certificates: list[Key] = field(default_factory=list)
    kinds: list[Object] = field(default_factory=list)
    attached: int = 0

    @property
    def usable(self) -> bool:
        return bool(self.accepted.ok and self.resolved.ok)


@dataclass
class Gateway:
    gateway: Object
    key: Key
    cls: GatewayClass
    listeners: list[Listener]
    routes: list[BoundRoute]
    # Why nothing can be made of it, as GKE says it; empty when all is well.
    invalid: str = ""
    # The name of a reserved address that the Gateway asks for.
    named_address: str = ""

    @property
    def name(self) -> str:
        return "/".join(self.key)

    @property
    def deleting(self) -> bool:
        return bool(self.gateway["metadata"].get("deletionTimestamp"))

    @property
    def accepted_before(self) -> bool:
        """By us, or by the controller that ran before us."""
        written = (self.gateway.get("status") or {}).get("conditions") or []
        return any(item["type"] == "Accepted" and item["status"] == "True" for item in written)

    def backends(self) -> Iterator[Backend]:
        for route in self.routes:
            if route.programmable:
                for rule in route.rules:
                    for backend, _weight in rule.backends:
                        yield backend

    @property
    def uses_pools(self) -> bool:
        return any(backend.ref.is_pool for backend in self.backends())
