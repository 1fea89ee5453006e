# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A deadline is the same however often it is asked for, moves when it is told to, and is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _expiry as expiry

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MARK = {"llm-d-deployment": "east"}


def found(*labels: dict[str, str]) -> dict[str, Any]:
    return expiry.labels_of([(f"thing {number}", one) for number, one in enumerate(labels)])


def at(ttl: str, present: dict[str, Any] | None = None, later: float = 0) -> dict[str, str]:
    return expiry.labels_for(ttl, present or found(), NOW + timedelta(hours=later))


@pytest.mark.parametrize(
    ("ttl", "deadline"),
    [
        ("8h", "2026-11-26t20-00-00z"),
        ("90m", "2026-11-26t13-30-00z"),
        ("1d12h", "2026-11-28t00-00-00z"),
        ("2w", "2026-12-10t12-00-00z"),
        ("2026-11-26T18:00Z", "2026-11-26t18-00-00z"),
        ("2026-11-26T18:00:00+01:00", "2026-11-26t17-00-00z"),
    ],
)
def test_a_time_to_live_becomes_a_deadline(ttl: str, deadline: str) -> None:
    labels = at(ttl)
    assert labels[expiry.DEADLINE] == deadline
    assert all(value == value.lower() and ":" not in value for value in labels.values()), "labels allow no more"


@pytest.mark.parametrize(
    "ttl", ["soon", "8", "0h", "-1h", "5y", "400d", "2026-11-26T11:00Z", "2026-11-26T18:00", "2026-13-01T00:00Z"]
)
def test_a_time_to_live_that_cannot_be_is_refused(ttl: str) -> None:
    with pytest.raises(expiry.ExpiryError, match="ttl"):
        at(ttl)


def test_the_same_time_to_live_means_the_same_deadline() -> None:
    first = at("8h")
    assert at("8h", found(first), later=3) == first


def test_another_is_counted_from_the_same_beginning() -> None:
    first = at("8h")
    assert at("12h", found(first), later=3)[expiry.DEADLINE] == "2026-11-27t00-00-00z"
    with pytest.raises(expiry.ExpiryError, match="is past"):
        at("2h", found(first), later=3)


def test_saying_nothing_leaves_it_and_never_takes_it_away() -> None:
    first = at("8h")
    assert at("", found(first), later=3) == first
    assert at("never", found(first)) == {}
    assert at("") == {}


def test_only_what_carries_the_mark_counts() -> None:
    cluster = {
        "name": "c",
        "resourceLabels": {**MARK, "llm-d-expires": "2026-11-26t20-00-00z"},
        "nodePools": [
            {"name": "p", "config": {"resourceLabels": {**MARK, "llm-d-expires": "2026-11-26t22-00-00z"}}},
            {"name": "q", "config": {"resourceLabels": {"llm-d-expires": "2026-11-30t22-00-00z"}}},
        ],
    }
    seen = expiry.labels_of(expiry.marked(cluster, "east"))
    assert seen["deadline"] == "2026-11-26t22-00-00z", "the latest: an extension may have been interrupted"
    assert expiry.labels_of(expiry.marked(cluster, "west"))["deadline"] == ""
    assert expiry.labels_of(expiry.marked(None, "east"))["deadline"] == ""


@pytest.mark.parametrize(
    ("labels", "state"),
    [
        ([], "none"),
        ([{}], "none"),
        ([{"llm-d-expires": "2026-11-26t11-59-59z"}], "expired"),
        ([{"llm-d-expires": "2026-11-26t12-00-01z"}], "alive"),
        ([{"llm-d-expires": "2026-11-26t11-00-00z"}, {"llm-d-expires": "2026-11-26t13-00-00z"}], "alive"),
        ([{"llm-d-expires": "yesterday"}], "unreadable"),
        ([{"llm-d-expires": ""}], "unreadable"),
        ([{"llm-d-expires": "2026-02-30t00-00-00z"}], "unreadable"),
        ([{"llm-d-expires": "2026-11-26t11-00-00z"}, {"llm-d-expires": "x"}], "unreadable"),
    ],
)
def test_only_a_readable_deadline_that_has_passed_is_acted_on(labels: list[dict[str, str]], state: str) -> None:
    verdict, why = expiry.verdict(found(*labels), NOW)
    assert verdict == state
    assert why
