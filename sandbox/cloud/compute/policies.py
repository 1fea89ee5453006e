# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Resource policies: where machines stand, as node pools name it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute.kinds import Kind
from sandbox.cloud.compute.links import Place
from sandbox.cloud.errors import ApiError
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]
KINDS_OF_POLICY = (
    "groupPlacementPolicy",
    "workloadPolicy",
    "snapshotSchedulePolicy",
    "instanceSchedulePolicy",
    "diskConsistencyGroupPolicy",
)


class ResourcePolicyKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        if sum(name in body for name in KINDS_OF_POLICY) != 1:
            message = f"Exactly one of {', '.join(KINDS_OF_POLICY)} must be specified."
            raise ApiError(400, message, reason="invalid")
        body.setdefault("description", "")

    def other_users(self, cloud: Cloud, resource: Resource) -> Iterator[str]:
        """The machines of node pools that name it."""
        project, region = resource.path.split("/")[1], resource.path.split("/")[3]
        for pool in cloud.store.of_kind("nodePools"):
            named = pool.body.get("placementPolicy", {}).get("policyName") == resource.name
            if named and pool.path.startswith(f"projects/{project}/locations/{region}"):
                for node in pool.hidden.get("built", []):
                    yield f"projects/{project}/zones/{node['zone']}/instances/{node['name']}"
