# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""An estimate says what it counted, what it could not price, and what is wrong with a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.filter.cost_estimate import cost_estimate

TUTORIAL: dict[str, Any] = {
    "cluster": True,
    "load_balancers": 1,
    "nodes": [
        {"name": "default-pool", "machine_type": "e2-standard-8", "count": 3, "disk_size_gb": 100},
        *(
            {
                "name": f"tpu-{number}",
                "machine_type": "ct6e-standard-4t",
                "count": 1,
                "disk_size_gb": 300,
                "capacity": "on_demand",
            }
            for number in range(1, 9)
        ),
    ],
}


def one(capacity: str, machine: str = "ct6e-standard-4t") -> dict[str, Any]:
    return {"nodes": [{"name": "p", "machine_type": machine, "count": 1, "disk_size_gb": 100, "capacity": capacity}]}


def price_of(asks: dict[str, Any], what: str, **settings: Any) -> float:
    items = cost_estimate(asks, "us-east5", **settings)["items"]
    return float(next(item["per_hour"] for item in items if what in item["what"]))


def test_the_tutorials_fleet_costs_about_ninety_five_dollars_an_hour() -> None:
    told = cost_estimate(TUTORIAL, "us-east5")
    assert price_of(TUTORIAL, "chips of") == pytest.approx(32 * 2.97)
    assert 95 < told["per_hour"] < 98
    assert told["per_day"] == pytest.approx(24 * told["per_hour"], abs=0.2)
    assert told["complete"]
    assert any("tpu-1 to tpu-8" in line for line in told["lines"])
    assert "2026-08-31" in told["lines"][-1]


def test_the_capacity_model_decides_the_price() -> None:
    prices = [price_of(one(model), "chips") for model in ("on_demand", "reservation", "spot", "flex_start", "queued")]
    assert prices == pytest.approx([11.88, 11.88, 7.128, 5.4, 5.4])


def test_a_machine_is_the_sum_of_its_parts() -> None:
    assert price_of(one("on_demand", "e2-standard-8"), "e2-standard-8") == pytest.approx(0.268, abs=0.001)
    assert price_of(one("on_demand", "n1-standard-8"), "n1-standard-8") == pytest.approx(0.38, abs=0.001)


def test_prices_can_be_laid_over_the_table_and_differ_by_region() -> None:
    mine = {"tpu_chip_hour": {"ct6e": {"on_demand": 1.0}}, "regions": {"us-east5": {"cluster_hour": 9.0}}}
    assert price_of(one("on_demand"), "chips", prices=mine) == 4.0
    assert price_of(one("spot"), "chips", prices=mine) == pytest.approx(7.128), "the rest of the table stays"
    assert price_of({"cluster": True}, "cluster", prices=mine) == 9.0
    assert cost_estimate({"cluster": True}, "us-east1", prices=mine)["per_hour"] == 0.1


def test_what_has_no_price_is_named_and_not_in_the_sum() -> None:
    told = cost_estimate(one("on_demand", "ct9z-standard-4t"), "us-east5")
    assert not told["complete"]
    assert told["unpriced"] == ["p: chips of ct9z-standard-4t (on_demand)"]
    assert told["check"]["severity"] == "warning"
    assert told["lines"][-1].startswith("at least")


@pytest.mark.parametrize(
    ("limit", "severity"),
    [("", ""), (None, ""), (97, ""), ("97", ""), (90, "error"), ("0", "error"), ("cheap", "error")],
)
def test_the_limit(limit: Any, severity: str) -> None:
    check = cost_estimate(TUTORIAL, "us-east5", limit=limit)["check"]
    assert check["severity"] == severity
    assert check["passed"] == (not severity)


def test_a_limit_needs_every_price() -> None:
    check = cost_estimate(one("on_demand", "ct9z-standard-4t"), "us-east5", limit=1000)["check"]
    assert check["severity"] == "error"
    assert "no price for p: chips" in check["actual"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cluster_hour: cheap", "cluster_hour is 'cheap', no price"),
        ("cluster_hour: -1", "cluster_hour is -1, no price"),
        ("cluster_hour: true", "no price"),
        ("tpu_chip_hour: {ct6e: 3}", "tpu_chip_hour.ct6e is 3, no map"),
        ("tpu_chips: 3", "tpu_chips is unknown; known are"),
        ("regions: {us-east5: {regions: {}}}", "does not belong there"),
        ("- 1", "is no map of prices"),
        ("a: [", "expected"),
    ],
)
def test_a_table_that_makes_no_sense_is_a_finding(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.yml"
    path.write_text(text)
    check = cost_estimate(TUTORIAL, "us-east5", file=str(path))["check"]
    assert check["severity"] == "error"
    assert words in check["actual"]


def test_a_table_of_ones_own_replaces_the_collections(tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    path.write_text("{date: today, currency: EUR, cluster_hour: 1}")
    told = cost_estimate({"cluster": True, "load_balancers": 1}, "us-east5", file=str(path))
    assert (told["currency"], told["per_hour"], told["unpriced"]) == ("EUR", 1, ["load balancer"])
    assert cost_estimate({}, file=str(tmp_path / "none"))["check"]["severity"] == "error"
