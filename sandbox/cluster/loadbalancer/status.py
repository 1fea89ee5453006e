# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Statuses as GKE's controller writes them. Pure: the old status and the verdicts in, the new status out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.cluster.kube import Key, Object, key_of
from sandbox.cluster.loadbalancer.model import (
    ACCEPTED,
    CONTROLLER,
    GATEWAY_GROUP,
    RESOLVED,
    BoundRoute,
    Gateway,
    Listener,
    Verdict,
)

_SCHEDULED = "The OSS Gateway API has deprecated this condition, do not depend on it."
_READY = (
    'The OSS Gateway API has altered the "Ready" condition semantics and reserved it for future use.  '
    'GKE Gateway will stop emitting it in a future update, use "Programmed" instead.'
)
_DETACHED = "The Detached condition has been deprecated by the OSS API, use Accepted instead."
RECONCILED = Verdict(True, "ReconciliationSucceeded")

Conditions = list[tuple[str, Verdict]]


@dataclass(frozen=True)
class Programming:
    """How far the load balancer of a Gateway is. Neither done nor failed: under way."""

    done: bool = False
    reason: str = "Pending"
    message: str = "Waiting for controller"
    failed: bool = False
    address: str = ""


def conditions(wanted: Conditions, before: Iterable[Object], generation: int, now: str) -> list[Object]:
    """Conditions in Kubernetes' form; the time moves only when the status does."""
    old = {item["type"]: item for item in before}
    found = []
    for kind, verdict in wanted:
        status = {True: "True", False: "False", None: "Unknown"}[verdict.ok]
        previous = old.get(kind, {})
        found.append(
            {
                "type": kind,
                "status": status,
                "reason": verdict.reason,
                "message": verdict.message,
                "observedGeneration": generation,
                "lastTransitionTime": previous["lastTransitionTime"] if previous.get("status") == status else now,
            }
        )
    return found


# --- Gateway ------------------------------------------------------------------------------------------------------


def gateway_status(gateway: Gateway, programming: Programming, now: str) -> Object:
    before = gateway.gateway.get("status") or {}
    generation = gateway.gateway["metadata"]["generation"]
    old_listeners = {item["name"]: item for item in before.get("listeners") or []}
    found = conditions(_gateway_conditions(programming), before.get("conditions") or [], generation, now)
    return {
        "addresses": [{"type": "IPAddress", "value": programming.address}] if programming.address else [],
        "conditions": found,
        "listeners": [
            _listener_status(listener, programming, old_listeners.get(listener.name, {}), generation, now)
            for listener in gateway.listeners
        ],
    }


def _gateway_conditions(programming: Programming) -> Conditions:
    wanted: Conditions = [("Scheduled", Verdict(True, "Scheduled", _SCHEDULED)), ("Accepted", ACCEPTED)]
    if programming.done:
        return [
            *wanted,
            ("Programmed", Verdict(True, "Programmed")),
            ("Ready", Verdict(True, "Ready", _READY)),
            ("networking.gke.io/GatewayHealthy", Verdict(True, "Healthy")),
        ]
    # Not known yet is not false: the API server's own default says Unknown.
    verdict = False if programming.failed else None
    wanted.append(("Programmed", Verdict(verdict, programming.reason, programming.message)))
    if programming.failed:
        text = f"Gateway: {programming.reason} : {programming.message}"
        wanted.append(("Ready", Verdict(False, "NotReady", _READY)))
        wanted.append(("networking.gke.io/GatewayHealthy", Verdict(False, "Error", text)))
    return wanted


def _listener_status(listener: Listener, programming: Programming, before: Object, generation: int, now: str) -> Object:
    wanted: Conditions = [("ResolvedRefs", listener.resolved), ("Accepted", listener.accepted)]
    if not listener.accepted.ok:
        wanted.append(("Detached", Verdict(True, listener.accepted.reason, _DETACHED)))
    elif not listener.resolved.ok:
        wanted.append(("Programmed", Verdict(False, "Invalid", listener.resolved.message)))
    elif programming.done:
        wanted.append(("Programmed", Verdict(True, "Programmed")))
        wanted.append(("Ready", Verdict(True, "Ready", _READY)))
    elif programming.failed:
        wanted.append(("Programmed", Verdict(False, "Pending", programming.message)))
    return {
        "name": listener.name,
        "attachedRoutes": listener.attached,
        "supportedKinds": listener.kinds,
        "conditions": conditions(wanted, before.get("conditions") or [], generation, now),
    }


def class_status(gateway_class: Object, now: str) -> Object:
    before = (gateway_class.get("status") or {}).get("conditions") or []
    generation = gateway_class["metadata"]["generation"]
    return {"conditions": conditions([("Accepted", ACCEPTED)], before, generation, now)}


# --- HTTPRoute ----------------------------------------------------------------------------------------------------


def route_status(route: Object, bound: list[tuple[BoundRoute, Programming]], now: str) -> Object:
    """The parents that are ours, after those that other controllers wrote."""
    before = (route.get("status") or {}).get("parents") or []
    generation = route["metadata"]["generation"]
    parents = [parent for parent in before if parent["controllerName"] != CONTROLLER]
    for item, programming in bound:
        old = _entry(before, item.parent)
        parents.append(
            {
                "controllerName": CONTROLLER,
                "parentRef": item.parent,
                "conditions": conditions(
                    _route_conditions(item, programming), old.get("conditions") or [], generation, now
                ),
            }
        )
    return {"parents": parents}


def _entry(parents: Iterable[Object], reference: Object) -> Object:
    """What we wrote about this parent before."""
    ours = (parent for parent in parents if parent.get("controllerName") == CONTROLLER)
    return next((parent for parent in ours if parent["parentRef"] == reference), {})


def _route_conditions(bound: BoundRoute, programming: Programming) -> Conditions:
    wanted: Conditions = [("ResolvedRefs", bound.resolved), ("Accepted", bound.accepted)]
    if not bound.programmable:
        problem = bound.accepted if not bound.accepted.ok else bound.resolved
        wanted.append(("Reconciled", Verdict(False, "ReconciliationFailed", problem.message)))
    elif programming.done:
        wanted.append(("Reconciled", RECONCILED))
    elif programming.failed:
        wanted.append(("Reconciled", Verdict(False, "ReconciliationFailed", programming.message)))
    return wanted


# --- InferencePool and policies -----------------------------------------------------------------------------------


def pool_parents(gateways: Iterable[Gateway], pool: Key) -> list[tuple[Gateway, bool]]:
    """The Gateways whose routes name this pool, and whether one of those routes is accepted."""
    found = []
    for gateway in gateways:
        routes = [bound for bound in gateway.routes if pool in bound.pools]
        if routes and not gateway.deleting:
            found.append((gateway, any(bound.accepted.ok for bound in routes)))
    return found


def pool_status(pool: Object, gateways: Iterable[Gateway], picker_problem: str, now: str) -> Object:
    before = (pool.get("status") or {}).get("parents") or []
    generation = pool["metadata"]["generation"]
    parents = [parent for parent in before if parent.get("controllerName") != CONTROLLER]
    for gateway, route_accepted in pool_parents(gateways, key_of(pool)):
        reference = {"group": GATEWAY_GROUP, "kind": "Gateway", "namespace": gateway.key[0], "name": gateway.key[1]}
        accepted = ACCEPTED
        if not gateway.cls.pools:
            name = gateway.gateway["spec"]["gatewayClassName"]
            accepted = Verdict(False, "NotSupportedByParent", f"GatewayClass {name} does not support InferencePool")
        elif not route_accepted:
            accepted = Verdict(False, "HTTPRouteNotAccepted", "the HTTPRoute that refers to the pool is not accepted")
        resolved = Verdict(False, "InvalidExtensionRef", picker_problem) if picker_problem else RESOLVED
        old = _entry(before, reference)
        parents.append(
            {
                "controllerName": CONTROLLER,
                "parentRef": reference,
                "conditions": conditions(
                    [("Accepted", accepted), ("ResolvedRefs", resolved)], old.get("conditions") or [], generation, now
                ),
            }
        )
    return {"parents": parents}


def policy_status(policy: Object, verdict: Verdict, now: str) -> Object:
    before = (policy.get("status") or {}).get("conditions") or []
    generation = policy["metadata"]["generation"]
    return {"conditions": conditions([("Attached", verdict)], before, generation, now)}
