# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Changes to clusters and node pools: which request may change which field, and what it does to the stored resource."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from sandbox.cloud import container_pools
from sandbox.cloud.container_defaults import CONTROL_PLANE_COMPONENTS, MONITORING_COMPONENTS, workload_identity
from sandbox.cloud.container_pool_rules import check_version
from sandbox.cloud.errors import invalid, not_implemented

Json = dict[str, Any]
Change = Callable[[Json], None]

# Old pair of fields that Google has been seen to take in one request.
_MAY_GO_TOGETHER = frozenset({"desiredLoggingService", "desiredMonitoringService"})
_NOT_A_FIELD = frozenset({"etag", "desiredNodePoolId"})
# desired… field → where it is stored; a dot leads into a message.
_REPLACED = {
    "desiredAuthenticatorGroupsConfig": "authenticatorGroupsConfig",
    "desiredBinaryAuthorization": "binaryAuthorization",
    "desiredClusterAutoscaling": "autoscaling",
    "desiredCostManagementConfig": "costManagementConfig",
    "desiredDefaultEnablePrivateNodes": "networkConfig.defaultEnablePrivateNodes",
    "desiredDefaultSnatStatus": "networkConfig.defaultSnatStatus",
    "desiredDnsConfig": "networkConfig.dnsConfig",
    "desiredEnableCiliumClusterwideNetworkPolicy": "networkConfig.enableCiliumClusterwideNetworkPolicy",
    "desiredEnableFqdnNetworkPolicy": "networkConfig.enableFqdnNetworkPolicy",
    "desiredEnableMultiNetworking": "networkConfig.enableMultiNetworking",
    "desiredFleet": "fleet",
    "desiredGatewayApiConfig": "networkConfig.gatewayApiConfig",
    "desiredInTransitEncryptionConfig": "networkConfig.inTransitEncryptionConfig",
    "desiredMasterAuthorizedNetworksConfig": "masterAuthorizedNetworksConfig",
    "desiredMeshCertificates": "meshCertificates",
    "desiredNotificationConfig": "notificationConfig",
    "desiredPodAutoscaling": "podAutoscaling",
    "desiredReleaseChannel": "releaseChannel",
    "desiredSecretManagerConfig": "secretManagerConfig",
    "desiredSecurityPostureConfig": "securityPostureConfig",
    "desiredServiceExternalIpsConfig": "networkConfig.serviceExternalIpsConfig",
    "desiredShieldedNodes": "shieldedNodes",
    "desiredVerticalPodAutoscaling": "verticalPodAutoscaling",
}
_MERGED = {
    "desiredAddonsConfig": "addonsConfig",
    "desiredControlPlaneEndpointsConfig": "controlPlaneEndpointsConfig",
    "desiredLoggingConfig": "loggingConfig",
    "desiredMonitoringConfig": "monitoringConfig",
}
# Messages of which only the switch is stored.
_SWITCHES = {
    "desiredIntraNodeVisibilityConfig": "networkConfig.enableIntraNodeVisibility",
    "desiredL4ilbSubsettingConfig": "networkConfig.enableL4ilbSubsetting",
}
_SERVICES_OFF = ("none", "")


def requested_fields(update: Json) -> list[str]:
    """The fields of a ClusterUpdate that ask for a change; refused when there is none, or more than one."""
    fields = sorted(set(update) - _NOT_A_FIELD)
    if not fields:
        raise invalid("Must specify a field to update.")
    if len(fields) > 1 and not set(fields) <= _MAY_GO_TOGETHER:
        raise invalid(f"Only one field of a cluster can be updated by a request; this one has {', '.join(fields)}.")
    return fields


def _put(cluster: Json, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        cluster = cluster.setdefault(name, {})
    cluster[last] = value


def _set_logging_service(cluster: Json, service: str) -> None:
    cluster["loggingService"] = service
    components = [] if service in _SERVICES_OFF else ["SYSTEM_COMPONENTS", "WORKLOADS"]
    cluster["loggingConfig"] = {"componentConfig": {"enableComponents": components}}


def _set_monitoring_service(cluster: Json, service: str) -> None:
    cluster["monitoringService"] = service
    components = CONTROL_PLANE_COMPONENTS if service in _SERVICES_OFF else MONITORING_COMPONENTS
    cluster["monitoringConfig"] = cluster.get("monitoringConfig", {}) | {
        "componentConfig": {"enableComponents": list(components)}
    }
    _tell_telemetry(cluster)


def _tell_telemetry(cluster: Json) -> None:
    off = cluster["monitoringService"] in _SERVICES_OFF
    cluster["clusterTelemetry"] = {"type": "DISABLED" if off else "ENABLED"}


def _follow_components(cluster: Json) -> None:
    """The old fields follow the new ones: with the system's components the service is on."""
    for config, service in (("loggingConfig", "loggingService"), ("monitoringConfig", "monitoringService")):
        components = cluster.get(config, {}).get("componentConfig", {}).get("enableComponents", [])
        host = service.removesuffix("Service")
        cluster[service] = f"{host}.googleapis.com/kubernetes" if "SYSTEM_COMPONENTS" in components else "none"
    _tell_telemetry(cluster)


def _check_gateway(cluster: Json, gateway: Json) -> None:
    off = cluster.get("addonsConfig", {}).get("httpLoadBalancing", {}).get("disabled")
    if off and gateway.get("channel") == "CHANNEL_STANDARD":
        raise invalid("The Gateway API requires the HTTP load balancing add-on to be enabled.")


def check_features(cluster: Json) -> None:
    """Features that need one another; the same at create and at update."""
    network = cluster.get("networkConfig", {})
    _check_gateway(cluster, network.get("gatewayApiConfig", {}))
    observability = cluster.get("monitoringConfig", {}).get("advancedDatapathObservabilityConfig", {})
    if observability.get("enableMetrics") and network.get("datapathProvider") != "ADVANCED_DATAPATH":
        raise invalid("Advanced datapath observability requires the datapath provider ADVANCED_DATAPATH.")


def check_workload_pool(identity: Json, project: str) -> None:
    """There is exactly one workload pool in a project."""
    pool = identity.get("workloadPool", "")
    if pool and pool != f"{project}.svc.id.goog":
        raise invalid(f'Workload pool "{pool}" is invalid: it must be "{project}.svc.id.goog".')


def updated_cluster(cluster: Json, update: Json, project: str) -> Json:
    """The cluster after the update."""
    result = copy.deepcopy(cluster)
    for field in requested_fields(update):
        value = copy.deepcopy(update[field])
        if field in _REPLACED:
            _put(result, _REPLACED[field], value)
        elif field in _SWITCHES:
            _put(result, _SWITCHES[field], bool(value.get("enabled")))
        elif field in _MERGED:
            result[_MERGED[field]] = result.get(_MERGED[field], {}) | value
            if field in ("desiredLoggingConfig", "desiredMonitoringConfig"):
                _follow_components(result)
        elif field == "desiredLocations":
            zones = {zone.rpartition("-")[0] for zone in (*value, *result["locations"])}
            if not value or len(zones) > 1:
                raise invalid(f"Invalid value for desiredLocations: {', '.join(value) or 'no zone'}.")
            result["locations"] = value
        elif field == "desiredLoggingService":
            _set_logging_service(result, value)
        elif field == "desiredMonitoringService":
            _set_monitoring_service(result, value)
        elif field == "desiredWorkloadIdentityConfig":
            check_workload_pool(value, project)
            identity = workload_identity(value, project, result["location"], result)
            result.pop("workloadIdentityConfig", None)
            if identity:
                result["workloadIdentityConfig"] = identity
        elif field in ("desiredMasterVersion", "desiredNodeVersion"):
            check_version(value, "Master" if field == "desiredMasterVersion" else "Node")
        else:
            raise not_implemented(f"container.projects.locations.clusters.update with {field}")
    check_features(result)
    return result


_POOL_FIELDS_OF_CONFIG = (
    "accelerators",
    "bootDisk",
    "gcfsConfig",
    "gvnic",
    "imageType",
    "kubeletConfig",
    "linuxNodeConfig",
    "loggingConfig",
    "machineType",
    "windowsNodeConfig",
    "workloadMetadataConfig",
)
# Messages that wrap a list or a map: request field → (inner name, field of the configuration).
_POOL_WRAPPED = {
    "labels": ("labels", "labels"),
    "resourceLabels": ("labels", "resourceLabels"),
    "tags": ("tags", "tags"),
    "taints": ("taints", "taints"),
}
_POOL_PLAIN = ("locations", "upgradeSettings")
_POOL_IGNORED = frozenset({"name", "projectId", "zone", "clusterId", "nodePoolId", "etag", "nodeConfigUpdateMode"})
_IN_PLACE = frozenset({"labels", "resourceLabels", "tags", "taints", "upgradeSettings", "locations"})


def updated_pool(pool: Json, request: Json, workload_pool: str) -> tuple[Json, bool]:
    """The pool after an UpdateNodePool request, and whether its nodes are made anew."""
    fields = sorted(set(request) - _POOL_IGNORED)
    if not fields:
        raise invalid(
            "At least one of ['node_version', 'image_type', 'locations', 'workload_metadata_config', "
            "'upgrade_settings', 'tags', 'taints', 'labels', 'resource_labels', 'machine_type', 'disk_type', "
            "'disk_size_gb'] must be specified."
        )
    result = copy.deepcopy(pool)
    config = result["config"]
    for field in fields:
        value = copy.deepcopy(request[field])
        if field in _POOL_WRAPPED:
            inner, name = _POOL_WRAPPED[field]
            config[name] = value.get(inner, {} if field.lower().endswith("labels") else [])
        elif field in _POOL_FIELDS_OF_CONFIG:
            config[field] = config.get(field, {}) | value if field == "bootDisk" else value
        elif field in ("diskSizeGb", "diskType"):
            config.pop("bootDisk", None)
            config[field] = int(value) if field == "diskSizeGb" else value
        elif field == "nodeNetworkConfig":
            result["networkConfig"] = result.get("networkConfig", {}) | value
        elif field in _POOL_PLAIN:
            result[field] = value if field == "locations" else result.get(field, {}) | value
        elif field == "nodeVersion":
            result["version"] = check_version(value, "Node")
        else:
            raise not_implemented(f"container.projects.locations.clusters.nodePools.update with {field}")
    result["config"] = container_pools.filled_node_config(config, workload_pool)
    return result, not set(fields) <= _IN_PLACE
