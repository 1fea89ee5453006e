# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What Google was recorded to answer: keys and types (shapes.json), and how an answer of ours differs from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# Fields whose keys are the user's.
_MAPS = frozenset({"resourceLabels", "labels", "metadata", "projectMap", "sysctls"})
_TYPES = {str: "text", int: "number", float: "number", bool: "truth"}


@cache
def shapes() -> Json:
    """Every recorded answer's shape, by a name of ours."""
    found: Json = json.loads((Path(__file__).parent / "shapes.json").read_text(encoding="utf-8"))
    return found


def _leaves(shape: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, type) of everything in a shape; what is empty is a leaf."""
    if isinstance(shape, dict):
        if not shape:
            yield path, "{}"
        for name, inner in shape.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(shape, list):
        if not shape:
            yield f"{path}[]", "[]"
        for inner in shape:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path, shape


def shape_of(value: Any, name: str = "") -> Any:
    """The shape of an answer of ours."""
    if isinstance(value, dict):
        return {"*" if name in _MAPS else key: shape_of(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [shape_of(item) for item in value]
    return _TYPES[type(value)]


def differences(answer: Any, name: str) -> set[str]:
    """``-path`` for what Google has and we have not, ``+path`` for the contrary; a wrong type is both."""
    theirs, ours = set(_leaves(shapes()[name])), set(_leaves(shape_of(answer)))
    return {f"-{path}" for path, _kind in theirs - ours} | {f"+{path}" for path, _kind in ours - theirs}
