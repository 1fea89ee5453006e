# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What Google has and nobody makes: the project itself, regions with their quotas, zones, machine types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute import listing, machines, places
from sandbox.cloud.compute.kinds import not_found
from sandbox.cloud.compute.links import link, split
from sandbox.cloud.registry import method
from sandbox.cloud.request import Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

# Metric, limit, and the collection whose resources in the region use it up (none: never used here).
REGION_QUOTAS = (
    ("CPUS", 2400.0, ""),
    ("DISKS_TOTAL_GB", 40960.0, ""),
    ("STATIC_ADDRESSES", 80.0, "addresses"),
    ("IN_USE_ADDRESSES", 700.0, ""),
    ("SSD_TOTAL_GB", 20480.0, ""),
    ("LOCAL_SSD_TOTAL_GB", 180000.0, ""),
    ("INSTANCE_GROUPS", 1000.0, ""),
    ("INSTANCES", 6000.0, ""),
    ("N2_CPUS", 1500.0, ""),
    ("E2_CPUS", 2400.0, ""),
    ("FORWARDING_RULES", 150.0, "forwardingRules"),
    ("TARGET_HTTP_PROXIES", 50.0, "targetHttpProxies"),
    ("URL_MAPS", 50.0, "urlMaps"),
    ("BACKEND_SERVICES", 150.0, "backendServices"),
    ("HEALTH_CHECKS", 150.0, "healthChecks"),
    ("NETWORK_ENDPOINT_GROUPS", 500.0, "networkEndpointGroups"),
    ("PREEMPTIBLE_CPUS", 0.0, ""),
)
PROJECT_QUOTAS = (
    ("NETWORKS", 15.0, "networks"),
    ("SUBNETWORKS", 275.0, "subnetworks"),
    ("FIREWALLS", 200.0, "firewalls"),
    ("ROUTES", 250.0, "routes"),
    ("FORWARDING_RULES", 75.0, "forwardingRules"),
    ("STATIC_ADDRESSES", 21.0, "addresses"),
    ("HEALTH_CHECKS", 150.0, "healthChecks"),
    ("URL_MAPS", 50.0, "urlMaps"),
    ("BACKEND_SERVICES", 75.0, "backendServices"),
    ("SSL_CERTIFICATES", 50.0, "sslCertificates"),
)


def _quotas(cloud: Cloud, table: tuple[tuple[str, float, str], ...], prefix: str) -> list[Json]:
    nothing = cloud.faults.has_habit("quota_zero", prefix.rstrip("/"))
    return [
        {
            "metric": metric,
            "limit": 0.0 if nothing else limit,
            "usage": float(
                sum(item.path.startswith(prefix) for item in cloud.store.of_kind(collection)) if collection else 0
            ),
        }
        for metric, limit, collection in table
    ]


def _project_id(request: Request) -> str:
    assert request.project is not None
    return request.project.id


def _number(name: str) -> str:
    """A stable number for things that have always been there."""
    return str(1000 + sum(ord(letter) * (index + 1) for index, letter in enumerate(name)))


def _region(cloud: Cloud, project_id: str, name: str) -> Json:
    path = f"projects/{project_id}/regions/{name}"
    return {
        "kind": "compute#region",
        "id": _number(name),
        "creationTimestamp": machines.BORN,
        "name": name,
        "description": name,
        "status": "UP",
        "zones": [link(f"projects/{project_id}/zones/{zone}") for zone in places.zones_of(name)],
        "quotas": _quotas(cloud, REGION_QUOTAS, f"{path}/"),
        "selfLink": link(path),
        "supportsPzs": True,
    }


def _zone(project_id: str, name: str) -> Json:
    return {
        "kind": "compute#zone",
        "id": _number(name),
        "creationTimestamp": machines.BORN,
        "name": name,
        "description": name,
        "status": "UP",
        "region": link(f"projects/{project_id}/regions/{places.region_of(name)}"),
        "selfLink": link(f"projects/{project_id}/zones/{name}"),
        "supportsPzs": True,
    }


@method("compute.projects.get")
def get_project(cloud: Cloud, request: Request) -> Json:
    assert request.project is not None
    project = request.project
    path = f"projects/{project.id}"
    return {
        "kind": "compute#project",
        "id": project.number,
        "creationTimestamp": machines.BORN,
        "name": project.id,
        "commonInstanceMetadata": {"kind": "compute#metadata"},
        "quotas": _quotas(cloud, PROJECT_QUOTAS, f"{path}/"),
        "selfLink": link(path),
        "defaultServiceAccount": f"{project.number}-compute@developer.gserviceaccount.com",
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "defaultNetworkTier": "PREMIUM",
    }


@method("compute.regions.get")
def get_region(cloud: Cloud, request: Request) -> Json:
    project_id, name = _project_id(request), str(request.params["region"])
    if name not in places.REGIONS:
        raise not_found(f"projects/{project_id}/regions/{name}")
    return _region(cloud, project_id, name)


@method("compute.regions.list")
def list_regions(cloud: Cloud, request: Request) -> Json:
    project_id = _project_id(request)
    collection = f"projects/{project_id}/regions"
    items = [(f"{collection}/{name}", _region(cloud, project_id, name)) for name in sorted(places.REGIONS)]
    return listing.listed(request, collection, items)


@method("compute.zones.get")
def get_zone(cloud: Cloud, request: Request) -> Json:
    project_id, name = _project_id(request), str(request.params["zone"])
    if not places.is_zone(name):
        raise not_found(f"projects/{project_id}/zones/{name}")
    return _zone(project_id, name)


@method("compute.zones.list")
def list_zones(cloud: Cloud, request: Request) -> Json:
    project_id = _project_id(request)
    collection = f"projects/{project_id}/zones"
    names = sorted(zone for region in places.REGIONS for zone in places.zones_of(region))
    return listing.listed(request, collection, [(f"{collection}/{name}", _zone(project_id, name)) for name in names])


@method("compute.machineTypes.get")
def get_machine_type(cloud: Cloud, request: Request) -> Json:
    place, (_collection, name) = split(request)
    machine = machines.find(name, place.name)
    if machine is None:
        raise not_found(f"{place.path}/machineTypes/{name}")
    return machines.body(machine, place.project.id, place.name)


def _machine_types(project_id: str, zone: str) -> Iterator[tuple[str, Json]]:
    for machine in machines.in_zone(zone):
        path = f"projects/{project_id}/zones/{zone}/machineTypes/{machine.name}"
        yield path, machines.body(machine, project_id, zone)


@method("compute.machineTypes.list")
def list_machine_types(cloud: Cloud, request: Request) -> Json:
    place, _rest = split(request)
    return listing.listed(request, f"{place.path}/machineTypes", _machine_types(place.project.id, place.name))


@method("compute.machineTypes.aggregatedList")
def all_machine_types(cloud: Cloud, request: Request) -> Json:
    project_id = _project_id(request)
    zones = sorted(zone for region in places.REGIONS for zone in places.zones_of(region))
    items = [item for zone in zones for item in _machine_types(project_id, zone)]
    return listing.aggregated(request, "machineTypes", ("zone",), items)
