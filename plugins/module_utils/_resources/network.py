# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A VPC network and its subnetworks and firewall rules: their fields, and how to find them.

This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import _ownership as ownership
from .._clients import Cloud
from .._clock import Deadline
from .._errors import Json, NotFoundError, OptionError
from .._fields import (
    Field,
    Update,
    argument_spec,
    canonical_range,
    dig,
    link_path,
    same_link,
    same_range,
    same_ranges,
    same_set,
    same_value,
    wanted_body,
    wrong_name,
    wrong_range,
)
from .._plan import Kind, Policy, Target

# ---- rules of our own ----------------------------------------------------------------------------------------------


def same_private_access(wanted: Any, found: Any, subnetwork: Json) -> bool:
    """GKE switches Private Google Access on where a cluster lives; its range there tells that one does."""
    if same_value(wanted, found, subnetwork):
        return True
    lives = any(str(r.get("rangeName", "")).startswith("gke-") for r in subnetwork.get("secondaryIpRanges") or [])
    return bool(found) and lives


def _gke_ranges(wanted: Any, found: Any) -> list[Any]:
    """Secondary ranges that GKE reserved for a cluster of its own accord."""
    named = {asked.get("rangeName") for asked in wanted or []}
    return [r for r in found or [] if r.get("reservedInternalRange") and r.get("rangeName") not in named]


def same_user_ranges(wanted: Any, found: Any, subnetwork: Json) -> bool:
    theirs = _gke_ranges(wanted, found)
    mine = [entry for entry in found or [] if entry not in theirs]
    return same_set([_range_of(entry) for entry in wanted or []], [_range_of(entry) for entry in mine], subnetwork)


def with_gke_ranges(wanted: Any, found: Any) -> Any:
    """The list replaces what is there: clusters keep theirs."""
    return [*wanted, *_gke_ranges(wanted, found)]


def _range_of(entry: Json) -> Json:
    return {"rangeName": entry.get("rangeName"), "ipCidrRange": canonical_range(str(entry.get("ipCidrRange")))}


def keeps_ranges(before: Any, after: Any) -> bool:
    """Secondary ranges come and go, but none can be exchanged under its name."""
    known = {r["rangeName"]: _range_of(r) for r in before or []}
    return all(known.get(r["rangeName"], _range_of(r)) == _range_of(r) for r in after or [])


def wider(before: Any, after: Any) -> bool:
    """A subnetwork's range can grow, and nothing else."""
    try:
        return ipaddress.ip_network(str(before)).subnet_of(ipaddress.ip_network(str(after)))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False


def _to_custom(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _ranges(values: Any) -> str:
    return next((complaint for value in values if (complaint := wrong_range(value))), "")


def _mtu(value: Any) -> str:
    return "" if 1300 <= value <= 8896 else f"{value} is not between 1300 and 8896"


def _share(value: Any) -> str:
    return "" if 0 <= value <= 1 else f"{value} is not between 0 and 1"


def _priority(value: Any) -> str:
    return "" if 0 <= value <= 65535 else f"{value} is not between 0 and 65535"


# ---- tables --------------------------------------------------------------------------------------------------------

PATCH_NETWORK = "compute.networks.patch"
FINGERPRINT = {"fingerprint": "fingerprint"}
PATCH_SUBNETWORK = Update("compute.subnetworks.patch", server=FINGERPRINT)
PATCH_FLOW_LOGS = Update("compute.subnetworks.patch", whole=("logConfig",), server=FINGERPRINT)
PATCH_FIREWALL = Update("compute.firewalls.patch", whole=("logConfig",))
PURPOSES = (
    "PRIVATE",
    "REGIONAL_MANAGED_PROXY",
    "GLOBAL_MANAGED_PROXY",
    "PRIVATE_SERVICE_CONNECT",
    "PRIVATE_NAT",
    "PEER_MIGRATION",
)
INTERVALS = tuple(f"INTERVAL_{time}" for time in ("5_SEC", "30_SEC", "1_MIN", "5_MIN", "10_MIN", "15_MIN"))
FLOW_METADATA = ("INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA", "CUSTOM_METADATA")
DELETE_FIRST = "Choose another name, or delete what is there first."
ANOTHER_NETWORK = "Choose another name: it cannot move to another network."

NETWORK = Kind(
    noun="network",
    family="compute.networks",
    path="projects/{project}/global/networks/{name}",
    item="network",
    rows=(
        Field("description", same=ownership.same_unmarked_text),
        Field(
            "auto_create_subnetworks",
            "bool",
            at_first=False,
            update=Update("compute.networks.switchToCustomMode", bare=True, can=_to_custom),
            remedy="A network in custom mode cannot go back to auto mode: choose another name.",
        ),
        Field("mtu", "int", update=Update(PATCH_NETWORK, base="mtu", into="mtu"), check=_mtu),
        Field(
            "routing_mode",
            path="routingConfig.routingMode",
            choices=("REGIONAL", "GLOBAL"),
            unset="REGIONAL",
            update=Update(PATCH_NETWORK, base="routingConfig", into="routingConfig"),
        ),
        Field(
            "network_firewall_policy_enforcement_order",
            choices=("BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL"),
            unset="AFTER_CLASSIC_FIREWALL",
            update=Update(PATCH_NETWORK),
        ),
    ),
)

SUBNETWORK = Kind(
    noun="subnetwork",
    family="compute.subnetworks",
    path="projects/{project}/regions/{region}/subnetworks/{name}",
    item="subnetwork",
    rows=(
        Field("network", hidden=True, same=same_link, remedy=ANOTHER_NETWORK),
        Field("description", same=ownership.same_unmarked_text),
        Field(
            "ip_cidr_range",
            same=same_range,
            check=wrong_range,
            update=Update("compute.subnetworks.expandIpCidrRange", base="ipCidrRange", into="ipCidrRange", can=wider),
            remedy="A range can only be widened to one that contains it: choose such a range, or another name.",
        ),
        Field(
            "purpose", choices=PURPOSES, unset="PRIVATE", remedy="Delete the subnetwork first, or choose another name."
        ),
        Field("role", choices=("ACTIVE", "BACKUP"), update=PATCH_SUBNETWORK),
        Field(
            "private_ip_google_access",
            "bool",
            same=same_private_access,
            update=Update(
                "compute.subnetworks.setPrivateIpGoogleAccess",
                base="privateIpGoogleAccess",
                into="privateIpGoogleAccess",
            ),
        ),
        Field(
            "stack_type",
            choices=("IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY"),
            unset="IPV4_ONLY",
            update=PATCH_SUBNETWORK,
        ),
        Field(
            "secondary_ip_ranges",
            same=same_user_ranges,
            items=(Field("range_name", required=True), Field("ip_cidr_range", required=True, check=wrong_range)),
            along=with_gke_ranges,
            update=Update("compute.subnetworks.patch", server=FINGERPRINT, can=keeps_ranges),
            remedy="A secondary range keeps its addresses: add one of another name, and remove this when it is free.",
        ),
        Field("log_config.enable", "bool", update=PATCH_FLOW_LOGS),
        Field("log_config.aggregation_interval", choices=INTERVALS, update=PATCH_FLOW_LOGS),
        Field("log_config.flow_sampling", "float", update=PATCH_FLOW_LOGS, check=_share),
        Field("log_config.metadata", choices=FLOW_METADATA, update=PATCH_FLOW_LOGS),
    ),
)

_ALLOWANCE = (Field("ip_protocol", path="IPProtocol", required=True), Field("ports", "list"))

EXCLUSIVE = (("allowed", "denied"), ("denied", "allowed"))

FIREWALL = Kind(
    noun="firewall rule",
    family="compute.firewalls",
    path="projects/{project}/global/firewalls/{name}",
    item="firewall",
    mark_later=True,
    rows=(
        Field("network", hidden=True, same=same_link, remedy=ANOTHER_NETWORK),
        Field("description", same=ownership.same_text, update=PATCH_FIREWALL),
        Field(
            "direction",
            choices=("INGRESS", "EGRESS"),
            unset="INGRESS",
            remedy=DELETE_FIRST,
        ),
        Field("priority", "int", unset=1000, update=PATCH_FIREWALL, check=_priority),
        Field("disabled", "bool", update=PATCH_FIREWALL),
        Field("allowed", items=_ALLOWANCE, same=same_set, update=PATCH_FIREWALL),
        Field("denied", items=_ALLOWANCE, same=same_set, update=PATCH_FIREWALL),
        Field("source_ranges", "list", same=same_ranges, update=PATCH_FIREWALL, check=_ranges),
        Field("destination_ranges", "list", same=same_ranges, update=PATCH_FIREWALL, check=_ranges),
        Field("source_tags", "list", same=same_set, update=PATCH_FIREWALL),
        Field("target_tags", "list", same=same_set, update=PATCH_FIREWALL),
        Field("source_service_accounts", "list", same=same_set, update=PATCH_FIREWALL),
        Field("target_service_accounts", "list", same=same_set, update=PATCH_FIREWALL),
        Field("log_config.enable", "bool", update=PATCH_FIREWALL),
        Field(
            "log_config.metadata",
            choices=("INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA"),
            update=PATCH_FIREWALL,
        ),
    ),
)

OPTIONS: Json = {
    "name": {"type": "str", "required": True},
    **argument_spec(NETWORK.rows),
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


# ---- declaration ---------------------------------------------------------------------------------------------------


@dataclass
class NetworkDeclaration:
    """One network with its children. Children wait for the network when it is made, and the network for them when it
    is removed; beside each other they are independent."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "resources of the network"
    limit: int = 8

    def __post_init__(self) -> None:
        parts = [p for s in self._subnetworks() for p in (s, *(s.get("secondary_ip_ranges") or []))]
        _refuse_overlaps([part["ip_cidr_range"] for part in parts if part.get("ip_cidr_range")])
        names = [("subnetworks", s["region"], s["name"]) for s in self._subnetworks()]
        names += [("firewall_rules", "", rule["name"]) for rule in self._rules()]
        wrong = [wrong_name(str(name)) for name in (self.params["name"], *(last for *_rest, last in names))]
        if self.present and any(wrong):
            raise OptionError("; ".join(filter(None, wrong)))
        for name in names:
            if names.count(name) > 1:
                raise OptionError(f"{name[0]} names {name[2]} twice")

    def _subnetworks(self) -> list[Json]:
        return self.params.get("subnetworks") or []

    def _rules(self) -> list[Json]:
        return self.params.get("firewall_rules") or []

    @property
    def present(self) -> bool:
        return str(self.params.get("state", "present")) == "present"

    @property
    def path(self) -> str:
        return f"projects/{self.project}/global/networks/{self.params['name']}"

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        regions = sorted({str(subnetwork["region"]) for subnetwork in self._subnetworks()})
        looks: list[Callable[[], list[Json]]] = [
            lambda: _single(cloud, deadline, "compute.networks.get", project=self.project, network=self.params["name"])
        ]
        looks += [
            partial(_listed, cloud, deadline, "compute.subnetworks.list", project=self.project, region=region)
            for region in regions
        ]
        if self._rules() or not self.present:
            looks.append(lambda: _listed(cloud, deadline, "compute.firewalls.list", project=self.project))
        with ThreadPoolExecutor(len(looks)) as pool:
            answers = list(pool.map(lambda look: look(), looks))
        return {link_path(str(item["selfLink"])): item for answer in answers for item in answer}

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        present = self.present
        network = Target(
            NETWORK,
            self.params["name"],
            {"project": self.project},
            wanted_body(NETWORK.rows, self.params),
            present,
        )
        children = list(self._children({self.path} if present else set()))
        if present:
            return [network, *children]
        named = {child.path for child in children}
        children += [child for child in self._ours(found) if child.path not in named]
        # A child of that name in another network is nothing that this declaration is about.
        children = [c for c in children if c.path not in found or self._on_network(found[c.path])]
        after = frozenset(child.path for child in children)
        return [*children, Target(NETWORK, network.name, network.scope, {}, False, after)]

    def _children(self, after: set[str]) -> Iterator[Target]:
        for kind, declared in ((SUBNETWORK, self._subnetworks()), (FIREWALL, self._rules())):
            for params in declared:
                scope = {"project": self.project}
                if kind is SUBNETWORK:
                    scope["region"] = params["region"]
                wanted = {**wanted_body(kind.rows, params), "network": self.path}
                if kind is FIREWALL:
                    # A rule allows or denies: who says one of them has said what becomes of the other.
                    wanted |= {other: [] for one, other in EXCLUSIVE if one in wanted and other not in wanted}
                yield Target(kind, params["name"], scope, wanted, self.present, frozenset(after))

    def _ours(self, found: Mapping[str, Json]) -> Iterator[Target]:
        """Children that carry our mark although the declaration does not name them (any more)."""
        for path, item in found.items():
            mine = self.policy.deployment and ownership.owner(item, "description") == self.policy.deployment
            if not mine or not self._on_network(item):
                continue
            parts = path.split("/")
            if "/subnetworks/" in path:
                yield Target(SUBNETWORK, parts[-1], {"project": self.project, "region": parts[3]}, {}, False)
            elif "/firewalls/" in path:
                yield Target(FIREWALL, parts[-1], {"project": self.project}, {}, False)

    def _on_network(self, item: Json) -> bool:
        return same_link(self.path, item.get("network"), item)

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        found = _single(cloud, deadline, target.kind.get, **target.params(target.kind.get))
        return found[0] if found else None

    def operation_parent(self) -> str:
        return ""

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        def all_of(part: str) -> list[Json]:
            return [item for path, item in resources.items() if part in path and item is not None]

        return {
            "network": resources.get(self.path) or {},
            "subnetworks": all_of("/subnetworks/"),
            "firewall_rules": all_of("/firewalls/"),
        }


def _single(cloud: Cloud, deadline: Deadline, method: str, **params: str) -> list[Json]:
    try:
        return [cloud.call(method, params, deadline=deadline)]
    except NotFoundError:
        return []


def _listed(cloud: Cloud, deadline: Deadline, method: str, **params: str) -> list[Json]:
    pages = cloud.pages(method, {**params, "maxResults": 500}, deadline=deadline)
    return [item for page in pages for item in dig(page, "items") or []]


def _refuse_overlaps(ranges: list[str]) -> None:
    known = [ipaddress.ip_network(text) for text in ranges if not wrong_range(text)]
    for index, left in enumerate(known):
        for right in known[index + 1 :]:
            if left.version == right.version and left.overlaps(right):
                raise OptionError(f"the ranges {left} and {right} overlap")
