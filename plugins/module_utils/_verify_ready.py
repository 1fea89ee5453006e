# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether an llm-d deployment is ready, from its objects as they are read. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._verify_pods import (
    Object,
    Trouble,
    condition,
    is_ready,
    is_true,
    troubles,
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    expected: str
    actual: str
    remedy: str = ""
    # Why waiting longer is in vain: shown, and waited for only a little.
    hopeless: str = ""

    def as_dict(self) -> Object:
        """In the form of the reports."""
        return {
            "name": self.name,
            "passed": self.passed,
            "expected": self.expected,
            "actual": self.actual,
            "remedy": "" if self.passed else self.remedy,
        }


@dataclass
class Readings:
    """The deployment's objects; None is one that is not there."""

    gateway: Object | None = None
    gateway_class: Object | None = None
    route: Object | None = None
    pool: Object | None = None
    # By kind.
    policies: Mapping[str, Object | None] = field(default_factory=dict)
    nodes: Sequence[Object] = ()
    # By role (endpoint picker, prefill, decode): the Deployment and its pods.
    deployments: Mapping[str, Object | None] = field(default_factory=dict)
    pods: Mapping[str, Sequence[Object]] = field(default_factory=dict)


REMEDIES = {
    "gateway class": "Switch on the Gateway API of the cluster, or choose another llm_d_gateway_class.",
    "gateway": "kubectl describe gateway; a regional gateway needs a proxy-only subnetwork in its region.",
    "route": "kubectl describe httproute; run the role llm_d.gke.routes.",
    "pool": "kubectl describe inferencepool; the endpoint picker's Service must be there.",
    "policies": "kubectl describe gcpbackendpolicy,healthcheckpolicy.",
    "TPU nodes": "See the TPU pools: gcloud container node-pools list, kubectl get nodes.",
    "endpoint picker": "kubectl describe and kubectl logs of the endpoint picker's pod.",
    "prefill": "kubectl describe and kubectl logs of the prefill pods (label llm-d.ai/role=prefill).",
    "decode": "kubectl describe and kubectl logs of the decode pods (label llm-d.ai/role=decode).",
}


def judge(readings: Readings, chips: int) -> list[Check]:
    """Every check, in the order of a request's way."""
    parent = readings.gateway["metadata"]["name"] if readings.gateway else ""
    return [
        _gateway_class(readings.gateway_class),
        _gateway(readings.gateway),
        _attached("route", readings.route, parent, ("Accepted", "ResolvedRefs"), ("Reconciled",)),
        _attached("pool", readings.pool, parent, ("Accepted", "ResolvedRefs"), ()),
        _policies(readings.policies),
        _nodes(readings.nodes, chips),
        *(_deployment(role, found, readings.pods.get(role, ())) for role, found in readings.deployments.items()),
    ]


def _check(name: str, passed: bool, expected: str, actual: str, hopeless: str = "") -> Check:
    subject = name.removesuffix(" pods")
    return Check(name, passed, expected, actual, REMEDIES.get(subject, ""), hopeless if not passed else "")


def _gateway_class(found: Object | None) -> Check:
    status = (found or {}).get("status") or {}
    actual = _said(status, ("Accepted",)) if found else "there is no such class"
    return _check("gateway class", is_true(status, "Accepted"), "Accepted", actual)


def _gateway(gateway: Object | None) -> Check:
    expected = "Accepted, Programmed, with an address and a route"
    if gateway is None:
        return _check("gateway", False, expected, "it is not there")
    status = gateway.get("status") or {}
    wanted = ("Accepted", "Programmed")
    address = next((each.get("value") for each in status.get("addresses") or []), None)
    listeners = status.get("listeners") or []
    routes = sum(int(each.get("attachedRoutes") or 0) for each in listeners)
    refused = [words for each in listeners if (words := _listener(gateway, each))]
    fresh = all(_fresh(gateway, condition(status, kind)) for kind in wanted)
    there = fresh and bool(address) and routes > 0
    passed = all(is_true(status, kind) for kind in wanted) and there and not refused
    said = _said(status, wanted) + ("" if fresh else " (said of an older generation)")
    actual = ", ".join([said, f"address {address or 'none yet'}", f"attached routes {routes}", *refused])
    return _check("gateway", passed, expected, actual, _rejection(gateway, status, "Accepted"))


def _listener(gateway: Object, listener: Object) -> str:
    """What is wrong with a listener, in its own words."""
    kinds = [kind for kind in ("Accepted", "ResolvedRefs", "Programmed") if condition(listener, kind)]
    if all(is_true(listener, kind) and _fresh(gateway, condition(listener, kind)) for kind in kinds):
        return ""
    return f"listener {listener.get('name')}: {_said(listener, kinds)}"


def _attached(
    name: str, found: Object | None, parent: str, wanted: Sequence[str], where_written: Sequence[str]
) -> Check:
    """A route or a pool: conditions stand with each parent. Some are judged only where the controller writes them."""
    expected = ", ".join(wanted)
    if found is None:
        return _check(name, False, expected, "it is not there")
    parents = (found.get("status") or {}).get("parents") or []
    mine = [each for each in parents if (each.get("parentRef") or {}).get("name") == parent]
    if not mine:
        return _check(name, False, expected, f"nothing is said of the gateway {parent or '(none)'} yet")
    kinds = [*wanted, *(kind for kind in where_written if condition(mine[0], kind))]
    passed = all(is_true(mine[0], kind) and _fresh(found, condition(mine[0], kind)) for kind in kinds)
    return _check(name, passed, expected, _said(mine[0], kinds), _rejection(found, mine[0], "Accepted"))


def _policies(policies: Mapping[str, Object | None]) -> Check:
    """Without them the load balancer looks for health at the wrong place, and cuts long answers off."""
    lacking = []
    for kind, found in policies.items():
        status = (found or {}).get("status") or {}
        written = condition(status, "Attached")
        if found is None:
            lacking.append(f"{kind}: it is not there")
        elif written and not (is_true(status, "Attached") and _fresh(found, written)):
            lacking.append(f"{kind}: {_said(status, ('Attached',))}")
    return _check("policies", not lacking, "attached, where that is written", "; ".join(lacking) or "attached")


def _nodes(nodes: Sequence[Object], chips: int) -> Check:
    ready = [node for node in nodes if is_true(node.get("status") or {}, "Ready")]
    there = sum(_chips(node) for node in ready)
    actual = f"{there} chips on {len(ready)} ready nodes" + (f" of {len(nodes)}" if len(nodes) > len(ready) else "")
    if there < chips:
        lacking = [
            f"{node['metadata']['name']} {'has no chips yet' if node in ready else 'is not ready'}"
            for node in nodes
            if node not in ready or not _chips(node)
        ]
        actual += "; ".join(["", *lacking])
    return _check("TPU nodes", there >= chips, f"at least {chips} chips", actual)


def _chips(node: Object) -> int:
    return int((node["status"].get("allocatable") or {}).get("google.com/tpu", "0"))


def _deployment(role: str, found: Object | None, pods: Sequence[Object]) -> Check:
    name = role if role == "endpoint picker" else f"{role} pods"
    if found is None:
        return _check(name, False, "available", "the Deployment is not there")
    wanted, status = int(found["spec"].get("replicas", 1)), found.get("status") or {}
    seen = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
    # Progressing is not looked at: its deadline passes long before a model is loaded.
    available, updated = int(status.get("availableReplicas") or 0), int(status.get("updatedReplicas") or 0)
    ready = sum(is_ready(pod) for pod in pods)
    passed = seen and available == updated == wanted and ready >= wanted and wanted > 0
    lacking = [trouble for pod in pods for trouble in troubles(pod)[:1]]
    actual = f"{min(available, ready)} of {wanted} ready"
    if updated < wanted:
        actual += f", {updated} up to date"
    if not seen:
        actual += ", its last change not seen yet"
    failure = condition(status, "ReplicaFailure")
    if failure and failure.get("status") == "True":
        actual += f"; no pod is made ({failure.get('reason')}: {failure.get('message')})"
    if lacking and not passed:
        actual += "; " + "; ".join(_counted(lacking))
    hopeless = next((f"{role}: {each.kind()}" for each in lacking if each.hopeless), "")
    return _check(name, passed, f"{wanted} of {wanted} ready", actual, hopeless)


def _counted(lacking: Sequence[Trouble]) -> list[str]:
    """Each kind of trouble once, with the number of pods that have it."""
    counts = Counter(each.kind() for each in lacking)
    return [f"{count} pod{'s' if count > 1 else ''}: {kind}" for kind, count in counts.most_common(3)]


def _fresh(found: Object, written: Mapping[str, Any] | None) -> bool:
    """A condition speaks of the object as it is now."""
    if written is None or "observedGeneration" not in written:
        return True
    return int(written["observedGeneration"]) >= int(found["metadata"].get("generation") or 0)


def _said(status: Mapping[str, Any], kinds: Iterable[str]) -> str:
    """Conditions in a few words: fulfilled ones by name, others with their reason and message."""
    words = []
    for kind in kinds:
        found = condition(status, kind)
        if found is None:
            words.append(f"{kind} not said yet")
        elif found.get("status") == "True":
            words.append(kind)
        else:
            words.append(f"not {kind} ({found.get('reason')}: {found.get('message', '')})".replace(": )", ")"))
    return ", ".join(words)


def _rejection(found: Object, status: Mapping[str, Any], kind: str) -> str:
    said = condition(status, kind)
    if said is None or said.get("status") != "False" or not _fresh(found, said):
        return ""
    return f"{found['kind']} {found['metadata']['name']} is not {kind}: {said.get('reason')}: {said.get('message', '')}"


def summary(checks: Sequence[Check]) -> str:
    """One line for somebody who waits."""
    lacking = [f"{check.name}: {check.actual}" for check in checks if not check.passed]
    return "ready" if not lacking else "waiting for " + " | ".join(lacking)
