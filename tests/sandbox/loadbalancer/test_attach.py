# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which routes attach to which Gateway, and what GKE says about the others."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.cluster.loadbalancer import attach
from sandbox.cluster.loadbalancer.model import BoundRoute, Gateway
from sandbox.cluster.loadbalancer.store import Store
from tests.sandbox.loadbalancer import lb_objects as objects


def only(store: Store, **secrets: bool) -> Gateway:
    (found,) = attach.gateways(store, {("ns", name): there for name, there in secrets.items()})
    return found


def bound(store: Store) -> BoundRoute:
    (found,) = only(store).routes
    return found


def test_a_route_to_a_pool() -> None:
    store = objects.filled(gateways=[objects.gateway()], httproutes=[objects.route("r", objects.pool_ref())])
    gateway = only(store)
    assert gateway.routes[0].programmable and gateway.uses_pools
    assert gateway.listeners[0].attached == 1
    (backend,) = gateway.backends()
    assert backend.picker and backend.picker.fail_open and backend.picker.service.name == "pool-epp"


def test_gateways_of_other_controllers_are_left_alone() -> None:
    store = objects.filled(gateways=[objects.gateway(cls="istio")])
    assert attach.gateways(store, {}) == []


def test_timeouts_are_refused_in_gkes_words() -> None:
    store = objects.filled(
        gateways=[objects.gateway()],
        httproutes=[objects.route("slow", objects.pool_ref(), timeouts={"request": "60s"})],
    )
    verdict = bound(store).accepted
    assert (verdict.ok, verdict.reason) == (False, "UnsupportedValue")
    assert 'HTTPRoute "ns/slow" is misconfigured, err: Timeouts are not supported.' in verdict.message
    assert only(store).listeners[0].attached == 0


@pytest.mark.parametrize(
    ("backend", "reason", "words"),
    [
        (objects.pool_ref("lost"), "BackendNotFound", "inferencepools ns/lost not found"),
        ({"name": "web", "port": 80}, "BackendNotFound", "services ns/web not found"),
        ({"name": "pool-epp", "port": 1}, "BackendNotFound", "port 1 of Service ns/pool-epp not found"),
        ({"kind": "ConfigMap", "name": "x"}, "InvalidKind", "ConfigMap"),
        (objects.pool_ref(namespace="other"), "RefNotPermitted", "ReferenceGrant"),
    ],
)
def test_a_wrong_backend_is_not_programmed(backend: dict[str, Any], reason: str, words: str) -> None:
    route = bound(objects.filled(gateways=[objects.gateway()], httproutes=[objects.route("r", backend)]))
    assert (route.accepted.ok, route.resolved.ok, route.resolved.reason) == (True, False, reason)
    assert words in route.resolved.message and "GWCER104" in route.resolved.message
    assert not route.programmable


def test_a_pool_whose_picker_is_missing() -> None:
    store = objects.filled(
        gateways=[objects.gateway()],
        httproutes=[objects.route("r", objects.pool_ref("p2"))],
        inferencepools=[objects.pool("p2")],
    )
    assert "InferencePool extension service p2-epp not found" in bound(store).resolved.message


def test_a_grant_allows_another_namespace() -> None:
    grant = {
        "metadata": objects.meta("grant", "other"),
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "ns"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
    store = objects.filled(
        gateways=[objects.gateway()],
        httproutes=[objects.route("r", {"name": "web", "namespace": "other", "port": 80})],
        services=[objects.service("web", 80, "other")],
        referencegrants=[grant],
    )
    assert bound(store).programmable


def test_global_classes_have_no_pools() -> None:
    store = objects.filled(
        gateways=[objects.gateway(cls="gke-l7-global-external-managed")],
        httproutes=[objects.route("r", objects.pool_ref())],
    )
    assert bound(store).accepted.reason == "UnsupportedValue"


def listener(**more: Any) -> dict[str, Any]:
    return {"name": "http", "port": 80, "protocol": "HTTP", **more}


@pytest.mark.parametrize(
    ("rule", "labels", "accepted"),
    [
        ({"from": "Same"}, {}, False),
        ({"from": "All"}, {}, True),
        ({}, {}, False),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, {"team": "a"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, {"team": "b"}, False),
        (
            {"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
            {"team": "b"},
            True,
        ),
    ],
)
def test_listeners_choose_namespaces(rule: dict[str, Any], labels: dict[str, str], accepted: bool) -> None:
    allowed = listener(allowedRoutes={"namespaces": rule})
    parent = {"name": "gw", "namespace": "ns"}
    store = objects.filled(
        gateways=[objects.gateway("gw", "gke-l7-rilb", allowed)],
        httproutes=[objects.route("r", namespace="other", parent=parent)],
        namespaces=[{"metadata": {"name": "other", "labels": labels}}],
    )
    verdict = bound(store).accepted
    assert verdict.ok is accepted
    assert verdict.reason == ("Accepted" if accepted else "NotAllowedByListeners")


@pytest.mark.parametrize(
    ("served", "asked", "common"),
    [
        ("", [], ["*"]),
        ("", ["a.example"], ["a.example"]),
        ("a.example", [], ["a.example"]),
        ("*.example", ["a.example", "a.test"], ["a.example"]),
        ("a.example", ["*.example"], ["a.example"]),
        ("a.example", ["b.example"], []),
    ],
)
def test_host_names_meet(served: str, asked: list[str], common: list[str]) -> None:
    one = listener(hostname=served) if served else listener()
    route = objects.route("r")
    route["spec"]["hostnames"] = asked
    store = objects.filled(gateways=[objects.gateway("gw", "gke-l7-rilb", one)], httproutes=[route])
    found = bound(store)
    assert dict(found.listeners).get("http", []) == common
    assert found.accepted.reason == ("Accepted" if common else "NoMatchingListenerHostname")


def test_a_section_that_does_not_exist() -> None:
    store = objects.filled(
        gateways=[objects.gateway()], httproutes=[objects.route("r", parent={"name": "gw", "sectionName": "https"})]
    )
    assert bound(store).accepted.reason == "NoMatchingParent"


def test_a_missing_certificate_stops_the_gateway() -> None:
    secure = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "tls"}]}}
    store = objects.filled(gateways=[objects.gateway("gw", "gke-l7-rilb", secure)])
    assert only(store).invalid == "Error GWCER102: Secret ns/tls not found."
    assert only(store, tls=True).invalid == ""


def test_only_named_addresses() -> None:
    wanted = objects.gateway(addresses=[{"type": "IPAddress", "value": "10.0.0.9"}])
    assert "GWCER106" in only(objects.filled(gateways=[wanted])).invalid
    named = objects.gateway(addresses=[{"type": "NamedAddress", "value": "mine"}])
    assert only(objects.filled(gateways=[named])).named_address == "mine"
