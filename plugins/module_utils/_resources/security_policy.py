# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A Cloud Armor policy that lets some source ranges in and nobody else.

This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import _ownership as ownership
from .._clients import Cloud
from .._clock import Deadline
from .._errors import Json, NotFoundError, OptionError
from .._fields import Field, Update, argument_spec, same_ranges, server_decides, wanted_body
from .._plan import Kind, Policy, Target

FAMILY = "compute.regionSecurityPolicies"
# Google's limit for one rule.
RANGES_OF_A_RULE = 10
FIRST = 1000
LAST = 2**31 - 1
REFUSAL = "deny(403)"

POLICY = Kind(
    noun="security policy",
    family=FAMILY,
    path="projects/{project}/regions/{region}/securityPolicies/{name}",
    item="securityPolicy",
    mark_later=True,
    rows=(
        Field(
            "description",
            same=ownership.same_text,
            update=Update(f"{FAMILY}.patch", server={"fingerprint": "fingerprint"}),
        ),
        # Made with its rules, so that it never lets everybody in; later each rule has calls of its own.
        Field("rules", "list", hidden=True, same=server_decides),
    ),
)


def _rule_kind(call: str) -> Kind:
    update = Update(f"{FAMILY}.{call}", whole=("match",))
    return Kind(
        noun="rule",
        family="compute.regionSecurityPolicies.rules",
        path="projects/{project}/regions/{region}/securityPolicies/{securityPolicy}#{priority}",
        mark="",
        always=True,
        rows=(
            Field("priority", "int", update=update),
            Field("description", update=update),
            Field("action", update=update),
            Field("ranges", "list", path="match.config.srcIpRanges", same=same_ranges, update=update),
            Field("expression", path="match.versionedExpr", update=update),
        ),
    )


ADDED, CHANGED = _rule_kind("addRule"), _rule_kind("patchRule")
REMOVED = Kind(
    noun="rule",
    family="compute.regionSecurityPolicies.rules",
    path="projects/{project}/regions/{region}/securityPolicies/{securityPolicy}#{priority}",
    mark="",
    always=True,
    # A rule that is there has a priority.
    rows=(
        Field(
            "priority",
            same=lambda _wanted, found, _rule: found is None,
            update=Update(f"{FAMILY}.removeRule", bare=True),
        ),
    ),
)

OPTIONS: Json = {
    "name": {"type": "str", "required": True},
    "region": {"type": "str", "required": True},
    "source_ranges": {"type": "list", "elements": "str", "default": []},
    **argument_spec(POLICY.rows),
}


def rules_for(ranges: list[str]) -> list[Json]:
    """Allows the ranges, in rules of ten, and refuses the rest."""
    for text in ranges:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise OptionError(f"source_ranges: {text!r} is not a range in CIDR form ({error})") from error
    parts = [ranges[start : start + RANGES_OF_A_RULE] for start in range(0, len(ranges), RANGES_OF_A_RULE)]
    allowed = [_rule(FIRST + number, "allow", part, "Let in.") for number, part in enumerate(parts)]
    return [*allowed, _rule(LAST, REFUSAL, ["*"], "Nobody else.")]


def _rule(priority: int, action: str, ranges: list[str], description: str) -> Json:
    return {
        "priority": priority,
        "description": description,
        "action": action,
        "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ranges}},
    }


@dataclass
class SecurityPolicyDeclaration:
    """One regional policy with its rules."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "parts of the security policy"
    limit: int = 1
    _last: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._wanted = rules_for(self.params.get("source_ranges") or [])
        if self.present and not self.params.get("source_ranges"):
            raise OptionError("source_ranges: give at least one, or nobody would be let in")

    @property
    def present(self) -> bool:
        return str(self.params.get("state", "present")) == "present"

    @property
    def _scope(self) -> dict[str, str]:
        return {"project": self.project, "region": self.params["region"]}

    @property
    def path(self) -> str:
        return POLICY.path.format(name=self.params["name"], **self._scope)

    def _target(self) -> Target:
        wanted = {**wanted_body(POLICY.rows, self.params), "rules": self._wanted} if self.present else {}
        if self.present:
            wanted["type"] = "CLOUD_ARMOR"
        return Target(POLICY, self.params["name"], self._scope, wanted, self.present)

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        found = self._get(cloud, deadline)
        if found is None:
            return {}
        return {self.path: found, **{f"{self.path}#{rule['priority']}": rule for rule in found.get("rules") or []}}

    def _get(self, cloud: Cloud, deadline: Deadline) -> Json | None:
        target = self._target()
        try:
            self._last = cloud.call(target.kind.get, target.params(target.kind.get), deadline=deadline)
        except NotFoundError:
            return None
        return self._last

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        own = self._target()
        mine = not self.policy.deployment or self.policy.adopt
        there = found.get(own.path)
        mine = mine or (there is not None and ownership.owner(there, "description") == self.policy.deployment)
        return [own, *(self._rule_targets(found) if self.present and there is not None and mine else ())]

    def _rule_targets(self, found: Mapping[str, Json]) -> Iterator[Target]:
        after = frozenset({self.path})
        for rule in self._wanted:
            kind = CHANGED if f"{self.path}#{rule['priority']}" in found else ADDED
            yield self._rule_target(kind, rule["priority"], rule, after)
        kept = {f"{self.path}#{rule['priority']}" for rule in self._wanted}
        for path in found:
            if "#" in path and path not in kept:
                yield self._rule_target(REMOVED, int(path.rpartition("#")[2]), {"priority": ""}, after)

    def _rule_target(self, kind: Kind, priority: int, wanted: Json, after: frozenset[str]) -> Target:
        scope = {**self._scope, "securityPolicy": self.params["name"], "priority": str(priority)}
        return Target(kind, f"{priority} of {self.params['name']}", scope, wanted, True, after, unmarked=True)

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        found = self._get(cloud, deadline)
        if target.kind is POLICY or found is None:
            return found
        priority = int(target.scope["priority"])
        return next((rule for rule in found.get("rules") or [] if rule["priority"] == priority), None)

    def operation_parent(self) -> str:
        return ""

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        found = resources.get(self.path) or {}
        # Its rules may have changed after it was looked at for itself.
        return {"security_policy": {**found, "rules": self._last["rules"]} if found and self._last else found}
