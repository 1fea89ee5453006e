# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A node pool of GKE, as a table.

This file is private to the collection. Source: container API v1, projects.locations.clusters.nodePools.
"""

from __future__ import annotations

from typing import Any

from .._errors import Json
from .._fields import Field, Update, same_labels, same_link, same_set
from .._plan import Kind

_FAMILY = "container.projects.locations.clusters.nodePools"
_UPDATE = f"{_FAMILY}.update"
_NODES = Update(_UPDATE, base="config")
_MANAGEMENT = Update(f"{_FAMILY}.setManagement", base="management", into="management", whole=True)
_SURGE = Update(_UPDATE, base="upgradeSettings", into="upgradeSettings", whole=True)
_AUTOSCALING = Update(
    "container.projects.locations.clusters.update",
    base="autoscaling",
    into="update.desiredNodePoolAutoscaling",
    whole=True,
    constant={"update.desiredNodePoolId": "{name}"},
)
_ANOTHER = "It is fixed when the pool is made: use a pool of another name, or `recreate: true` to delete and remake it."


def _same_topology(wanted: Any, found: Any, _resource: Json) -> bool:
    """A single-host pool may have been made without the topology, where GKE refuses it."""
    return found is None or wanted == found


def _same_taints(wanted: Any, found: Any, resource: Json) -> bool:
    """GKE taints TPU nodes by itself."""
    named = {taint.get("key") for taint in wanted}
    ours = [taint for taint in found or [] if taint.get("key") in named or taint.get("key") != "google.com/tpu"]
    return same_set(wanted, ours, resource)


NODE_POOL = Kind(
    noun="node pool",
    family=_FAMILY,
    path="projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}",
    envelope="nodePool",
    mark="config.resourceLabels",
    mark_later=True,
    busy=frozenset({"PROVISIONING", "RECONCILING", "STOPPING"}),
    broken=frozenset({"ERROR", "RUNNING_WITH_ERROR"}),
    rows=(
        Field(
            "initial_node_count", "int", update=Update(f"{_FAMILY}.setSize", base="initialNodeCount", into="nodeCount")
        ),
        Field("locations", "list", same=same_set, update=Update(_UPDATE, base="locations", into="locations")),
        Field("config.machine_type", update=_NODES),
        Field("config.disk_type", update=_NODES),
        Field("config.disk_size_gb", "int", update=_NODES),
        Field("config.image_type", update=_NODES),
        Field(
            "config.labels",
            "dict",
            same=same_labels,
            update=Update(_UPDATE, base="config.labels", into="labels.labels"),
        ),
        Field(
            "config.taints",
            "list",
            same=_same_taints,
            items=(
                Field("key", required=True),
                Field("value"),
                Field("effect", choices=("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"), required=True),
            ),
            update=Update(_UPDATE, base="config.taints", into="taints.taints"),
        ),
        Field("config.tags", "list", same=same_set, update=Update(_UPDATE, base="config.tags", into="tags.tags")),
        Field(
            "config.resource_labels",
            "dict",
            same=same_labels,
            update=Update(_UPDATE, base="config.resourceLabels", into="resourceLabels.labels"),
        ),
        Field("config.oauth_scopes", "list", same=same_set, remedy=_ANOTHER),
        Field("config.service_account", remedy=_ANOTHER),
        Field("config.spot", "bool", remedy=_ANOTHER),
        Field("config.flex_start", "bool", remedy=_ANOTHER),
        Field("config.max_run_duration", remedy=_ANOTHER),
        Field("config.gvnic.enabled", "bool", update=Update(_UPDATE, base="config.gvnic", into="gvnic")),
        Field(
            "config.reservation_affinity.consume_reservation_type",
            choices=("NO_RESERVATION", "ANY_RESERVATION", "SPECIFIC_RESERVATION"),
            remedy=_ANOTHER,
        ),
        Field("config.reservation_affinity.key", remedy=_ANOTHER),
        Field("config.reservation_affinity.values", "list", same=same_set, remedy=_ANOTHER),
        Field(
            "config.workload_metadata_config.mode",
            choices=("GCE_METADATA", "GKE_METADATA"),
            update=Update(_UPDATE, base="config.workloadMetadataConfig", into="workloadMetadataConfig"),
        ),
        Field("placement_policy.type", choices=("COMPACT",), remedy=_ANOTHER),
        Field("placement_policy.tpu_topology", same=_same_topology, remedy=_ANOTHER),
        Field("placement_policy.policy_name", same=same_link, remedy=_ANOTHER),
        Field("management.auto_repair", "bool", update=_MANAGEMENT),
        Field("management.auto_upgrade", "bool", update=_MANAGEMENT),
        Field("upgrade_settings.max_surge", "int", update=_SURGE),
        Field("upgrade_settings.max_unavailable", "int", update=_SURGE),
        Field("max_pods_constraint.max_pods_per_node", "int64", remedy=_ANOTHER),
        Field("network_config.enable_private_nodes", "bool", remedy=_ANOTHER),
        Field("network_config.pod_range", remedy=_ANOTHER),
        Field("autoscaling.enabled", "bool", update=_AUTOSCALING),
        Field("autoscaling.min_node_count", "int", update=_AUTOSCALING),
        Field("autoscaling.max_node_count", "int", update=_AUTOSCALING),
        Field("autoscaling.total_min_node_count", "int", update=_AUTOSCALING),
        Field("autoscaling.total_max_node_count", "int", update=_AUTOSCALING),
        Field("queued_provisioning.enabled", "bool", remedy=_ANOTHER),
    ),
)
