# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""TPUs that are not there: told before a network or a cluster is made, with where to look and what to set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.trouble.conftest import Site

ONE_CHIP = {
    "deployment_machine_type": "ct6e-standard-1t",
    "deployment_topology": "1x1",
    "deployment_tensor_parallel": 1,
}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deployment_zone": "us-east5-q"}, ["Zone us-east5-q does not exist", "set deployment_zone"]),
        (
            {"deployment_zone": "us-east5-b"},
            ["Reservation tpu-v6e-reservation", "is in us-east5-a, not in us-east5-b", "set deployment_zone"],
        ),
        ({"deployment_reservation": "nowhere"}, ["Reservation nowhere", "does not exist", "deployment_reservation"]),
        (ONE_CHIP, ["is for ct6e-standard-4t, not for ct6e-standard-1t", "set deployment_machine_type"]),
        ({"deployment_pool_count": 9}, ["has 8 machines", "the pools need 9", "deployment_pool_count"]),
    ],
    ids=["no-such-zone", "other-zone", "no-such-reservation", "other-machine-type", "too-small"],
)
def test_capacity_that_is_not_there_is_told_before_anything_is_made(
    site: Site, settings: dict[str, Any], words: list[str]
) -> None:
    attempt = site.run("playbooks/up.yml", **settings)
    attempt.refused(*words, "run the same playbook again")
    assert [change for change in attempt.changes if "services:batchEnable" not in change] == []
