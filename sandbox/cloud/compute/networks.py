# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Networks: auto and custom mode, the routes and subnets that come and go with them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute import places
from sandbox.cloud.compute.kinds import Kind, invalid_value
from sandbox.cloud.compute.links import Place, link, path_of
from sandbox.cloud.compute.operations import render
from sandbox.cloud.compute.state import KINDS, State, refers
from sandbox.cloud.compute.subnetworks import new_subnetwork
from sandbox.cloud.compute.verbs import change_operation, found
from sandbox.cloud.errors import ApiError
from sandbox.cloud.registry import method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]
SMALLEST_MTU, LARGEST_MTU = 1300, 8896


class NetworkKind(Kind):
    def patch_type(self, change: Json) -> str:
        return "compute.networks.patch" if "routingConfig" in change else "updateNetwork"

    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        if "autoCreateSubnetworks" not in body:
            message = "Legacy networks are not supported: autoCreateSubnetworks must be true or false."
            raise ApiError(400, message, reason="invalid")
        mtu = body.get("mtu")
        if mtu == 0:
            body.pop("mtu")  # zero means the default, which is not shown
        elif mtu is not None and not SMALLEST_MTU <= mtu <= LARGEST_MTU:
            bound = f"greater than or equal to {SMALLEST_MTU}"
            if mtu > LARGEST_MTU:
                bound = f"less than or equal to {LARGEST_MTU}"
            raise invalid_value("mtu", mtu, f"Must be {bound}")
        routing = body.setdefault("routingConfig", {})
        routing.setdefault("routingMode", "REGIONAL")
        routing.setdefault("bgpBestPathSelectionMode", "LEGACY")
        body.setdefault("networkFirewallPolicyEnforcementOrder", "AFTER_CLASSIC_FIREWALL")
        if not body.get("enableUlaInternalIpv6"):
            body.pop("enableUlaInternalIpv6", None)  # only true is shown
        else:
            ula = f"fd20:{cloud.store.hex(3)}:{cloud.store.hex(3)}:0:0:0:0:0/48"
            body.setdefault("internalIpv6Range", ula)
        body["selfLinkWithId"] = link(f"{place.path}/networks/{body['id']}")
        body.pop("subnetworks", None)

    def created(self, cloud: Cloud, resource: Resource) -> None:
        _add_internet_route(cloud, resource)
        if resource.body["autoCreateSubnetworks"]:
            for region in places.REGIONS:
                new_subnetwork(cloud, resource, region, resource.name, places.auto_range(region))

    def about_to_go(self, cloud: Cloud, resource: Resource) -> None:
        """An organisation's enforcer may put a firewall on the network just now (and another the next time)."""
        if cloud.faults.has_habit("enforcer_firewall", resource.path) and not _has_firewall(cloud, resource):
            cloud.faults.habit("enforcer_firewall", resource.path)
            _add_enforcers_firewall(cloud, resource)

    def removed(self, cloud: Cloud, resource: Resource) -> None:
        for kind in (KINDS["subnetworks"], KINDS["routes"]):
            for other in list(cloud.store.of_kind(kind.collection)):
                if other.hidden.get("automatic") and refers(kind, other.body, resource.path):
                    cloud.store.delete(other.path)

    def view(self, cloud: Cloud, resource: Resource) -> Json:
        subnets = [
            subnet.body["selfLink"]
            for subnet in cloud.store.of_kind("subnetworks")
            if path_of(subnet.body.get("network", "")) == resource.path
        ]
        return {**resource.body, **({"subnetworks": subnets} if subnets else {})}


def _has_firewall(cloud: Cloud, network: Resource) -> bool:
    return any(path_of(rule.body.get("network", "")) == network.path for rule in cloud.store.of_kind("firewalls"))


def _add_enforcers_firewall(cloud: Cloud, network: Resource) -> None:
    """Named after the network and 24 random characters, made by nobody who could be asked."""
    project = network.path.split("/")[1]
    path = f"projects/{project}/global/firewalls/{network.name[:38]}-{cloud.store.hex(24)}"
    body = {
        "kind": "compute#firewall",
        "id": cloud.store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "name": path.rpartition("/")[2],
        "description": "",
        "network": link(network.path),
        "priority": 1000,
        "direction": "INGRESS",
        "disabled": False,
        "denied": [{"IPProtocol": "all"}],
        "sourceRanges": ["0.0.0.0/0"],
        "logConfig": {"enable": False},
        "selfLink": link(path),
    }
    cloud.store.put(path, body)


def _add_internet_route(cloud: Cloud, network: Resource) -> None:
    project = network.path.split("/")[1]
    path = f"projects/{project}/global/routes/default-route-{cloud.store.hex(16)}"
    body = {
        "kind": "compute#route",
        "id": cloud.store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "name": path.rpartition("/")[2],
        "description": "Default route to the Internet.",
        "network": link(network.path),
        "destRange": "0.0.0.0/0",
        "priority": 1000,
        "nextHopGateway": link(f"projects/{project}/global/gateways/default-internet-gateway"),
        "selfLink": link(path),
    }
    cloud.store.put(path, body, automatic=True)


@method("compute.networks.switchToCustomMode")
def switch_to_custom_mode(cloud: Cloud, request: Request) -> Json:
    """One way: the subnets stay, but belong to the user from now on."""
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, network = found(cloud, request)
    if not network.body["autoCreateSubnetworks"]:
        message = f"Invalid resource usage: 'Network {network.name} is not an auto subnet mode network.'."
        raise ApiError(400, message, reason="invalidResourceUsage")

    def effect(body: Json) -> Json:
        for subnet in cloud.store.of_kind("subnetworks"):
            if path_of(subnet.body["network"]) == network.path:
                subnet.hidden.pop("automatic", None)
        return {**copy.deepcopy(body), "autoCreateSubnetworks": False}

    return change_operation(cloud, request, KINDS["networks"], place, network, "switchToCustomMode", effect)
