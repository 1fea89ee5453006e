# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A network, a cluster and what serves a model on it: real EPP, real sidecar, llm-d's simulator."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.testing import RunningCloud, running_cloud

Json = dict[str, Any]

TOOLS = Path(os.environ.get("LLM_D_TOOLS") or Path(__file__).resolve().parents[3] / ".tools")
NETWORK, SUBNET, PROXY_SUBNET = "lb-main", "lb-tpu", "lb-proxy"
CLUSTER = "lb"
NAMESPACE = "llm-d-pd"
MODEL = "Qwen/Qwen3-32B"
LABELS = {"llm-d.ai/guide": "pd"}
EPP_IMAGE = "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.0"
SIDECAR_IMAGE = "ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1"
GATEWAYS = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways"
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
POOLS = f"/apis/inference.networking.k8s.io/v1/namespaces/{NAMESPACE}/inferencepools"
GKE = f"/apis/networking.gke.io/v1/namespaces/{NAMESPACE}"

EPP_CONFIG = """
apiVersion: inference.networking.x-k8s.io/v1alpha1
kind: EndpointPickerConfig
featureGates: [prepareDataPlugins]
plugins:
- type: prefill-filter
- type: decode-filter
- type: prefix-cache-scorer
- type: queue-scorer
- type: max-score-picker
- type: prefix-based-pd-decider
  parameters: {nonCachedTokens: 16}
- type: disagg-headers-handler
- type: disagg-profile-handler
  parameters: {deciders: {prefill: prefix-based-pd-decider}}
schedulingProfiles:
- name: prefill
  plugins:
  - {pluginRef: prefill-filter}
  - {pluginRef: prefix-cache-scorer, weight: 2}
  - {pluginRef: queue-scorer, weight: 1}
  - {pluginRef: max-score-picker}
- name: decode
  plugins:
  - {pluginRef: decode-filter}
  - {pluginRef: prefix-cache-scorer, weight: 2}
  - {pluginRef: queue-scorer, weight: 1}
  - {pluginRef: max-score-picker}
"""


class KubeFailure(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status = status


class Site:
    """The sandbox and its cluster, as somebody outside sees them."""

    def __init__(self, cloud: RunningCloud, cluster: Json) -> None:
        self.cloud = cloud
        self.directory = cloud.directory / "clusters" / CLUSTER
        self._server = f"https://{cluster['endpoint']}"
        authority = base64.b64decode(cluster["masterAuth"]["clusterCaCertificate"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        self.project: str = cloud.info["project"]
        self.region: str = cloud.info["region"]

    def raw(self, method: str, path: str, body: Json | None = None, kind: str = "application/json") -> str:
        request = urllib.request.Request(
            self._server + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.cloud.token}", "Content-Type": kind},
        )
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=30) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise KubeFailure(error.code, error.read().decode()) from error

    def kube(self, method: str, path: str, body: Json | None = None, kind: str = "application/json") -> Json:
        found: Json = json.loads(self.raw(method, path, body, kind))
        return found

    def merge(self, path: str, body: Json) -> Json:
        return self.kube("PATCH", path, body, "application/merge-patch+json")

    def create(self, collection: str, *items: Json) -> None:
        for item in items:
            self.kube("POST", collection, item)

    def gone(self, path: str) -> bool:
        try:
            self.kube("GET", path)
        except KubeFailure as failure:
            if failure.status == 404:
                return True
            raise
        return False

    def compute(self, collection: str, scope: str = "") -> list[Json]:
        place = scope or f"regions/{self.region}"
        answer = self.cloud.call("GET", f"compute/v1/projects/{self.project}/{place}/{collection}")
        items: list[Json] = answer.get("items", [])
        return items

    def insert(self, collection: str, body: Json, scope: str) -> None:
        operation = self.cloud.call("POST", f"compute/v1/projects/{self.project}/{scope}/{collection}", body)
        self.cloud.wait_compute(operation)

    def make_proxy_subnet(self) -> None:
        body = {
            "name": PROXY_SUBNET,
            "network": f"projects/{self.project}/global/networks/{NETWORK}",
            "ipCidrRange": "172.16.0.0/26",
            "purpose": "REGIONAL_MANAGED_PROXY",
            "role": "ACTIVE",
        }
        self.insert("subnetworks", body, f"regions/{self.region}")

    @property
    def gateway_url(self) -> str:
        file = self.directory / "gateway.json"
        url: str = eventually("gateway.json", lambda: file.exists() and json.loads(file.read_text())["url"])
        return url

    def ask(self, path: str, body: Json | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        """Through the gateway, from the host."""
        request = urllib.request.Request(
            self.gateway_url + path, data=None if body is None else json.dumps(body).encode()
        )
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)

    def complete(self, prompt: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        return self.ask("/v1/completions", {"model": MODEL, "prompt": prompt, "max_tokens": 4}, **headers)

    def controller_log(self) -> str:
        return (self.directory / "logs/loadbalancer.log").read_text()


def eventually(what: str, look: Callable[[], Any], seconds: float = 40.0) -> Any:
    """The first true result; fails with the last one, or the last error."""
    end = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < end:
        try:
            last = look()
            if last:
                return last
        except (KubeFailure, OSError, KeyError, IndexError) as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {last!r}")


def condition(conditions: list[Json], kind: str) -> Json:
    return next((item for item in conditions if item["type"] == kind), {})


def gateway_object(name: str, cls: str = "gke-l7-rilb", **spec: Any) -> Json:
    listener = {"name": "default", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": cls, "listeners": [listener], **spec},
    }


def route_object(name: str, gateway: str, pool: str, prefix: str = "/", **rule: Any) -> Json:
    backend = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": pool, "weight": 1}
    matches = [{"path": {"type": "PathPrefix", "value": prefix}}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"parentRefs": [{"name": gateway}], "rules": [{"matches": matches, "backendRefs": [backend], **rule}]},
    }


def pool_objects(name: str, failure_mode: str = "FailOpen", timeout: int = 300) -> list[tuple[str, Json]]:
    """The pool with its policies, as the inferencepool chart renders them for GKE."""
    target = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": name}
    picker = {"name": f"{name}-epp", "port": {"number": 9002}, "failureMode": failure_mode}
    check = {
        "checkIntervalSec": 2,
        "timeoutSec": 2,
        "config": {"type": "HTTP", "httpHealthCheck": {"requestPath": "/health", "port": 8000}},
    }
    return [
        (POOLS, _object("inference.networking.k8s.io/v1", "InferencePool", name, {
            "targetPorts": [{"number": 8000}], "selector": {"matchLabels": LABELS}, "endpointPickerRef": picker,
        })),
        (f"{GKE}/healthcheckpolicies", _object("networking.gke.io/v1", "HealthCheckPolicy", name, {
            "targetRef": target, "default": check,
        })),
        (f"{GKE}/gcpbackendpolicies", _object("networking.gke.io/v1", "GCPBackendPolicy", name, {
            "targetRef": target, "default": {"timeoutSec": timeout, "logging": {"enabled": True}},
        })),
    ]  # fmt: skip


def epp_objects(pool: str) -> list[tuple[str, Json]]:
    name = f"{pool}-epp"
    arguments = ["--pool-name", pool, "--pool-namespace", NAMESPACE, "--config-file", "/config/epp.yaml", "--v", "1"]
    container = {
        "name": "epp",
        "image": EPP_IMAGE,
        "args": [*arguments, "--metrics-endpoint-auth=false", "--tracing=false"],
        "ports": [{"containerPort": 9002}, {"containerPort": 9003}, {"containerPort": 9090}],
        "readinessProbe": {"grpc": {"port": 9003, "service": "inference-extension"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    template = {
        "metadata": {"labels": {"inferencepool": name}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": name}}],
            "terminationGracePeriodSeconds": 1,
        },
    }
    core = f"/api/v1/namespaces/{NAMESPACE}"
    ports = [
        {"name": "grpc-ext-proc", "port": 9002, "appProtocol": "http2"},
        {"name": "http-metrics", "port": 9090},
    ]
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"epp.yaml": EPP_CONFIG}}
    return [
        (f"{core}/configmaps", config),
        (f"{core}/services", _object("v1", "Service", name, {"selector": {"inferencepool": name}, "ports": ports})),
        (f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", _object("apps/v1", "Deployment", name, {
            "replicas": 1,
            "selector": {"matchLabels": {"inferencepool": name}},
            "strategy": {"type": "Recreate"},
            "template": template,
        })),
    ]  # fmt: skip


def model_server(name: str, role: str) -> Json:
    """A prefill pod is the simulator alone; a decode pod has the routing sidecar before it."""
    port = 8000 if role == "prefill" else 8200
    simulator = {
        "name": "vllm",
        "image": "python:3.12-slim",
        "command": [str(TOOLS / "bin/llm-d-inference-sim")],
        "args": ["--model", MODEL, "--port", str(port), "--force-dummy-tokenizer", "--max-model-len", "8192"],
        "env": [
            {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for variable, path in (
                ("POD_NAME", "metadata.name"),
                ("POD_NAMESPACE", "metadata.namespace"),
                ("POD_IP", "status.podIP"),
            )
        ],
        "readinessProbe": {"httpGet": {"path": "/health", "port": port}, "periodSeconds": 1},
    }
    sidecar = {
        "name": "routing-proxy",
        "image": SIDECAR_IMAGE,
        "args": ["--port", "8000", "--vllm-port", "8200", "--connector", "nixlv2", "--secure-proxy=false"],
        "restartPolicy": "Always",
    }
    spec: Json = {"containers": [simulator], "terminationGracePeriodSeconds": 1}
    if role == "decode":
        spec["initContainers"] = [sidecar]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {**LABELS, "llm-d.ai/role": role}},
        "spec": spec,
    }


def _object(version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Up to a cluster with one node and a namespace; no proxy-only subnet, no networkservices API."""
    with running_cloud(folder, time_scale=120, clusters="real", arguments=("--tools", str(TOOLS))) as cloud:
        cloud.enable("compute", "container")
        project, region = cloud.info["project"], cloud.info["region"]

        def insert(path: str, body: Json) -> None:
            cloud.wait_compute(cloud.call("POST", f"compute/v1/projects/{project}/{path}", body))

        insert("global/networks", {"name": NETWORK, "autoCreateSubnetworks": False})
        subnet = {"name": SUBNET, "network": f"projects/{project}/global/networks/{NETWORK}"}
        insert(f"regions/{region}/subnetworks", {**subnet, "ipCidrRange": "10.10.0.0/18"})
        location = f"v1/projects/{project}/locations/{cloud.info['zone']}"
        pool = {"name": "default-pool", "initialNodeCount": 1, "config": {"machineType": "e2-standard-8"}}
        cluster = {
            "name": CLUSTER,
            "network": NETWORK,
            "subnetwork": SUBNET,
            "addonsConfig": {"httpLoadBalancing": {"disabled": False}},
            "ipAllocationPolicy": {"useIpAliases": True},
            "networkConfig": {"gatewayApiConfig": {"channel": "CHANNEL_STANDARD"}},
            "nodePools": [pool],
        }
        cloud.wait(cloud.call("POST", f"{location}/clusters", {"cluster": cluster}))
        site = Site(cloud, cloud.call("GET", f"{location}/clusters/{CLUSTER}"))
        _prepare(site)
        yield site


def _prepare(site: Site) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    site.kube("POST", "/api/v1/namespaces", namespace)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "epp"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE}],
    }
    site.kube("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
