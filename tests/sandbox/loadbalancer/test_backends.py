# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Policies and endpoints."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.loadbalancer import backends
from sandbox.cluster.loadbalancer.model import BackendRef
from tests.sandbox.loadbalancer import lb_objects as objects

POOL = BackendRef("InferencePool", "ns", "pool", 54321)
CHART_CHECK: dict[str, Any] = {
    "checkIntervalSec": 2,
    "timeoutSec": 2,
    "config": {"type": "HTTP", "httpHealthCheck": {"requestPath": "/health", "port": 8000}},
}


def test_without_policies_a_pool_gets_gkes_defaults() -> None:
    backend, problem = backends.resolve(objects.filled(), POOL)
    assert backend and not problem
    # "/" is what a model server answers with 404: the reason why the chart brings a policy.
    assert (backend.timeout, backend.health.path, backend.health.port) == (30, "/", 8000)


def test_the_charts_policies_take_effect() -> None:
    store = objects.filled(
        healthcheckpolicies=[objects.policy("a", "HealthCheckPolicy", **CHART_CHECK)],
        gcpbackendpolicies=[objects.policy("a", "GCPBackendPolicy", timeoutSec=300, logging={"enabled": True})],
    )
    backend, _problem = backends.resolve(store, POOL)
    assert backend
    assert (backend.timeout, backend.logging) == (300, True)
    assert (backend.health.path, backend.health.interval, backend.health.timeout) == ("/health", 2, 2)


def test_of_two_policies_for_one_target_the_older_wins() -> None:
    new, old = (objects.policy(name, "GCPBackendPolicy", timeoutSec=seconds) for name, seconds in (("a", 9), ("z", 7)))
    new["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    store = objects.filled(gcpbackendpolicies=[new, old])
    verdicts = {p["metadata"]["name"]: v.reason for p, v in backends.policy_verdicts(store, "gcpbackendpolicies")}
    assert verdicts == {"z": "Attached", "a": "Conflicted"}
    backend, _problem = backends.resolve(store, POOL)
    assert backend and backend.timeout == 7


def test_a_policy_for_nothing() -> None:
    store = objects.filled(healthcheckpolicies=[objects.policy("a", "HealthCheckPolicy", target="lost")])
    ((_policy, verdict),) = backends.policy_verdicts(store, "healthcheckpolicies")
    assert (verdict.ok, verdict.reason) == (False, "TargetNotFound")


def test_only_ready_pods_of_the_pool_serve() -> None:
    store = objects.filled(
        pods=[
            objects.pod("b", "10.64.0.3"),
            objects.pod("a", "10.64.0.2"),
            objects.pod("starting", "10.64.0.4", ready=False),
            objects.pod("ending", "10.64.0.5", deletionTimestamp="2026-01-01T00:00:00Z"),
            objects.pod("other", "10.64.0.6", app="other"),
        ]
    )
    assert [(e.ip, e.port, e.node) for e in backends.endpoints(store, POOL)] == [
        ("10.64.0.2", 8000, "n1"),
        ("10.64.0.3", 8000, "n1"),
    ]


def test_endpoints_of_a_service_come_from_its_slices() -> None:
    ref = BackendRef("Service", "ns", "web", 80)
    store = objects.filled(
        services=[objects.service("web", 80)], endpointslices=[objects.slice_of("web", 8080, "1.2.3.4")]
    )
    assert [(e.ip, e.port) for e in backends.endpoints(store, ref)] == [("1.2.3.4", 8080)]
    store.put("endpointslices", objects.slice_of("web", 8080, "1.2.3.4", ready=False))
    assert backends.endpoints(store, ref) == []
    # An unset condition means ready.
    store.put("endpointslices", objects.slice_of("web", 8080, "1.2.3.4", ready=None))
    assert len(backends.endpoints(store, ref)) == 1
