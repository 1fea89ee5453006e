# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which routes belong to which Gateway, and what is wrong with those that do not. Pure: a store in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.cluster.kube import Key, Object, key_of
from sandbox.cluster.loadbalancer import backends
from sandbox.cluster.loadbalancer.model import (
    ACCEPTED,
    CLASSES,
    CONTROLLER,
    GATEWAY_GROUP,
    POOL_GROUP,
    RESOLVED,
    BackendRef,
    BoundRoute,
    Gateway,
    Listener,
    Rule,
    Verdict,
)
from sandbox.cluster.loadbalancer.names import FIRST_POOL_PORT
from sandbox.cluster.loadbalancer.store import Store

HTTP_ROUTE = {"group": GATEWAY_GROUP, "kind": "HTTPRoute"}
FILTERS = {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"}


def gateways(store: Store, secrets: Mapping[Key, bool]) -> list[Gateway]:
    """Every Gateway of our classes, with everything that is attached to it. `secrets`: which certificates exist."""
    found = []
    for gateway in store.all("gateways"):
        cls = CLASSES.get(gateway["spec"]["gatewayClassName"])
        declared = store.get("gatewayclasses", "", gateway["spec"]["gatewayClassName"])
        if cls is None or declared is None or declared["spec"]["controllerName"] != CONTROLLER:
            continue
        key = key_of(gateway)
        listeners = [_listener(key, item, secrets) for item in gateway["spec"]["listeners"]]
        invalid, named = _requested_address(gateway)
        item = Gateway(gateway, key, cls, listeners, [], invalid, named)
        if not item.invalid:
            # One listener that cannot be made keeps GKE from translating the whole Gateway.
            unusable = (entry for entry in listeners if not entry.usable)
            item.invalid = next((entry.resolved.message or entry.accepted.message for entry in unusable), "")
        item.routes = _bind_all(store, item)
        found.append(item)
    return sorted(found, key=lambda item: (item.gateway["metadata"].get("creationTimestamp") or "", item.key))


def _requested_address(gateway: Object) -> tuple[str, str]:
    """(what is wrong with spec.addresses, the name of the reserved address asked for)"""
    wanted = gateway["spec"].get("addresses") or []
    name = "/".join(key_of(gateway))
    if not wanted:
        return "", ""
    kind = wanted[0].get("type", "IPAddress")
    if kind != "NamedAddress":
        problem = f'unsupported address type "{kind}", only "NamedAddress" is supported.'
        return f'Error GWCER106: Gateway "{name}" is invalid, err: {problem}', ""
    return "", wanted[0]["value"]


def _listener(gateway: Key, listener: Object, secrets: Mapping[Key, bool]) -> Listener:
    protocol = listener["protocol"]
    allowed = (listener.get("allowedRoutes") or {}).get("kinds") or [HTTP_ROUTE]
    kinds = [kind for kind in allowed if kind["kind"] == "HTTPRoute"]
    accepted, resolved, certificates = ACCEPTED, RESOLVED, []
    if protocol not in ("HTTP", "HTTPS"):
        accepted = Verdict(False, "UnsupportedProtocol", f"protocol {protocol} is not supported")
    elif len(kinds) != len(allowed):
        resolved = Verdict(False, "InvalidRouteKinds", "only HTTPRoute is supported")
    elif protocol == "HTTPS":
        for reference in (listener.get("tls") or {}).get("certificateRefs") or []:
            secret = (reference.get("namespace") or gateway[0], reference["name"])
            certificates.append(secret)
            if not secrets.get(secret):
                problem = f"Error GWCER102: Secret {'/'.join(secret)} not found."
                resolved = Verdict(False, "InvalidCertificateRef", problem)
    return Listener(
        name=listener["name"],
        port=listener["port"],
        protocol=protocol,
        hostname=listener.get("hostname") or "",
        accepted=accepted,
        resolved=resolved,
        certificates=certificates,
        kinds=[{"group": GATEWAY_GROUP, "kind": "HTTPRoute"} for _kind in kinds[:1]],
    )


def _bind_all(store: Store, gateway: Gateway) -> list[BoundRoute]:
    bound = []
    for route in sorted(store.all("httproutes"), key=_seniority):
        if route["metadata"].get("deletionTimestamp"):
            continue
        for parent in route["spec"].get("parentRefs") or []:
            if _points_at(route, parent, gateway.key):
                bound.append(_bind(store, gateway, route, parent))
    for listener in gateway.listeners:
        routes = {key_of(b.route) for b in bound if b.accepted.ok and listener.name in dict(b.listeners)}
        listener.attached = len(routes)
    return bound


def _seniority(route: Object) -> tuple[str, str, str]:
    """Of two routes with equal matches the older wins, then the name."""
    metadata = route["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["namespace"], metadata["name"]


def _points_at(route: Object, parent: Object, gateway: Key) -> bool:
    if parent.get("kind", "Gateway") != "Gateway" or parent.get("group", GATEWAY_GROUP) != GATEWAY_GROUP:
        return False
    return (parent.get("namespace") or route["metadata"]["namespace"], parent["name"]) == gateway


def _bind(store: Store, gateway: Gateway, route: Object, parent: Object) -> BoundRoute:
    bound = BoundRoute(route, parent, ACCEPTED, RESOLVED)
    refs = [_backend_ref(route, item) for rule in route["spec"].get("rules") or [] for item in _refs(rule)]
    bound.pools = backends.pool_keys([ref for ref in refs if ref])
    bound.accepted, bound.listeners = _listeners_for(store, gateway, route, parent)
    if bound.accepted.ok:
        bound.accepted = _supported(gateway, route, bound.pools)
    bound.resolved, bound.rules = _resolve_rules(store, route)
    return bound


def _listeners_for(
    store: Store, gateway: Gateway, route: Object, parent: Object
) -> tuple[Verdict, list[tuple[str, list[str]]]]:
    named = [
        listener
        for listener in gateway.listeners
        if parent.get("sectionName") in (None, listener.name) and parent.get("port") in (None, listener.port)
    ]
    if not named:
        return Verdict(False, "NoMatchingParent", "the Gateway has no such listener"), []
    sections = {item["name"]: item for item in gateway.gateway["spec"]["listeners"]}
    allowed = [item for item in named if _namespace_allowed(store, gateway.key, sections[item.name], route)]
    if not allowed:
        return Verdict(False, "NotAllowedByListeners", "no listener allows routes of this namespace"), []
    hostnames = route["spec"].get("hostnames") or []
    served = [(item.name, _common_hostnames(item.hostname, hostnames)) for item in allowed]
    matching = [(name, hosts) for name, hosts in served if hosts]
    if not matching:
        return Verdict(False, "NoMatchingListenerHostname", "no listener serves the route's host names"), []
    return ACCEPTED, matching


def _namespace_allowed(store: Store, gateway: Key, listener: Object, route: Object) -> bool:
    rule = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    mode, namespace = rule.get("from", "Same"), route["metadata"]["namespace"]
    if mode == "Selector":
        entry = store.get("namespaces", "", namespace)
        labels = (entry["metadata"].get("labels") or {}) if entry else {}
        return selector_matches(rule.get("selector") or {}, labels)
    return bool(mode == "All" or (mode == "Same" and namespace == gateway[0]))


def selector_matches(selector: Object, labels: Mapping[str, str]) -> bool:
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    for expression in selector.get("matchExpressions") or []:
        value, values = labels.get(expression["key"]), expression.get("values") or []
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[expression["operator"]]
        if not holds:
            return False
    return True


def _common_hostnames(listener: str, route: list[str]) -> list[str]:
    """The host names that both serve: `*` for all, the narrower of two that overlap."""
    if not route:
        return [listener or "*"]
    if not listener:
        return route
    common = []
    for host in route:
        if host == listener or (listener.startswith("*.") and host.removeprefix("*").endswith(listener[1:])):
            common.append(host)
        elif host.startswith("*.") and listener.endswith(host[1:]):
            common.append(listener)
    return common


def _supported(gateway: Gateway, route: Object, pools: list[Key]) -> Verdict:
    name = "/".join(key_of(route))
    problem = ""
    for rule in route["spec"].get("rules") or []:
        if rule.get("timeouts"):
            problem = "Timeouts are not supported."
        for entry in [*(rule.get("filters") or []), *(f for ref in _refs(rule) for f in ref.get("filters") or [])]:
            if entry["type"] not in FILTERS:
                problem = f"filter {entry['type']} is not supported."
    if pools and not gateway.cls.pools:
        problem = f"GatewayClass {gateway.gateway['spec']['gatewayClassName']} does not support InferencePool."
    if problem:
        return Verdict(
            False, "UnsupportedValue", f'Error GWCER104: HTTPRoute "{name}" is misconfigured, err: {problem}'
        )
    return ACCEPTED


def _refs(rule: Object) -> list[Object]:
    return rule.get("backendRefs") or []


def _backend_ref(route: Object, item: Object) -> BackendRef | None:
    """None for a kind that we do not know."""
    namespace = item.get("namespace") or route["metadata"]["namespace"]
    group, kind = item.get("group") or "", item.get("kind", "Service")
    if (group, kind) == (POOL_GROUP, "InferencePool"):
        return BackendRef(kind, namespace, item["name"], FIRST_POOL_PORT)
    if (group, kind) == ("", "Service"):
        return BackendRef(kind, namespace, item["name"], item.get("port") or 0)
    return None


def _resolve_rules(store: Store, route: Object) -> tuple[Verdict, list[Rule]]:
    name = "/".join(key_of(route))
    rules, verdict = [], RESOLVED

    def misconfigured(reason: str, problem: str) -> Verdict:
        cause = "reference-not-found" if reason == "BackendNotFound" else "invalid-reference"
        text = f'error cause: {cause}: Error GWCER104: HTTPRoute "{name}" is misconfigured, err: {problem}.'
        return Verdict(False, reason, text)

    for rule in route["spec"].get("rules") or []:
        resolved = []
        for item in _refs(rule):
            ref = _backend_ref(route, item)
            if ref is None:
                verdict = misconfigured("InvalidKind", f"kind {item.get('kind')} cannot be a backend")
                continue
            if not _granted(store, route, ref):
                verdict = misconfigured("RefNotPermitted", f"no ReferenceGrant allows {ref.namespace}/{ref.name}")
                continue
            backend, problem = backends.resolve(store, ref)
            if backend is None:
                verdict = misconfigured("BackendNotFound", problem)
                continue
            resolved.append((backend, item.get("weight", 1)))
        rules.append(Rule(rule.get("matches") or [], rule.get("filters") or [], resolved))
    return verdict, rules


def _granted(store: Store, route: Object, ref: BackendRef) -> bool:
    namespace = route["metadata"]["namespace"]
    if ref.namespace == namespace:
        return True
    group = POOL_GROUP if ref.is_pool else ""
    for grant in store.all("referencegrants"):
        if grant["metadata"]["namespace"] != ref.namespace:
            continue
        sources = [{"group": GATEWAY_GROUP, "kind": "HTTPRoute", "namespace": namespace}]
        from_us = any(source in sources for source in grant["spec"]["from"])
        to_it = any(
            target["group"] == group and target["kind"] == ref.kind and target.get("name", ref.name) == ref.name
            for target in grant["spec"]["to"]
        )
        if from_us and to_it:
            return True
    return False
