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
    camel,
    dig,
    moment,
    same_labels,
    same_link,
    same_or_sized,
    same_range,
    same_set,
    same_time,
    server_decides,
    wanted_body,
    with_google_labels,
    wrong_name,
    wrong_range,
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
    ("lustre_csi_driver_config", "enabled"),
    ("high_scale_checkpointing_config", "enabled"),
    ("slice_controller_config", "enabled"),
    ("config_connector_config", "enabled"),
    ("gke_backup_agent_config", "enabled"),
    ("horizontal_pod_autoscaling", "disabled"),
    ("http_load_balancing", "disabled"),
    ("network_policy_config", "disabled"),
)
ANOTHER_CLUSTER = (
    "Make a cluster of another name, or set `recreate: true` to have this one, and all that runs in it, deleted first."
)


def same_subnetwork(wanted: Any, found: Any, cluster: Json) -> bool:
    """Answers carry the short name; the whole path stands in networkConfig."""
    config = cluster.get("networkConfig") or {}
    return same_link(wanted, config.get("subnetwork") or found, cluster)


def same_network(wanted: Any, found: Any, cluster: Json) -> bool:
    config = cluster.get("networkConfig") or {}
    return same_link(wanted, config.get("network") or found, cluster)


def same_exclusions(wanted: Any, found: Any, cluster: Json) -> bool:
    """Maps of windows in which GKE leaves the cluster alone."""
    left, right = ([_exclusion(*pair) for pair in (windows or {}).items()] for windows in (wanted, found))
    return same_set(left, right, cluster)


def _exclusion(name: str, window: Json) -> Json:
    options = window.get("maintenanceExclusionOptions") or {}
    times = {key: moment(window.get(key)) for key in ("startTime", "endTime")}
    # NO_UPGRADES is the zero of the scopes, which Google leaves out.
    return {"name": name, "scope": options.get("scope") or "NO_UPGRADES", **times}


def still_maintained(kept: Json, wanted: Json) -> Json:
    """A window that comes every day and one that comes otherwise exclude each other."""
    windows = ("dailyMaintenanceWindow", "recurringWindow", "recurringMaintenanceWindow")
    if any(dig(wanted, f"window.{name}") for name in windows):
        for name in windows:
            if not dig(wanted, f"window.{name}"):
                (kept.get("window") or {}).pop(name, None)
    return kept


def still_reached(kept: Json, _wanted: Json) -> Json:
    """The addresses themselves are Google's."""
    return {key: value for key, value in kept.items() if key not in ("endpoint", "publicEndpoint", "privateEndpoint")}


# Google takes one desired field a request: so each of these is a call, and an operation, of its own.
def desired(field: str, base: str, whole: tuple[str, ...] = (), **more: Any) -> Update:
    return Update(f"{CLUSTERS}.update", base=base, into=f"update.{field}", whole=whole, **more)


def switch(option: str, path: str, field: str, leaf: str = "") -> Field:
    """A yes or no of the cluster with a desired field of its own."""
    return Field(option, "bool", path=path, update=desired(field + leaf, path))


ADDON = desired(
    "desiredAddonsConfig", "addonsConfig", whole=tuple(f"addonsConfig.{camel(addon)}" for addon, _switch in ADDONS)
)
MONITORING = desired(
    "desiredMonitoringConfig",
    "monitoringConfig",
    whole=(
        "monitoringConfig.managedPrometheusConfig",
        "monitoringConfig.advancedDatapathObservabilityConfig",
    ),
)
ENDPOINTS = desired(
    "desiredControlPlaneEndpointsConfig",
    "controlPlaneEndpointsConfig",
    whole=("controlPlaneEndpointsConfig.dnsEndpointConfig", "controlPlaneEndpointsConfig.ipEndpointsConfig"),
    still=still_reached,
)
AUTHORIZED = desired(
    "desiredMasterAuthorizedNetworksConfig",
    "masterAuthorizedNetworksConfig",
    whole=("masterAuthorizedNetworksConfig",),
)
DNS = desired("desiredDnsConfig", "networkConfig.dnsConfig", whole=("networkConfig.dnsConfig",))
MAINTENANCE = Update(
    f"{CLUSTERS}.setMaintenancePolicy",
    base="maintenancePolicy",
    into="maintenancePolicy",
    whole=("maintenancePolicy",),
    still=still_maintained,
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
    Field("enable_kubernetes_alpha", "bool", remedy=ANOTHER_CLUSTER),
    Field(
        "release_channel.channel",
        choices=("UNSPECIFIED", "RAPID", "REGULAR", "STABLE", "EXTENDED"),
        unset="UNSPECIFIED",
        update=desired("desiredReleaseChannel", "releaseChannel"),
    ),
    *(Field(f"addons_config.{addon}.{switch}", "bool", update=ADDON) for addon, switch in ADDONS),
    Field("addons_config.ray_operator_config.ray_cluster_logging_config.enabled", "bool", update=ADDON),
    Field("addons_config.ray_operator_config.ray_cluster_monitoring_config.enabled", "bool", update=ADDON),
    Field("ip_allocation_policy.use_ip_aliases", "bool", remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.create_subnetwork", "bool", same=server_decides),
    Field("ip_allocation_policy.cluster_ipv4_cidr_block", same=same_or_sized, remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.services_ipv4_cidr_block", same=same_or_sized, remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.cluster_secondary_range_name", remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.services_secondary_range_name", remedy=ANOTHER_CLUSTER),
    Field("ip_allocation_policy.stack_type", choices=("IPV4", "IPV4_IPV6"), unset="IPV4", remedy=ANOTHER_CLUSTER),
    Field("default_max_pods_constraint.max_pods_per_node", "int64", remedy=ANOTHER_CLUSTER),
    Field("monitoring_config.managed_prometheus_config.enabled", "bool", update=MONITORING),
    Field(
        "monitoring_config.managed_prometheus_config.auto_monitoring_config.scope",
        choices=("ALL", "NONE"),
        unset="NONE",
        update=MONITORING,
    ),
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
        unset="LEGACY_DATAPATH",
        remedy=ANOTHER_CLUSTER,
    ),
    Field(
        "network_config.gateway_api_config.channel",
        choices=("CHANNEL_DISABLED", "CHANNEL_STANDARD"),
        unset="CHANNEL_DISABLED",
        update=desired("desiredGatewayApiConfig", "networkConfig.gatewayApiConfig"),
    ),
    switch(
        "network_config.enable_intra_node_visibility",
        "networkConfig.enableIntraNodeVisibility",
        "desiredIntraNodeVisibilityConfig",
        ".enabled",
    ),
    switch(
        "network_config.enable_l4ilb_subsetting",
        "networkConfig.enableL4ilbSubsetting",
        "desiredL4ilbSubsettingConfig",
        ".enabled",
    ),
    switch(
        "network_config.default_enable_private_nodes",
        "networkConfig.defaultEnablePrivateNodes",
        "desiredDefaultEnablePrivateNodes",
    ),
    Field("network_config.enable_multi_networking", "bool", remedy=ANOTHER_CLUSTER),
    switch(
        "network_config.enable_fqdn_network_policy",
        "networkConfig.enableFqdnNetworkPolicy",
        "desiredEnableFqdnNetworkPolicy",
    ),
    switch(
        "network_config.default_snat_status.disabled",
        "networkConfig.defaultSnatStatus.disabled",
        "desiredDefaultSnatStatus",
        ".disabled",
    ),
    Field(
        "network_config.dns_config.cluster_dns",
        choices=("PLATFORM_DEFAULT", "CLOUD_DNS", "KUBE_DNS"),
        unset="PLATFORM_DEFAULT",
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
    Field("private_cluster_config.private_endpoint_subnetwork", same=same_link, remedy=ANOTHER_CLUSTER),
    Field("control_plane_endpoints_config.dns_endpoint_config.allow_external_traffic", "bool", update=ENDPOINTS),
    Field("control_plane_endpoints_config.ip_endpoints_config.enabled", "bool", update=ENDPOINTS),
    Field("control_plane_endpoints_config.ip_endpoints_config.enable_public_endpoint", "bool", update=ENDPOINTS),
    Field("control_plane_endpoints_config.ip_endpoints_config.global_access", "bool", update=ENDPOINTS),
    Field("master_authorized_networks_config.enabled", "bool", update=AUTHORIZED),
    Field("master_authorized_networks_config.gcp_public_cidrs_access_enabled", "bool", update=AUTHORIZED),
    Field(
        "master_authorized_networks_config.cidr_blocks",
        same=same_set,
        items=(Field("cidr_block", required=True, check=wrong_range), Field("display_name")),
        update=AUTHORIZED,
    ),
    Field("maintenance_policy.window.daily_maintenance_window.start_time", update=MAINTENANCE),
    Field("maintenance_policy.window.recurring_window.window.start_time", same=same_time, update=MAINTENANCE),
    Field("maintenance_policy.window.recurring_window.window.end_time", same=same_time, update=MAINTENANCE),
    Field("maintenance_policy.window.recurring_window.recurrence", update=MAINTENANCE),
    Field(
        "maintenance_policy.window.maintenance_exclusions",
        same=same_exclusions,
        keyed="name",
        items=(
            Field("name", required=True),
            Field("start_time", required=True),
            Field("end_time", required=True),
            Field(
                "scope",
                path="maintenanceExclusionOptions.scope",
                choices=("NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES"),
            ),
        ),
        update=MAINTENANCE,
    ),
    Field("shielded_nodes.enabled", "bool", update=desired("desiredShieldedNodes", "shieldedNodes")),
    Field(
        "vertical_pod_autoscaling.enabled",
        "bool",
        update=desired("desiredVerticalPodAutoscaling", "verticalPodAutoscaling"),
    ),
    Field(
        "cost_management_config.enabled",
        "bool",
        update=desired("desiredCostManagementConfig", "costManagementConfig"),
    ),
    Field(
        "secret_manager_config.enabled",
        "bool",
        update=desired("desiredSecretManagerConfig", "secretManagerConfig", whole=("secretManagerConfig",)),
    ),
    Field("resource_labels", "dict", same=same_labels, along=with_google_labels, update=LABELS),
)

CLUSTER = Kind(
    noun="cluster",
    family=CLUSTERS,
    path="projects/{project}/locations/{location}/clusters/{name}",
    envelope="cluster",
    mark="resourceLabels",
    mark_later=True,
    busy=frozenset({"PROVISIONING", "RECONCILING", "STOPPING"}),
    broken=frozenset({"ERROR"}),
    ailing=frozenset({"DEGRADED"}),
    born_with={"nodePools": ("default_pool", node_pool.NODE_POOL)},
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
        if self.present and (told := wrong_name(str(self.params["name"]), node_pool.LONGEST_NAME)):
            raise OptionError(told)
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
