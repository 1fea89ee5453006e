# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a cluster process is told (its config.json) and what follows from it: addresses and file names."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

API_PORT = 443
KUBELET_PORT = 10250
WEBHOOK_PORT = 9443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
CLUSTER_DOMAIN = "cluster.local"
BRIDGE = "br0"


@dataclass(frozen=True)
class Config:
    name: str
    project: str
    location: str
    dir: Path
    control_socket: str
    cloud_socket: str
    tools: Path
    zones: list[str] = field(default_factory=list)
    version: str = "1.35.4-gke.1000000"
    pod_cidr: str = "10.64.0.0/14"
    service_cidr: str = "34.118.224.0/20"
    subnet_range: str = "10.10.0.0/18"
    network: str = ""
    subnetwork: str = ""
    apiserver_fd: int | None = None
    apiserver_endpoint: str = ""
    gateway_fd: int | None = None
    gateway_host_address: str = ""
    addons: dict[str, Any] = field(default_factory=dict)
    gateway_api: bool = False
    managed_prometheus: bool = False
    workload_pool: str = ""
    time_scale: float = 60.0

    @classmethod
    def load(cls, path: Path) -> Config:
        given = json.loads(path.read_text())
        known = {item.name for item in fields(cls)}
        # None means "not set": the cloud writes the whole resource, absent parts included.
        values = {key: value for key, value in given.items() if key in known and value is not None}
        values["dir"] = Path(values["dir"])
        values["tools"] = Path(values["tools"])
        return cls(**values)

    @property
    def api_address(self) -> str:
        """The service address of the API server: the first of the service range, as everywhere."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def api_url(self) -> str:
        return f"https://{self.api_address}:{API_PORT}"

    @property
    def dns_address(self) -> str:
        return str(ipaddress.ip_network(self.service_cidr)[10])

    @property
    def bridge_address(self) -> str:
        return str(ipaddress.ip_network(self.pod_cidr)[1])

    @property
    def pod_prefix_length(self) -> int:
        return ipaddress.ip_network(self.pod_cidr).prefixlen

    @property
    def issuer(self) -> str:
        return f"https://container.googleapis.com/v1/projects/{self.project}/locations/{self.location}/clusters/{self.name}"

    @property
    def pki(self) -> Path:
        return self.dir / "pki"

    @property
    def logs(self) -> Path:
        return self.dir / "logs"

    @property
    def pod_logs(self) -> Path:
        return self.dir / "logs" / "pods"

    @property
    def audit_log(self) -> Path:
        return self.dir / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        return self.dir / "kubeconfig" / f"{user}.yaml"

    def scaled(self, seconds: float, at_least: float = 0.0) -> float:
        """A duration on the sandbox's clock: a minute is a second by default. Never shorter than `at_least`."""
        return max(at_least, seconds / self.time_scale)
