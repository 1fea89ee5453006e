# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Envoy's configuration: a bootstrap that points at files, and the files. Pure.

Listeners, routes, clusters and endpoints stand in files of their own, so that each can change while requests run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cluster.kube import Object
from sandbox.cluster.loadbalancer.backends import Endpoint
from sandbox.cluster.loadbalancer.envoy_routes import (
    EXT_PROC,
    LUA,
    PICKED,
    PICKED_HEADER,
    SILENT_HEADER,
    cluster_name,
    picker_cluster,
    virtual_hosts,
)
from sandbox.cluster.loadbalancer.model import Backend, BackendRef, BoundRoute, HealthCheck

ADMIN_PORT = 9901
_API = "type.googleapis.com/envoy"
# A check of every pod more often than this would cost the machine more than it tells.
SHORTEST_CHECK_SECONDS = 2.0

# Anything but a POST makes a gRPC server answer 4xx at once; 503 is Envoy's own word for "nobody there".
TRY_PICKER = f"""
function envoy_on_request(handle)
  local picker = handle:metadata():get("picker")
  if picker == nil then
    return
  end
  local question = {{[":method"] = "GET", [":path"] = "/", [":authority"] = "picker"}}
  local headers, _ = handle:httpCall(picker, question, nil, 1000)
  if headers[":status"] == "503" or headers[":status"] == "504" then
    handle:headers():replace("{SILENT_HEADER}", "1")
    handle:clearRouteCache()
  end
end
"""


@dataclass(frozen=True)
class Certificate:
    chain: str
    key: str


@dataclass
class Frontend:
    """One listening port of one Gateway."""

    gateway: str
    address: str
    port: int
    routes: list[tuple[str, BoundRoute]]
    # (host name or "", certificates) for each HTTPS listener on the port; none for HTTP.
    certificates: list[tuple[str, list[Certificate]]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.gateway}:{self.port}"


def bootstrap(folder: Path, admin_port: int = ADMIN_PORT) -> Object:
    return {
        "node": {"id": "load-balancer", "cluster": "load-balancer"},
        "admin": {"address": _socket_address("127.0.0.1", admin_port)},
        "dynamic_resources": {
            "lds_config": _file(folder / "listeners.json"),
            "cds_config": _file(folder / "clusters.json"),
        },
    }


def files(frontends: list[Frontend], folder: Path, time_scale: float) -> dict[str, str]:
    """All files but the endpoints', by name, in the order in which Envoy should see them."""
    contents = {"clusters.json": _response(clusters(backends_of(frontends), folder, time_scale))}
    for frontend in frontends:
        config = {
            "@type": f"{_API}.config.route.v3.RouteConfiguration",
            "name": frontend.name,
            "virtual_hosts": virtual_hosts(frontend.routes),
            "ignore_port_in_host_matching": True,
        }
        contents[routes_file(frontend)] = _response([config])
    contents["listeners.json"] = _response(listener(f, folder) for f in frontends)
    return contents


def backends_of(frontends: list[Frontend]) -> list[Backend]:
    found = {
        cluster_name(backend.ref): backend
        for frontend in frontends
        for _listener, route in frontend.routes
        for rule in route.rules
        for backend, _weight in rule.backends
    }
    return [found[name] for name in sorted(found)]


def endpoint_files(backends: list[Backend], endpoints: Mapping[BackendRef, list[Endpoint]]) -> dict[str, str]:
    contents = {}
    for backend in backends:
        name = cluster_name(backend.ref)
        contents[_endpoints_file(name)] = _endpoints(name, endpoints[backend.ref], backend.health.port)
        if backend.picker:
            name = picker_cluster(backend.picker.service)
            contents[_endpoints_file(name)] = _endpoints(name, endpoints[backend.picker.service], None)
    return contents


def _file_name(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def routes_file(frontend: Frontend) -> str:
    return _file_name("routes", frontend.name)


def _endpoints_file(cluster: str) -> str:
    return _file_name("endpoints", cluster)


def _response(resources: Iterable[Object]) -> str:
    """A discovery response. The version is the content's hash: equal content, equal file."""
    content = list(resources)
    version = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    return json.dumps({"version_info": version, "resources": content}, indent=1, sort_keys=True)


def _file(path: Path) -> Object:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _socket_address(address: str, port: int) -> Object:
    return {"socket_address": {"address": address, "port_value": port}}


# --- listeners ----------------------------------------------------------------------------------------------------


def listener(frontend: Frontend, folder: Path) -> Object:
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": _manager(frontend, folder)}
    chains: list[Object] = [{"filters": [manager]}]
    extra: Object = {}
    if frontend.certificates:
        chains = [_tls_chain(manager, host, certificates) for host, certificates in frontend.certificates]
        inspector = f"{_API}.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        extra["listener_filters"] = [
            {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": inspector}}
        ]
    return {
        "@type": f"{_API}.config.listener.v3.Listener",
        "name": frontend.name,
        "address": _socket_address(frontend.address, frontend.port),
        "filter_chains": chains,
        **extra,
    }


def _tls_chain(manager: Object, host: str, certificates: list[Certificate]) -> Object:
    pairs = [
        {"certificate_chain": {"inline_string": c.chain}, "private_key": {"inline_string": c.key}} for c in certificates
    ]
    context = {
        "@type": f"{_API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": pairs, "alpn_protocols": ["h2", "http/1.1"]},
    }
    chain: Object = {
        "filters": [manager],
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
    }
    if host:
        chain["filter_chain_match"] = {"server_names": [host]}
    return chain


def _manager(frontend: Frontend, folder: Path) -> Object:
    http = f"{_API}.extensions.filters.http"
    remover = f"{_API}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    # The filter needs some service to be valid; each route that switches it on names its own.
    unused = {"envoy_grpc": {"cluster_name": "none"}}
    full = "FULL_DUPLEX_STREAMED"
    try_picker = {"inline_string": TRY_PICKER}
    picker = {
        "@type": f"{http}.ext_proc.v3.ExternalProcessor",
        "grpc_service": unused,
        "processing_mode": {
            "request_header_mode": "SEND",
            "response_header_mode": "SEND",
            "request_body_mode": full,
            "response_body_mode": full,
            "request_trailer_mode": "SEND",
            "response_trailer_mode": "SEND",
        },
        "message_timeout": "1000s",
        "status_on_error": {"code": "ServiceUnavailable"},
    }
    return {
        "@type": f"{_API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "rds": {"route_config_name": frontend.name, "config_source": _file(folder / routes_file(frontend))},
        "use_remote_address": True,
        "server_header_transformation": "PASS_THROUGH",
        "via": "1.1 google",
        "stream_idle_timeout": "0s",
        "common_http_protocol_options": {"idle_timeout": "610s"},
        # A client must not choose the pod: only the picker, and our own filter, set these headers.
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {"@type": remover, "mutations": [{"remove": PICKED_HEADER}, {"remove": SILENT_HEADER}]},
            }
        ],
        "http_filters": [
            {"name": "envoy.filters.http.fault", "typed_config": {"@type": f"{http}.fault.v3.HTTPFault"}},
            {"name": LUA, "typed_config": {"@type": f"{http}.lua.v3.Lua", "default_source_code": try_picker}},
            {"name": EXT_PROC, "typed_config": picker, "disabled": True},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{http}.router.v3.Router"}},
        ],
    }


# --- clusters -----------------------------------------------------------------------------------------------------


def clusters(backends: list[Backend], folder: Path, time_scale: float) -> list[Object]:
    found: dict[str, Object] = {}
    for backend in backends:
        name = cluster_name(backend.ref)
        found[name] = {
            **_endpoint_cluster(name, folder),
            **_upstream(backend.protocol),
            "lb_policy": "RANDOM" if backend.picker else "ROUND_ROBIN",
            "health_checks": [health_check(backend.health, time_scale)],
            # Pods that fail their check get nothing, even if all of them fail.
            "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
            "ignore_health_on_host_removal": True,
        }
        if backend.picker:
            name = picker_cluster(backend.picker.service)
            found[name] = {**_endpoint_cluster(name, folder), **_upstream("HTTP2"), "lb_policy": "ROUND_ROBIN"}
            found[f"{PICKED}-{backend.protocol.lower()}"] = _picked_cluster(backend.protocol)
    return [found[name] for name in sorted(found)]


def _cluster(name: str) -> Object:
    return {"@type": f"{_API}.config.cluster.v3.Cluster", "name": name, "connect_timeout": "5s"}


def _endpoint_cluster(name: str, folder: Path) -> Object:
    return {
        **_cluster(name),
        "type": "EDS",
        "eds_cluster_config": {"service_name": name, "eds_config": _file(folder / _endpoints_file(name))},
    }


def _picked_cluster(protocol: str) -> Object:
    """Goes where the picker's header says."""
    return {
        **_cluster(f"{PICKED}-{protocol.lower()}"),
        **_upstream(protocol),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"use_http_header": True, "http_header_name": PICKED_HEADER},
    }


def _upstream(protocol: str) -> Object:
    settings: Object = {}
    if protocol in ("HTTP2", "H2C"):
        options = f"{_API}.extensions.upstreams.http.v3.HttpProtocolOptions"
        settings["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    if protocol in ("HTTP2", "HTTPS"):
        # Google's load balancers do not verify a backend's certificate either.
        context = {
            "@type": f"{_API}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {"validation_context": {}},
        }
        settings["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return settings


def health_check(check: HealthCheck, time_scale: float) -> Object:
    """The check in sandbox time, but never more often than is sensible on one machine."""
    interval = min(float(check.interval), max(check.interval / time_scale, SHORTEST_CHECK_SECONDS))
    settings: Object = {
        "interval": f"{interval:g}s",
        "no_traffic_interval": f"{interval:g}s",
        "timeout": f"{check.timeout}s",
        "healthy_threshold": check.healthy,
        "unhealthy_threshold": check.unhealthy,
    }
    if check.protocol == "HTTP":
        settings["http_health_check"] = {"path": check.path, "host": check.host or "health-check"}
    elif check.protocol == "GRPC":
        settings["grpc_health_check"] = {}
    else:
        # TCP; of the TLS kinds only the connection is tried.
        settings["tcp_health_check"] = {}
    return settings


def _endpoints(cluster: str, found: list[Endpoint], health_port: int | None) -> str:
    config = {"health_check_config": {"port_value": health_port}} if health_port else {}
    entries = [{"endpoint": {"address": _socket_address(e.ip, e.port), **config}} for e in found]
    assignment = {
        "@type": f"{_API}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": entries}] if entries else [],
    }
    return _response([assignment])
