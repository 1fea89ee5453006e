# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Partial answers: the ``fields`` parameter, ``a,b(c,d),e/f``."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.errors import ApiError

Json = dict[str, Any]
Tree = dict[str, "Tree"]


def select_fields(body: Json, fields: str) -> Json:
    """The part of an answer that ``fields`` names; an empty selector of a field means all of it."""
    tree, rest = _parse(fields)
    if rest:
        raise ApiError(400, f"Invalid field selection {fields}", reason="invalidParameter", front_end=True)
    selected: Json = _select(body, tree)
    return selected


def _parse(text: str) -> tuple[Tree, str]:
    tree: Tree = {}
    while True:
        end = next((index for index, letter in enumerate(text) if letter in ",()/"), len(text))
        inner = tree.setdefault(text[:end].strip(), {})
        rest = text[end:]
        while rest.startswith("/"):
            end = next((index for index, letter in enumerate(rest[1:], 1) if letter in ",()/"), len(rest))
            inner, rest = inner.setdefault(rest[1:end].strip(), {}), rest[end:]
        if rest.startswith("("):
            below, rest = _parse(rest[1:])
            inner.update(below)
            rest = rest.removeprefix(")")
        if not rest.startswith(","):
            return tree, rest
        text = rest[1:]


def _select(value: Any, tree: Tree) -> Any:
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [_select(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _select(value[name], below) for name, below in tree.items() if name in value}
