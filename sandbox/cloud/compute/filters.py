# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The ``filter`` of compute's lists, in both of its languages.

The old one compares with regular expressions that must match all of the value: ``name eq "gke-.*"``,
``(a eq x) (b ne y)``. The new one (AIP-160) has ``= != < > <= >= :``, ``AND OR NOT`` and parentheses:
``network="https://…" AND name:gke``. They cannot be mixed in one expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.cloud.errors import ApiError

Json = dict[str, Any]
Test = Callable[[Json], bool]

TOKEN = re.compile(r"""\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(!=|<=|>=|[=<>:()])|([^\s()=<>!:"']+))""")
OLD_COMPARISONS = {"eq", "ne"}
NEW_COMPARISONS = {"=", "!=", "<", ">", "<=", ">=", ":"}


class _Tokens:
    def __init__(self, text: str) -> None:
        self.text = text
        self.items: list[tuple[str, str]] = []
        self.position = 0
        offset = 0
        while offset < len(text.rstrip()):
            found = TOKEN.match(text, offset)
            if found is None:
                raise _invalid(text)
            quoted, operator, word = found.groups()
            kind = "value" if quoted is not None else "operator" if operator is not None else "word"
            self.items.append((kind, quoted if quoted is not None else operator or word))
            offset = found.end()

    def peek(self) -> tuple[str, str]:
        return self.items[self.position] if self.position < len(self.items) else ("end", "")

    def take(self) -> tuple[str, str]:
        item = self.peek()
        self.position += 1
        return item


def _invalid(text: str) -> ApiError:
    return ApiError(
        400, f"Invalid value for field 'filter': '{text}'. Invalid list filter expression.", reason="invalid"
    )


def compile_filter(text: str) -> Test:
    """A predicate on bodies; an empty filter lets everything through."""
    if not text.strip():
        return lambda _body: True
    tokens = _Tokens(text)
    words = {value for kind, value in tokens.items if kind == "word"}
    operators = {value for kind, value in tokens.items if kind == "operator"}
    if words & OLD_COMPARISONS and operators & NEW_COMPARISONS:
        raise _invalid(text)
    test = _any_of(tokens)
    if tokens.peek()[0] != "end":
        raise _invalid(text)
    return test


def _any_of(tokens: _Tokens) -> Test:
    tests = [_all_of(tokens)]
    while tokens.peek() == ("word", "OR"):
        tokens.take()
        tests.append(_all_of(tokens))
    return lambda body: any(test(body) for test in tests)


def _all_of(tokens: _Tokens) -> Test:
    tests = [_one(tokens)]
    while tokens.peek()[0] != "end" and tokens.peek() not in (("word", "OR"), ("operator", ")")):
        if tokens.peek() == ("word", "AND"):
            tokens.take()
        tests.append(_one(tokens))
    return lambda body: all(test(body) for test in tests)


def _one(tokens: _Tokens) -> Test:
    kind, value = tokens.take()
    if (kind, value) == ("operator", "("):
        inner = _any_of(tokens)
        if tokens.take() != ("operator", ")"):
            raise _invalid(tokens.text)
        return inner
    if (kind, value) == ("word", "NOT"):
        negated = _one(tokens)
        return lambda body: not negated(body)
    if kind != "word":
        raise _invalid(tokens.text)
    return _comparison(tokens, value)


def _comparison(tokens: _Tokens, field: str) -> Test:
    _kind, operator = tokens.take()
    kind, text = tokens.take()
    if kind not in ("value", "word") or operator not in OLD_COMPARISONS | NEW_COMPARISONS:
        raise _invalid(tokens.text)
    if operator in OLD_COMPARISONS:
        return _regular(tokens.text, field, operator, _old_text(text) if kind == "value" else text)
    return _compare(field, operator, _new_text(text) if kind == "value" else text)


def _old_text(quoted: str) -> str:
    """In the old language backslashes belong to the regular expression; only the quote itself is escaped."""
    return quoted[1:-1].replace(f"\\{quoted[0]}", quoted[0])


def _new_text(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _values(body: Any, field: str) -> Iterator[str]:
    """The values at a dotted path, as text; lists give each of their items."""
    if isinstance(body, list):
        for item in body:
            yield from _values(item, field)
        return
    if not field:
        if not isinstance(body, dict) and body is not None:
            yield str(body).lower() if isinstance(body, bool) else str(body)
        return
    if not isinstance(body, dict):
        return
    if field in body:  # label keys may contain dots
        yield from _values(body[field], "")
        return
    head, _dot, rest = field.partition(".")
    if head in body:
        yield from _values(body[head], rest)


def _regular(text: str, field: str, operator: str, pattern: str) -> Test:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise _invalid(text) from error
    wanted = operator == "eq"
    return lambda body: any(compiled.fullmatch(value) for value in _values(body, field)) is wanted


def _compare(field: str, operator: str, wanted: str) -> Test:
    def test(body: Json) -> bool:
        values = list(_values(body, field))
        if operator == ":":
            return bool(values) if wanted == "*" else any(wanted.lower() in value.lower() for value in values)
        if operator == "=":
            return any(_same(value, wanted) for value in values)
        if operator == "!=":
            return not any(_same(value, wanted) for value in values)
        return any(_ordered(value, operator, wanted) for value in values)

    return test


def _same(value: str, wanted: str) -> bool:
    if "*" in wanted:
        return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), value, re.IGNORECASE) is not None
    return value.lower() == wanted.lower()


def _ordered(value: str, operator: str, wanted: str) -> bool:
    left: float | str
    right: float | str
    try:
        left, right = float(value), float(wanted)
    except ValueError:
        left, right = value, wanted
    if operator == "<":
        return left < right  # type: ignore[operator]
    if operator == ">":
        return left > right  # type: ignore[operator]
    return left <= right if operator == "<=" else left >= right  # type: ignore[operator]
