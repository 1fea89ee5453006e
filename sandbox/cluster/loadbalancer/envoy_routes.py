# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""HTTPRoutes as Envoy routes: matches, filters, weights, and the order in which they are tried. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.kube import Object
from sandbox.cluster.loadbalancer.model import Backend, BackendRef, BoundRoute, Picker, Rule

# The header by which the endpoint picker tells the load balancer where a request goes.
PICKED_HEADER = "x-gateway-destination-endpoint"
PICKED = "picked"
LUA = "envoy.filters.http.lua"
EXT_PROC = "envoy.filters.http.ext_proc"
# Set by a filter of ours when the picker does not even take a connection, and failing open is wanted.
SILENT_HEADER = "x-llm-d-silent-picker"

_TYPE = "type.googleapis.com/envoy.extensions.filters.http"
_PER_ROUTE = f"{_TYPE}.ext_proc.v3.ExtProcPerRoute"
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}

# What Google's load balancer answers where no route fits: 404 "fault filter abort", made by the same filter.
NO_ROUTE: Object = {
    "match": {"prefix": "/"},
    "direct_response": {"status": 404},
    "typed_per_filter_config": {
        "envoy.filters.http.fault": {
            "@type": f"{_TYPE}.fault.v3.HTTPFault",
            "abort": {"http_status": 404, "percentage": {"numerator": 100}},
        }
    },
}


def cluster_name(ref: BackendRef) -> str:
    return f"{ref.kind}/{ref.namespace}/{ref.name}:{ref.port}"


def picked_cluster(backend: Backend) -> str:
    """Pods of a pool are reached at whatever address the picker named, in the pool's protocol."""
    return f"{PICKED}-{backend.protocol.lower()}"


def virtual_hosts(bound: list[tuple[str, BoundRoute]]) -> list[Object]:
    """The virtual hosts of one port, from (listener, route) pairs in order of seniority."""
    hosts: dict[str, list[_Candidate]] = {"*": []}
    for age, (listener, route) in enumerate(bound):
        for host in dict(route.listeners)[listener]:
            hosts.setdefault(host, []).extend(_candidates(age, route))
    return [
        {
            "name": host,
            "domains": [host],
            "routes": [entry for c in sorted(found, key=_precedence) for entry in _entries(c.match, c.rule)]
            + [NO_ROUTE],
        }
        for host, found in sorted(hosts.items())
    ]


@dataclass(frozen=True)
class _Candidate:
    match: Object
    rule: Rule
    age: tuple[int, int, int]


def _candidates(age: int, route: BoundRoute) -> Iterator[_Candidate]:
    for rule_index, rule in enumerate(route.rules):
        for match_index, match in enumerate(rule.matches or [{}]):
            yield _Candidate(match, rule, (age, rule_index, match_index))


def _precedence(candidate: _Candidate) -> tuple[Any, ...]:
    """The Gateway API's order: exact path, longest prefix, method, most headers, most parameters, oldest."""
    match = candidate.match
    path = match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    return (
        {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}[kind],
        -len(value),
        0 if match.get("method") else 1,
        -len(match.get("headers") or []),
        -len(match.get("queryParams") or []),
        candidate.age,
    )


def _entries(match: Object, rule: Rule) -> Iterator[Object]:
    envoy_match = route_match(match)
    redirect = next((f["requestRedirect"] for f in rule.filters if f["type"] == "RequestRedirect"), None)
    if redirect is not None:
        yield {"match": envoy_match, "redirect": _redirect(redirect, match), **_header_changes(rule)}
        return
    weighted = [(backend, weight) for backend, weight in rule.backends if weight > 0]
    if not weighted:
        yield {"match": envoy_match, "direct_response": {"status": 500}}
        return
    common = {"timeout": f"{max(backend.timeout for backend, _ in weighted)}s", **_rewrite(rule, match)}
    pools = [(backend, backend.picker) for backend, _weight in weighted if backend.picker]
    # The first pass through a pool's routes takes the last of them, where its picker is asked. The answer clears the
    # route that Envoy remembered, and then one of those before it fits.
    if pools:
        backend, picker = pools[0]
        if picker.fail_open:
            yield {
                "match": _with_header(envoy_match, SILENT_HEADER),
                "route": {**_destination(weighted, asking=False), **common},
                **_header_changes(rule),
                # The filter is in the stream already, put there by the first route.
                "typed_per_filter_config": {EXT_PROC: {"@type": _PER_ROUTE, "disabled": True}},
            }
        yield {
            "match": _with_header(envoy_match, PICKED_HEADER),
            "route": {"cluster": picked_cluster(backend), **common},
            **_header_changes(rule),
            **_asking(backend),
        }
    yield {
        "match": envoy_match,
        "route": {**_destination(weighted, asking=True), **common},
        **_header_changes(rule),
        **(_asking(weighted[0][0]) if len(weighted) == 1 else {}),
        **(_trying(pools[0][1]) if pools else {}),
    }


def _destination(weighted: list[tuple[Backend, int]], asking: bool) -> Object:
    if len(weighted) == 1:
        return {"cluster": cluster_name(weighted[0][0].ref)}
    clusters = [
        {"name": cluster_name(backend.ref), "weight": weight, **(_asking(backend) if asking else {})}
        for backend, weight in weighted
    ]
    return {"weighted_clusters": {"clusters": clusters}}


def _with_header(match: Object, name: str) -> Object:
    return {**match, "headers": [*match.get("headers", []), {"name": name, "present_match": True}]}


def _trying(picker: Picker) -> Object:
    """Envoy itself cannot fail open once it streams a body to a picker, so whether one is there is tried before."""
    if not picker.fail_open:
        return {}
    return {"metadata": {"filter_metadata": {LUA: {"picker": picker_cluster(picker.service)}}}}


def _asking(backend: Backend) -> Object:
    """The per-route settings that switch the picker's filter on."""
    if backend.picker is None:
        return {}
    return {
        "typed_per_filter_config": {
            EXT_PROC: {
                "@type": _PER_ROUTE,
                "overrides": {
                    "grpc_service": picker_service(backend.picker.service),
                    "failure_mode_allow": backend.picker.fail_open,
                },
            }
        }
    }


def picker_cluster(ref: BackendRef) -> str:
    return f"picker/{ref.namespace}/{ref.name}:{ref.port}"


def picker_service(ref: BackendRef) -> Object:
    return {"envoy_grpc": {"cluster_name": picker_cluster(ref), "authority": ref.name}, "timeout": "10s"}


# --- matches ------------------------------------------------------------------------------------------------------


def route_match(match: Object) -> Object:
    path = match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind == "Exact":
        found: Object = {"path": value}
    elif kind == "RegularExpression":
        found = {"safe_regex": {"regex": value}}
    else:
        prefix = value.rstrip("/")
        found = {"path_separated_prefix": prefix} if prefix else {"prefix": "/"}
    headers = [{"name": header["name"], "string_match": _string_match(header)} for header in match.get("headers") or []]
    if method := match.get("method"):
        headers.append({"name": ":method", "string_match": {"exact": method}})
    if headers:
        found["headers"] = headers
    if parameters := match.get("queryParams"):
        found["query_parameters"] = [{"name": p["name"], "string_match": _string_match(p)} for p in parameters]
    return found


def _string_match(item: Object) -> Object:
    if item.get("type", "Exact") == "RegularExpression":
        return {"safe_regex": {"regex": item["value"]}}
    return {"exact": item["value"]}


# --- filters ------------------------------------------------------------------------------------------------------


def _header_changes(rule: Rule) -> Object:
    changes: Object = {}
    for entry in rule.filters:
        direction = {"RequestHeaderModifier": "request", "ResponseHeaderModifier": "response"}.get(entry["type"])
        if direction is None:
            continue
        modifier = entry[f"{direction}HeaderModifier"]
        added = [_added(header, "OVERWRITE_IF_EXISTS_OR_ADD") for header in modifier.get("set") or []]
        added += [_added(header, "APPEND_IF_EXISTS_OR_ADD") for header in modifier.get("add") or []]
        changes[f"{direction}_headers_to_add"] = added
        changes[f"{direction}_headers_to_remove"] = modifier.get("remove") or []
    return changes


def _added(header: Object, action: str) -> Object:
    return {"header": {"key": header["name"], "value": header["value"]}, "append_action": action}


def _rewrite(rule: Rule, match: Object) -> Object:
    entry = next((f["urlRewrite"] for f in rule.filters if f["type"] == "URLRewrite"), None)
    if entry is None:
        return {}
    rewrite: Object = {"host_rewrite_literal": entry["hostname"]} if entry.get("hostname") else {}
    path = entry.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        rewrite["regex_rewrite"] = {"pattern": {"regex": "^/.*$"}, "substitution": path["replaceFullPath"]}
    elif path.get("type") == "ReplacePrefixMatch":
        prefix = ((match.get("path") or {}).get("value") or "/").rstrip("/")
        replacement = path["replacePrefixMatch"].rstrip("/")
        # The slash after the prefix goes with it: /a/b becomes /b when /a is replaced by /.
        pattern = f"^{re.escape(prefix)}/*"
        rewrite["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": f"{replacement}/"}
    return rewrite


def _redirect(redirect: Object, match: Object) -> Object:
    answer: Object = {"response_code": _REDIRECTS[redirect.get("statusCode", 302)]}
    if redirect.get("scheme"):
        answer["scheme_redirect"] = redirect["scheme"]
    if redirect.get("hostname"):
        answer["host_redirect"] = redirect["hostname"]
    if redirect.get("port"):
        answer["port_redirect"] = redirect["port"]
    path = redirect.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        answer["path_redirect"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        answer["prefix_rewrite"] = path["replacePrefixMatch"]
    return answer
