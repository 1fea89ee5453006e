# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what a second look after a teardown found becomes checks of a report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..module_utils._resources.leftover_chain import PARTS

AGAIN = "Run the playbook teardown again; if it stays, delete it by hand."
UNSEEN = "Run the playbook teardown again: what cannot be listed cannot be proved to be gone."
SWEPT_KINDS = tuple(dict.fromkeys(part.noun for part in PARTS))


def teardown_checks(
    kinds: Sequence[str], plans: Sequence[Mapping[str, Any]], leftovers: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One check for each kind of resource that could be left.

    ``kinds`` are those that our own declarations speak of, ``plans`` what the modules would still delete of them, and
    ``leftovers`` what ``gcp_leftovers_info`` found on the network, if it looked. A kind that was looked at and had
    nothing is a check as well: it is the proof."""
    looked = "leftovers" in leftovers
    found: dict[str, set[str]] = {kind: set() for kind in [*kinds, *(SWEPT_KINDS if looked else ())]}
    for step in plans:
        kind, _space, name = str(step["resource"]).rpartition(" ")
        found.setdefault(kind, set()).add(name)
    for resource in leftovers.get("leftovers", []):
        found.setdefault(resource["kind"], set()).add(resource["name"])
    for path in leftovers.get("clusters", []):
        found.setdefault("cluster", set()).add(path.rpartition("/")[2])
    checks = [_check(f"no {kind} is left", names, AGAIN) for kind, names in found.items()]
    return [*checks, _check("no place was out of sight", leftovers["incomplete"], UNSEEN)] if looked else checks


def _check(name: str, against: Collection[str], remedy: str) -> dict[str, Any]:
    return {
        "name": name,
        "passed": not against,
        "expected": "none",
        "actual": ", ".join(sorted(against)) or "none",
        "remedy": remedy if against else "",
    }
