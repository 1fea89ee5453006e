# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Subnetworks: ranges that may not overlap, proxy-only subnets, and what can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute import ranges
from sandbox.cloud.compute.kinds import Kind, invalid_value, required
from sandbox.cloud.compute.links import Place, link, path_of
from sandbox.cloud.compute.operations import render
from sandbox.cloud.compute.state import KINDS, State
from sandbox.cloud.compute.verbs import change_operation, found
from sandbox.cloud.errors import ApiError
from sandbox.cloud.registry import method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

PROXY_ONLY = frozenset({"REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER"})
LARGEST_PROXY_PREFIX = 26
# Load balancers whose proxies live in the proxy-only subnet of their region.
PROXIED_SCHEMES = frozenset({"INTERNAL_MANAGED", "EXTERNAL_MANAGED"})


def gateway_address(net: ranges.Net) -> str:
    return str(net.network_address + 1)


class SubnetworkKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        net = ranges.parse("ipCidrRange", body["ipCidrRange"])
        path = f"{place.path}/subnetworks/{body['name']}"
        purpose = body.setdefault("purpose", "PRIVATE")
        if purpose == "PRIVATE_RFC_1918":
            purpose = body["purpose"] = "PRIVATE"
        if purpose in PROXY_ONLY:
            self._prepare_proxy_only(cloud, path, body, net)
        elif "role" in body:
            raise invalid_value("role", body["role"], f"A subnetwork with purpose {purpose} has no role.")
        elif purpose == "PRIVATE":
            body.setdefault("stackType", "IPV4_ONLY")
        self._refuse_overlaps(cloud, path, body)
        body.setdefault("privateIpGoogleAccess", False)
        body.setdefault("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS")
        body.setdefault("allowSubnetCidrRoutesOverlap", False)
        body["enableFlowLogs"] = bool(body.get("logConfig", {}).get("enable", body.get("enableFlowLogs", False)))
        body["gatewayAddress"] = gateway_address(net)

    @staticmethod
    def _prepare_proxy_only(cloud: Cloud, path: str, body: Json, net: ranges.Net) -> None:
        if net.prefixlen > LARGEST_PROXY_PREFIX:
            why = f"A proxy-only subnetwork needs a range of /{LARGEST_PROXY_PREFIX} or larger."
            raise invalid_value("ipCidrRange", body["ipCidrRange"], why)
        if body.get("privateIpGoogleAccess"):
            raise invalid_value("privateIpGoogleAccess", True, "A proxy-only subnetwork cannot have it.")
        if body.get("secondaryIpRanges"):
            raise invalid_value("secondaryIpRanges", "", "A proxy-only subnetwork cannot have secondary ranges.")
        if "role" not in body:
            raise required("role")
        if body["role"] != "ACTIVE":
            return
        for other in proxy_subnets(cloud, path.split("/")[3], path_of(body["network"])):
            if other != path:
                message = (
                    f"Invalid resource usage: 'There is already an active subnetwork with purpose {body['purpose']} in "
                    f"this region and network: {other}.'."
                )
                raise ApiError(400, message, reason="invalidResourceUsage")

    @staticmethod
    def _refuse_overlaps(cloud: Cloud, path: str, body: Json) -> None:
        state = cloud.part(State)
        network = path_of(body["network"])
        own: list[ranges.Net] = []
        fields = [("ipCidrRange", body["ipCidrRange"])]
        for item in body.get("secondaryIpRanges", []):
            if not item.get("rangeName"):
                raise required("secondaryIpRanges[].rangeName")
            fields.append(("secondaryIpRanges[].ipCidrRange", item.get("ipCidrRange")))
        for field, text in fields:
            net = ranges.parse(field, text)
            user = ranges.conflict(cloud.store, state, network, net, but=path)
            if user or any(net.overlaps(other) for other in own):
                user = user or path
                name, region = user.split("/")[-1], user.split("/")[3]
                message = (
                    f"Invalid IPCidrRange: {text} conflicts with existing subnetwork '{name}' in region '{region}'."
                )
                raise ApiError(400, message, reason="invalid")
            own.append(net)

    def created(self, cloud: Cloud, resource: Resource) -> None:
        if resource.body["purpose"] == "PRIVATE":
            _add_local_route(cloud, resource)

    def check_change(self, cloud: Cloud, request: Request, resource: Resource, change: Json) -> None:
        if not request.body.get("fingerprint"):
            raise required("fingerprint")

    def refuse_delete(self, cloud: Cloud, resource: Resource) -> None:
        if resource.hidden.get("automatic"):
            message = "Invalid resource usage: 'Cannot delete auto subnetwork from an auto subnet mode network.'."
            raise ApiError(400, message, reason="invalidResourceUsage")

    def other_users(self, cloud: Cloud, resource: Resource) -> Iterator[str]:
        """The proxy-only subnet of a region serves every proxied load balancer there, though none names it."""
        if resource.body.get("purpose") not in PROXY_ONLY or resource.body.get("role") != "ACTIVE":
            return
        region = resource.path.split("/")[3]
        for rule in cloud.store.of_kind("forwardingRules"):
            here = f"/regions/{region}/" in rule.path and rule.body.get("network") == resource.body["network"]
            if here and rule.body.get("loadBalancingScheme") in PROXIED_SCHEMES:
                yield rule.path

    def removed(self, cloud: Cloud, resource: Resource) -> None:
        for route in list(cloud.store.of_kind("routes")):
            if route.hidden.get("subnetwork") == resource.path:
                cloud.store.delete(route.path)


def proxy_subnets(cloud: Cloud, region: str, network_path: str) -> Iterator[str]:
    """Active proxy-only subnets for regional load balancers."""
    for subnet in cloud.store.of_kind("subnetworks"):
        body = subnet.body
        here = f"/regions/{region}/" in subnet.path and path_of(body["network"]) == network_path
        if here and body.get("purpose") in PROXY_ONLY - {"GLOBAL_MANAGED_PROXY"} and body.get("role") == "ACTIVE":
            yield subnet.path


def _add_local_route(cloud: Cloud, subnet: Resource) -> None:
    project = subnet.path.split("/")[1]
    path = f"projects/{project}/global/routes/default-route-r-{cloud.store.hex(16)}"
    cidr = subnet.body["ipCidrRange"]
    body = {
        "kind": "compute#route",
        "id": cloud.store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "name": path.rpartition("/")[2],
        "description": f"Default local route to the subnetwork {cidr}.",
        "network": subnet.body["network"],
        "destRange": cidr,
        "priority": 0,
        "nextHopNetwork": subnet.body["network"],
        "selfLink": link(path),
    }
    cloud.store.put(path, body, automatic=True, subnetwork=subnet.path)


def new_subnetwork(cloud: Cloud, network: Resource, region: str, name: str, cidr: str) -> Resource:
    """A subnetwork that the network itself makes (auto mode)."""
    project = network.path.split("/")[1]
    region_path = f"projects/{project}/regions/{region}"
    path = f"{region_path}/subnetworks/{name}"
    body = {
        "kind": "compute#subnetwork",
        "id": cloud.store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "name": name,
        "network": link(network.path),
        "ipCidrRange": cidr,
        "gatewayAddress": gateway_address(ranges.Net(cidr)),
        "region": link(region_path),
        "selfLink": link(path),
        "privateIpGoogleAccess": False,
        "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        "allowSubnetCidrRoutesOverlap": False,
        "enableFlowLogs": False,
        "purpose": "PRIVATE",
        "stackType": "IPV4_ONLY",
        "fingerprint": cloud.store.fingerprint(),
    }
    subnet = cloud.store.put(path, body, automatic=True)
    _add_local_route(cloud, subnet)
    return subnet


@method("compute.subnetworks.expandIpCidrRange")
def expand_range(cloud: Cloud, request: Request) -> Json:
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, subnet = found(cloud, request)
    text = request.body.get("ipCidrRange")
    if not text:
        raise required("ipCidrRange")
    new, old = ranges.parse("ipCidrRange", text), ranges.Net(subnet.body["ipCidrRange"])
    if not new.supernet_of(old) or new == old:
        message = f"Invalid IPCidrRange: {text} must be wider than {old} and contain it."
        raise ApiError(400, message, reason="invalid")
    if user := ranges.conflict(cloud.store, cloud.part(State), path_of(subnet.body["network"]), new, but=subnet.path):
        name, region = user.split("/")[-1], user.split("/")[3]
        message = f"Invalid IPCidrRange: {text} conflicts with existing subnetwork '{name}' in region '{region}'."
        raise ApiError(400, message, reason="invalid")

    def effect(body: Json) -> Json:
        for route in cloud.store.of_kind("routes"):
            if route.hidden.get("subnetwork") == subnet.path:
                route.body |= {
                    "destRange": text,
                    "description": f"Default local route to the subnetwork {text}.",
                }
        return {**body, "ipCidrRange": text, "gatewayAddress": gateway_address(new)}

    return change_operation(cloud, request, KINDS["subnetworks"], place, subnet, "expandIpCidrRange", effect)


@method("compute.subnetworks.setPrivateIpGoogleAccess")
def set_private_google_access(cloud: Cloud, request: Request) -> Json:
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, subnet = found(cloud, request)
    wanted = bool(request.body.get("privateIpGoogleAccess", False))
    if subnet.body["purpose"] in PROXY_ONLY:
        raise invalid_value("privateIpGoogleAccess", wanted, "A proxy-only subnetwork cannot have it.")

    def effect(body: Json) -> Json:
        return {**body, "privateIpGoogleAccess": wanted}

    return change_operation(cloud, request, KINDS["subnetworks"], place, subnet, "setPrivateIpGoogleAccess", effect)
