# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: which inventory hosts are the deployments of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def select_deployments(match: Callable[[str], Sequence[str]], patterns: Sequence[str], limit: str) -> list[str]:
    """Hosts matching the patterns and the limit, in inventory order. A limit read from a file (``@…``) is left to
    Ansible, which has read it already and applies it to the play."""
    names = list(match(",".join(patterns)))
    if not limit or "@" in limit:
        return names
    allowed = set(match(limit))
    return [name for name in names if name in allowed]


def no_deployments(patterns: Sequence[str], limit: str, sources: Sequence[str]) -> str:
    """What to tell somebody whose run would touch nothing."""
    pattern = ",".join(patterns)
    where = f"in the inventory {', '.join(sources)}" if sources else "because no inventory was given"
    narrowed = f" within --limit {limit}" if limit else ""
    return (
        f"No deployment: no host matches '{pattern}'{narrowed} {where}. A deployment is an inventory host in the group"
        " 'llm_d'. Name an inventory with -i (inventories/example shows one for Google Cloud), or run in a checkout of"
        " the collection, whose default inventory is the sandbox."
    )
