# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Plans in words: the diff that people read, and what check mode predicts.

This file is private to the collection. Pure functions.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ._errors import Json
from ._fields import Field, dig, drop, is_zero, leaves, put
from ._plan import CREATE, DELETE, WAIT, Kind, ResourcePlan, Step


def diff(plans: Sequence[ResourcePlan]) -> list[dict[str, str]]:
    """One block a resource, with the fields that change and nothing that the server filled in."""
    return [_block(each) for each in plans if any(step.action != WAIT for step in each.steps)]


def _block(each: ResourcePlan) -> dict[str, str]:
    steps = [step for step in each.steps if step.action != WAIT]
    actions = list(dict.fromkeys(step.action for step in steps))
    before: list[str] = []
    after: list[str] = []
    for step in steps:
        if step.action == CREATE and not step.differences:
            after += _born(each, step)
        for difference in step.differences:
            before.append(_line(difference.field, _worded(difference.row, difference.before)))
            after.append(_line(difference.field, _worded(difference.row, difference.after)))
    if DELETE in actions and not before:
        before.append("state: present\n")
        if CREATE not in actions:
            after.append("state: absent\n")
    why = next((step.why for step in steps if step.why), "")
    return {
        "before_header": f"{each.target.label} (now)" + (f": {why}" if why else ""),
        "after_header": f"{each.target.label} ({' and '.join(actions)})",
        "before": "".join(before),
        "after": "".join(after),
    }


def _born(each: ResourcePlan, step: Step) -> list[str]:
    """What a new resource is made with, under the names that the options have."""
    body = step.body or {}
    inner = copy.deepcopy(body.get(each.target.kind.envelope, body) if each.target.kind.envelope else body)
    return _described(each.target.kind, inner)


def _described(kind: Kind, rest: Json, prefix: str = "") -> list[str]:
    lines = [_line(f"{prefix}name", rest.pop("name", ""))]
    for row in kind.rows:
        if (value := dig(rest, row.api)) is not None:
            lines.append(_line(prefix + row.option, _worded(row, value)))
            drop(rest, row.api)
    for key, (option, inner) in kind.born_with.items():
        for resource in rest.pop(key, []):
            lines += _described(inner, resource, f"{option}.")
    return lines + [_line(prefix + path, value) for path, value in leaves(rest) if not is_zero(value)]


def _worded(row: Field, value: Any) -> Any:
    """The value with the options' names in it."""
    if row.keyed and isinstance(value, dict):
        value = [{row.keyed: key, **inner} for key, inner in value.items()]
    if not row.items or not isinstance(value, list):
        return value
    return [
        {item.option: found for item in row.items if (found := dig(element, item.api)) is not None}
        if isinstance(element, dict)
        else element
        for element in value
    ]


def _line(name: str, value: Any) -> str:
    if is_zero(value) and value is not False and value != 0:
        return f"{name}: (unset)\n"
    if isinstance(value, list) and any(isinstance(element, dict) for element in value):
        return "".join([f"{name}:\n", *(f"  - {_flow(element, bare=True)}\n" for element in value)])
    return f"{name}: {_flow(value)}\n"


def _flow(value: Any, bare: bool = False) -> str:
    """In one line, as a person would put it down."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items())
        return pairs if bare else f"{{{pairs}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(element) for element in value)}]"
    return str(value)


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
