# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a role's argument specification says of its variables is so: documentation and surveys are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"


def load(role: str, part: str) -> dict[str, Any]:
    return yaml.safe_load((ROLES / role / part).read_text(encoding="utf-8")) or {}


def variables() -> list[tuple[str, str]]:
    names = [(path.parents[1].name, name) for path in sorted(ROLES.glob("*/defaults/main.yml"))
             for name in load(path.parents[1].name, "defaults/main.yml")]  # fmt: skip
    assert len(names) > 100
    return names


@pytest.mark.parametrize(("role", "name"), variables())
def test_defaults(role: str, name: str) -> None:
    default = load(role, "defaults/main.yml")[name]
    entry_points = load(role, "meta/argument_specs.yml")["argument_specs"].values()
    options = [entry["options"][name] for entry in entry_points if name in entry.get("options", {})]
    assert options, f"{name} is not described"
    for option in options:
        # What is computed, or unset, has no value to put there: the description tells of it.
        computed = isinstance(default, str) and "{{" in default
        if computed or default == "":
            assert option.get("default", "") == ""
        elif default == []:
            # An answer that was left empty in AWX comes as null, which a default makes an error of.
            assert option.get("default", []) == []
        else:
            assert option.get("default") == default
