# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The API methods that the collection uses: their request line, and what the client libraries call them.

This file is private to the collection. A plan names methods by Google's own ids; this table is the only place that
knows more about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """One API method.

    `library` is empty for the small services, which are called without a client library. For compute and container it
    is `<service>.<method>` and `message` is the request message of the library.
    """

    id: str
    verb: str
    path: str
    library: str = ""
    message: str = ""

    @property
    def api(self) -> str:
        return self.id.partition(".")[0]

    @property
    def reads(self) -> bool:
        """Sending it twice is the same as sending it once, and it changes nothing."""
        asks = (":getIamPolicy", ":testIamPermissions")
        return self.verb == "GET" or self.path.endswith("/wait") or any(verb in self.path for verb in asks)

    @property
    def takes_request_id(self) -> bool:
        """Compute ignores a request whose id it has seen: sending again after a lost reply is safe.

        The calls for single rules of a security policy know no such id.
        """
        return self.api == "compute" and not self.reads and not self.id.endswith("Rule")

    @property
    def as_written(self) -> bool:
        """What a body says of empty lists and of false means something, and the client libraries leave it out."""
        return self.verb in ("POST", "PUT", "PATCH") and not self.reads

    def url_path(self, params: Mapping[str, Any]) -> str:
        return self.path.format_map({key: value for key, value in params.items() if value is not None})


def _compute(id: str, verb: str, path: str, library: str, message: str) -> Method:
    return Method(f"compute.{id}", verb, f"compute/v1/projects/{{project}}/{path}", library, message)


def _collection(name: str, path: str, item: str, service: str, singular: str, verbs: str) -> list[Method]:
    """The usual methods of a compute collection; `path` ends with the collection, `item` is the path parameter."""
    methods = []
    plural = (
        f"{singular[:-1]}ies" if singular.endswith("Proxy") else f"{singular}{'es' if singular.endswith('s') else 's'}"
    )
    if "g" in verbs:
        methods.append(_compute(f"{name}.get", "GET", f"{path}/{{{item}}}", f"{service}.get", f"Get{singular}Request"))
    if "l" in verbs:
        methods.append(_compute(f"{name}.list", "GET", path, f"{service}.list", f"List{plural}Request"))
    if "i" in verbs:
        methods.append(_compute(f"{name}.insert", "POST", path, f"{service}.insert", f"Insert{singular}Request"))
    if "p" in verbs:
        methods.append(
            _compute(f"{name}.patch", "PATCH", f"{path}/{{{item}}}", f"{service}.patch", f"Patch{singular}Request")
        )
    if "d" in verbs:
        methods.append(
            _compute(f"{name}.delete", "DELETE", f"{path}/{{{item}}}", f"{service}.delete", f"Delete{singular}Request")
        )
    if "a" in verbs:
        collection = path.rpartition("/")[2]
        methods.append(
            _compute(
                f"{name}.aggregatedList",
                "GET",
                f"aggregated/{collection}",
                f"{service}.aggregated_list",
                f"AggregatedList{plural}Request",
            )
        )
    return methods


def _container(id: str, verb: str, path: str, call: str, message: str) -> Method:
    return Method(f"container.projects.locations.{id}", verb, f"v1/{path}", f"cluster_manager.{call}", message)


def _security_policies() -> list[Method]:
    """Without the client library: rules are told apart by a parameter of the query."""
    policies, family = (
        "compute/v1/projects/{project}/regions/{region}/securityPolicies",
        "compute.regionSecurityPolicies",
    )
    one = f"{policies}/{{securityPolicy}}"
    return [
        Method(f"{family}.get", "GET", one),
        Method(f"{family}.insert", "POST", policies),
        Method(f"{family}.patch", "PATCH", one),
        Method(f"{family}.delete", "DELETE", one),
        Method(f"{family}.addRule", "POST", f"{one}/addRule"),
        Method(f"{family}.patchRule", "POST", f"{one}/patchRule?priority={{priority}}"),
        Method(f"{family}.removeRule", "POST", f"{one}/removeRule?priority={{priority}}"),
    ]


def _accounts() -> list[Method]:
    accounts, family = "v1/projects/{project}/serviceAccounts", "iam.projects.serviceAccounts"
    one = f"{accounts}/{{email}}"
    return [
        Method(f"{family}.list", "GET", accounts),
        Method(f"{family}.get", "GET", one),
        Method(f"{family}.create", "POST", accounts),
        Method(f"{family}.patch", "PATCH", one),
        Method(f"{family}.delete", "DELETE", one),
        Method(f"{family}.getIamPolicy", "POST", f"{one}:getIamPolicy?options.requestedPolicyVersion=3"),
        Method(f"{family}.setIamPolicy", "POST", f"{one}:setIamPolicy"),
    ]


def _buckets() -> list[Method]:
    bucket = "storage/v1/b/{bucket}"
    one = f"{bucket}/o/{{object}}?generation={{generation}}"
    return [
        Method("storage.buckets.list", "GET", "storage/v1/b"),
        Method("storage.buckets.get", "GET", bucket),
        Method("storage.buckets.insert", "POST", "storage/v1/b?project={project}"),
        Method("storage.buckets.patch", "PATCH", bucket),
        Method("storage.buckets.delete", "DELETE", bucket),
        Method("storage.buckets.getIamPolicy", "GET", f"{bucket}/iam?optionsRequestedPolicyVersion=3"),
        Method("storage.buckets.setIamPolicy", "PUT", f"{bucket}/iam"),
        Method("storage.objects.list", "GET", f"{bucket}/o"),
        Method("storage.objects.get", "GET", one),
        Method("storage.objects.delete", "DELETE", one),
    ]


_SUBNET = "regions/{region}/subnetworks"
_ALL = [
    *_collection("networks", "global/networks", "network", "networks", "Network", "gipd"),
    _compute(
        "networks.switchToCustomMode",
        "POST",
        "global/networks/{network}/switchToCustomMode",
        "networks.switch_to_custom_mode",
        "SwitchToCustomModeNetworkRequest",
    ),
    *_collection("subnetworks", _SUBNET, "subnetwork", "subnetworks", "Subnetwork", "glipda"),
    _compute(
        "subnetworks.expandIpCidrRange",
        "POST",
        f"{_SUBNET}/{{subnetwork}}/expandIpCidrRange",
        "subnetworks.expand_ip_cidr_range",
        "ExpandIpCidrRangeSubnetworkRequest",
    ),
    _compute(
        "subnetworks.setPrivateIpGoogleAccess",
        "POST",
        f"{_SUBNET}/{{subnetwork}}/setPrivateIpGoogleAccess",
        "subnetworks.set_private_ip_google_access",
        "SetPrivateIpGoogleAccessSubnetworkRequest",
    ),
    *_collection("firewalls", "global/firewalls", "firewall", "firewalls", "Firewall", "glipd"),
    *_collection("routes", "global/routes", "route", "routes", "Route", "gld"),
    *_collection("addresses", "regions/{region}/addresses", "address", "addresses", "Address", "gda"),
    *_collection("globalAddresses", "global/addresses", "address", "global_addresses", "GlobalAddress", "gd"),
    *_collection("disks", "zones/{zone}/disks", "disk", "disks", "Disk", "gda"),
    *_collection(
        "forwardingRules",
        "regions/{region}/forwardingRules",
        "forwardingRule",
        "forwarding_rules",
        "ForwardingRule",
        "gda",
    ),
    *_collection(
        "globalForwardingRules",
        "global/forwardingRules",
        "forwardingRule",
        "global_forwarding_rules",
        "GlobalForwardingRule",
        "gd",
    ),
    *_collection(
        "networkEndpointGroups",
        "zones/{zone}/networkEndpointGroups",
        "networkEndpointGroup",
        "network_endpoint_groups",
        "NetworkEndpointGroup",
        "gda",
    ),
    *_collection(
        "regionNetworkEndpointGroups",
        "regions/{region}/networkEndpointGroups",
        "networkEndpointGroup",
        "region_network_endpoint_groups",
        "RegionNetworkEndpointGroup",
        "gd",
    ),
    *_collection(
        "globalNetworkEndpointGroups",
        "global/networkEndpointGroups",
        "networkEndpointGroup",
        "global_network_endpoint_groups",
        "GlobalNetworkEndpointGroup",
        "gd",
    ),
    *_collection(
        "backendServices", "global/backendServices", "backendService", "backend_services", "BackendService", "gda"
    ),
    *_collection(
        "regionBackendServices",
        "regions/{region}/backendServices",
        "backendService",
        "region_backend_services",
        "RegionBackendService",
        "gd",
    ),
    *_collection("healthChecks", "global/healthChecks", "healthCheck", "health_checks", "HealthCheck", "gda"),
    *_collection(
        "regionHealthChecks",
        "regions/{region}/healthChecks",
        "healthCheck",
        "region_health_checks",
        "RegionHealthCheck",
        "gd",
    ),
    *_collection("urlMaps", "global/urlMaps", "urlMap", "url_maps", "UrlMap", "gda"),
    *_collection("regionUrlMaps", "regions/{region}/urlMaps", "urlMap", "region_url_maps", "RegionUrlMap", "gd"),
    *_collection(
        "targetHttpProxies",
        "global/targetHttpProxies",
        "targetHttpProxy",
        "target_http_proxies",
        "TargetHttpProxy",
        "gda",
    ),
    *_collection(
        "regionTargetHttpProxies",
        "regions/{region}/targetHttpProxies",
        "targetHttpProxy",
        "region_target_http_proxies",
        "RegionTargetHttpProxy",
        "gd",
    ),
    *_collection(
        "targetHttpsProxies",
        "global/targetHttpsProxies",
        "targetHttpsProxy",
        "target_https_proxies",
        "TargetHttpsProxy",
        "gda",
    ),
    *_collection(
        "regionTargetHttpsProxies",
        "regions/{region}/targetHttpsProxies",
        "targetHttpsProxy",
        "region_target_https_proxies",
        "RegionTargetHttpsProxy",
        "gd",
    ),
    *_collection(
        "sslCertificates", "global/sslCertificates", "sslCertificate", "ssl_certificates", "SslCertificate", "gda"
    ),
    *_collection(
        "regionSslCertificates",
        "regions/{region}/sslCertificates",
        "sslCertificate",
        "region_ssl_certificates",
        "RegionSslCertificate",
        "gd",
    ),
    _compute(
        "globalOperations.wait",
        "POST",
        "global/operations/{operation}/wait",
        "global_operations.wait",
        "WaitGlobalOperationRequest",
    ),
    _compute(
        "regionOperations.wait",
        "POST",
        "regions/{region}/operations/{operation}/wait",
        "region_operations.wait",
        "WaitRegionOperationRequest",
    ),
    _compute(
        "zoneOperations.wait",
        "POST",
        "zones/{zone}/operations/{operation}/wait",
        "zone_operations.wait",
        "WaitZoneOperationRequest",
    ),
    _container("clusters.list", "GET", "{parent}/clusters", "list_clusters", "ListClustersRequest"),
    _container("clusters.get", "GET", "{name}", "get_cluster", "GetClusterRequest"),
    _container("clusters.create", "POST", "{parent}/clusters", "create_cluster", "CreateClusterRequest"),
    _container("clusters.update", "PUT", "{name}", "update_cluster", "UpdateClusterRequest"),
    _container("clusters.delete", "DELETE", "{name}", "delete_cluster", "DeleteClusterRequest"),
    _container("clusters.setResourceLabels", "POST", "{name}:setResourceLabels", "set_labels", "SetLabelsRequest"),
    _container(
        "clusters.setMaintenancePolicy",
        "POST",
        "{name}:setMaintenancePolicy",
        "set_maintenance_policy",
        "SetMaintenancePolicyRequest",
    ),
    _container("clusters.nodePools.list", "GET", "{parent}/nodePools", "list_node_pools", "ListNodePoolsRequest"),
    _container("clusters.nodePools.get", "GET", "{name}", "get_node_pool", "GetNodePoolRequest"),
    _container("clusters.nodePools.create", "POST", "{parent}/nodePools", "create_node_pool", "CreateNodePoolRequest"),
    _container("clusters.nodePools.update", "PUT", "{name}", "update_node_pool", "UpdateNodePoolRequest"),
    _container("clusters.nodePools.delete", "DELETE", "{name}", "delete_node_pool", "DeleteNodePoolRequest"),
    _container("clusters.nodePools.setSize", "POST", "{name}:setSize", "set_node_pool_size", "SetNodePoolSizeRequest"),
    _container(
        "clusters.nodePools.setManagement",
        "POST",
        "{name}:setManagement",
        "set_node_pool_management",
        "SetNodePoolManagementRequest",
    ),
    _container("operations.list", "GET", "{parent}/operations", "list_operations", "ListOperationsRequest"),
    _container("operations.get", "GET", "{name}", "get_operation", "GetOperationRequest"),
    # Without the client library, whose import would cost more than these looks.
    Method("compute.zones.get", "GET", "compute/v1/projects/{project}/zones/{zone}"),
    Method("compute.machineTypes.get", "GET", "compute/v1/projects/{project}/zones/{zone}/machineTypes/{machineType}"),
    Method("compute.reservations.get", "GET", "compute/v1/projects/{project}/zones/{zone}/reservations/{reservation}"),
    Method("compute.reservations.aggregatedList", "GET", "compute/v1/projects/{project}/aggregated/reservations"),
    Method("compute.reservations.list", "GET", "compute/v1/projects/{project}/zones/{zone}/reservations"),
    Method(
        "compute.reservationBlocks.get",
        "GET",
        "compute/v1/projects/{project}/zones/{zone}/reservations/{reservation}/reservationBlocks/{reservationBlock}",
    ),
    Method("compute.regions.get", "GET", "compute/v1/projects/{project}/regions/{region}"),
    Method("compute.projects.get", "GET", "compute/v1/projects/{project}"),
    Method("container.projects.locations.getServerConfig", "GET", "v1/{name}/serverConfig"),
    Method("cloudresourcemanager.projects.testIamPermissions", "POST", "v1/projects/{project}:testIamPermissions"),
    Method("cloudbilling.projects.getBillingInfo", "GET", "v1/projects/{project}/billingInfo"),
    Method(
        "cloudquotas.projects.locations.services.quotaInfos.list",
        "GET",
        "v1/projects/{project}/locations/global/services/compute.googleapis.com/quotaInfos",
    ),
    Method("serviceusage.services.list", "GET", "v1/projects/{project}/services"),
    Method("serviceusage.services.batchEnable", "POST", "v1/projects/{project}/services:batchEnable"),
    Method("serviceusage.services.disable", "POST", "v1/projects/{project}/services/{service}:disable"),
    Method("serviceusage.operations.get", "GET", "v1/{name}"),
    Method("cloudresourcemanager.projects.get", "GET", "v1/projects/{project}"),
    *_security_policies(),
    *_accounts(),
    *_buckets(),
]

METHODS: Mapping[str, Method] = {method.id: method for method in _ALL}
