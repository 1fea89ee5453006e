# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Reservations: the one at hand, new ones, their size."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.cloud.client import Client

ZONE = "zones/us-east5-a"


def body(name: str = "mine", count: Any = 2, machine: str = "e2-standard-8") -> dict[str, Any]:
    return {"name": name, "specificReservation": {"count": count, "instanceProperties": {"machineType": machine}}}


def test_project_begins_with_a_tpu_reservation(api: Client) -> None:
    reservation = api.get(f"{ZONE}/reservations/tpu-v6e-reservation")
    assert reservation["specificReservationRequired"] is True
    assert reservation["status"] == "READY"
    assert reservation["shareSettings"] == {"shareType": "LOCAL"}
    assert reservation["specificReservation"] == {
        "count": "8",
        "inUseCount": "0",
        "assuredCount": "8",
        "instanceProperties": {"machineType": "ct6e-standard-4t"},
    }
    assert api.compute("GET", "zones/us-east5-b/reservations/tpu-v6e-reservation").status == 404


def test_reservation_is_made_resized_and_deleted(api: Client) -> None:
    api.done("POST", f"{ZONE}/reservations", body())
    path = f"{ZONE}/reservations/mine"
    assert api.get(path)["specificReservation"]["count"] == "2"
    assert api.get(path)["specificReservationRequired"] is False
    api.done("POST", f"{path}/resize", {"specificSkuCount": "5"})
    assert api.get(path)["specificReservation"]["assuredCount"] == "5"
    api.done("DELETE", path)
    assert api.compute("GET", path).status == 404


def test_machines_in_use_hold_a_reservation(api: Client) -> None:
    path = f"{ZONE}/reservations/tpu-v6e-reservation"
    resource = api.cloud.store.get(f"projects/llm-d-sandbox/{path}")
    assert resource is not None
    resource.body["specificReservation"]["inUseCount"] = "3"
    assert api.compute("POST", f"{path}/resize", {"specificSkuCount": "2"}).status == 400
    assert api.compute("DELETE", path).reason == "resourceInUseByAnotherResource"
    api.done("POST", f"{path}/resize", {"specificSkuCount": "3"})


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"name": "mine"}, "Required field 'resource.specificReservation' not specified"),
        (body(count=0), "Required field 'resource.specificReservation.count' not specified"),
        (body(machine=""), "machineType' not specified"),
        (body(machine="ct9-huge"), "The machine type does not exist in zone us-east5-a."),
        (body(count="several"), "Invalid value at 'specific_reservation.count' (TYPE_INT64), \"several\""),
    ],
)
def test_bad_reservation_is_refused(api: Client, bad: dict[str, Any], text: str) -> None:
    answer = api.compute("POST", f"{ZONE}/reservations", bad)
    assert answer.status == 400
    assert text in answer.message
