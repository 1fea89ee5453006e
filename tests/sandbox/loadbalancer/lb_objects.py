# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Kubernetes objects for the pure tests."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.loadbalancer.store import Store

Json = dict[str, Any]
CONTROLLER = "networking.gke.io/gateway"
POOL_GROUP = "inference.networking.k8s.io"


def meta(name: str, namespace: str = "ns", **more: Any) -> Json:
    return {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", "generation": 1, **more}


def gateway(name: str = "gw", cls: str = "gke-l7-rilb", *listeners: Json, **spec: Any) -> Json:
    default = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    return {
        "metadata": meta(name),
        "spec": {"gatewayClassName": cls, "listeners": list(listeners) or [default], **spec},
    }


def gateway_class(name: str) -> Json:
    return {"metadata": {"name": name, "generation": 1}, "spec": {"controllerName": CONTROLLER}}


def pool_ref(name: str = "pool", **more: Any) -> Json:
    return {"group": POOL_GROUP, "kind": "InferencePool", "name": name, **more}


def route(name: str, *backends: Json, namespace: str = "ns", parent: Json | None = None, **rule: Any) -> Json:
    spec = {"parentRefs": [parent or {"name": "gw"}], "rules": [{"backendRefs": list(backends), **rule}]}
    return {"metadata": meta(name, namespace), "spec": spec}


def pool(name: str = "pool", namespace: str = "ns", **reference: Any) -> Json:
    picker = {"name": f"{name}-epp", "port": {"number": 9002}, "failureMode": "FailOpen", **reference}
    spec = {"targetPorts": [{"number": 8000}], "selector": {"matchLabels": {"app": name}}, "endpointPickerRef": picker}
    return {"metadata": meta(name, namespace), "spec": spec}


def service(name: str, port: int, namespace: str = "ns", **more: Any) -> Json:
    return {"metadata": meta(name, namespace), "spec": {"ports": [{"name": "main", "port": port, **more}]}}


def slice_of(name: str, port: int, *addresses: str, ready: bool | None = True) -> Json:
    endpoints = [{"addresses": [address], "conditions": {"ready": ready}, "nodeName": "n1"} for address in addresses]
    labels = {"kubernetes.io/service-name": name}
    return {
        "metadata": meta(f"{name}-x", labels=labels),
        "ports": [{"name": "main", "port": port}],
        "endpoints": endpoints,
    }


def pod(name: str, ip: str, app: str = "pool", ready: bool = True, **more: Any) -> Json:
    status = {"podIP": ip, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return {"metadata": meta(name, labels={"app": app}, **more), "spec": {"nodeName": "n1"}, "status": status}


def policy(name: str, kind: str, target: str = "pool", **default: Any) -> Json:
    reference = {"group": POOL_GROUP, "kind": "InferencePool", "name": target}
    return {"kind": kind, "metadata": meta(name), "spec": {"targetRef": reference, "default": default}}


def filled(**kinds: list[Json]) -> Store:
    """A store with the classes, a pool that resolves, and what is given."""
    store = Store()
    for name in ("gke-l7-rilb", "gke-l7-regional-external-managed", "gke-l7-global-external-managed"):
        store.put("gatewayclasses", gateway_class(name))
    store.put("inferencepools", pool())
    store.put("services", service("pool-epp", 9002))
    for kind, items in kinds.items():
        for item in items:
            store.put(kind, item)
    return store
