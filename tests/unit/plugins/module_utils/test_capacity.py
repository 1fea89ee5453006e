# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a look at zone, machine type and reservation tells of TPU pools to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._clients import Cloud, Patience
from ansible_collections.llm_d.gke.plugins.module_utils._clock import Clock, Deadline, Pace
from ansible_collections.llm_d.gke.plugins.module_utils._errors import Json, from_answer
from ansible_collections.llm_d.gke.plugins.module_utils._methods import Method
from ansible_collections.llm_d.gke.plugins.module_utils._resources.capacity import Wanted, findings, look_up, wanted

OPTIONS = {"zone": "us-east5-a", "machine_type": "ct6e-standard-4t", "machines": 8}
RESERVED = {"specificReservation": {"count": "8", "instanceProperties": {"machineType": "ct6e-standard-4t"}}}


class Answers:
    """Google, as far as it knows these paths; an answer that is a number is a refusal."""

    credentials = None

    def __init__(self, answers: Mapping[str, Json | int]) -> None:
        self._answers = answers

    def send(self, method: Method, params: Mapping[str, Any], body: Json | None) -> Json:
        answer = self._answers.get(method.url_path(params).removeprefix("compute/v1/projects/"), 404)
        if isinstance(answer, int):
            raise from_answer(answer, {"error": {"code": answer, "message": f"refused with {answer}"}})
        return answer


def told(want: Wanted, answers: Mapping[str, Json | int]) -> list[str]:
    clock, pace = Clock(), Pace(0.01)
    cloud = Cloud(Answers(answers), clock, pace, Patience.from_pace(pace))
    return list(findings(want, look_up(want, cloud, Deadline.after(clock, 1))))


def zone(**more: Json | int) -> dict[str, Json | int]:
    here = "mine/zones/us-east5-a"
    return {here: {}, f"{here}/machineTypes/ct6e-standard-4t": {}, **more}


def test_a_reservation_that_fits_is_no_finding() -> None:
    want = wanted(OPTIONS | {"reservation": "tpus"}, "mine")
    assert told(want, zone() | {"mine/zones/us-east5-a/reservations/tpus": RESERVED}) == []


@pytest.mark.parametrize(
    "name", ["projects/theirs/reservations/tpus", "projects/theirs/reservations/tpus/reservationBlocks/b"]
)
def test_a_shared_reservation_is_looked_up_with_its_owner(name: str) -> None:
    want = wanted(OPTIONS | {"reservation": name}, "mine")
    assert told(want, zone() | {"theirs/zones/us-east5-a/reservations/tpus": RESERVED}) == []
    assert "of project theirs does not exist" in told(want, zone())[0]


def test_without_a_reservation_none_is_looked_for() -> None:
    assert told(wanted(OPTIONS, "mine"), zone()) == []


def test_a_machine_type_that_the_zone_lacks_is_told() -> None:
    [finding] = told(wanted(OPTIONS, "mine"), {"mine/zones/us-east5-a": {}})
    assert "Zone us-east5-a has no machine type ct6e-standard-4t" in finding


def test_a_reservation_elsewhere_is_told_with_its_place() -> None:
    want = wanted(OPTIONS | {"reservation": "tpus"}, "mine")
    everywhere: Json = {"items": {"zones/us-east5-b": {"reservations": [{"name": "tpus"}]}, "zones/us-east5-c": {}}}
    [finding] = told(want, zone() | {"mine/aggregated/reservations": everywhere})
    assert "is in us-east5-b, not in us-east5-a" in finding


@pytest.mark.parametrize(
    "hidden", ["theirs/zones/us-east5-a/reservations/tpus", "mine/zones/us-east5-a/machineTypes/ct6e-standard-4t"]
)
def test_what_may_not_be_looked_at_is_not_held_against_the_pools(hidden: str) -> None:
    """A shared reservation is often hidden from who may use it: whether it will do, the pools find out."""
    want = wanted(OPTIONS | {"reservation": "projects/theirs/reservations/tpus"}, "mine")
    answers = zone() | {"theirs/zones/us-east5-a/reservations/tpus": RESERVED, hidden: 403}
    assert told(want, answers) == []


def test_when_not_even_the_zone_may_be_looked_at_nothing_is_claimed() -> None:
    want = wanted(OPTIONS | {"reservation": "tpus"}, "mine")
    assert told(want, {"mine/zones/us-east5-a": 403}) == []
