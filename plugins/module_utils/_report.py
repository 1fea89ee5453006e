# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Plans in words: the diff that people read, and what check mode predicts.

This file is private to the collection. Pure functions.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from ._errors import Json
from ._fields import is_zero, leaves, put
from ._plan import CREATE, DELETE, UPDATE, WAIT, ResourcePlan


def diff(plans: Sequence[ResourcePlan]) -> list[dict[str, str]]:
    """One block a resource, with the fields that change and nothing that the server filled in."""
    return [_block(each) for each in plans if any(step.action != WAIT for step in each.steps)]


def _block(each: ResourcePlan) -> dict[str, str]:
    actions = [step.action for step in each.steps if step.action != WAIT]
    before: list[str] = []
    after: list[str] = []
    for difference in each.differences():
        before.append(_line(difference.field, difference.before))
        after.append(_line(difference.field, difference.after))
    if DELETE in actions and not before:
        before.append("state: present\n")
        if CREATE not in actions:
            after.append("state: absent\n")
    if CREATE in actions and not after:
        step = next(step for step in each.steps if step.action == CREATE)
        body = step.body or {}
        inner = body.get(each.target.kind.envelope, body) if each.target.kind.envelope else body
        after += [_line(path, value) for path, value in leaves(inner)]
    why = next((step.why for step in each.steps if step.why), "")
    header = f"{each.target.label} ({' and '.join(actions[:1] if set(actions) == {UPDATE} else actions)})"
    return {
        "before_header": f"{each.target.label} (now)" + (f": {why}" if why else ""),
        "after_header": header,
        "before": "".join(before),
        "after": "".join(after),
    }


def _line(name: str, value: Any) -> str:
    if is_zero(value) and value is not False and value != 0:
        return f"{name}: (unset)\n"
    if isinstance(value, str):
        return f"{name}: {value}\n"
    return f"{name}: {json.dumps(value, sort_keys=True)}\n"


def predicted(each: ResourcePlan, found: Json | None) -> Json | None:
    """The resource as the plan would leave it, without what only the server can fill in."""
    actions = [step.action for step in each.steps]
    if actions and actions[-1] == DELETE:
        return None
    result = copy.deepcopy(found or {})
    if not result and CREATE not in actions:
        return None
    result["name"] = each.target.name
    for step in each.steps:
        if step.action == CREATE and step.body is not None:
            inner = step.body.get(each.target.kind.envelope) if each.target.kind.envelope else step.body
            for path, value in leaves(inner):
                put(result, path, value)
        for difference in step.differences:
            put(result, difference.row.api, difference.after)
    return result


def of_plan(each: ResourcePlan) -> Json:
    return {
        "changed": any(step.action != WAIT for step in each.steps),
        "actions": [step.request for step in each.steps if step.request],
    }
