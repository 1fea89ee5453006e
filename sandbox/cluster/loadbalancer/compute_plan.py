# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The compute resources that GKE makes for a Gateway. Pure: a Gateway in, resources out, in the order of making."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.cluster.kube import Key, Object
from sandbox.cluster.loadbalancer.backends import picker_backend
from sandbox.cluster.loadbalancer.envoy_config import Certificate
from sandbox.cluster.loadbalancer.model import Backend, BoundRoute, Gateway, HealthCheck, Rule
from sandbox.cluster.loadbalancer.names import DEFAULT_BACKEND, DEFAULT_BACKEND_PORT, Names, hexadecimal

# What can be made at once, stage by stage. Deletion goes the other way.
STAGES = (
    ("firewalls", "healthChecks", "networkEndpointGroups", "addresses", "sslCertificates"),
    ("backendServices",),
    ("urlMaps",),
    ("targetHttpProxies", "targetHttpsProxies"),
    ("forwardingRules",),
)
STAGE = {collection: number for number, stage in enumerate(STAGES) for collection in stage}

# Where Google's health checks and front ends come from.
GOOGLE_RANGES = ("130.211.0.0/22", "35.191.0.0/16")
_CHECK_SECTION = {
    "TCP": "tcpHealthCheck",
    "HTTP": "httpHealthCheck",
    "HTTPS": "httpsHealthCheck",
    "HTTP2": "http2HealthCheck",
    "GRPC": "grpcHealthCheck",
}

ResourceKey = tuple[str, str, str]


@dataclass(frozen=True)
class World:
    """Where the cluster is."""

    project: str
    cluster: str
    location: str
    region: str
    zones: tuple[str, ...]
    network: str
    subnetwork: str
    proxy_ranges: tuple[str, ...]
    names: Names


@dataclass
class Resource:
    collection: str
    scope: str
    body: Object
    needs: list[ResourceKey] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def key(self) -> ResourceKey:
        return self.collection, self.scope, self.name


def path_of(key: ResourceKey) -> str:
    collection, scope, name = key
    return f"{scope}/{collection}/{name}"


def full_path(project: str, key: ResourceKey) -> str:
    return f"projects/{project}/{path_of(key)}"


def project_path(name: str, project: str, collection: str) -> str:
    """`net`, `projects/p/global/networks/net` or a URL, as the path below `projects/`."""
    if "projects/" in name:
        return name[name.index("projects/") :]
    return f"projects/{project}/{collection}/{name}"


def resources(gateway: Gateway, world: World, certificates: dict[Key, Certificate]) -> list[Resource]:
    """Everything for one Gateway. What several share (firewall, backends and their groups) has one name."""
    plan = _Plan(gateway, world, certificates)
    return sorted(plan.all(), key=lambda resource: STAGE[resource.collection])


class _Plan:
    def __init__(self, gateway: Gateway, world: World, certificates: dict[Key, Certificate]) -> None:
        self.gateway = gateway
        self.world = world
        self.certificates = certificates
        self.scope = f"regions/{world.region}" if gateway.cls.regional else "global"
        self.location = world.region if gateway.cls.regional else "global"

    def all(self) -> Iterator[Resource]:
        yield self.firewall()
        default = self.default_backend()
        yield from default
        made: dict[str, ResourceKey] = {DEFAULT_BACKEND: default[-1].key}
        for backend in self._backends():
            parts = self.backend(backend)
            yield from parts
            made[_id(backend)] = parts[-1].key
        address = self.address()
        if address:
            yield address
        for port in sorted({listener.port for listener in self.gateway.listeners if listener.usable}):
            yield from self.frontend(port, made, address)

    def _backends(self) -> list[Backend]:
        found: dict[str, Backend] = {}
        for backend in self.gateway.backends():
            found[_id(backend)] = backend
            if backend.picker:
                asked = picker_backend(backend.picker)
                found.setdefault(_id(asked), asked)
        return list(found.values())

    def link(self, key: ResourceKey) -> str:
        return full_path(self.world.project, key)

    def firewall(self) -> Resource:
        network = self.world.network.rpartition("/")[2]
        ranges = [*GOOGLE_RANGES, *(self.world.proxy_ranges if self.gateway.cls.regional else ())]
        body = {
            "name": self.world.names.of_firewall(network, self.location),
            "network": self.world.network,
            "direction": "INGRESS",
            "priority": 1000,
            "allowed": [{"IPProtocol": "tcp", "ports": ["0-65535"]}],
            "sourceRanges": ranges,
            "description": json.dumps({"kubernetes.io/cluster": self.world.cluster}),
        }
        return Resource("firewalls", "global", body)

    def address(self) -> Resource | None:
        if self.gateway.named_address:
            return None
        internal = self.gateway.cls.scheme == "INTERNAL_MANAGED"
        body: Object = {
            "name": self.world.names.of_gateway(*self.gateway.key, "address"),
            "addressType": "INTERNAL" if internal else "EXTERNAL",
            "description": self._description("gateways", *self.gateway.key),
        }
        if internal:
            body |= {"subnetwork": self.world.subnetwork, "purpose": "SHARED_LOADBALANCER_VIP"}
        return Resource("addresses", self.scope, body)

    # --- backends -------------------------------------------------------------------------------------------------

    def default_backend(self) -> list[Resource]:
        """Answers what no route takes; it has no endpoints, the URL map aborts before it is asked."""
        name = self.world.names.of_backend(
            self.gateway.key[0], DEFAULT_BACKEND, DEFAULT_BACKEND_PORT, self.gateway.cls.scheme
        )
        check = Resource("healthChecks", self.scope, _health_check(name, HealthCheck()))
        body = {
            "name": name,
            "description": self._description("services", self.gateway.key[0], DEFAULT_BACKEND),
            "protocol": "HTTP",
            "loadBalancingScheme": self.gateway.cls.scheme,
            "healthChecks": [self.link(check.key)],
        }
        return [check, Resource("backendServices", self.scope, body, [check.key])]

    def backend(self, backend: Backend) -> list[Resource]:
        """Health check, endpoint groups and, last, the backend service."""
        ref, names = backend.ref, self.world.names
        service = names.pool_service(ref.name) if ref.is_pool else ref.name
        name = names.of_backend(ref.namespace, service, ref.port, self.gateway.cls.scheme)
        check = Resource("healthChecks", self.scope, _health_check(name, backend.health))
        groups = [self._group(zone, ref.namespace, service, ref.port) for zone in self.world.zones]
        kind = "inferencepools" if ref.is_pool else "services"
        body = {
            "name": name,
            "description": self._description(kind, ref.namespace, ref.name),
            "protocol": backend.protocol,
            "loadBalancingScheme": self.gateway.cls.scheme,
            "timeoutSec": backend.timeout,
            "connectionDraining": {"drainingTimeoutSec": backend.draining},
            "healthChecks": [self.link(check.key)],
            "logConfig": {"enable": backend.logging} | _sampling(backend),
            "backends": [
                {
                    "group": self.link(group.key),
                    "balancingMode": "RATE",
                    "maxRatePerEndpoint": 100_000_000,
                    "capacityScaler": 1,
                }
                for group in groups
            ],
        }
        needs = [check.key, *(group.key for group in groups)]
        return [check, *groups, Resource("backendServices", self.scope, body, needs)]

    def _group(self, zone: str, namespace: str, service: str, port: int) -> Resource:
        marks = {
            "cluster-uid": hexadecimal(8, self.world.names.cluster_uid),
            "namespace": namespace,
            "service-name": service,
            "port": str(port),
        }
        body = {
            "name": self.world.names.of_neg(namespace, service, port),
            "networkEndpointType": "GCE_VM_IP_PORT",
            "network": self.world.network,
            "subnetwork": self.world.subnetwork,
            "description": json.dumps(marks),
        }
        return Resource("networkEndpointGroups", f"zones/{zone}", body)

    def _description(self, kind: str, namespace: str, name: str) -> str:
        world = self.world
        cluster = f"/projects/{world.project}/locations/{world.location}/clusters/{world.cluster}"
        return json.dumps({"K8sResource": f"/namespaces/{namespace}/{kind}/{name}", "K8sCluster": cluster})

    # --- front ends -----------------------------------------------------------------------------------------------

    def frontend(self, port: int, made: dict[str, ResourceKey], address: Resource | None) -> Iterator[Resource]:
        names, key = self.world.names, self.gateway.key
        secure = any(item.protocol == "HTTPS" for item in self.gateway.listeners if item.port == port and item.usable)
        description = self._description("gateways", *key)
        url_map = self._url_map(port, made, description)
        yield url_map
        proxy_body: Object = {
            "name": names.of_gateway(*key, "proxy", port),
            "description": description,
            "urlMap": self.link(url_map.key),
        }
        needs = [url_map.key]
        if secure:
            certificates = list(self._certificates(port))
            yield from certificates
            proxy_body["sslCertificates"] = [self.link(item.key) for item in certificates]
            needs += [item.key for item in certificates]
        collection = "targetHttpsProxies" if secure else "targetHttpProxies"
        proxy = Resource(collection, self.scope, proxy_body, needs)
        yield proxy
        if address:
            address_link = self.link(address.key)
        else:
            address_link = self.link(("addresses", self.scope, self.gateway.named_address))
        body: Object = {
            "name": names.of_gateway(*key, "rule", port),
            "description": description,
            "IPAddress": address_link,
            "IPProtocol": "TCP",
            "portRange": f"{port}-{port}",
            "loadBalancingScheme": self.gateway.cls.scheme,
            "target": self.link(proxy.key),
        }
        if self.gateway.cls.regional:
            body["network"] = self.world.network
        if self.gateway.cls.scheme == "INTERNAL_MANAGED":
            body["subnetwork"] = self.world.subnetwork
        yield Resource("forwardingRules", self.scope, body, [proxy.key, *([address.key] if address else [])])

    def _certificates(self, port: int) -> Iterator[Resource]:
        seen: set[Key] = set()
        for listener in self.gateway.listeners:
            for secret in listener.certificates:
                if listener.port != port or not listener.usable or secret in seen:
                    continue
                seen.add(secret)
                pair = self.certificates[secret]
                body = {
                    # Another certificate gets another name: they cannot be changed.
                    "name": self.world.names.of_gateway(*self.gateway.key, "certificate", *secret, pair.chain),
                    "certificate": pair.chain,
                    "privateKey": pair.key,
                }
                yield Resource("sslCertificates", self.scope, body)

    def _url_map(self, port: int, made: dict[str, ResourceKey], description: str) -> Resource:
        default = {
            "faultInjectionPolicy": {"abort": {"httpStatus": 404, "percentage": 100}},
            "weightedBackendServices": [{"backendService": self.link(made[DEFAULT_BACKEND]), "weight": 1}],
        }
        hosts: dict[str, list[tuple[Object, Rule]]] = {}
        served = {listener.name for listener in self.gateway.listeners if listener.port == port and listener.usable}
        for route in self.gateway.routes:
            if route.programmable:
                for host in _hosts(route, served):
                    for rule in route.rules:
                        hosts.setdefault(host, []).extend((match, rule) for match in rule.matches or [{}])
        matchers = [
            {
                "name": f"host{hexadecimal(12, host)}",
                "defaultRouteAction": default,
                "routeRules": [
                    {
                        "priority": priority,
                        "matchRules": [_match_rule(match)],
                        "routeAction": {"weightedBackendServices": self._weights(rule, made)},
                    }
                    for priority, (match, rule) in enumerate(found, start=1)
                    if rule.backends
                ],
            }
            for host, found in sorted(hosts.items())
        ]
        body: Object = {
            "name": self.world.names.of_gateway(*self.gateway.key, "map", port),
            "description": description,
            "defaultRouteAction": default,
            "hostRules": [{"hosts": [host], "pathMatcher": f"host{hexadecimal(12, host)}"} for host in sorted(hosts)],
            "pathMatchers": matchers,
        }
        return Resource("urlMaps", self.scope, body, list(made.values()))

    def _weights(self, rule: Rule, made: dict[str, ResourceKey]) -> list[Object]:
        return [{"backendService": self.link(made[_id(b)]), "weight": weight} for b, weight in rule.backends]


def _id(backend: Backend) -> str:
    return f"{backend.ref.kind}/{backend.ref.namespace}/{backend.ref.name}:{backend.ref.port}"


def _hosts(route: BoundRoute, served: set[str]) -> list[str]:
    return sorted({host for listener, hosts in route.listeners if listener in served for host in hosts})


def _sampling(backend: Backend) -> Object:
    return {"sampleRate": backend.sample_rate / 1_000_000} if backend.logging else {}


def _health_check(name: str, check: HealthCheck) -> Object:
    details: Object = (
        {"portSpecification": "USE_FIXED_PORT", "port": check.port}
        if check.port
        else {"portSpecification": "USE_SERVING_PORT"}
    )
    if check.protocol in ("HTTP", "HTTPS", "HTTP2"):
        details["requestPath"] = check.path
        if check.host:
            details["host"] = check.host
    return {
        "name": name,
        "type": check.protocol,
        "checkIntervalSec": check.interval,
        "timeoutSec": check.timeout,
        "healthyThreshold": check.healthy,
        "unhealthyThreshold": check.unhealthy,
        _CHECK_SECTION[check.protocol]: details,
    }


def _match_rule(match: Object) -> Object:
    path = match.get("path") or {}
    field_name = {"Exact": "fullPathMatch", "RegularExpression": "regexMatch", "PathPrefix": "prefixMatch"}[
        path.get("type", "PathPrefix")
    ]
    rule: Object = {field_name: path.get("value", "/")}
    headers = [_value_match("headerName", item) for item in match.get("headers") or []]
    if match.get("method"):
        headers.append({"headerName": ":method", "exactMatch": match["method"]})
    if headers:
        rule["headerMatches"] = headers
    if match.get("queryParams"):
        rule["queryParameterMatches"] = [_value_match("name", item) for item in match["queryParams"]]
    return rule


def _value_match(name_field: str, item: Object) -> Object:
    kind = "regexMatch" if item.get("type") == "RegularExpression" else "exactMatch"
    return {name_field: item["name"], kind: item["value"]}
