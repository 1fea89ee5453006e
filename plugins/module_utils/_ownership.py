# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whose is a resource? What a deployment makes carries its name: as a label, or, where there are none, in words.

This file is private to the collection.
"""

from __future__ import annotations

import copy
import re

from ._errors import Json
from ._fields import dig, put

LABEL = "llm-d-deployment"
TEXT = re.compile(rf"\s*\[{LABEL}: ([^\]]*)\]")


def mark_value(deployment: str) -> str:
    """The deployment's name as a label's value, which allows lower case, digits, `-` and `_` only."""
    return re.sub(r"[^a-z0-9_-]", "-", deployment.lower())[:63]


def owner(found: Json, place: str) -> str:
    """The deployment whose mark a resource carries; empty when it carries none."""
    if not place:
        return ""
    if place == "description":
        match = TEXT.search(str(found.get("description") or ""))
        return match.group(1) if match else ""
    return str((dig(found, place) or {}).get(LABEL) or "")


def whose(owner_name: str) -> str:
    return f"it belongs to the deployment {owner_name!r}" if owner_name else "it carries no mark of a deployment"


def marked(wanted: Json, found: Json, place: str, deployment: str) -> Json:
    """What is wanted, with the mark. A user who gave no labels keeps those that are there."""
    if not deployment or not place:
        return wanted
    result = copy.deepcopy(wanted)
    given = dig(wanted, place)
    present = dig(found, place)
    if place == "description":
        text = unmarked(str((present if given is None else given) or ""))
        put(result, place, f"{text} [{LABEL}: {deployment}]".lstrip())
    else:
        google = {key: value for key, value in (present or {}).items() if key.startswith("goog-")}
        put(result, place, {**google, **((present or {}) if given is None else given), LABEL: deployment})
    return result


def unmarked(text: str) -> str:
    return TEXT.sub("", text)


def same_text(wanted: object, found: object, _resource: Json) -> bool:
    """The same text; a mark counts only where one is wanted."""
    left, right = str(wanted or ""), str(found or "")
    return left == right if TEXT.search(left) else left == unmarked(right)


def same_unmarked_text(wanted: object, found: object, _resource: Json) -> bool:
    """The same text whatever the mark says: for descriptions that cannot be changed, so cannot be marked later."""
    return unmarked(str(wanted or "")) == unmarked(str(found or ""))
