# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""IAM policies: who has which role. Read, changed and written back whole, with the etag that was read.

This file is private to the collection. Pure functions: a policy goes in, a policy comes out. What others granted, with
conditions or without, is carried along as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .._errors import Json

# Version 3 is the one that has conditions: read and written back as less, they would be lost.
VERSION = 3


@dataclass(frozen=True, order=True)
class Grant:
    """One role for one member, without conditions."""

    role: str
    member: str

    def __str__(self) -> str:
        return f"{self.role} to {self.member}"


def held(policy: Json, grants: Iterable[Grant]) -> list[str]:
    """Those of the grants that the policy has, in words."""
    return [str(grant) for grant in grants if any(grant.member in b.get("members", []) for b in _own(policy, grant))]


def with_grants(policy: Json, grants: Iterable[Grant]) -> Json:
    """The policy to write so that all the grants are in it."""
    result = _copied(policy)
    for grant in grants:
        bindings = list(_own(result, grant))
        if any(grant.member in binding.get("members", []) for binding in bindings):
            continue
        if bindings:
            bindings[0].setdefault("members", []).append(grant.member)
        else:
            result.setdefault("bindings", []).append({"role": grant.role, "members": [grant.member]})
    return result


def without_grants(policy: Json, grants: Iterable[Grant]) -> Json:
    """The policy to write so that none of the grants is in it. A binding without members goes, as Google has none."""
    result = _copied(policy)
    for grant in grants:
        for binding in _own(result, grant):
            binding["members"] = [member for member in binding.get("members", []) if member != grant.member]
    bindings = [binding for binding in result.pop("bindings", []) if binding.get("members")]
    return {**result, "bindings": bindings} if bindings else result


def _own(policy: Json, grant: Grant) -> Iterable[Json]:
    """The bindings of a role that hold always; one with a condition is another grant."""
    return (b for b in policy.get("bindings", []) if b.get("role") == grant.role and not b.get("condition"))


def _copied(policy: Json) -> Json:
    return {**copy.deepcopy(policy), "version": VERSION}


def all_held(wanted: Any, found: Any, _policy: Json) -> bool:
    """Others may have been granted more."""
    return set(wanted) <= set(found or [])


def none_held(_wanted: Any, found: Any, _policy: Json) -> bool:
    return not found
