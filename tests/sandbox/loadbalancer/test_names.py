# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Names must be what cleaning tools look for, and must not collide or grow too long."""

from __future__ import annotations

import re

import pytest

from sandbox.cluster.loadbalancer.names import Names, trim_evenly

NAMES = Names("0f3c2b1a-kube-system")


def test_long_names_are_trimmed_as_gke_trims_them() -> None:
    # Seen on a GKE cluster: gkegw1-igwu-llm-d-inferenc-infra-inference-schedul-7fdntinn48ok.
    fields = trim_evenly(37, "llm-d-inference-scheduling", "infra-inference-scheduling-inference-gateway")
    assert fields == ["llm-d-inferenc", "infra-inference-schedul"]


def test_short_fields_stay() -> None:
    assert trim_evenly(20, "llm-d", "gw") == ["llm-d", "gw"]


@pytest.mark.parametrize("length", [1, 10, 63, 253])
def test_no_name_is_longer_than_google_allows(length: int) -> None:
    long = "x" * length
    for name in (
        NAMES.of_gateway(long[:63], long, "map", 80),
        NAMES.of_backend(long[:63], NAMES.pool_service(long), 54321),
        NAMES.of_neg(long[:63], NAMES.pool_service(long), 54321),
        NAMES.of_firewall(long[:63], "northamerica-northeast1"),
    ):
        assert re.fullmatch(r"[a-z][-a-z0-9]{0,61}[a-z0-9]", name), name


def test_patterns() -> None:
    assert re.fullmatch(r"gkegw1-[a-z0-9]{4}-ns-gw-[a-z0-9]{12}", NAMES.of_gateway("ns", "gw", "rule", 80))
    backend = NAMES.of_backend("llm-d", "pool", 54321)
    assert re.fullmatch(r"gkegw1-[a-z0-9]{4}-llm-d-pool-54321-[a-z0-9]{12}", backend)
    assert re.fullmatch(r"k8s1-[0-9a-f]{8}-ns-svc-80-[0-9a-f]{8}", NAMES.of_neg("ns", "svc", 80))
    assert re.fullmatch(r"gkegw1-[a-z0-9]{4}-l7-net-us-east5", NAMES.of_firewall("net", "us-east5"))


def test_what_differs_has_different_names() -> None:
    cut = "a" * 100
    assert NAMES.of_gateway("ns", f"{cut}b") != NAMES.of_gateway("ns", f"{cut}c")
    assert NAMES.of_gateway("a-b", "c") != NAMES.of_gateway("a", "b-c")
    assert NAMES.of_gateway("ns", "gw", "rule", 80) != NAMES.of_gateway("ns", "gw", "map", 80)
    assert Names("another cluster").of_neg("ns", "svc", 80) != NAMES.of_neg("ns", "svc", 80)
