# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The parts of a load balancer, from the address down to certificates and health checks."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from cryptography import x509

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute import ranges
from sandbox.cloud.compute.kinds import Kind, invalid_value, not_found, required
from sandbox.cloud.compute.links import BASE, Place, link, path_of, resolve
from sandbox.cloud.compute.subnetworks import PROXIED_SCHEMES, proxy_subnets
from sandbox.cloud.errors import ApiError
from sandbox.cloud.operations import OperationFailed
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]
CHECK_OF_TYPE = {
    "TCP": "tcpHealthCheck",
    "SSL": "sslHealthCheck",
    "HTTP": "httpHealthCheck",
    "HTTPS": "httpsHealthCheck",
    "HTTP2": "http2HealthCheck",
    "GRPC": "grpcHealthCheck",
    "GRPC_WITH_TLS": "grpcTlsHealthCheck",
}


def _subnet_of(cloud: Cloud, place: Place, body: Json) -> Resource:
    """The subnetwork an internal address comes from: the one named, or the only one that auto mode has there."""
    if "subnetwork" in body:
        subnet = cloud.store.get(path_of(body["subnetwork"]))
    else:
        network = path_of(body.get("network", "")).rpartition("/")[2] or "default"
        subnet = cloud.store.get(f"projects/{place.project.id}/regions/{place.region}/subnetworks/{network}")
    if subnet is None:
        raise required("subnetwork")
    return subnet


def _check_in_subnet(text: str, subnet: Resource, field: str) -> None:
    if ipaddress.IPv4Address(text) not in ranges.Net(subnet.body["ipCidrRange"]):
        raise invalid_value(field, text, f"The address is not in the range of '{subnet.path}'.")


class AddressKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("addressType", "EXTERNAL")
        body.setdefault("description", "")
        if body["addressType"] == "INTERNAL" and place.kind == "region":
            subnet = _subnet_of(cloud, place, body)
            body["subnetwork"] = link(subnet.path)
            body.setdefault("purpose", "GCE_ENDPOINT")
            if given := body.get("address"):
                _check_in_subnet(given, subnet, "address")
            body.setdefault("address", ranges.free_internal(cloud.store, subnet))
        else:
            body.setdefault("address", ranges.free_external(cloud.store))
        if body["addressType"] == "EXTERNAL":
            body.setdefault("networkTier", "PREMIUM")

    def view(self, cloud: Cloud, resource: Resource) -> Json:
        text = resource.body["address"]
        users = [
            rule.body["selfLink"]
            for rule in cloud.store.of_kind("forwardingRules")
            if rule.body.get("IPAddress") == text
        ]
        status = {"status": "IN_USE", "users": users} if users else {"status": "RESERVED"}
        return {**resource.body, **status}

    def other_users(self, cloud: Cloud, resource: Resource) -> Any:
        for user in self.view(cloud, resource).get("users", []):
            yield path_of(user)


class ForwardingRuleKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("IPProtocol", "TCP")
        scheme = body.setdefault("loadBalancingScheme", "EXTERNAL")
        if ("target" in body) == ("backendService" in body):
            raise required("target") if "target" not in body else invalid_value("target", body["target"])
        if ports := body.get("portRange"):
            body["portRange"] = ports if "-" in ports else f"{ports}-{ports}"
        if scheme.startswith("EXTERNAL"):
            body.setdefault("networkTier", "PREMIUM")
        else:
            body["networkTier"] = "PREMIUM"
        if place.kind == "region" and scheme in PROXIED_SCHEMES:
            self._need_proxy_subnet(cloud, place, body)
        self._give_address(cloud, place, body)

    @staticmethod
    def _need_proxy_subnet(cloud: Cloud, place: Place, body: Json) -> None:
        if "network" not in body and "subnetwork" in body:
            subnet = cloud.store.get(path_of(body["subnetwork"]))
            body["network"] = subnet.body["network"] if subnet else ""
        if "network" not in body:
            body["network"] = f"{BASE}projects/{place.project.id}/global/networks/default"
        if next(proxy_subnets(cloud, place.region, path_of(body["network"])), None) is None:
            why = "An active proxy-only subnetwork is required in the same region and VPC as the forwarding rule."
            raise invalid_value("target", body.get("target", ""), why)

    @staticmethod
    def _give_address(cloud: Cloud, place: Place, body: Json) -> None:
        internal = body["loadBalancingScheme"].startswith("INTERNAL")
        subnet = _subnet_of(cloud, place, body) if internal and place.kind == "region" else None
        if subnet is not None:
            body["subnetwork"] = link(subnet.path)
        given = body.get("IPAddress", "")
        if not given:
            body["IPAddress"] = (
                ranges.free_internal(cloud.store, subnet) if subnet else ranges.free_external(cloud.store)
            )
            return
        try:
            ipaddress.ip_address(given)
        except ValueError:
            path = resolve(given, place.project, cloud.project, "resource.IPAddress")
            address = cloud.store.get(path)
            if address is None:
                raise not_found(path) from None
            body["IPAddress"] = address.body["address"]
        if subnet is not None:
            _check_in_subnet(body["IPAddress"], subnet, "IPAddress")

    def created(self, cloud: Cloud, resource: Resource) -> None:
        """Two rules may share an address on different ports; one that is taken otherwise is found out now."""
        mine = (resource.body["IPAddress"], resource.body.get("portRange", ""))
        for other in cloud.store.of_kind("forwardingRules"):
            theirs = (other.body.get("IPAddress"), other.body.get("portRange", ""))
            if other.path != resource.path and theirs == mine:
                cloud.store.delete(resource.path)
                raise OperationFailed(
                    "IP_IN_USE_BY_ANOTHER_RESOURCE", f"IP '{mine[0]}' is already being used by another resource."
                )


class UrlMapKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        if not any(name in body for name in ("defaultService", "defaultUrlRedirect", "defaultRouteAction")):
            raise required("defaultService")
        matchers = {matcher.get("name") for matcher in body.get("pathMatchers", [])}
        for rule in body.get("hostRules", []):
            if rule.get("pathMatcher") not in matchers:
                raise invalid_value(
                    "hostRules[].pathMatcher", rule.get("pathMatcher"), "There is no such path matcher."
                )


class BackendServiceKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        protocol = body.setdefault("protocol", "HTTP")
        if body["loadBalancingScheme"] != "INTERNAL" and protocol not in ("UDP", "TCP"):
            body.setdefault("portName", "http")
            body.setdefault("port", 80)
        if not 1 <= body["timeoutSec"] <= 2**31 - 1:
            raise invalid_value("timeoutSec", body["timeoutSec"], "Must be at least 1.")
        for backend in body.get("backends", []):
            if "group" not in backend:
                raise required("backends[].group")
            backend.setdefault("balancingMode", "UTILIZATION" if "/instanceGroups/" in backend["group"] else "RATE")
            backend.setdefault("capacityScaler", 1)


class HealthCheckKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        if "type" not in body:
            raise required("type")
        if body["type"] not in CHECK_OF_TYPE:
            raise invalid_value("type", body["type"])
        if body["timeoutSec"] > body["checkIntervalSec"]:
            raise invalid_value("timeoutSec", body["timeoutSec"], "Must not exceed checkIntervalSec.")
        for kind, name in CHECK_OF_TYPE.items():
            if kind != body["type"] and name in body:
                raise invalid_value(name, "", f"It does not fit the type {body['type']}.")
        body.setdefault(CHECK_OF_TYPE[body["type"]], {})


class CertificateKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        """A private key goes in and never comes out."""
        body.setdefault("type", "SELF_MANAGED")
        given = body.get("selfManaged", body)
        key = given.pop("privateKey", None)
        if body["type"] != "SELF_MANAGED":
            return
        for name, value in (("certificate", given.get("certificate")), ("privateKey", key)):
            if not value:
                raise required(name)
        try:
            certificate = x509.load_pem_x509_certificate(given["certificate"].encode())
        except ValueError as error:
            message = "The SSL certificate could not be parsed."
            raise ApiError(400, message, reason="sslCertificateCouldNotParseCert") from error
        body["certificate"] = given["certificate"]
        body["selfManaged"] = {"certificate": given["certificate"]}
        body["expireTime"] = compute_timestamp(certificate.not_valid_after_utc.timestamp())
