# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Until when a deployment may live: a deadline as a label of what costs money. Pure functions.

This file is private to the collection. Two labels: the deadline, and the time to live it was made of, so that a longer
one can be counted from the same beginning. A label that cannot be read is an answer of its own, and never a deadline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from . import _ownership as ownership
from ._errors import Json

DEADLINE = "llm-d-expires"
TTL = "llm-d-ttl"
# As values of labels may be written: 2026-11-26t13-05-00z.
_FORM = "%Y-%m-%dt%H-%M-%Sz"
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dt\d\d-\d\d-\d\dz$")
_DURATION = re.compile(r"^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?$")
# Takes the deadline away.
NEVER = "never"


class ExpiryError(ValueError):
    """A time to live that cannot be; the message says why, and what would."""


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_FORM)


def read(text: str) -> datetime | None:
    """The moment that a label names; None when it cannot be read."""
    if not _STAMP.match(text):
        return None
    try:
        return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def duration(text: str) -> timedelta | None:
    """8h, 90m, 2d, 1d12h, 2w; None when it is none of these."""
    match = _DURATION.match(text)
    if not text or match is None:
        return None
    weeks, days, hours, minutes = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)


def labels_for(ttl: str, present: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """The labels that a time to live means. Empty: what is there stays. `present` is what `labels_of` found.

    The same time to live means the same deadline, however often it is asked for; a longer one is counted from the same
    beginning, so nothing but the variable has to be changed to extend it."""
    text = str(ttl or "").strip().lower()
    labels: Mapping[str, str] = present.get("labels") or {}
    if not text:
        return dict(labels)
    if text == NEVER:
        return {}
    length = duration(text)
    if length is None:
        return {DEADLINE: written(_future(_moment(text), text, now))}
    if not length:
        raise ExpiryError(f"The time to live '{text}' is over at once: set ttl to one such as 8h, 2d or 1d12h.")
    if length > timedelta(days=366):
        raise ExpiryError(f"The time to live '{text}' is more than a year: leave ttl out, or set it to {NEVER}.")
    deadline, before = read(str(labels.get(DEADLINE, ""))), duration(str(labels.get(TTL, "")))
    began = deadline - before if deadline and before else now
    return {DEADLINE: written(_future(began + length, text, now)), TTL: text}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        raise ExpiryError(
            f"The time to live '{text}' reads neither like 8h, 2d or 1d12h nor like 2026-11-26T18:00Z: correct ttl."
        ) from None
    if moment.tzinfo is None:
        raise ExpiryError(f"'{text}' does not say in which time zone: add Z (UTC) or an offset such as +01:00 to ttl.")
    return moment


def _future(deadline: datetime, text: str, now: datetime) -> datetime:
    if deadline <= now:
        raise ExpiryError(
            f"With ttl '{text}' the deadline would be {written(deadline)}, which is past: set ttl to a longer one."
        )
    return deadline


def marked(cluster: Mapping[str, Any] | None, deployment: str) -> list[tuple[str, Mapping[str, str]]]:
    """What carries the deployment's mark, with its labels: the cluster, and its pools."""
    if not cluster:
        return []
    labelled = [(f"cluster {cluster.get('name')}", cluster.get("resourceLabels") or {})]
    for pool in cluster.get("nodePools") or []:
        labelled.append((f"node pool {pool.get('name')}", (pool.get("config") or {}).get("resourceLabels") or {}))
    mark = ownership.mark_value(deployment)
    return [(name, labels) for name, labels in labelled if labels.get(ownership.LABEL) == mark]


def labels_of(found: Iterable[tuple[str, Mapping[str, str]]]) -> Json:
    """What the labels say together. The latest deadline counts: an extension may have been interrupted half-way."""
    stamps = [(name, str(labels[DEADLINE]), labels) for name, labels in found if DEADLINE in labels]
    unreadable = [f"{name}: {text}" for name, text, _labels in stamps if read(text) is None]
    readable = [(text, labels) for _name, text, labels in stamps if read(text) is not None]
    latest: Sequence[Any] = max(readable, key=lambda pair: pair[0]) if readable else ("", {})
    return {
        "deadline": latest[0],
        "unreadable": unreadable,
        "labels": {key: str(latest[1][key]) for key in (DEADLINE, TTL) if key in latest[1]},
    }


def verdict(found: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """What an expired-only run does, and why: `expired` acts, `unreadable` is an error, everything else leaves it."""
    if found["unreadable"]:
        return "unreadable", "the deadline cannot be read (" + "; ".join(found["unreadable"]) + ")"
    deadline = read(str(found["deadline"]))
    if deadline is None:
        return "none", "it has no deadline"
    left = deadline - now
    if left <= timedelta(0):
        return "expired", f"its deadline {found['deadline']} passed {_told(-left)} ago"
    return "alive", f"it lives until {found['deadline']}, for another {_told(left)}"


def _told(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return (
        " ".join(f"{value}{unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes % 60, "m")) if value) or "0m"
    )
