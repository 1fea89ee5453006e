# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A GKE cluster with its default pool: its fields, and how to find it.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._clients import Cloud
from .._clock import Deadline
from .._errors import Json, NotFoundError, OptionError
from .._fields import (
    Field,
    Update,
    argument_spec,
    same_labels,
    same_link,
    same_range,
    same_set,
    server_decides,
    wanted_body,
)
from .._plan import Kind, Policy, Target, create
from . import node_pool

CLUSTERS = "container.projects.locations.clusters"
ADDONS = (
    ("dns_cache_config", "enabled"),
    ("gce_persistent_disk_csi_driver_config", "enabled"),
    ("gcp_filestore_csi_driver_config", "enabled"),
    ("gcs_fuse_csi_driver_config", "enabled"),
    ("parallelstore_csi_driver_config", "enabled"),
    ("ray_operator_config", "enabled"),
    ("stateful_ha_config", "enabled"),
    ("config_connector_config", "enabled"),
    ("gke_backup_agent_config", "enabled"),
    ("horizontal_pod_autoscaling", "disabled"),
    ("http_load_balancing", "disabled"),
    ("network_policy_config", "disabled"),
)
ANOTHER_CLUSTER = (
    "Make a cluster of another name, or set `recreate: true` to have this one, and all that runs in it, deleted first."
)


def same_or_sized(wanted: Any, found: Any, resource: Json) -> bool:
    """A range, or only its size (/14), of which Google chooses the place."""
    if str(wanted).startswith("/"):
        return str(found or "").endswith(str(wanted))
    return same_range(wanted, found, resource)


def same_subnetwork(wanted: Any, found: Any, cluster: Json) -> bool:
    """Answers carry the short name; the whole path stands in networkConfig."""
    config = cluster.get("networkConfig") or {}
    return same_link(wanted, config.get("subnetwork") or found, cluster)


def same_network(wanted: Any, found: Any, cluster: Json) -> bool:
    config = cluster.get("networkConfig") or {}
    return same_link(wanted, config.get("network") or found, cluster)


# Google takes one desired field a request: so each of these is a call, and an operation, of its own.
def desired(field: str, base: str, whole: bool = False) -> Update:
    return Update(f"{CLUSTERS}.update", base=base, into=f"update.{field}", whole=whole)


ADDON = desired("desiredAddonsConfig", "addonsConfig")
MONITORING = desired("desiredMonitoringConfig", "monitoringConfig")
AUTHORIZED = desired("desiredMasterAuthorizedNetworksConfig", "masterAuthorizedNetworksConfig", whole=True)
DNS = desired("desiredDnsConfig", "networkConfig.dnsConfig", whole=True)
MAINTENANCE = Update(
    f"{CLUSTERS}.setMaintenancePolicy",
    base="maintenancePolicy",
    into="maintenancePolicy",
    whole=True,
    server={"maintenancePolicy.resourceVersion": "maintenancePolicy.resourceVersion"},
)
LABELS = Update(
    f"{CLUSTERS}.setResourceLabels",
    base="resourceLabels",
    into="resourceLabels",
    server={"labelFingerprint": "labelFingerprint"},
)

ROWS = (
    Field("description", remedy=ANOTHER_CLUSTER),
    Field("network", same=same_network, remedy=ANOTHER_CLUSTER),
    Field("subnetwork", same=same_subnetwork, remedy=ANOTHER_CLUSTER),
    Field("locations", "list", same=same_set, update=desired("desiredLocations", "locations")),
    Field("initial_cluster_version", same=server_decides),
    Field(
        "release_channel.channel",
        choices=("UNSPECIFIED", "RAPID", "REGULAR", "STABLE", "EXTENDED"),
        update=desired("desiredReleaseChannel", "releaseChannel"),
    ),
    *(Field(f"addons_config.{addon}.{switch}", "bool", update=ADDON) for addon, switch in ADDONS),
    Field("ip_allocation_policy.use_ip_aliases", "bool", remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.create_subnetwork", "bool", same=server_decides),
    Field("ip_allocation_policy.cluster_ipv4_cidr_block", same=same_or_sized, remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.services_ipv4_cidr_block", same=same_or_sized, remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.cluster_secondary_range_name", remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.services_secondary_range_name", remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.stack_type", choices=("IPV4", "IPV4_IPV6"), remedy=ANOTHER_CLUSTER),
    Field("monitoring_config.managed_prometheus_config.enabled", "bool", update=MONITORING),
    Field("monitoring_config.advanced_datapath_observability_config.enable_metrics", "bool", update=MONITORING),
    Field("monitoring_config.advanced_datapath_observability_config.enable_relay", "bool", update=MONITORING),
    Field("monitoring_config.component_config.enable_components", "list", same=same_set, update=MONITORING),
    Field(
        "logging_config.component_config.enable_components",
        "list",
        same=same_set,
        update=desired("desiredLoggingConfig", "loggingConfig"),
    ),
    Field(
        "network_config.datapath_provider",
        choices=("LEGACY_DATAPATH", "ADVANCED_DATAPATH"),
        remedy=ANOTHER_CLUSTER,
    ),
    Field(
        "network_config.gateway_api_config.channel",
        choices=("CHANNEL_DISABLED", "CHANNEL_STANDARD"),
        update=desired("desiredGatewayApiConfig", "networkConfig.gatewayApiConfig"),
    ),
    Field(
        "network_config.enable_intra_node_visibility",
        "bool",
        update=desired("desiredIntraNodeVisibilityConfig.enabled", "networkConfig.enableIntraNodeVisibility"),
    ),
    Field(
        "network_config.enable_l4ilb_subsetting",
        "bool",
        path="networkConfig.enableL4ilbSubsetting",
        update=desired("desiredL4ilbSubsettingConfig.enabled", "networkConfig.enableL4ilbSubsetting"),
    ),
    Field(
        "network_config.default_enable_private_nodes",
        "bool",
        update=desired("desiredDefaultEnablePrivateNodes", "networkConfig.defaultEnablePrivateNodes"),
    ),
    Field(
        "network_config.dns_config.cluster_dns",
        choices=("PLATFORM_DEFAULT", "CLOUD_DNS", "KUBE_DNS"),
        update=DNS,
    ),
    Field(
        "network_config.dns_config.cluster_dns_scope",
        choices=("CLUSTER_SCOPE", "VPC_SCOPE"),
        update=DNS,
    ),
    Field("network_config.dns_config.cluster_dns_domain", update=DNS),
    Field(
        "workload_identity_config.workload_pool",
        update=desired("desiredWorkloadIdentityConfig", "workloadIdentityConfig"),
    ),
    Field("private_cluster_config.enable_private_nodes", "bool", remedy=ANOTHER_CLUSTER),
    Field("private_cluster_config.enable_private_endpoint", "bool", remedy=ANOTHER_CLUSTER),
    Field("private_cluster_config.master_ipv4_cidr_block", same=same_range, remedy=ANOTHER_CLUSTER),
    Field("master_authorized_networks_config.enabled", "bool", update=AUTHORIZED),
    Field("master_authorized_networks_config.gcp_public_cidrs_access_enabled", "bool", update=AUTHORIZED),
    Field(
        "master_authorized_networks_config.cidr_blocks",
        same=same_set,
        items=(Field("cidr_block", required=True), Field("display_name")),
        update=AUTHORIZED,
    ),
    Field("maintenance_policy.window.daily_maintenance_window.start_time", update=MAINTENANCE),
    Field("maintenance_policy.window.recurring_window.window.start_time", update=MAINTENANCE),
    Field("maintenance_policy.window.recurring_window.window.end_time", update=MAINTENANCE),
    Field("maintenance_policy.window.recurring_window.recurrence", update=MAINTENANCE),
    Field("shielded_nodes.enabled", "bool", update=desired("desiredShieldedNodes", "shieldedNodes")),
    Field(
        "cost_management_config.enabled",
        "bool",
        update=desired("desiredCostManagementConfig", "costManagementConfig"),
    ),
    Field("resource_labels", "dict", same=same_labels, update=LABELS),
)

CLUSTER = Kind(
    noun="cluster",
    family=CLUSTERS,
    path="projects/{project}/locations/{location}/clusters/{name}",
    envelope="cluster",
    mark="resourceLabels",
    mark_later=True,
    busy=frozenset({"PROVISIONING", "RECONCILING", "STOPPING"}),
    broken=frozenset({"ERROR", "DEGRADED"}),
    rows=ROWS,
)

OPTIONS: Json = {
    "name": {"type": "str", "required": True},
    "location": {"type": "str", "required": True},
    **argument_spec(ROWS),
    "default_pool": {"type": "dict", "options": node_pool.POOL_OPTIONS},
    "recreate": {"type": "bool", "default": False},
}


@dataclass
class ClusterDeclaration:
    """One cluster. Its default pool is born with it, and is a resource of its own from then on."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "resources of the cluster"
    limit: int = 1

    def __post_init__(self) -> None:
        pool = self.params.get("default_pool")
        wrong = node_pool.complaints(wanted_body(node_pool.ROWS, pool)) if pool else []
        if wrong:
            raise OptionError("default_pool: " + "; ".join(wrong))

    @property
    def present(self) -> bool:
        return str(self.params.get("state", "present")) == "present"

    @property
    def path(self) -> str:
        return f"{self.operation_parent()}/clusters/{self.params['name']}"

    def operation_parent(self) -> str:
        return f"projects/{self.project}/locations/{self.params['location']}"

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        cluster = self._get(cloud, deadline)
        if cluster is None:
            return {}
        pools = {f"{self.path}/nodePools/{pool['name']}": pool for pool in cluster.get("nodePools") or []}
        return {self.path: cluster, **pools}

    def _get(self, cloud: Cloud, deadline: Deadline) -> Json | None:
        try:
            return cloud.call(f"{CLUSTERS}.get", {"name": self.path}, deadline=deadline)
        except NotFoundError:
            return None

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        scope = {"project": self.project, "location": str(self.params["location"])}
        name = str(self.params["name"])
        if not self.present:
            return [Target(CLUSTER, name, scope, {}, False)]
        wanted = wanted_body(ROWS, self.params)
        declared = self.params.get("default_pool")
        if not declared:
            return [Target(CLUSTER, name, scope, wanted)]
        pool = Target(
            node_pool.NODE_POOL,
            str(declared["name"]),
            {**scope, "cluster": name},
            wanted_body(node_pool.ROWS, declared),
            after=frozenset({self.path}),
            unmarked=True,
        )
        born = create(pool, Policy()).body or {}
        cluster = Target(CLUSTER, name, scope, {**wanted, "nodePools": [born["nodePool"]]})
        return [cluster, pool] if self.path in found else [cluster]

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        if target.kind is CLUSTER:
            return self._get(cloud, deadline)
        return node_pool.look_at_pool(target, cloud, deadline)

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        cluster = resources.get(self.path)
        operation = (reports.get(self.path) or {}).get("operation", "")
        return {"cluster": cluster or {}, "exists": cluster is not None, "operation": operation}
