# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Enum numbers and names of the container API.

google-cloud-container sends enums as numbers and asks for numbers (``$alt=json;enum-encoding=int``). Discovery
documents list names only; the numbers are in the protocol buffers of that same client library, read when first needed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sandbox.cloud.discovery import Method

INT_ENCODING = "enum-encoding=int"


def wants_numbers(alt: str) -> bool:
    return INT_ENCODING in alt.replace(" ", "").split(";")


@cache
def _messages() -> dict[str, Any]:
    """Message descriptors by the name discovery documents give them (nested ones under both names)."""
    from google.cloud.container_v1.types import cluster_service  # half a second, and only this client needs it

    file = cluster_service.Cluster.pb().DESCRIPTOR.file
    return dict(file.message_types_by_name)


def _descriptor(reference: dict[str, Any] | None, method: Method) -> Any:
    if method.api != "container" or not reference:
        return None
    return _messages().get(reference.get("$ref", ""))


def has_numbers(value: Any) -> bool:
    """Might there be an enum written as a number? (Cheap: says yes for any integer.)"""
    if isinstance(value, dict):
        return any(has_numbers(item) for item in value.values())
    if isinstance(value, list):
        return any(has_numbers(item) for item in value)
    return isinstance(value, int) and not isinstance(value, bool)


def names_for_numbers(method: Method, body: Any) -> Any:
    """A request body with enum numbers replaced by names; numbers that name nothing stay, to be refused later."""
    if not has_numbers(body):
        return body
    descriptor = _descriptor(method.request_schema, method)
    return body if descriptor is None else _walk(descriptor, body, _to_name)


def numbers_for_names(method: Method, answer: Any) -> Any:
    descriptor = _descriptor(method.response_schema, method)
    return answer if descriptor is None else _walk(descriptor, answer, _to_number)


def _to_name(enum: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or value not in enum.values_by_number:
        return value
    return enum.values_by_number[value].name


def _to_number(enum: Any, value: Any) -> Any:
    return enum.values_by_name[value].number if value in enum.values_by_name else value


def _walk(descriptor: Any, value: Any, convert: Any) -> Any:
    if not isinstance(value, dict):
        return value
    fields = {field.json_name: field for field in descriptor.fields}
    return {name: _field(fields.get(name), item, convert) for name, item in value.items()}


def _field(field: Any, value: Any, convert: Any) -> Any:
    if field is None or value is None:
        return value
    if isinstance(value, list):
        return [_field(field, item, convert) for item in value]
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry and isinstance(value, dict):
            inner = field.message_type.fields_by_name["value"]
            return {key: _field(inner, item, convert) for key, item in value.items()}
        return _walk(field.message_type, value, convert)
    return convert(field.enum_type, value) if field.enum_type is not None else value
