# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what is wrong with a deployment's settings, told without asking anybody.

Each rule takes the settings and yields findings: what is wrong, and what to do. A secret is never quoted."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..module_utils._findings import Check, error
from ._capacity import CAPACITIES, CapacityError, pods_that_fit, tpu_slice
from ._capacity import complaints as capacity_complaints

Settings = Mapping[str, Any]
# What is wrong, and what to do about it.
Finding = tuple[str, str]
Rule = Callable[[Settings], Iterator[Finding]]

_PROJECT = re.compile(r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")
_ZONE = re.compile(r"^[a-z]+-[a-z]+\d+-[a-z]$")
_LABEL_VALUE = re.compile(r"^[a-z0-9_-]{1,63}$")
_RESOURCE_NAME = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
# GKE cuts names shorter than Compute does.
_LONGEST_NAME = {"deployment_cluster": 40, "deployment_pool_prefix": 40}
_PROXY_ONLY_SMALLEST = 26


def place(settings: Settings) -> Iterator[Finding]:
    """Project, zone and region."""
    project, zone, region = (str(settings[key] or "") for key in ("project", "zone", "region"))
    if not project:
        yield "No project", "set deployment_project (or the variable GCP_PROJECT) to the id of a Google Cloud project."
    elif not _PROJECT.match(project):
        yield (
            f"'{project}' is no project id (6 to 30 lower-case letters, digits and hyphens; not the project's number or"
            " display name)",
            "correct deployment_project.",
        )
    if not zone:
        yield "No zone", "set deployment_zone to the zone that has the TPU capacity, such as us-east5-a."
    elif not _ZONE.match(zone):
        yield f"'{zone}' is no zone (it reads like us-east5-a)", "correct deployment_zone."
    elif not zone.startswith(f"{region}-"):
        yield (
            f"Zone {zone} is not in region '{region}'",
            "leave deployment_region out (it follows from the zone), or set both alike.",
        )


def names(settings: Settings) -> Iterator[Finding]:
    """The deployment's name (it becomes a label) and the names of what is made."""
    name = str(settings["name"])
    if not _LABEL_VALUE.match(name):
        yield (
            f"Deployment name '{name}' cannot be a label in Google Cloud (1 to 63 lower-case letters, digits, - and _)",
            "rename the inventory host, or set deployment_name.",
        )
    for variable, value in settings["resource_names"].items():
        longest = _LONGEST_NAME.get(variable, 63)
        if not _RESOURCE_NAME.match(str(value)) or len(str(value)) > longest:
            yield (
                f"'{value}' ({variable}) is no name Google Cloud accepts (lower-case letters, digits and hyphens,"
                f" first a letter, at most {longest} characters)",
                f"change {variable}, or the prefix it is made from.",
            )


def ranges(settings: Settings) -> Iterator[Finding]:
    """Address ranges: readable, and apart from each other."""
    networks: dict[str, ipaddress.IPv4Network] = {}
    for variable, value in settings["ranges"].items():
        if not value:
            continue
        try:
            networks[variable] = ipaddress.IPv4Network(value)
        except ValueError as trouble:
            yield f"{variable} is no IPv4 range such as 10.10.0.0/18 ({trouble})", "correct it."
    proxy = networks.get("deployment_proxy_range")
    if proxy and proxy.prefixlen > _PROXY_ONLY_SMALLEST:
        yield f"deployment_proxy_range {proxy} is too small for a proxy-only subnet", "make it a /26 or wider."
    for (first, one), (second, other) in itertools.combinations(networks.items(), 2):
        if one.overlaps(other):
            yield f"{first} {one} and {second} {other} overlap", "move one of them."


def capacity(settings: Settings) -> Iterator[Finding]:
    """Reservation, machine type, topology, and room for the model servers."""
    source = str(settings["capacity"])
    if source not in CAPACITIES:
        yield f"deployment_capacity '{source}' is none of {', '.join(CAPACITIES)}", "choose one."
    else:
        yield from capacity_complaints(
            source, str(settings["reservation"] or ""), str(settings.get("max_run_duration") or "")
        )
    try:
        pool = tpu_slice(str(settings["machine_type"]), str(settings["topology"] or ""))
    except CapacityError as trouble:
        told, _sign, remedy = str(trouble).partition(": ")
        yield told, remedy
        return
    tensor_parallel, pods = int(settings["tensor_parallel"]), int(settings["replicas"])
    if not 1 <= tensor_parallel <= pool.chips_per_host:
        yield (
            f"Tensor parallelism {tensor_parallel} does not fit a host of {pool.chips_per_host} chips",
            "set deployment_tensor_parallel to a number of chips of one host, or choose another machine type.",
        )
        return
    room = pods_that_fit(pool, int(settings["pool_count"]), tensor_parallel)
    if pods > room:
        yield (
            f"{pods} model servers (prefill and decode together) of {tensor_parallel} chips each do not fit"
            f" {settings['pool_count']} pools, which hold {room}",
            "raise deployment_pool_count, or lower the replicas.",
        )


def token(settings: Settings) -> Iterator[Finding]:
    """The Hugging Face token, never quoted."""
    value = str(settings["hf_token"] or "")
    if not value:
        yield "No Hugging Face token", "set the environment variable HF_TOKEN, or deployment_hf_token (from a vault)."
    elif re.search(r"\s", value):
        yield (
            "The Hugging Face token holds a newline or a space, and would be refused with it",
            "set it without (HF_TOKEN=\"$(tr -d '[:space:]' < FILE)\").",
        )


RULES: Mapping[str, Rule] = {
    "place": place,
    "names": names,
    "ranges": ranges,
    "capacity": capacity,
    "token": token,
}
_NEEDED = {
    "place": "a project, and a zone in its region",
    "names": "names that Google Cloud accepts",
    "ranges": "address ranges that can be read and lie apart",
    "capacity": "chips that suffice, from where they can be had",
    "token": "a Hugging Face token, in one word",
}


def checks(settings: Settings, topics: Sequence[str] | None = None) -> list[Check]:
    """Everything that is wrong, at once. Unknown topics are an error of the caller."""
    chosen: Iterable[str] = RULES if topics is None else topics
    return [
        error(f"settings: {topic}", _NEEDED[topic], found, remedy)
        for topic in chosen
        for found, remedy in RULES[topic](settings)
    ]


def findings(settings: Settings, topics: Sequence[str] | None = None) -> list[str]:
    """The same as sentences."""
    return [check.sentence for check in checks(settings, topics)]
