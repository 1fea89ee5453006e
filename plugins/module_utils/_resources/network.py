# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A VPC network, its subnetworks and its firewall rules, as tables.

This file is private to the collection. Sources: compute API v1, networks, subnetworks, firewalls.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from .._fields import Field, Update, same_link, same_range, same_ranges, same_set
from .._ownership import same_text, same_unmarked_text
from .._plan import Kind

_PATCH_NETWORK = Update("compute.networks.patch")
_PATCH_SUBNETWORK = Update("compute.subnetworks.patch", server={"fingerprint": "fingerprint"})
# A patch replaces what it names, and Google checks the rule as a whole.
_PATCH_FIREWALL = Update("compute.firewalls.patch", whole=True)


def _valid_range(value: Any) -> str:
    try:
        ipaddress.ip_network(str(value))
    except ValueError as error:
        return str(error)
    return ""


def _valid_ranges(values: Any) -> str:
    return "; ".join(text for value in values if (text := _valid_range(value)))


def _valid_mtu(value: Any) -> str:
    return "" if 1300 <= int(value) <= 8896 else f"{value} is not between 1300 and 8896"


def _wider(before: Any, after: Any) -> bool:
    """A subnetwork's range can only grow around what it is."""
    inner, outer = ipaddress.ip_network(str(before)), ipaddress.ip_network(str(after))
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _to_custom(before: Any, after: Any) -> bool:
    """The one way that Google offers: from auto mode to custom mode."""
    return bool(before) and not after


NETWORK = Kind(
    noun="network",
    family="compute.networks",
    path="projects/{project}/global/networks/{name}",
    item="network",
    rows=(
        Field("description", same=same_unmarked_text),
        Field(
            "auto_create_subnetworks",
            "bool",
            update=Update("compute.networks.switchToCustomMode", can=_to_custom, constant={}),
            remedy="A custom network cannot become an auto one: give auto_create_subnetworks: false, or another name.",
        ),
        Field("mtu", "int", update=_PATCH_NETWORK, check=_valid_mtu),
        Field("routing_mode", path="routingConfig.routingMode", choices=("REGIONAL", "GLOBAL"), update=_PATCH_NETWORK),
    ),
)

SUBNETWORK = Kind(
    noun="subnetwork",
    family="compute.subnetworks",
    path="projects/{project}/regions/{region}/subnetworks/{name}",
    item="subnetwork",
    rows=(
        Field("network", same=same_link, hidden=True, remedy="A subnetwork cannot move: choose another name."),
        Field("description", same=same_unmarked_text),
        Field(
            "ip_cidr_range",
            required=True,
            same=same_range,
            check=_valid_range,
            update=Update("compute.subnetworks.expandIpCidrRange", can=_wider),
            remedy="A range can only grow around what it is. For another range make a subnetwork of another name.",
        ),
        Field(
            "purpose", choices=("PRIVATE", "REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "PRIVATE_SERVICE_CONNECT")
        ),
        Field("role", choices=("ACTIVE", "BACKUP"), update=_PATCH_SUBNETWORK),
        Field(
            "private_ip_google_access",
            "bool",
            update=Update("compute.subnetworks.setPrivateIpGoogleAccess"),
        ),
        Field("stack_type", choices=("IPV4_ONLY", "IPV4_IPV6"), update=_PATCH_SUBNETWORK),
        Field(
            "secondary_ip_ranges",
            "list",
            same=same_set,
            items=(Field("range_name", required=True), Field("ip_cidr_range", required=True, check=_valid_range)),
            update=_PATCH_SUBNETWORK,
        ),
    ),
)

_PROTOCOLS = (
    Field("ip_protocol", path="IPProtocol", required=True),
    Field("ports", "list"),
)

FIREWALL = Kind(
    noun="firewall rule",
    family="compute.firewalls",
    path="projects/{project}/global/firewalls/{name}",
    item="firewall",
    mark_later=True,
    rows=(
        Field("network", same=same_link, hidden=True, remedy="A rule cannot move: choose another name."),
        Field("description", same=same_text, update=_PATCH_FIREWALL),
        Field("direction", choices=("INGRESS", "EGRESS")),
        Field("priority", "int", update=_PATCH_FIREWALL),
        Field("allowed", "list", items=_PROTOCOLS, same=same_set, update=_PATCH_FIREWALL),
        Field("denied", "list", items=_PROTOCOLS, same=same_set, update=_PATCH_FIREWALL),
        Field("source_ranges", "list", same=same_ranges, check=_valid_ranges, update=_PATCH_FIREWALL),
        Field("destination_ranges", "list", same=same_ranges, check=_valid_ranges, update=_PATCH_FIREWALL),
        Field("source_tags", "list", same=same_set, update=_PATCH_FIREWALL),
        Field("target_tags", "list", same=same_set, update=_PATCH_FIREWALL),
        Field("disabled", "bool", update=_PATCH_FIREWALL),
        Field("log_config.enable", "bool", update=_PATCH_FIREWALL),
    ),
)
