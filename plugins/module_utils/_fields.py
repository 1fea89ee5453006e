# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A resource as a table of fields: from one row come option, request, drift and update.

This file is private to the collection. Everything here is a pure function of options and JSON.

Four things are kept apart: the user set a value; the user set nothing (None: the field is not compared and not sent);
the server left the field out; and the zero value, which Google's answers leave out, so that it equals absence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._errors import Json, OptionError

# (wanted, found, the whole resource found) -> are they the same? A rule that overlooks something has a name saying so.
Rule = Callable[[Any, Any, Json], bool]


@dataclass(frozen=True)
class Update:
    """The call that changes fields of an existing resource.

    `base` is the part of the resource that the fields lie in, and `into` is where it goes in the request's body. The
    differing fields go along. `whole` names the messages that the call replaces: what is there and was not spoken of
    goes along with them, or a declaration of one field would reset its neighbours. `server` copies values that only
    the server knows (body key → path in the resource), read just before the call.
    """

    method: str
    base: str = ""
    into: str = ""
    whole: tuple[str, ...] = ()
    # (message as it is, message as wanted) -> what of the former still makes sense beside the latter.
    still: Callable[[Json, Json], Json] | None = None
    server: Mapping[str, str] = field(default_factory=dict)
    constant: Mapping[str, Any] = field(default_factory=dict)
    # The call itself says it all: the field's value does not go along.
    bare: bool = False
    # Which changes the call can make, when not all of them; what else to do stands in the row's remedy.
    can: Callable[[Any, Any], bool] | None = None


# ---- comparison rules ----------------------------------------------------------------------------------------------


def is_zero(value: object) -> bool:
    """Google leaves such values out of its answers, so they mean the same as absence."""
    return value is None or value is False or value in (0, "", [], {})


def same_value(wanted: Any, found: Any, _resource: Json) -> bool:
    """Equal; 64-bit integers may be text; absent equals zero."""
    if is_zero(wanted) and is_zero(found):
        return True
    if isinstance(wanted, bool) or isinstance(found, bool):
        return bool(wanted) == bool(found)
    if isinstance(wanted, int) or isinstance(found, int):
        return str(wanted) == str(found)
    return bool(wanted == found)


def same_set(wanted: Any, found: Any, _resource: Json) -> bool:
    """Lists in any order: Google's answers have none."""
    return _members(wanted) == _members(found)


def _members(values: Any) -> set[str]:
    return {repr(canonical(value)) for value in values or []}


def canonical(value: Any) -> Any:
    """The value without what is zero, with maps sorted, so that equal things look equal."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, canonical(inner)) for key, inner in value.items() if not is_zero(inner)))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(sorted((canonical(inner) for inner in value), key=repr))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def same_link(wanted: Any, found: Any, _resource: Json) -> bool:
    """A short name, a path and a full URL may mean the same resource."""
    if is_zero(wanted) or is_zero(found):
        return is_zero(wanted) and is_zero(found)
    left, right = link_path(str(wanted)), link_path(str(found))
    if "/" not in left or "/" not in right:
        return left.rpartition("/")[2] == right.rpartition("/")[2]
    # A project has an id and a number, and answers may carry either: then the rest of the path has to agree.
    mine, yours = left.split("/"), right.split("/")
    return mine[2:] == yours[2:] and (mine[1] == yours[1] or mine[1].isdigit() or yours[1].isdigit())


def link_path(link: str) -> str:
    """The part of a link from `projects/` on, or the link itself when it is a short name."""
    _before, found, after = link.partition("projects/")
    return f"projects/{after}" if found else link


def same_range(wanted: Any, found: Any, _resource: Json) -> bool:
    if is_zero(wanted) or is_zero(found):
        return is_zero(wanted) and is_zero(found)
    return canonical_range(str(wanted)) == canonical_range(str(found))


def wrong_name(text: str, longest: int = 63) -> str:
    """What is wrong with a resource's name, as Google would say after a request."""
    if len(text) <= longest and re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", text):
        return ""
    return f"{text!r} is no name for it: up to {longest} of a-z, 0-9 and -, beginning with a letter, not ending with -"


def wrong_range(value: Any) -> str:
    try:
        ipaddress.ip_network(str(value))
    except ValueError as error:
        return f"{value!r} is not a range in CIDR form ({error})"
    return ""


def same_ranges(wanted: Any, found: Any, _resource: Json) -> bool:
    return {canonical_range(v) for v in wanted or []} == {canonical_range(v) for v in found or []}


def canonical_range(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def same_or_sized(wanted: Any, found: Any, resource: Json) -> bool:
    """A range, or only its size (/14), of which Google chooses the place."""
    if str(wanted).startswith("/"):
        return str(found or "").endswith(str(wanted))
    return same_range(wanted, found, resource)


def same_word(wanted: Any, found: Any, _resource: Json) -> bool:
    """Names that Google writes in capitals, however they were given."""
    return str(wanted or "").lower() == str(found or "").lower()


def same_time(wanted: Any, found: Any, resource: Json) -> bool:
    """The same moment, however it is written."""
    return same_value(moment(wanted), moment(found), resource)


def moment(text: Any) -> Any:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return text


def same_attachments(wanted: Any, found: Any, resource: Json) -> bool:
    """Lists of networks and subnetworks, by name or by link."""
    left, right = ([_short(entry) for entry in entries or []] for entries in (wanted, found))
    return same_set(left, right, resource)


def _short(entry: Mapping[str, Any]) -> Json:
    return {k: v.rpartition("/")[2] if k in ("network", "subnetwork") else v for k, v in entry.items()}


def same_labels(wanted: Any, found: Any, _resource: Json) -> bool:
    """The same map, but for the labels that Google adds itself (goog-…)."""
    return _own_labels(wanted) == _own_labels(found)


def _own_labels(labels: Any) -> dict[str, str]:
    return {key: str(value) for key, value in (labels or {}).items() if not key.startswith("goog-")}


def contains(wanted: Any, found: Any, _resource: Json) -> bool:
    """Google adds entries of its own to such maps, so only those that are wanted count."""
    return all(str((found or {}).get(key)) == str(value) for key, value in (wanted or {}).items())


def joined(wanted: Any, found: Any) -> Any:
    """What to send for a map of which only the wanted entries are ours."""
    return {**(found or {}), **wanted}


def with_google_labels(wanted: Any, found: Any) -> Any:
    """Labels replace each other as a map: Google's own go along."""
    return {**{key: value for key, value in (found or {}).items() if key.startswith("goog-")}, **wanted}


def server_decides(_wanted: Any, _found: Any, _resource: Json) -> bool:
    """Only for the create request: what is there later is not ours to judge."""
    return True


# ---- rows ----------------------------------------------------------------------------------------------------------


def camel(option: str) -> str:
    """The API's spelling of an option's name: node_pools -> nodePools, with dots kept."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), option)


@dataclass(frozen=True)
class Field:
    """One row: an option (dotted where it lies in another), its place in the API, how it compares, how it changes."""

    option: str
    type: str = "str"
    path: str = ""
    elements: str = ""
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False
    # None: immutable.
    update: Update | None = None
    same: Rule = same_value
    # The rows of each element, for a list of dictionaries.
    items: tuple[Field, ...] = ()
    # For a list of dictionaries that is a map in the API: the option that becomes its key.
    keyed: str = ""
    # What Google means by leaving the field out, where that is not zero.
    unset: Any = None
    # What to do when the field cannot be changed.
    remedy: str = ""
    # Sent with the create request when the user says nothing; never compared.
    at_first: Any = None
    # Part of the resource, but not an option: the engine sets it.
    hidden: bool = False
    # (wanted, found) -> what is sent, where a map or list that the call replaces holds more than what is ours.
    along: Callable[[Any, Any], Any] | None = None
    # A check of the value before anything is sent: returns what is wrong with it, or "".
    check: Callable[[Any], str] | None = None

    @property
    def api(self) -> str:
        return self.path or camel(self.option)

    def to_api(self, value: Any) -> Any:
        """The option's value as the request carries it."""
        if self.keyed:
            rest = [item for item in self.items if item.option != self.keyed]
            return {element[self.keyed]: _element(rest, element) for element in value}
        if self.items:
            return [_element(self.items, element) for element in value]
        if self.type == "int64":
            return str(value)
        return value

    def complaints(self, value: Any) -> Iterator[str]:
        """What is wrong with the value, or with the parts of its elements."""
        if self.check and (complaint := self.check(value)):
            yield f"{self.option}: {complaint}"
        for element in value if self.items else ():
            for item in self.items:
                if (inner := item.from_options(element)) is not None:
                    yield from (f"{self.option}.{complaint}" for complaint in item.complaints(inner))

    def from_options(self, params: Mapping[str, Any]) -> Any:
        value: Any = params
        for part in self.option.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value


def _element(rows: Sequence[Field], element: Mapping[str, Any]) -> Json:
    result: Json = {}
    for row in rows:
        if (value := row.from_options(element)) is not None:
            put(result, row.api, row.to_api(value))
    return result


@dataclass(frozen=True)
class Difference:
    """One field of one resource that is not as it should be."""

    field: str
    before: Any
    after: Any
    row: Field

    def as_dict(self) -> Json:
        return {"field": self.field, "before": self.before, "after": self.after}

    def mutable(self) -> bool:
        update = self.row.update
        return update is not None and (update.can is None or update.can(self.before, self.after))


def wanted_body(rows: Sequence[Field], params: Mapping[str, Any]) -> Json:
    """The part of the API's resource that the user spoke of."""
    body: Json = {}
    for row in rows:
        value = None if row.hidden else row.from_options(params)
        if value is None:
            continue
        for complaint in row.complaints(value):
            raise OptionError(complaint)
        put(body, row.api, row.to_api(value))
    return body


def differences(rows: Sequence[Field], wanted: Json, found: Json) -> list[Difference]:
    """What is given and not as given, in the order of the table."""
    result = []
    for row in rows:
        value = dig(wanted, row.api)
        if value is None:
            continue
        present = dig(found, row.api)
        if not row.same(value, row.unset if present is None else present, found):
            result.append(Difference(row.option, present, value, row))
    return result


def argument_spec(rows: Sequence[Field]) -> Json:
    """The options of the rows, as Ansible's argument spec; dotted options become nested ones."""
    spec: Json = {}
    for row in rows:
        if row.hidden:
            continue
        level = spec
        *parents, leaf = row.option.split(".")
        for parent in parents:
            level = level.setdefault(parent, {"type": "dict", "options": {}, **_no_secret(parent)})["options"]
        level[leaf] = _option(row)
    return spec


def _option(row: Field) -> Json:
    option: Json = {"type": "int" if row.type == "int64" else row.type}
    if row.items:
        option |= {"type": "list", "elements": "dict", "options": argument_spec(row.items)}
    elif row.type == "list":
        option["elements"] = row.elements or "str"
    if row.choices:
        option["choices"] = list(row.choices)
    if row.default is not None:
        option["default"] = row.default
    if row.required:
        option["required"] = True
    return option | _no_secret(row.option.rpartition(".")[2])


def _no_secret(name: str) -> Json:
    """Ansible asks for a word about names that sound like secrets; these are none."""
    return {"no_log": False} if re.search(r"(key|token|secret|password)", name) else {}


# ---- paths ---------------------------------------------------------------------------------------------------------


def dig(tree: Any, path: str) -> Any:
    """The value at a dotted path; a number is an index; None when it is not there."""
    for part in path.split(".") if path else ():
        if isinstance(tree, Mapping):
            tree = tree.get(part)
        elif isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return None
    return tree


def put(tree: Json, path: str, value: Any) -> None:
    """Sets the value at a dotted path, making the maps on the way."""
    *parents, leaf = path.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[leaf] = value


def drop(tree: Json, path: str) -> None:
    """Takes the value at a dotted path away, and the maps that it leaves empty."""
    first, _dot, rest = path.partition(".")
    if rest and isinstance(tree.get(first), dict):
        drop(tree[first], rest)
        if tree[first]:
            return
    tree.pop(first, None)


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The tree as dotted paths and values; lists stay whole."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, tree
