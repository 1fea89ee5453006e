# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The APIs of a project: switched on in batches, switched off one by one.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._clients import Cloud
from .._clock import Deadline
from .._errors import Json
from .._fields import Field, Update
from .._plan import Kind, Policy, Target

# Google's limit for one batchEnable.
BATCH = 20


def all_enabled(wanted: Any, found: Any, _resource: Json) -> bool:
    """Other APIs may be on as well."""
    return set(wanted) <= set(found or [])


ENABLED = Kind(
    noun="APIs",
    family="serviceusage.services",
    path="projects/{project}/services#{batch}",
    mark="",
    rows=(
        Field(
            "services",
            "list",
            path="serviceIds",
            same=all_enabled,
            update=Update("serviceusage.services.batchEnable"),
        ),
    ),
)


def _disabled(dependents: bool) -> Kind:
    off = Update("serviceusage.services.disable", bare=True, constant={"disableDependentServices": dependents})
    return Kind(
        noun="API",
        family="serviceusage.services",
        path="projects/{project}/services/{name}",
        item="service",
        mark="",
        rows=(Field("state", update=off),),
    )


OPTIONS: Json = {
    "services": {"type": "list", "elements": "str", "required": True},
    "disable_dependent_services": {"type": "bool", "default": False},
}


@dataclass
class ServicesDeclaration:
    """The APIs of one project, on or off."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "APIs"
    limit: int = 1

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        enabled = self._enabled(cloud, deadline)
        one_by_one: dict[str, Json] = {
            f"projects/{self.project}/services/{name}": {"state": "ENABLED"} for name in enabled
        }
        together: dict[str, Json] = {
            f"projects/{self.project}/services#{batch}": {"serviceIds": self._named(enabled)}
            for batch in range(len(self.params["services"]) // BATCH + 1)
        }
        return one_by_one | together

    def _named(self, enabled: list[str]) -> list[str]:
        """Others are none of our business: a diff that showed them would look as if they were switched off."""
        return [name for name in enabled if name in self.params["services"]]

    def _enabled(self, cloud: Cloud, deadline: Deadline) -> list[str]:
        query = {"project": self.project, "filter": "state:ENABLED", "pageSize": 200}
        pages = cloud.pages("serviceusage.services.list", query, deadline=deadline)
        return [str(s.get("name", "")).rpartition("/")[2] for page in pages for s in page.get("services") or []]

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        names = list(dict.fromkeys(self.params["services"]))
        scope = {"project": self.project}
        on = [name for name in names if f"projects/{self.project}/services/{name}" in found]
        if self.params.get("state", "present") == "absent":
            kind = _disabled(bool(self.params.get("disable_dependent_services")))
            return [Target(kind, name, scope, {"state": "DISABLED"}) for name in on]
        missing = [name for name in names if name not in on]
        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        return [
            Target(ENABLED, ", ".join(batch), {**scope, "batch": str(number)}, {"serviceIds": batch})
            for number, batch in enumerate(batches)
        ]

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        enabled = self._enabled(cloud, deadline)
        if target.kind is ENABLED:
            return {"serviceIds": self._named(enabled)}
        return {"state": "ENABLED" if target.name in enabled else "DISABLED"}

    def operation_parent(self) -> str:
        return ""

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        return {"services": list(self.params["services"])}
