# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what a second look after a teardown found becomes checks of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

AGAIN = "Run the playbook teardown again; if it stays, delete it by hand."
FOREIGN = "It is not known to be of this deployment, so it was left: delete it by hand, then run the playbook again."


def teardown_checks(
    kinds: Sequence[str], plans: Sequence[Mapping[str, Any]], leftovers: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One check for each kind of resource that could be left.

    ``kinds`` are those that our own declarations speak of, ``plans`` what the modules would still delete of them, and
    ``leftovers`` what ``gcp_leftovers_info`` found on the network. A kind that was looked at and had nothing is a check
    as well: it is the proof."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in [*kinds, *leftovers.get("counts", {})]}
    for step in plans:
        kind, _, name = str(step["resource"]).rpartition(" ")
        found.setdefault(kind, {})[name] = AGAIN
    for resource in leftovers.get("resources", []):
        remedy = FOREIGN if resource.get("foreign") else AGAIN
        found.setdefault(resource["kind"], {}).setdefault(resource["name"], remedy)
    return [_check(kind, names) for kind, names in found.items()]


def _check(kind: str, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": f"no {kind} is left",
        "passed": not names,
        "expected": "none",
        "actual": ", ".join(sorted(names)) or "none",
        "remedy": " ".join(sorted(set(names.values()))),
    }
