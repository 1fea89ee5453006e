# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: options of roles become the questions of an AWX survey.

AWX knows texts, numbers and choices. A truth value is a choice of two, a list is a text with a line for each item, a
mapping has no form. An answer is an extra variable, which wins over every inventory; so nothing is asked whose default
is derived from other variables, or an answer left empty would hide it. Secrets belong into credentials."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]
Option = Mapping[str, Any]

LONGEST_TEXT = 4096
GREATEST_NUMBER = 2**31 - 1
TRUE_OR_FALSE = ["true", "false"]
_SECRET = re.compile(r"(^|_)(token|password|secret|key)$")
# A short name for the option, and what holds when nobody gives it: that is its default.
_ALIAS = re.compile(r"^\{\{ \w+ \| default\((?P<value>'[^']*'|\d+(?:\.\d+)?|true|false)\)(?: \| \w+)? \}\}$")
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False}


class SurveyError(Exception):
    """An option that cannot be asked for."""


def survey(title: str, names: Iterable[str], specs: Mapping[str, Option], defaults: Mapping[str, Any]) -> Json:
    """The survey of these options, or an empty one. ``specs`` are options by name as argument specs have them, and
    ``defaults`` what the roles really begin with."""
    questions = []
    for name in names:
        if name not in specs:
            raise SurveyError(f"No role has an option '{name}' that a survey could ask for.")
        questions.append(question(name, specs[name], defaults.get(name)))
    if not questions:
        return {}
    return {"name": title, "description": f"Settings of {title}. Everything else stands in the inventory.",
            "spec": questions}  # fmt: skip


def question(name: str, option: Option, default: Any) -> Json:
    """One question, as AWX stores it."""
    kind = str(option.get("type", "str"))
    default = _constant(default)
    if option.get("no_log") or _SECRET.search(name):
        raise SurveyError(f"'{name}' is a secret: an answer to a survey is shown in the job. Use a credential.")
    if isinstance(default, str) and "{{" in default:
        raise SurveyError(f"'{name}' has a default that follows from other variables; an empty answer would hide it.")
    if kind not in _KINDS:
        raise SurveyError(f"'{name}' is a {kind}, which no question of a survey can give.")
    form = _KINDS[kind](option, default)
    return {
        "variable": name,
        "question_name": name.replace("_", " ").capitalize(),
        "question_description": _plain(option.get("description", "")) + form.pop("hint", ""),
        # What has a default is always answered, so that no answer is empty by accident.
        "required": form["default"] != "",
        **form,
    }


def _constant(default: Any) -> Any:
    alias = _ALIAS.match(default) if isinstance(default, str) else None
    if not alias:
        return default
    value = alias["value"]
    return _CONSTANTS.get(value, value.strip("'"))


def _text(option: Option, default: Any) -> Json:
    if option.get("choices"):
        return {"type": "multiplechoice", "choices": [str(c) for c in option["choices"]], "default": _str(default)}
    return {"type": "text", "min": 0, "max": LONGEST_TEXT, "default": _str(default)}


def _truth(option: Option, default: Any) -> Json:
    given = str(bool(default)).lower() if default is not None else ""
    return {"type": "multiplechoice", "choices": list(TRUE_OR_FALSE), "default": given}


def _integer(option: Option, default: Any) -> Json:
    return {
        "type": "integer",
        "min": 0,
        "max": GREATEST_NUMBER,
        "default": "" if default in (None, "") else int(default),
    }


def _number(option: Option, default: Any) -> Json:
    given = "" if default in (None, "") else float(default)
    return {"type": "float", "min": 0, "max": GREATEST_NUMBER, "default": given}


def _list(option: Option, default: Any) -> Json:
    items = [str(item) for item in default or []]
    if option.get("choices"):
        return {"type": "multiselect", "choices": [str(c) for c in option["choices"]], "default": "\n".join(items)}
    if option.get("elements", "str") == "dict":
        raise SurveyError("A list of mappings has no form in a survey.")
    return {"type": "textarea", "min": 0, "max": LONGEST_TEXT, "default": "\n".join(items), "hint": " One item a line."}


_KINDS: Mapping[str, Callable[[Option, Any], Json]] = {
    "str": _text, "path": _text, "bool": _truth, "int": _integer, "float": _number, "list": _list,
}  # fmt: skip


def _str(value: Any) -> str:
    return "" if value is None else str(value)


def _plain(description: str | Iterable[str]) -> str:
    """A description without markup, on one line."""
    text = description if isinstance(description, str) else " ".join(description)
    return re.sub(r"\b[A-Z]\(([^()]*)\)", r"\1", " ".join(text.split()))


def lines(value: Any) -> list[Any]:
    """A list as it is; a text as the list of its lines, which is how an answer to a survey gives one."""
    if value is None:
        return []
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return [value] if isinstance(value, (int, float)) else list(value)
