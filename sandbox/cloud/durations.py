# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How long Google takes, in cloud seconds: one table for all operations.

The big ones are what public runs report; a cluster's delete and the pools' are rounded. What is not listed takes
``DEFAULT``.
"""

from __future__ import annotations

MINUTE = 60.0
DEFAULT = 5.0
CLUSTERS = "container.projects.locations.clusters"
NODE_POOLS = f"{CLUSTERS}.nodePools"

DURATIONS = {
    f"{CLUSTERS}.create": 8 * MINUTE,
    f"{CLUSTERS}.update": 1 * MINUTE,
    f"{CLUSTERS}.delete": 4 * MINUTE,
    f"{CLUSTERS}.setResourceLabels": 30.0,
    f"{CLUSTERS}.setMaintenancePolicy": 10.0,
    f"{NODE_POOLS}.create": 5 * MINUTE,
    f"{NODE_POOLS}.update": 3 * MINUTE,
    f"{NODE_POOLS}.delete": 3 * MINUTE,
    f"{NODE_POOLS}.setSize": 2 * MINUTE,
    f"{NODE_POOLS}.setManagement": 10.0,
    "compute.networks.insert": 20.0,
    "compute.networks.patch": 10.0,
    "compute.networks.delete": 20.0,
    "compute.networks.switchToCustomMode": 10.0,
    "compute.subnetworks.insert": 20.0,
    "compute.subnetworks.delete": 15.0,
    "compute.subnetworks.expandIpCidrRange": 15.0,
    "compute.subnetworks.patch": 10.0,
    "compute.firewalls.insert": 10.0,
    "compute.firewalls.patch": 10.0,
    "compute.firewalls.update": 10.0,
    "compute.firewalls.delete": 10.0,
    "compute.forwardingRules.insert": 15.0,
    "compute.forwardingRules.delete": 15.0,
    "compute.backendServices.insert": 15.0,
    "compute.regionBackendServices.insert": 15.0,
    "compute.regionBackendServices.delete": 10.0,
}

# How long a just-enabled API still answers SERVICE_DISABLED.
API_PROPAGATION = 1 * MINUTE


def duration_of(api_method: str) -> float:
    return DURATIONS.get(api_method, DEFAULT)
