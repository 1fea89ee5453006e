# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a seed wants to have: options of the modules as the roles would give them, and, written down apart from them,
what Google must show in the end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PREFIX = "chaos"
DEPLOYMENT = "chaos"
SERVICES = [f"{name}.googleapis.com" for name in ("container", "compute", "iam", "cloudresourcemanager")]
SUBNETWORK_RANGE, PROXY_RANGE = "10.10.0.0/18", "172.16.0.0/26"
SOURCES = ["10.0.0.0/8", "172.16.0.0/12"]
MACHINE, TOPOLOGY = "ct6e-standard-4t", "2x2"
RESERVATION_KEY = "compute.googleapis.com/reservation-name"
# The roles' own words.
NETWORK_TEXT = "Network of a disaggregated llm-d service."
RULE_TEXT = "Allow all internal traffic within the network."
PACE = 0.02


@dataclass(frozen=True)
class Place:
    """Where the deployment stands, and how it is reached."""

    project: str
    region: str
    zone: str
    reservation: str
    endpoints: Json
    key_file: str

    def common(self) -> Json:
        return {
            "project": self.project,
            "endpoints": self.endpoints,
            "auth_kind": "serviceaccount",
            "service_account_file": self.key_file,
            "poll_interval": PACE,
            # Wall seconds. Far longer than anything takes here, far shorter than a person would watch.
            "wait_timeout": 300,
        }


@dataclass(frozen=True)
class Scene:
    """The deployment of a seed."""

    place: Place
    pools: int
    most_operations: int
    reserved: bool

    @classmethod
    def drawn(cls, rng: random.Random, place: Place) -> Scene:
        return cls(place, rng.randint(1, 6), rng.randint(1, 4), rng.random() < 0.7)

    # Names and paths

    @property
    def pool_names(self) -> list[str]:
        return [f"{PREFIX}-tpu-{number}" for number in range(1, self.pools + 1)]

    @property
    def network(self) -> str:
        return f"projects/{self.place.project}/global/networks/{PREFIX}-main"

    @property
    def subnetwork(self) -> str:
        return f"projects/{self.place.project}/regions/{self.place.region}/subnetworks/{PREFIX}-tpu"

    @property
    def proxy_subnetwork(self) -> str:
        return f"projects/{self.place.project}/regions/{self.place.region}/subnetworks/{PREFIX}-proxy"

    @property
    def firewall(self) -> str:
        return f"projects/{self.place.project}/global/firewalls/{PREFIX}-allow-internal"

    @property
    def cluster(self) -> str:
        return f"projects/{self.place.project}/locations/{self.place.region}/clusters/{PREFIX}-cluster"

    def pool(self, name: str) -> str:
        return f"{self.cluster}/nodePools/{name}"

    # Options of the modules

    def up(self, *, recreate: bool = False) -> list[tuple[str, Json]]:
        """The modules of the playbook up, in its order."""
        common = self.place.common()
        return [
            ("gcp_project_services", {**common, "services": SERVICES}),
            ("gcp_network", {**common, **self._network()}),
            ("gke_cluster", {**common, **self._cluster(), "recreate": recreate}),
            ("gke_node_pools", {**common, **self._node_pools()}),
        ]

    def down(self) -> list[tuple[str, Json]]:
        """The modules of the role teardown, in its order."""
        common = {**self.place.common(), "state": "absent"}
        sweep = {"network": f"{PREFIX}-main", "cluster": f"{PREFIX}-cluster", "deployment": DEPLOYMENT}
        return [
            ("gke_node_pools", {**common, **self._node_pools(), "prune": True, "state": "absent"}),
            ("gke_cluster", {**common, "name": f"{PREFIX}-cluster", **self._where()}),
            ("gcp_leftovers", {**common, **sweep}),
            ("gcp_network", {**common, **self._network(), "state": "absent"}),
        ]

    def _where(self) -> Json:
        return {"location": self.place.region, "deployment": DEPLOYMENT}

    def _network(self) -> Json:
        region = self.place.region
        return {
            "name": f"{PREFIX}-main",
            "deployment": DEPLOYMENT,
            "description": NETWORK_TEXT,
            "auto_create_subnetworks": False,
            "mtu": 8896,
            "routing_mode": "REGIONAL",
            "subnetworks": [
                {
                    "name": f"{PREFIX}-tpu",
                    "region": region,
                    "ip_cidr_range": SUBNETWORK_RANGE,
                    "private_ip_google_access": True,
                },
                {
                    "name": f"{PREFIX}-proxy",
                    "region": region,
                    "ip_cidr_range": PROXY_RANGE,
                    "purpose": "REGIONAL_MANAGED_PROXY",
                    "role": "ACTIVE",
                },
            ],
            "firewall_rules": [
                {
                    "name": f"{PREFIX}-allow-internal",
                    "description": RULE_TEXT,
                    "direction": "INGRESS",
                    "allowed": [{"ip_protocol": "all"}],
                    "source_ranges": SOURCES,
                }
            ],
        }

    def _cluster(self) -> Json:
        return {
            "name": f"{PREFIX}-cluster",
            **self._where(),
            "network": self.network,
            "subnetwork": self.subnetwork,
            "release_channel": {"channel": "RAPID"},
            "addons_config": {
                "gcs_fuse_csi_driver_config": {"enabled": True},
                "http_load_balancing": {"disabled": False},
            },
            "ip_allocation_policy": {"use_ip_aliases": True},
            "monitoring_config": {"managed_prometheus_config": {"enabled": True}},
            "network_config": {
                "datapath_provider": "ADVANCED_DATAPATH",
                "gateway_api_config": {"channel": "CHANNEL_STANDARD"},
            },
            "workload_identity_config": {"workload_pool": f"{self.place.project}.svc.id.goog"},
            "default_pool": {
                "name": "default-pool",
                "initial_node_count": 1,
                "config": {"machine_type": "e2-standard-8"},
            },
            "resource_labels": {"team": "serving"},
        }

    def _node_pools(self) -> Json:
        return {
            "cluster": f"{PREFIX}-cluster",
            **self._where(),
            "node_pools": [self._pool(name) for name in self.pool_names],
            "max_operations": self.most_operations,
        }

    def _pool(self, name: str) -> Json:
        affinity: Json = {"consume_reservation_type": "NO_RESERVATION"}
        if self.reserved:
            affinity = {
                "consume_reservation_type": "SPECIFIC_RESERVATION",
                "key": RESERVATION_KEY,
                "values": [self.place.reservation],
            }
        return {
            "name": name,
            "initial_node_count": 1,
            "locations": [self.place.zone],
            "config": {
                "machine_type": MACHINE,
                "disk_size_gb": 300,
                "labels": {"role": "serving"},
                "workload_metadata_config": {"mode": "GKE_METADATA"},
                "reservation_affinity": affinity,
            },
            "management": {"auto_repair": True, "auto_upgrade": True},
            "placement_policy": {"tpu_topology": TOPOLOGY},
        }

    # What Google must show

    def expected(self) -> Iterator[tuple[str, str, Any]]:
        """Path, field, value; lists are compared as sets."""
        mark = f"[llm-d-deployment: {DEPLOYMENT}]"
        yield from (
            (self.network, "description", f"{NETWORK_TEXT} {mark}"),
            (self.network, "mtu", 8896),
            (self.network, "autoCreateSubnetworks", False),
            (self.network, "routingConfig.routingMode", "REGIONAL"),
            (self.subnetwork, "ipCidrRange", SUBNETWORK_RANGE),
            (self.subnetwork, "privateIpGoogleAccess", True),
            (self.subnetwork, "description", mark),
            (self.proxy_subnetwork, "ipCidrRange", PROXY_RANGE),
            (self.proxy_subnetwork, "purpose", "REGIONAL_MANAGED_PROXY"),
            (self.proxy_subnetwork, "role", "ACTIVE"),
            (self.firewall, "sourceRanges", SOURCES),
            (self.firewall, "description", f"{RULE_TEXT} {mark}"),
            (self.firewall, "allowed", [{"IPProtocol": "all"}]),
            (self.cluster, "status", "RUNNING"),
            (self.cluster, "releaseChannel.channel", "RAPID"),
            (self.cluster, "addonsConfig.gcsFuseCsiDriverConfig.enabled", True),
            (self.cluster, "networkConfig.gatewayApiConfig.channel", "CHANNEL_STANDARD"),
            (self.cluster, "networkConfig.datapathProvider", "ADVANCED_DATAPATH"),
            (self.cluster, "monitoringConfig.managedPrometheusConfig.enabled", True),
            (self.cluster, "resourceLabels", {"team": "serving", "llm-d-deployment": DEPLOYMENT}),
            (self.pool("default-pool"), "status", "RUNNING"),
            (self.pool("default-pool"), "config.machineType", "e2-standard-8"),
        )
        for name in self.pool_names:
            path = self.pool(name)
            yield from (
                (path, "status", "RUNNING"),
                (path, "config.machineType", MACHINE),
                (path, "config.diskSizeGb", 300),
                (path, "config.labels.role", "serving"),
                (path, "config.resourceLabels.llm-d-deployment", DEPLOYMENT),
                (path, "placementPolicy.tpuTopology", TOPOLOGY),
                (path, "management.autoRepair", True),
                (path, "locations", [self.place.zone]),
            )
            if self.reserved:
                yield path, "config.reservationAffinity.values", [self.place.reservation]
