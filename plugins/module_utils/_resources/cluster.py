# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A GKE cluster, as a table.

This file is private to the collection. Source: container API v1, projects.locations.clusters. GKE takes one `desired…`
field an update, so each row group below is one call and one operation.
"""

from __future__ import annotations

import re
from typing import Any

from .._errors import Json
from .._fields import Field, Update, same_labels, same_link, same_range, same_set, server_decides
from .._plan import Kind

_UPDATE = "container.projects.locations.clusters.update"


def _desired(base: str, into: str, *, whole: bool = False) -> Update:
    return Update(_UPDATE, base=base, into=f"update.{into}", whole=whole)


def _same_range_or_size(wanted: Any, found: Any, resource: Json) -> bool:
    """GKE chooses a range when only a size (`/14`) is asked for."""
    size = re.fullmatch(r"/(\d+)", str(wanted))
    return str(found).endswith(size.group()) if size and found else same_range(wanted, found, resource)


_ADDONS = _desired("addonsConfig", "desiredAddonsConfig")
_PROMETHEUS = _desired("monitoringConfig.managedPrometheusConfig", "desiredMonitoringConfig.managedPrometheusConfig")
_DATAPATH = _desired(
    "monitoringConfig.advancedDatapathObservabilityConfig",
    "desiredMonitoringConfig.advancedDatapathObservabilityConfig",
    whole=True,
)
_COMPONENTS = _desired("monitoringConfig.componentConfig", "desiredMonitoringConfig.componentConfig")
_LOGGING = _desired("loggingConfig.componentConfig", "desiredLoggingConfig.componentConfig")
_AUTHORIZED = _desired("masterAuthorizedNetworksConfig", "desiredMasterAuthorizedNetworksConfig", whole=True)
_ANOTHER = "It is fixed when the cluster is made: give the value it has, or `recreate: true` to delete and remake it."

CLUSTER = Kind(
    noun="cluster",
    family="container.projects.locations.clusters",
    path="projects/{project}/locations/{location}/clusters/{name}",
    envelope="cluster",
    mark="resourceLabels",
    mark_later=True,
    busy=frozenset({"PROVISIONING", "RECONCILING", "STOPPING"}),
    broken=frozenset({"ERROR", "DEGRADED"}),
    rows=(
        Field("description", remedy=_ANOTHER),
        Field("network", same=same_link, remedy=_ANOTHER),
        Field("subnetwork", same=same_link, remedy=_ANOTHER),
        Field("locations", "list", same=same_set, update=_desired("locations", "desiredLocations")),
        Field(
            "release_channel.channel",
            choices=("RAPID", "REGULAR", "STABLE", "EXTENDED", "UNSPECIFIED"),
            update=_desired("releaseChannel", "desiredReleaseChannel"),
        ),
        Field("initial_cluster_version", same=server_decides),
        Field("addons_config.dns_cache_config.enabled", "bool", update=_ADDONS),
        Field("addons_config.gcs_fuse_csi_driver_config.enabled", "bool", update=_ADDONS),
        Field("addons_config.gcp_filestore_csi_driver_config.enabled", "bool", update=_ADDONS),
        Field("addons_config.gce_persistent_disk_csi_driver_config.enabled", "bool", update=_ADDONS),
        Field("addons_config.horizontal_pod_autoscaling.disabled", "bool", update=_ADDONS),
        Field("addons_config.http_load_balancing.disabled", "bool", update=_ADDONS),
        Field("addons_config.ray_operator_config.enabled", "bool", update=_ADDONS),
        Field("ip_allocation_policy.use_ip_aliases", "bool", remedy=_ANOTHER),
        Field("ip_allocation_policy.cluster_ipv4_cidr_block", same=_same_range_or_size, remedy=_ANOTHER),
        Field("ip_allocation_policy.services_ipv4_cidr_block", same=_same_range_or_size, remedy=_ANOTHER),
        Field("ip_allocation_policy.cluster_secondary_range_name", remedy=_ANOTHER),
        Field("ip_allocation_policy.services_secondary_range_name", remedy=_ANOTHER),
        Field("private_cluster_config.enable_private_nodes", "bool", remedy=_ANOTHER),
        Field("private_cluster_config.enable_private_endpoint", "bool", remedy=_ANOTHER),
        Field("private_cluster_config.master_ipv4_cidr_block", same=same_range, remedy=_ANOTHER),
        Field("master_authorized_networks_config.enabled", "bool", update=_AUTHORIZED),
        Field(
            "master_authorized_networks_config.cidr_blocks",
            "list",
            same=same_set,
            items=(Field("cidr_block", required=True), Field("display_name")),
            update=_AUTHORIZED,
        ),
        Field("monitoring_config.managed_prometheus_config.enabled", "bool", update=_PROMETHEUS),
        Field("monitoring_config.advanced_datapath_observability_config.enable_metrics", "bool", update=_DATAPATH),
        Field("monitoring_config.advanced_datapath_observability_config.enable_relay", "bool", update=_DATAPATH),
        Field("monitoring_config.component_config.enable_components", "list", same=same_set, update=_COMPONENTS),
        Field("logging_config.component_config.enable_components", "list", same=same_set, update=_LOGGING),
        Field(
            "network_config.datapath_provider",
            choices=("LEGACY_DATAPATH", "ADVANCED_DATAPATH"),
            remedy=_ANOTHER,
        ),
        Field(
            "network_config.gateway_api_config.channel",
            choices=("CHANNEL_DISABLED", "CHANNEL_EXPERIMENTAL", "CHANNEL_STANDARD"),
            update=_desired("networkConfig.gatewayApiConfig", "desiredGatewayApiConfig"),
        ),
        Field(
            "workload_identity_config.workload_pool",
            update=_desired("workloadIdentityConfig", "desiredWorkloadIdentityConfig"),
        ),
        Field(
            "resource_labels",
            "dict",
            same=same_labels,
            update=Update(
                "container.projects.locations.clusters.setResourceLabels",
                base="resourceLabels",
                into="resourceLabels",
                server={"labelFingerprint": "labelFingerprint"},
            ),
        ),
        # The default pool comes with the cluster; later it is a node pool like others.
        Field("node_pools", "list", hidden=True, same=server_decides),
    ),
)
