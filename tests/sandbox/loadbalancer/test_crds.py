# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE installs by itself depends on the cluster's settings and version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.crds import gke_version, managed_manifests
from tests.sandbox.loadbalancer.lb_site import TOOLS

POOLS = "inferencepools.inference.networking.k8s.io"


def installed(**settings: Any) -> dict[str, list[str]]:
    config = {"tools": str(TOOLS), "version": "1.35.4-gke.1000000", **settings}
    found: dict[str, list[str]] = {}
    for item in managed_manifests(config):
        found.setdefault(item["kind"], []).append(item["metadata"]["name"])
    return found


def test_a_plain_cluster_has_none_of_it() -> None:
    assert installed() == {}


def test_gateway_api_brings_classes_policies_and_pools() -> None:
    found = installed(gateway_api=True)
    assert {"gke-l7-rilb", "gke-l7-regional-external-managed"} <= set(found["GatewayClass"])
    assert {
        "gateways.gateway.networking.k8s.io",
        "httproutes.gateway.networking.k8s.io",
        "healthcheckpolicies.networking.gke.io",
        "gcpbackendpolicies.networking.gke.io",
        POOLS,
    } <= set(found["CustomResourceDefinition"])
    assert not any("monitoring" in name for name in found["CustomResourceDefinition"])


@pytest.mark.parametrize(
    ("version", "brought"),
    [
        ("1.34.0-gke.1626000", True),
        ("1.34.0-gke.1625999", False),
        ("1.33.9-gke.9999999", False),
        ("1.34.1-gke.1", True),
        ("1.100.0-gke.1", True),
    ],
)
def test_old_versions_leave_the_pool_to_the_deployer(version: str, brought: bool) -> None:
    found = installed(gateway_api=True, version=version)
    assert (POOLS in found["CustomResourceDefinition"]) is brought


def test_managed_prometheus_brings_its_kinds() -> None:
    found = installed(managed_prometheus=True)
    assert "podmonitorings.monitoring.googleapis.com" in found["CustomResourceDefinition"]
    assert "GatewayClass" not in found


def test_missing_set_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="gateway-api"):
        installed(gateway_api=True, tools=str(tmp_path))


def test_what_is_no_version() -> None:
    with pytest.raises(ValueError, match="latest"):
        gke_version("latest")
