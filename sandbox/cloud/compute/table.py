# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Every kind of compute resource that the sandbox has: one row each. Importing this registers them."""

from __future__ import annotations

from sandbox.cloud.compute.armor import SecurityPolicyKind
from sandbox.cloud.compute.firewalls import FirewallKind, RouteKind, RouterKind
from sandbox.cloud.compute.kinds import READ, Kind
from sandbox.cloud.compute.loadbalancing import (
    AddressKind,
    BackendServiceKind,
    CertificateKind,
    ForwardingRuleKind,
    HealthCheckKind,
    UrlMapKind,
)
from sandbox.cloud.compute.negs import NegKind
from sandbox.cloud.compute.networks import NetworkKind
from sandbox.cloud.compute.policies import ResourcePolicyKind
from sandbox.cloud.compute.reservations import ReservationKind
from sandbox.cloud.compute.state import KINDS
from sandbox.cloud.compute.subnetworks import SubnetworkKind
from sandbox.cloud.compute.verbs import register

READ_AND_DELETE = (*READ, "delete")
MAKE_AND_DELETE = (*READ, "insert", "delete")
LABELLED = (*MAKE_AND_DELETE, "setLabels")
NO_CHANGE: frozenset[str] = frozenset()


def regional(name: str) -> dict[str, str]:
    """Services of a kind whose regional methods are called region…"""
    return {"global": name, "region": f"region{name[0].upper()}{name[1:]}"}


TABLE = (
    FirewallKind(
        "firewalls",
        "firewall",
        {"global": "firewalls"},
        links=("network",),
        changeable=frozenset(
            {
                "allowed",
                "denied",
                "description",
                "destinationRanges",
                "disabled",
                "logConfig",
                "priority",
                "sourceRanges",
                "sourceServiceAccounts",
                "sourceTags",
                "targetServiceAccounts",
                "targetTags",
            }
        ),
    ),
    ForwardingRuleKind(
        "forwardingRules",
        "forwarding_rule",
        {"global": "globalForwardingRules", "region": "forwardingRules"},
        links=("network", "subnetwork", "target", "backendService"),
        changeable=frozenset({"allowGlobalAccess", "networkTier", "labels", "sourceIpRanges"}),
        fingerprint=True,
        labels=True,
    ),
    Kind(
        "targetHttpProxies",
        "target_http_proxy",
        regional("targetHttpProxies"),
        links=("urlMap",),
        required=("urlMap",),
        changeable=frozenset({"urlMap", "httpKeepAliveTimeoutSec"}),
        fingerprint=True,
    ),
    Kind(
        "targetHttpsProxies",
        "target_https_proxy",
        regional("targetHttpsProxies"),
        links=("urlMap", "sslCertificates[]"),
        required=("urlMap", "sslCertificates"),
        changeable=frozenset({"urlMap", "sslCertificates", "httpKeepAliveTimeoutSec", "quicOverride"}),
        fingerprint=True,
    ),
    UrlMapKind(
        "urlMaps",
        "url_map",
        regional("urlMaps"),
        links=(
            "defaultService",
            "defaultRouteAction.weightedBackendServices[].backendService",
            "pathMatchers[].defaultService",
            "pathMatchers[].pathRules[].service",
            "pathMatchers[].routeRules[].service",
            "pathMatchers[].routeRules[].routeAction.weightedBackendServices[].backendService",
        ),
        fingerprint=True,
    ),
    BackendServiceKind(
        "backendServices",
        "backend_service",
        regional("backendServices"),
        links=("healthChecks[]", "backends[].group", "network", "securityPolicy"),
        defaults={
            "timeoutSec": 30,
            "loadBalancingScheme": "EXTERNAL",
            "sessionAffinity": "NONE",
            "affinityCookieTtlSec": 0,
            "connectionDraining": {"drainingTimeoutSec": 0},
        },
        fingerprint=True,
    ),
    SecurityPolicyKind(
        "securityPolicies",
        "security_policy",
        regional("securityPolicies"),
        # Rules have calls of their own.
        changeable=frozenset(
            {"adaptiveProtectionConfig", "advancedOptionsConfig", "description", "recaptchaOptionsConfig", "type"}
        ),
        fingerprint=True,
        labels=True,
    ),
    HealthCheckKind(
        "healthChecks",
        "health_check",
        regional("healthChecks"),
        defaults={"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2},
    ),
    NegKind(
        "networkEndpointGroups",
        "network_endpoint_group",
        {
            "zone": "networkEndpointGroups",
            "region": "regionNetworkEndpointGroups",
            "global": "globalNetworkEndpointGroups",
        },
        links=("network", "subnetwork"),
        verbs=MAKE_AND_DELETE,
    ),
    CertificateKind("sslCertificates", "ssl_certificate", regional("sslCertificates"), verbs=MAKE_AND_DELETE),
    Kind(
        "instances",
        "instance",
        {"zone": "instances"},
        links=("networkInterfaces[].network", "networkInterfaces[].subnetwork", "disks[].source"),
        verbs=READ_AND_DELETE,
    ),
    Kind(
        "instanceGroupManagers",
        "instance_group_manager",
        {"zone": "instanceGroupManagers"},
        links=("instanceGroup", "instanceTemplate"),
        verbs=READ_AND_DELETE,
    ),
    Kind(
        "instanceGroups",
        "instance_group",
        {"zone": "instanceGroups"},
        links=("network", "subnetwork"),
        verbs=READ_AND_DELETE,
    ),
    Kind(
        "instanceTemplates",
        "instance_template",
        {"global": "instanceTemplates"},
        links=("properties.networkInterfaces[].network", "properties.networkInterfaces[].subnetwork"),
        verbs=READ_AND_DELETE,
    ),
    Kind(
        "disks", "disk", {"zone": "disks"}, labels=True, verbs=LABELLED, defaults={"sizeGb": "500", "status": "READY"}
    ),
    AddressKind(
        "addresses",
        "address",
        {"global": "globalAddresses", "region": "addresses"},
        links=("network", "subnetwork"),
        labels=True,
        verbs=LABELLED,
    ),
    RouteKind(
        "routes",
        "route",
        {"global": "routes"},
        links=("network", "nextHopInstance"),
        required=("network", "destRange"),
        verbs=MAKE_AND_DELETE,
    ),
    ResourcePolicyKind(
        "resourcePolicies",
        "resource_policy",
        {"region": "resourcePolicies"},
        defaults={"status": "READY"},
        verbs=MAKE_AND_DELETE,
    ),
    RouterKind("routers", "router", {"region": "routers"}, links=("network",), required=("network",)),
    SubnetworkKind(
        "subnetworks",
        "subnetwork",
        {"region": "subnetworks"},
        links=("network",),
        required=("network", "ipCidrRange"),
        changeable=frozenset(
            {
                "enableFlowLogs",
                "logConfig",
                "privateIpv6GoogleAccess",
                "role",
                "secondaryIpRanges",
                "stackType",
            }
        ),
        fingerprint=True,
    ),
    NetworkKind(
        "networks",
        "network",
        {"global": "networks"},
        links=("networkProfile",),
        changeable=frozenset(
            {
                "mtu",
                "routingConfig",
                "enableUlaInternalIpv6",
                "internalIpv6Range",
                "networkFirewallPolicyEnforcementOrder",
            }
        ),
        in_use_fails_operation=True,
    ),
    ReservationKind(
        "reservations",
        "reservation",
        {"zone": "reservations"},
        changeable=frozenset({"shareSettings", "specificReservationRequired", "reservationSharingPolicy"}),
        verbs=MAKE_AND_DELETE,
    ),
)

for row in TABLE:
    KINDS[row.collection] = row
    register(row)
