# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Read from a cluster what the rules before an installation ask for.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._findings import Check
from ._kubernetes import Cluster
from ._llm_d_rules import (
    GATEWAY_KINDS,
    Facts,
    missing_crds,
    of_cluster,
    of_settings,
)


def read(cluster: Cluster, settings: Mapping[str, Any]) -> Facts:
    """The cluster's part. Of the Secret only the names of its keys are kept."""
    kinds = frozenset(cluster.resource_types)
    secret = cluster.get("v1", "Secret", settings["model"]["token_secret"], settings["namespace"])
    classes = []
    if GATEWAY_KINDS[0] in kinds:
        classes = [found["metadata"]["name"] for found in cluster.find("gateway.networking.k8s.io/v1", "GatewayClass")]
    return Facts(
        kinds=kinds,
        nodes=cluster.find("v1", "Node"),
        secret_keys=None if secret is None else sorted(secret.get("data") or {}),
        gateway_classes=classes,
    )


def examine(settings: Mapping[str, Any], cluster: Cluster | None, planning: bool = False) -> dict[str, Any]:
    """Every finding at once. Without a cluster only the settings are judged; a plan takes the Secret for granted."""
    findings = of_settings(settings)
    crds = {"gateway_api": False, "inference": False}
    if cluster is not None:
        facts = read(cluster, settings)
        if planning and facts.secret_keys is None:
            facts = replace(facts, secret_keys=["HF_TOKEN"])
        findings += of_cluster(settings, facts)
        crds = missing_crds(facts)
    told = [finding.as_dict() for finding in findings]
    return {
        "checks": [
            Check(f"llm-d: {one.name}", one.name, one.message, one.remedy, one.severity).as_dict() for one in findings
        ],
        "errors": [finding for finding in told if finding["severity"] == "error"],
        "warnings": [finding for finding in told if finding["severity"] == "warning"],
        "missing_crds": crds,
    }
