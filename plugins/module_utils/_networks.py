# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A network with its subnetworks and firewall rules, as one declaration.

This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from ._converge import Run, converge
from ._errors import Json, OptionError
from ._fields import argument_spec, link_path, wanted_body
from ._module import Session
from ._ownership import owner
from ._plan import Kind, Target
from ._resources.network import FIREWALL, NETWORK, SUBNETWORK


def spec() -> Json:
    """The module's own options."""
    own = argument_spec(NETWORK.rows)
    own["auto_create_subnetworks"]["default"] = False
    return {
        "name": {"type": "str", "required": True},
        **own,
        "subnetworks": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "region": {"type": "str", "required": True},
                **argument_spec(SUBNETWORK.rows),
            },
        },
        "firewall_rules": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": {"type": "str", "required": True}, **argument_spec(FIREWALL.rows)},
        },
    }


def work(session: Session) -> Json:
    """Converges the declaration."""
    params, run = session.params, session.run
    _refuse_overlaps(params["subnetworks"])
    network = _target(NETWORK, params["name"], {"project": session.project}, params, session.present)
    children = _children(session, network)
    if session.present:
        children = [_after(child, network) for child in children]
    else:
        children += _marked_children(session, network, children)
        network = _after(network, *children)
    report = converge(run, [network, *children])
    return {
        **report.as_result(),
        "network": report.of(network).found or {},
        "subnetworks": [report.of(c).found for c in children if c.kind is SUBNETWORK and report.of(c).found],
        "firewall_rules": [report.of(c).found for c in children if c.kind is FIREWALL and report.of(c).found],
    }


def _target(kind: Kind, name: str, scope: Mapping[str, str], params: Mapping[str, Any], present: bool) -> Target:
    return Target(kind, name, scope, wanted_body(kind.rows, params) if present else {}, present)


def _after(target: Target, *others: Target) -> Target:
    paths = frozenset(other.path for other in others)
    return Target(target.kind, target.name, target.scope, target.wanted, target.present, paths)


def _children(session: Session, network: Target) -> list[Target]:
    link = {"network": network.path} if session.present else {}
    children = []
    for kind, options in ((SUBNETWORK, session.params["subnetworks"]), (FIREWALL, session.params["firewall_rules"])):
        names = [option["name"] for option in options]
        if len(set(names)) != len(names):
            raise OptionError(f"two of the {kind.noun}s have the same name: {', '.join(sorted(names))}")
        for option in options:
            scope = {"project": session.project, **({"region": option["region"]} if "region" in option else {})}
            child = _target(kind, option["name"], scope, option, session.present)
            children.append(Target(kind, child.name, scope, {**link, **child.wanted}, session.present))
    return children


def _marked_children(session: Session, network: Target, named: Sequence[Target]) -> list[Target]:
    """What else on the network carries our mark: what an earlier declaration named."""
    deployment = session.run.policy.deployment
    if not deployment:
        return []
    known = {target.path for target in named}
    found = []
    for kind, entry in _on_network(session.run, session.project, network):
        region = str(entry.get("region") or "").rpartition("/")[2]
        scope = {"project": session.project, **({"region": region} if region else {})}
        target = Target(kind, str(entry["name"]), scope, {}, False)
        if target.path not in known and owner(entry, kind.mark) == deployment:
            found.append(target)
    return found


def _on_network(run: Run, project: str, network: Target) -> list[tuple[Kind, Json]]:
    """Subnetworks and firewall rules of the network; compared by path, never by a part of its name."""
    found: list[tuple[Kind, Json]] = []
    path = {"project": project}
    subnetworks = run.read("compute.subnetworks.aggregatedList", path, "subnetworks") or {}
    for scope in (subnetworks.get("items") or {}).values():
        found += [(SUBNETWORK, entry) for entry in scope.get("subnetworks") or []]
    firewalls = run.read("compute.firewalls.list", path, "firewall rules") or {}
    found += [(FIREWALL, entry) for entry in firewalls.get("items") or []]
    return [(kind, entry) for kind, entry in found if link_path(str(entry.get("network"))) == network.path]


def _refuse_overlaps(subnetworks: Sequence[Mapping[str, Any]]) -> None:
    ranges = []
    for option in subnetworks:
        try:
            ranges.append((option["name"], ipaddress.ip_network(option["ip_cidr_range"])))
        except ValueError as error:
            raise OptionError(f"subnetworks: {option['name']}: ip_cidr_range: {error}") from error
    for (left, one), (right, other) in combinations(ranges, 2):
        if one.overlaps(other):
            raise OptionError(
                f"the ranges of {left} ({one}) and {right} ({other}) overlap",
                remedy="Choose ranges that do not overlap.",
            )
