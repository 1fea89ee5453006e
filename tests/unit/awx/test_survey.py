# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Options of roles as questions of a survey, judged by AWX's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.llm_d.gke.plugins.plugin_utils._survey import SurveyError, lines, question, survey

from tests.integration.awx.recorder import rules

ROLES = Path(__file__).resolve().parents[3] / "roles"


def options() -> list[tuple[str, dict[str, Any], Any]]:
    """Every option of every role, with the default that the role really has."""
    found = []
    for file in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        defaults_file = file.parents[1] / "defaults" / "main.yml"
        defaults = (yaml.safe_load(defaults_file.read_text()) or {}) if defaults_file.exists() else {}
        for entry in yaml.safe_load(file.read_text())["argument_specs"].values():
            for name, option in (entry.get("options") or {}).items():
                found.append((name, option, defaults.get(name)))
    return found


@pytest.mark.parametrize(("name", "option", "default"), options(), ids=lambda one: one if isinstance(one, str) else "")
def test_every_option_becomes_a_question_that_awx_accepts_or_is_refused_with_a_reason(
    name: str, option: dict[str, Any], default: Any
) -> None:
    try:
        asked = question(name, option, default)
    except SurveyError as error:
        assert name in str(error) or "list of mappings" in str(error)
        return
    spec = {"name": "n", "description": "", "spec": [asked]}
    assert rules.survey_refused(spec) == ""
    assert rules.answers_refused(spec, {}) == [], "nobody has to answer"
    assert "(" not in asked["question_description"].split(" One item")[0] or "O(" not in asked["question_description"]


@pytest.mark.parametrize(
    ("option", "default", "expected", "answers"),
    [
        (
            {"type": "bool"},
            False,
            {"type": "multiplechoice", "choices": ["true", "false"], "default": "false"},
            ["true"],
        ),
        ({"type": "int"}, 8, {"type": "integer", "default": 8}, [0, 7]),
        ({"type": "float"}, 7200, {"type": "float", "default": 7200.0}, [1, 0.5]),
        ({"type": "str"}, "", {"type": "text", "default": "", "required": False}, ["", "x"]),
        ({"type": "str"}, "30s", {"type": "text", "default": "30s", "required": True}, ["x"]),
        (
            {"type": "str", "choices": ["a", "b"]},
            "a",
            {"type": "multiplechoice", "choices": ["a", "b"], "default": "a"},
            ["b"],
        ),
        ({"type": "list", "elements": "str"}, ["x", "y"], {"type": "textarea", "default": "x\ny"}, ["", "x\ny\nz"]),
        ({"type": "list", "choices": ["a", "b"]}, ["a"], {"type": "multiselect", "default": "a"}, [["a", "b"], []]),
        ({"type": "path"}, "", {"type": "text"}, ["/tmp/x"]),
        ({"type": "str"}, "{{ ttl | default('') }}", {"type": "text", "default": "", "required": False}, ["8h"]),
        ({"type": "bool"}, "{{ only | default(false) }}", {"type": "multiplechoice", "default": "false"}, ["true"]),
        ({"type": "int"}, "{{ number | default(7) | int }}", {"type": "integer", "default": 7}, [8]),
    ],
)
def test_a_type_has_its_question(
    option: dict[str, Any], default: Any, expected: dict[str, Any], answers: list[Any]
) -> None:
    asked = question("some_option", option, default)
    assert {key: asked[key] for key in expected} == expected
    assert type(asked["default"]) is type(expected.get("default", asked["default"]))
    spec = {"name": "n", "description": "", "spec": [asked]}
    for answer in answers:
        if not (answer == "" and asked["required"]):
            assert rules.answers_refused(spec, {"some_option": answer}) == []


@pytest.mark.parametrize(
    ("name", "option", "default", "words"),
    [
        ("x_values", {"type": "dict"}, {}, "is a dict"),
        ("deployment_hf_token", {"type": "str"}, "", "credential"),
        ("x_thing", {"type": "str", "no_log": True}, "", "credential"),
        ("x_name", {"type": "str"}, "{{ deployment_prefix }}-x", "follows from other variables"),
        ("x_env", {"type": "list", "elements": "dict"}, [], "list of mappings"),
    ],
)
def test_what_cannot_be_asked_is_refused(name: str, option: dict[str, Any], default: Any, words: str) -> None:
    with pytest.raises(SurveyError, match=words):
        question(name, option, default)


def test_markup_is_left_out_of_descriptions() -> None:
    option = {"type": "str", "description": ["Name, or C(projects/X).", "Required when O(a) is V(b)."]}
    asked = question("x_name", option, "")
    assert asked["question_description"] == "Name, or projects/X. Required when a is b."


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(SurveyError, match="x_nothing"):
        survey("t", ["x_nothing"], {}, {})


def test_no_questions_are_no_survey() -> None:
    assert survey("t", [], {}, {}) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb", ["a", "b"]),
        (" a \r\n\n b\n", ["a", "b"]),
        ("", []),
        (None, []),
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
    ],
)
def test_a_list_may_come_as_lines(value: Any, expected: list[str]) -> None:
    assert lines(value) == expected


def test_every_question_of_the_table_can_be_asked() -> None:
    known = {name: (option, default) for name, option, default in options()}
    table = yaml.safe_load((ROLES / "awx" / "vars" / "main" / "playbooks.yml").read_text())["awx_playbooks"]
    specs, defaults = ({name: both[part] for name, both in known.items()} for part in (0, 1))
    for row in table:
        made = survey(row["name"], row["asks"], specs, defaults)
        assert not made or rules.survey_refused(made) == ""


def test_the_table_of_playbooks_is_complete() -> None:
    table = yaml.safe_load((ROLES / "awx" / "vars" / "main" / "playbooks.yml").read_text())["awx_playbooks"]
    files = {file.stem for file in (ROLES.parent / "playbooks").glob("*.yml")} - {"awx"}
    assert {row["name"] for row in table} == files
