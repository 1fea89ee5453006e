# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Firewall rules, custom routes and routers."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute.kinds import Kind, invalid_value, required
from sandbox.cloud.compute.links import Place
from sandbox.cloud.errors import ApiError
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]
EVERYWHERE = ["0.0.0.0/0"]
PROTOCOLS = frozenset({"all", "tcp", "udp", "icmp", "esp", "ah", "ipip", "sctp"})
WITH_PORTS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
LOWEST_PRIORITY = 65535
NEXT_HOPS = ("nextHopGateway", "nextHopIp", "nextHopInstance", "nextHopIlb", "nextHopVpnTunnel")


class FirewallKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("network", f"https://www.googleapis.com/compute/v1/{place.path}/networks/default")
        body.setdefault("description", "")
        body.setdefault("priority", 1000)
        body.setdefault("direction", "INGRESS")
        body.setdefault("disabled", False)
        body.setdefault("logConfig", {"enable": False}).setdefault("enable", False)
        if not 0 <= body["priority"] <= LOWEST_PRIORITY:
            raise invalid_value("priority", body["priority"], f"Must be between 0 and {LOWEST_PRIORITY}.")
        if bool(body.get("allowed")) == bool(body.get("denied")):
            message = "Exactly one of the fields 'resource.allowed' and 'resource.denied' must be specified."
            raise ApiError(400, message, reason="invalid" if body.get("allowed") else "required")
        for field in ("allowed", "denied"):
            for index, rule in enumerate(body.get(field, [])):
                _check_rule(f"{field}[{index}]", rule)
        self._check_ends(body)

    @staticmethod
    def _check_ends(body: Json) -> None:
        """Where traffic comes from (ingress) or goes to (egress); everywhere unless said otherwise."""
        if body["direction"] == "EGRESS":
            for field in ("sourceTags", "sourceServiceAccounts"):
                if body.get(field):
                    raise invalid_value(field, ", ".join(body[field]), "An egress rule cannot have it.")
            if not body.get("destinationRanges"):
                body["destinationRanges"] = EVERYWHERE
        elif not any(body.get(field) for field in ("sourceRanges", "sourceTags", "sourceServiceAccounts")):
            body["sourceRanges"] = EVERYWHERE
        for field in ("sourceRanges", "destinationRanges"):
            for index, text in enumerate(body.get(field, [])):
                try:
                    ipaddress.ip_network(text)
                except ValueError as error:
                    raise invalid_value(f"{field}[{index}]", text, "Must be a valid CIDR address range.") from error


def _check_rule(field: str, rule: Json) -> None:
    protocol = rule.get("IPProtocol")
    if not protocol:
        raise required(f"{field}.IPProtocol")
    number = int(protocol) if protocol.isdigit() else -1
    if protocol.lower() not in PROTOCOLS and not 0 <= number <= 255:
        raise invalid_value(f"{field}.IPProtocol", protocol, "Must be a well known protocol or a number up to 255.")
    for text in rule.get("ports", []):
        found = PORTS.fullmatch(text)
        bounds = [int(part) for part in found.groups() if part] if found else []
        if protocol.lower() not in WITH_PORTS or not bounds or bounds != sorted(bounds) or bounds[-1] > 65535:
            raise invalid_value(
                f"{field}.ports", text, "Must be a port or a range of ports, for a protocol that has them."
            )


class RouteKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("priority", 1000)
        body.setdefault("description", "")
        if sum(name in body for name in NEXT_HOPS) != 1:
            raise ApiError(400, "Exactly one next hop must be specified.", reason="invalid")
        try:
            ipaddress.ip_network(body["destRange"])
        except ValueError as error:
            raise invalid_value("destRange", body["destRange"], "Must be a valid CIDR address range.") from error

    def refuse_delete(self, cloud: Cloud, resource: Resource) -> None:
        if resource.hidden.get("subnetwork"):
            message = f"Invalid resource usage: 'The local route {resource.name} cannot be deleted.'."
            raise ApiError(400, message, reason="invalidResourceUsage")


class RouterKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("encryptedInterconnectRouter", False)
        names = [nat.get("name") for nat in body.get("nats", [])]
        if None in names:
            raise required("nats[].name")
        if len(set(names)) != len(names):
            raise invalid_value("nats", "", "The names of the gateways must differ.")
        for nat in body.get("nats", []):
            nat.setdefault("type", "PUBLIC")
            nat.setdefault("endpointTypes", ["ENDPOINT_TYPE_VM"])
            nat.setdefault("enableEndpointIndependentMapping", False)
            nat.setdefault("enableDynamicPortAllocation", nat["type"] == "PRIVATE")
            nat.setdefault("effectiveTcpTimeWaitTimeoutSec", nat.get("tcpTimeWaitTimeoutSec", 120))
