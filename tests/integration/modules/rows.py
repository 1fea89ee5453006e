# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Two values for every row of every table, put together into declarations that Google would accept.

A subject is a declaration of one module and the resource in it that its rows are about. For each row it has the value
that is declared and another one: what somebody changes behind our back, or what cannot be had any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llm_d.gke.plugins.module_utils._fields import Field, put, wanted_body
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Kind, Target
from ansible_collections.llm_d.gke.plugins.module_utils._resources.cluster import CLUSTER
from ansible_collections.llm_d.gke.plugins.module_utils._resources.network import FIREWALL, NETWORK, SUBNETWORK
from ansible_collections.llm_d.gke.plugins.module_utils._resources.node_pool import NODE_POOL

Json = dict[str, Any]
PROJECT, REGION = "llm-d-sandbox", "us-east5"
SCOPE = "https://www.googleapis.com/auth/"
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Subject:
    """One resource, and two values for each of its rows."""

    kind: Kind
    name: str
    pairs: Mapping[str, Pair]
    # Options that make the rest possible, and are nobody's case here.
    besides: Json = field(default_factory=dict)
    cluster: str = "rows"

    @property
    def rows(self) -> list[Field]:
        return [row for row in self.kind.rows if row.option in self.pairs]

    def options(self, *other: str) -> Json:
        """The declaration; the rows named have their other value."""
        params = deepcopy(self.besides)
        for option, pair in self.pairs.items():
            if pair[option in other] is None:
                continue
            put(params, option, deepcopy(pair[option in other]))
        return {**params, "name": self.name}

    def target(self, *other: str) -> Target:
        scope = {"project": PROJECT, "region": REGION, "location": REGION, "cluster": self.cluster}
        wanted = wanted_body(self.kind.rows, self.options(*other))
        return Target(
            self.kind, self.name, {key: scope[key] for key in scope if f"{{{key}}}" in self.kind.path}, wanted
        )


NETWORKS = (
    Subject(
        NETWORK,
        "rows",
        {
            "description": ("For rows.", "For others."),
            "mtu": (8896, 1460),
            "routing_mode": ("GLOBAL", "REGIONAL"),
            "network_firewall_policy_enforcement_order": ("BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL"),
            "auto_create_subnetworks": (False, True),
        },
    ),
)
SUBNETWORKS = (
    Subject(
        SUBNETWORK,
        "machines",
        {
            "description": ("Nodes.", "Others."),
            "ip_cidr_range": ("10.10.0.0/18", "10.10.0.0/19"),
            "private_ip_google_access": (True, False),
            "secondary_ip_ranges": (
                [{"range_name": "pods", "ip_cidr_range": "10.64.0.0/16"}],
                [
                    {"range_name": "pods", "ip_cidr_range": "10.64.0.0/16"},
                    {"range_name": "more", "ip_cidr_range": "10.65.0.0/20"},
                ],
            ),
            "stack_type": ("IPV4_ONLY", "IPV4_IPV6"),
            "log_config.enable": (True, False),
            "log_config.aggregation_interval": ("INTERVAL_30_SEC", "INTERVAL_5_MIN"),
            "log_config.flow_sampling": (0.5, 0.25),
            "log_config.metadata": ("INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA"),
        },
        {"region": REGION},
    ),
    Subject(
        SUBNETWORK,
        "proxies",
        {"purpose": ("REGIONAL_MANAGED_PROXY", "PRIVATE"), "role": ("BACKUP", "ACTIVE")},
        {"region": REGION, "ip_cidr_range": "172.16.0.0/26"},
    ),
)
TCP = [{"ip_protocol": "tcp", "ports": ["80", "8000-8999"]}]
FIREWALLS = (
    Subject(
        FIREWALL,
        "in",
        {
            "description": ("In.", "Out."),
            "direction": ("INGRESS", "EGRESS"),
            "priority": (900, 1000),
            "disabled": (False, True),
            "allowed": (TCP, [{"ip_protocol": "all"}]),
            "source_ranges": (["10.0.0.0/8", "172.16.0.0/12"], ["10.0.0.0/8"]),
            "target_tags": (["a"], ["a", "b"]),
            "log_config.enable": (True, False),
            "log_config.metadata": ("INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA"),
        },
    ),
    Subject(
        FIREWALL,
        "out",
        {"denied": (TCP, [{"ip_protocol": "udp"}]), "destination_ranges": (["10.9.0.0/16"], ["10.8.0.0/16"])},
        {"direction": "EGRESS"},
    ),
    Subject(
        FIREWALL,
        "tags",
        # To nothing, and back: an empty list takes the last tag away.
        {"source_tags": (["x"], [])},
        {"allowed": TCP, "source_ranges": ["10.0.0.0/8"]},
    ),
    Subject(
        FIREWALL,
        "accounts",
        {
            "source_service_accounts": (
                [f"a@{PROJECT}.iam.gserviceaccount.com"],
                [f"b@{PROJECT}.iam.gserviceaccount.com"],
            ),
            "target_service_accounts": (
                [f"a@{PROJECT}.iam.gserviceaccount.com"],
                [f"b@{PROJECT}.iam.gserviceaccount.com"],
            ),
        },
        {"allowed": TCP},
    ),
)

ADDONS_ON = (
    "dns_cache_config",
    "gce_persistent_disk_csi_driver_config",
    "gcp_filestore_csi_driver_config",
    "gcs_fuse_csi_driver_config",
    "parallelstore_csi_driver_config",
    "ray_operator_config",
    "stateful_ha_config",
    "lustre_csi_driver_config",
    "high_scale_checkpointing_config",
    "slice_controller_config",
    "config_connector_config",
    "gke_backup_agent_config",
)
ADDONS_OFF = ("horizontal_pod_autoscaling", "network_policy_config")
EXCLUSION = {"name": "q4", "start_time": "2027-11-20T00:00:00Z", "end_time": "2027-12-05T00:00:00Z"}
RECURRING = "maintenance_policy.window.recurring_window"
IPS = "control_plane_endpoints_config.ip_endpoints_config"
OBSERVED = "monitoring_config.advanced_datapath_observability_config"
ROLLOUT = "upgrade_settings.blue_green_settings.standard_rollout_policy"
CLUSTERS = (
    Subject(
        CLUSTER,
        "rows",
        {
            "description": ("For rows.", "For others."),
            "network": ("net", "other"),
            "subnetwork": ("nodes", "other"),
            "locations": (["us-east5-a", "us-east5-b"], ["us-east5-a"]),
            "initial_cluster_version": ("latest", "1.20"),
            "enable_kubernetes_alpha": (False, True),
            "release_channel.channel": ("RAPID", "STABLE"),
            **{f"addons_config.{addon}.enabled": (True, False) for addon in ADDONS_ON},
            **{f"addons_config.{addon}.disabled": (True, False) for addon in ADDONS_OFF},
            "addons_config.ray_operator_config.ray_cluster_logging_config.enabled": (True, False),
            "addons_config.ray_operator_config.ray_cluster_monitoring_config.enabled": (True, False),
            "ip_allocation_policy.use_ip_aliases": (True, False),
            "ip_allocation_policy.create_subnetwork": (False, True),
            "ip_allocation_policy.cluster_ipv4_cidr_block": ("10.96.0.0/14", "10.100.0.0/14"),
            "ip_allocation_policy.services_ipv4_cidr_block": ("10.90.0.0/20", "10.91.0.0/20"),
            "ip_allocation_policy.stack_type": ("IPV4", "IPV4_IPV6"),
            "default_max_pods_constraint.max_pods_per_node": (64, 110),
            "monitoring_config.managed_prometheus_config.enabled": (True, False),
            "monitoring_config.managed_prometheus_config.auto_monitoring_config.scope": ("ALL", "NONE"),
            f"{OBSERVED}.enable_metrics": (True, False),
            f"{OBSERVED}.enable_relay": (True, False),
            "monitoring_config.component_config.enable_components": (
                ["SYSTEM_COMPONENTS", "POD"],
                ["SYSTEM_COMPONENTS"],
            ),
            "logging_config.component_config.enable_components": (
                ["SYSTEM_COMPONENTS"],
                ["SYSTEM_COMPONENTS", "WORKLOADS"],
            ),
            "network_config.datapath_provider": ("ADVANCED_DATAPATH", "LEGACY_DATAPATH"),
            "network_config.gateway_api_config.channel": ("CHANNEL_STANDARD", "CHANNEL_DISABLED"),
            "network_config.enable_intra_node_visibility": (True, False),
            "network_config.enable_l4ilb_subsetting": (True, False),
            "network_config.default_enable_private_nodes": (True, False),
            "network_config.enable_multi_networking": (True, False),
            "network_config.enable_fqdn_network_policy": (True, False),
            "network_config.default_snat_status.disabled": (True, False),
            "network_config.dns_config.cluster_dns": ("CLOUD_DNS", "PLATFORM_DEFAULT"),
            "network_config.dns_config.cluster_dns_scope": ("VPC_SCOPE", "CLUSTER_SCOPE"),
            "network_config.dns_config.cluster_dns_domain": ("rows.example", "others.example"),
            "workload_identity_config.workload_pool": (f"{PROJECT}.svc.id.goog", ""),
            "private_cluster_config.enable_private_nodes": (True, False),
            "private_cluster_config.master_ipv4_cidr_block": ("172.20.0.0/28", "172.21.0.0/28"),
            "private_cluster_config.enable_private_endpoint": (False, True),
            "control_plane_endpoints_config.dns_endpoint_config.allow_external_traffic": (True, False),
            f"{IPS}.enabled": (True, False),
            f"{IPS}.enable_public_endpoint": (True, False),
            f"{IPS}.global_access": (True, False),
            "master_authorized_networks_config.enabled": (True, False),
            "master_authorized_networks_config.gcp_public_cidrs_access_enabled": (True, False),
            "master_authorized_networks_config.cidr_blocks": (
                [{"cidr_block": "192.0.2.0/24", "display_name": "office"}],
                [{"cidr_block": "198.51.100.0/24"}],
            ),
            f"{RECURRING}.window.start_time": ("2026-01-01T03:00:00Z", "2026-01-01T02:00:00Z"),
            f"{RECURRING}.window.end_time": ("2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"),
            f"{RECURRING}.recurrence": ("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SA,SU"),
            "maintenance_policy.window.maintenance_exclusions": (
                [{**EXCLUSION, "scope": "NO_MINOR_UPGRADES"}],
                [EXCLUSION],
            ),
            "shielded_nodes.enabled": (True, False),
            "vertical_pod_autoscaling.enabled": (True, False),
            "cost_management_config.enabled": (True, False),
            "secret_manager_config.enabled": (True, False),
            "resource_labels": ({"team": "a"}, {"team": "b"}),
        },
    ),
    Subject(
        CLUSTER,
        "ranges",
        {
            "ip_allocation_policy.cluster_secondary_range_name": ("pods", "others"),
            "ip_allocation_policy.services_secondary_range_name": ("services", "others"),
            "private_cluster_config.private_endpoint_subnetwork": ("nodes", "others"),
            "maintenance_policy.window.daily_maintenance_window.start_time": ("03:00", "04:00"),
            # The Gateway API needs it, so it cannot be switched off in the other cluster.
            "addons_config.http_load_balancing.disabled": (True, False),
        },
        besides={
            "network": "net",
            "subnetwork": "nodes",
            "ip_allocation_policy": {"use_ip_aliases": True},
            "release_channel": {"channel": "UNSPECIFIED"},
        },
    ),
)

AFFINITY = "config.reservation_affinity"
BLUE = {"upgrade_settings": {"strategy": "BLUE_GREEN"}}
SCALED = {"autoscaling": {"enabled": True}}
POOLS = (
    Subject(
        NODE_POOL,
        "plain",
        {
            "initial_node_count": (1, 2),
            "locations": (["us-east5-a", "us-east5-b"], ["us-east5-a"]),
            "version": ("latest", "1.20"),
            "config.machine_type": ("e2-standard-4", "e2-standard-8"),
            "config.disk_type": ("pd-ssd", "pd-balanced"),
            "config.disk_size_gb": (120, 100),
            "config.image_type": ("cos_containerd", "UBUNTU_CONTAINERD"),
            "config.labels": ({"a": "b"}, {"a": "c"}),
            "config.taints": (
                [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}],
                [{"key": "k", "value": "v", "effect": "NO_EXECUTE"}],
            ),
            "config.tags": (["t"], []),
            "config.resource_labels": ({"team": "a"}, {"team": "b"}),
            "config.gvnic.enabled": (True, False),
            "config.gcfs_config.enabled": (True, False),
            "config.workload_metadata_config.mode": ("GKE_METADATA", "GCE_METADATA"),
            "config.logging_config.variant_config.variant": ("MAX_THROUGHPUT", "DEFAULT"),
            "config.kubelet_config.cpu_manager_policy": ("static", "none"),
            "config.kubelet_config.pod_pids_limit": (2048, 4096),
            "config.kubelet_config.max_parallel_image_pulls": (4, 2),
            "config.kubelet_config.insecure_kubelet_readonly_port_enabled": (True, False),
            "config.linux_node_config.sysctls": ({"net.core.somaxconn": "2048"}, {"net.core.somaxconn": "4096"}),
            "config.linux_node_config.cgroup_mode": ("CGROUP_MODE_V2", "CGROUP_MODE_V1"),
            "config.linux_node_config.transparent_hugepage_enabled": (
                "TRANSPARENT_HUGEPAGE_ENABLED_ALWAYS",
                "TRANSPARENT_HUGEPAGE_ENABLED_NEVER",
            ),
            "config.linux_node_config.hugepages.hugepage_size2m": (512, 1024),
            "config.linux_node_config.hugepages.hugepage_size1g": (1, 2),
            "config.service_account": ("default", f"nodes@{PROJECT}.iam.gserviceaccount.com"),
            "config.oauth_scopes": ([f"{SCOPE}cloud-platform"], [f"{SCOPE}monitoring"]),
            "config.metadata": ({"m": "1"}, {"m": "2"}),
            "config.min_cpu_platform": ("Intel Ice Lake", "Intel Skylake"),
            "config.advanced_machine_features.threads_per_core": (1, 2),
            "config.secondary_boot_disks": (
                [{"disk_image": f"projects/{PROJECT}/global/images/cache", "mode": "CONTAINER_IMAGE_CACHE"}],
                [{"disk_image": f"projects/{PROJECT}/global/images/other", "mode": "CONTAINER_IMAGE_CACHE"}],
            ),
            "config.local_nvme_ssd_block_config.local_ssd_count": (1, 2),
            "config.ephemeral_storage_local_ssd_config.local_ssd_count": (1, 2),
            "config.boot_disk_kms_key": (
                "projects/k/locations/l/keyRings/r/cryptoKeys/a",
                "projects/k/locations/l/keyRings/r/cryptoKeys/b",
            ),
            "config.shielded_instance_config.enable_secure_boot": (True, False),
            "config.shielded_instance_config.enable_integrity_monitoring": (True, False),
            "placement_policy.type": (None, "COMPACT"),
            "placement_policy.policy_name": ("near", "far"),
            "max_pods_constraint.max_pods_per_node": (32, 64),
            "network_config.enable_private_nodes": (True, False),
            "network_config.create_pod_range": (False, True),
            "network_config.pod_range": ("pods", "others"),
            "network_config.pod_ipv4_cidr_block": ("10.64.0.0/16", "10.66.0.0/16"),
            "network_config.subnetwork": (f"projects/{PROJECT}/regions/{REGION}/subnetworks/nodes", "others"),
            "network_config.network_performance_config.total_egress_bandwidth_tier": (None, "TIER_1"),
            "network_config.additional_node_network_configs": (
                [{"network": "net", "subnetwork": "nodes"}],
                [{"network": "net", "subnetwork": "others"}],
            ),
            "network_config.additional_pod_network_configs": (
                [{"subnetwork": "nodes", "secondary_pod_range": "pods", "max_pods_per_node": 16}],
                [{"subnetwork": "nodes", "secondary_pod_range": "pods", "max_pods_per_node": 32}],
            ),
            "management.auto_repair": (True, False),
            "upgrade_settings.max_surge": (0, 1),
            "upgrade_settings.max_unavailable": (1, 0),
        },
    ),
    Subject(
        NODE_POOL,
        "scaled",
        {
            "autoscaling.min_node_count": (1, 0),
            "autoscaling.max_node_count": (3, 4),
            "autoscaling.location_policy": ("ANY", "BALANCED"),
        },
        SCALED,
    ),
    Subject(
        NODE_POOL,
        "switched",
        {"autoscaling.enabled": (True, False)},
        {"autoscaling": {"min_node_count": 1, "max_node_count": 3}},
    ),
    Subject(
        NODE_POOL,
        "total",
        {"autoscaling.total_min_node_count": (1, 2), "autoscaling.total_max_node_count": (3, 4)},
        SCALED,
    ),
    Subject(
        NODE_POOL,
        "blue",
        {
            "upgrade_settings.blue_green_settings.node_pool_soak_duration": ("600s", "1200s"),
            f"{ROLLOUT}.batch_node_count": (1, 2),
            f"{ROLLOUT}.batch_soak_duration": ("60s", "120s"),
        },
        BLUE,
    ),
    Subject(
        NODE_POOL,
        "green",
        {f"{ROLLOUT}.batch_percentage": (0.5, 0.25)},
        BLUE,
    ),
    Subject(NODE_POOL, "way", {"upgrade_settings.strategy": ("BLUE_GREEN", "SURGE")}),
    Subject(
        NODE_POOL,
        "disk",
        {
            "config.boot_disk.disk_type": ("hyperdisk-balanced", "pd-balanced"),
            "config.boot_disk.size_gb": (200, 100),
            "config.boot_disk.provisioned_iops": (4000, 3000),
            "config.boot_disk.provisioned_throughput": (300, 200),
        },
    ),
    Subject(
        NODE_POOL,
        "tpu",
        {
            f"{AFFINITY}.consume_reservation_type": ("SPECIFIC_RESERVATION", "ANY_RESERVATION"),
            f"{AFFINITY}.key": ("compute.googleapis.com/reservation-name", "other"),
            f"{AFFINITY}.values": (["tpu-v6e-reservation"], ["another"]),
            "placement_policy.tpu_topology": ("2x2", "1x4"),
        },
        {
            "initial_node_count": 1,
            "locations": ["us-east5-a"],
            "config": {"machine_type": "ct6e-standard-4t"},
        },
    ),
    Subject(NODE_POOL, "spot", {"config.spot": (True, False)}, {"initial_node_count": 1}),
    Subject(NODE_POOL, "preemptible", {"config.preemptible": (True, False)}, {"initial_node_count": 1}),
    Subject(
        NODE_POOL,
        "flex",
        {
            "config.flex_start": (True, False),
            "config.max_run_duration": ("3600s", "7200s"),
            "queued_provisioning.enabled": (True, False),
        },
        {
            "initial_node_count": 0,
            "locations": ["us-east5-a"],
            "config": {
                "machine_type": "ct6e-standard-4t",
                "reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"},
            },
            "management": {"auto_repair": False, "auto_upgrade": True},
            "autoscaling": {"enabled": True, "total_max_node_count": 1},
        },
    ),
    Subject(
        NODE_POOL,
        "gpu",
        {
            "config.accelerators": (
                [{"accelerator_type": "nvidia-l4", "accelerator_count": 1}],
                [{"accelerator_type": "nvidia-l4", "accelerator_count": 2}],
            )
        },
        {
            "initial_node_count": 1,
            "config": {"machine_type": "n2-standard-4"},
            "placement_policy": {"type": "COMPACT"},
            "network_config": {"network_performance_config": {"total_egress_bandwidth_tier": "TIER_1"}},
        },
    ),
)
# The pool that a cluster is born with. In a release channel GKE would not let the upgrades be switched off.
FIRST = Subject(NODE_POOL, "first", {"management.auto_upgrade": (True, False)}, {"initial_node_count": 1}, "ranges")
ALL = (*NETWORKS, *SUBNETWORKS, *FIREWALLS, *CLUSTERS, FIRST, *POOLS)
