# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Where things can be: Google's regions and zones, the subnet ranges of auto mode, and where the TPUs stand."""

from __future__ import annotations

# Region: the letters of its zones, and the second octet of its /20 in an auto mode network (10.X.0.0/20).
REGIONS: dict[str, tuple[str, int]] = {
    "africa-south1": ("abc", 218),
    "asia-east1": ("abc", 140),
    "asia-east2": ("abc", 170),
    "asia-northeast1": ("abc", 146),
    "asia-northeast2": ("abc", 174),
    "asia-northeast3": ("abc", 178),
    "asia-south1": ("abc", 160),
    "asia-south2": ("abc", 190),
    "asia-southeast1": ("abc", 148),
    "asia-southeast2": ("abc", 184),
    "asia-southeast3": ("abc", 232),
    "australia-southeast1": ("abc", 152),
    "australia-southeast2": ("abc", 192),
    "europe-central2": ("abc", 186),
    "europe-north1": ("abc", 166),
    "europe-north2": ("abc", 226),
    "europe-southwest1": ("abc", 204),
    "europe-west1": ("bcd", 132),
    "europe-west10": ("abc", 214),
    "europe-west12": ("abc", 210),
    "europe-west2": ("abc", 154),
    "europe-west3": ("abc", 156),
    "europe-west4": ("abc", 164),
    "europe-west6": ("abc", 172),
    "europe-west8": ("abc", 198),
    "europe-west9": ("abc", 200),
    "me-central1": ("abc", 212),
    "me-west1": ("abc", 208),
    "northamerica-northeast1": ("abc", 162),
    "northamerica-northeast2": ("abc", 188),
    "northamerica-south1": ("abc", 224),
    "southamerica-east1": ("abc", 158),
    "southamerica-west1": ("abc", 194),
    "us-central1": ("abcf", 128),
    "us-east1": ("bcd", 142),
    "us-east4": ("abc", 150),
    "us-east5": ("abc", 202),
    "us-south1": ("abc", 206),
    "us-west1": ("abc", 138),
    "us-west2": ("abc", 168),
    "us-west3": ("abc", 180),
    "us-west4": ("abc", 182),
}

AUTO_MODE_RANGE = "10.128.0.0/9"

# Where each TPU generation's machines are offered.
TPU_ZONES: dict[str, frozenset[str]] = {
    "ct6e": frozenset(
        {
            "asia-northeast1-b",
            "europe-west4-a",
            "southamerica-west1-a",
            "us-central1-b",
            "us-east1-d",
            "us-east5-a",
            "us-east5-b",
        }
    ),
    "ct5lp": frozenset({"europe-west4-a", "europe-west4-b", "us-central1-a", "us-east5-a", "us-west4-a", "us-west4-b"}),
}


def zones_of(region: str) -> list[str]:
    return [f"{region}-{letter}" for letter in REGIONS[region][0]]


def region_of(zone: str) -> str:
    return zone.rpartition("-")[0]


def is_zone(name: str) -> bool:
    region = region_of(name)
    return region in REGIONS and name in zones_of(region)


def auto_range(region: str) -> str:
    return f"10.{REGIONS[region][1]}.0.0/20"


def offers(zone: str, machine_family: str) -> bool:
    """TPU machines stand in few zones; everything else is everywhere."""
    zones = TPU_ZONES.get(machine_family)
    return zones is None or zone in zones
