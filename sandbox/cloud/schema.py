# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Checks JSON against a discovery document: request bodies, query parameters, and (in tests) our own answers.

The documents know names, types, formats and enums; they do not know what is required. So this finds what Google's
front end finds before an API sees the request, in the words it uses. A body comes back normalised: int64 as strings,
enum numbers as names, output-only fields and nulls dropped, as Google drops them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.cloud.discovery import SYSTEM_PARAMETERS, Document, Method

Json = dict[str, Any]
Violation = tuple[str, str]
EnumNamer = Callable[[int], str | None]

INTEGER_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
TRUTH = {"true": True, "false": False, "1": True, "0": False}
DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")


def snake_case(name: str) -> str:
    """nodePool.maxPodsConstraint → node_pool.max_pods_constraint, the spelling of Google's messages."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found.group(1).lower(), name)


class Checker:
    """One check of one JSON value; collects every violation instead of stopping at the first."""

    def __init__(self, document: Document, *, answer: bool = False) -> None:
        self.document = document
        self.answer = answer
        self.violations: list[Violation] = []

    def check(self, schema: Json, value: Any, path: str = "", owner: str = "") -> Any:
        if reference := schema.get("$ref"):
            return self.check(self.document.schemas[reference], value, path, reference)
        kind = schema.get("type", "any")
        if kind == "object":
            return self._object(schema, value, path, owner)
        if kind == "array":
            return self._array(schema, value, path, owner)
        return self._scalar(schema, kind, value, path, owner)

    def _object(self, schema: Json, value: Any, path: str, owner: str) -> Any:
        if not isinstance(value, dict):
            return self._wrong(path, owner or "TYPE_MESSAGE", value)
        properties: Json = schema.get("properties", {})
        others: Json | None = schema.get("additionalProperties")
        result = {}
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            rule = properties.get(name, others)
            if rule is None:
                self._unknown(path, name)
            elif self.answer or (item is not None and not rule.get("readOnly")):
                result[name] = self.check(rule, item, inner, f"{owner}.{name[:1].upper()}{name[1:]}")
        return result

    def _array(self, schema: Json, value: Any, path: str, owner: str) -> Any:
        if not isinstance(value, list):
            return self._wrong(path, owner, value)
        return [self.check(schema["items"], item, f"{path}[{index}]", owner) for index, item in enumerate(value)]

    def _scalar(self, schema: Json, kind: str, value: Any, path: str, owner: str) -> Any:
        if kind == "any":
            return value
        if kind == "boolean":
            return value if isinstance(value, bool) else self._wrong(path, "TYPE_BOOL", value)
        if kind == "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            return value if fits else self._wrong(path, f"TYPE_{schema.get('format', 'double').upper()}", value)
        form = schema.get("format", "")
        if form in INTEGER_RANGES:
            return self._integer(kind, form, value, path)
        if not isinstance(value, str):
            return self._wrong(path, self._type_name(schema, owner), value)
        if "enum" in schema and value not in schema["enum"]:
            return self._wrong(path, self._type_name(schema, owner), value)
        if not self._well_formed(form, value):
            return self._wrong(path, self._type_name(schema, owner), value)
        return value

    def _integer(self, kind: str, form: str, value: Any, path: str) -> Any:
        """int64 travels as a string, int32 as a number; requests may use either, our answers may not."""
        wanted: type = str if kind == "string" else int
        if isinstance(value, bool) or (self.answer and not isinstance(value, wanted)):
            return self._wrong(path, f"TYPE_{form.upper()}", value)
        try:
            number = int(value) if isinstance(value, str | int) else int(str(value))
        except ValueError:
            return self._wrong(path, f"TYPE_{form.upper()}", value)
        low, high = INTEGER_RANGES[form]
        if not low <= number <= high:
            return self._wrong(path, f"TYPE_{form.upper()}", value)
        return wanted(number)

    @staticmethod
    def _well_formed(form: str, value: str) -> bool:
        if form == "byte":
            try:
                base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
            except binascii.Error:
                return False
        if form == "google-duration":
            return DURATION.fullmatch(value) is not None
        return True

    def _type_name(self, schema: Json, owner: str) -> str:
        if "enum" in schema:
            return f"type.googleapis.com/google.{self.document.api}.{self.document.version}.{owner}"
        return "TYPE_STRING"

    def _unknown(self, path: str, name: str) -> None:
        place = f" at '{snake_case(path)}'" if path else ""
        text = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
        self.violations.append((snake_case(path), text))

    def _wrong(self, path: str, type_name: str, value: Any) -> Any:
        shown = f'"{value}"' if isinstance(value, str) else value
        text = f"Invalid value at '{snake_case(path)}' ({type_name}), {shown}"
        self.violations.append((snake_case(path), text))
        return value


def check_body(method: Method, body: Any) -> tuple[Json, list[Violation]]:
    """The normalised body of a request, and what is wrong with it."""
    if method.request_schema is None:
        if body:
            names = body if isinstance(body, dict) else ["body"]
            return {}, [("", f'Invalid JSON payload received. Unknown name "{n}": Cannot find field.') for n in names]
        return {}, []
    checker = Checker(method.document)
    normal = checker.check(method.request_schema, body if body is not None else {})
    return (normal if isinstance(normal, dict) else {}), checker.violations


def check_answer(method: Method, body: Any) -> list[Violation]:
    """What is wrong with one of our own answers."""
    if method.response_schema is None:
        return [("", f"{method.id} answers nothing, but there is a body")] if body else []
    checker = Checker(method.document, answer=True)
    checker.check(method.response_schema, body)
    return checker.violations


def check_query(method: Method, query: Mapping[str, Sequence[str]]) -> tuple[Json, list[Violation]]:
    """Query parameters, converted to their types, and what is wrong with them."""
    values: Json = {}
    violations: list[Violation] = []
    for name, texts in query.items():
        schema = method.parameters.get(name) or method.document.parameters.get(name)
        if schema is None:
            if name not in SYSTEM_PARAMETERS and not _unlisted(method, name):
                violations.append((name, _cannot_bind(name)))
            values[name] = texts[-1]
            continue
        if schema.get("location") == "path":
            continue
        converted = [_convert(schema, name, text, violations) for text in texts]
        values[name] = converted if schema.get("repeated") else converted[-1]
    for name, schema in method.parameters.items():
        if schema.get("required") and schema.get("location") == "query" and name not in values:
            violations.append((name, f"Required parameter is missing: {name}"))
    return values, violations


def _unlisted(method: Method, name: str) -> bool:
    """gcloud sends this to some aggregated lists whose documents do not list it; Google takes it."""
    return name == "returnPartialSuccess" and method.id.endswith(".aggregatedList")


def _cannot_bind(name: str) -> str:
    return (
        f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
        f"Field '{name}' could not be found in request message."
    )


def _convert(schema: Json, name: str, text: str, violations: list[Violation]) -> Any:
    if schema["type"] == "boolean":
        if text.lower() not in TRUTH:
            violations.append((name, f"Invalid value at '{snake_case(name)}' (TYPE_BOOL), \"{text}\""))
        return TRUTH.get(text.lower(), False)
    if schema["type"] == "integer":
        form = schema.get("format", "int32")
        low, high = INTEGER_RANGES[form]
        number = int(text) if re.fullmatch(r"-?\d+", text) else None
        if number is None or not low <= number <= high:
            violations.append((name, f"Invalid value at '{snake_case(name)}' (TYPE_{form.upper()}), \"{text}\""))
            return 0
        least = schema.get("minimum")
        most = schema.get("maximum")
        if (least is not None and number < int(least)) or (most is not None and number > int(most)):
            text = f"Invalid value for field '{name}': '{number}'. Must be between {least} and {most}"
            violations.append((name, text))
        return number
    if "enum" in schema and text not in schema["enum"] and name != "alt":
        violations.append((name, f"Invalid value at '{snake_case(name)}' (TYPE_ENUM), \"{text}\""))
    return text
