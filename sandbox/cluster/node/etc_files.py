# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The files in /etc that the kubelet writes for a pod. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import CLUSTER_DOMAIN


def hosts(host_name: str, pod_ip: str, aliases: list[Mapping[str, Any]], domain: str = "") -> str:
    names = f"{host_name}.{domain}\t{host_name}" if domain else host_name
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        f"{pod_ip}\t{names}",
    ]
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join([alias["ip"], *(alias.get("hostnames") or [])]) for alias in aliases]
    return "\n".join(lines) + "\n"


def resolv_conf(spec: Mapping[str, Any], namespace: str, name_server: str, project: str, zone: str) -> str:
    own = spec.get("dnsConfig") or {}
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    if spec.get("dnsPolicy", "ClusterFirst") != "None":
        servers = [name_server]
        searches = [f"{namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN]
        searches += [f"{zone}.c.{project}.internal", f"c.{project}.internal", "google.internal"]
        options = ["ndots:5"]
    servers += [item for item in own.get("nameservers") or [] if item not in servers]
    searches += [item for item in own.get("searches") or [] if item not in searches]
    for option in own.get("options") or []:
        value = option.get("value")
        options = [item for item in options if item.partition(":")[0] != option["name"]]
        options.append(option["name"] if value is None else f"{option['name']}:{value}")
    lines = [f"nameserver {server}" for server in servers]
    if searches:
        lines.append(f"search {' '.join(searches)}")
    if options:
        lines.append(f"options {' '.join(options)}")
    return "\n".join(lines) + "\n"
