# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Kubernetes manifests as data: reading, naming, comparing and showing them. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

try:
    import yaml
except ImportError as error:  # reported by the module
    YAML_IMPORT_ERROR: Exception | None = error
else:
    YAML_IMPORT_ERROR = None

    class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """As Kubernetes reads YAML: what looks like a date is a string."""

    _Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    class _Dumper(yaml.SafeDumper):
        """For people: several lines stay several lines, and nothing is abbreviated by anchors."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def _show_text(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    _Dumper.add_representer(str, _show_text)


Object = dict[str, Any]
Key = tuple[str, str, str, str]  # group, kind, namespace, name

# What the server keeps for itself, and what no manifest decides.
SERVER_FIELDS = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
# Lists that controllers add to, whoever wrote the object.
SHARED_LISTS = frozenset({"metadata.finalizers", "metadata.ownerReferences", "secrets", "imagePullSecrets"})
HIDDEN = "(hidden)"
HIDDEN_CHANGED = "(hidden, changed)"


@dataclass(frozen=True)
class Difference:
    """One object that is not as it should be."""

    definition: Object
    change: str  # create, update, recreate, repair, delete
    before: Object | None
    after: Object | None
    note: str = ""


def load(text: str) -> list[Object]:
    """The objects of a stream of YAML documents; lists are unpacked, empty documents are left out."""
    objects: list[Object] = []
    for document in yaml.load_all(text, Loader=_Loader):
        if not document:
            continue
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            objects.extend(item for item in document["items"] if item)
        else:
            objects.append(document)
    return objects


def key_of(definition: Object) -> Key:
    """Who an object is. The version is not part of it: the same object can be written in several."""
    group = str(definition.get("apiVersion", "")).rpartition("/")[0]
    meta = definition.get("metadata") or {}
    return group, str(definition.get("kind", "")), str(meta.get("namespace") or ""), str(meta.get("name", ""))


def title(definition: Object) -> str:
    """An object's name for people: Deployment gaie-pd-epp."""
    return f"{definition.get('kind')} {(definition.get('metadata') or {}).get('name')}"


def is_hook(definition: Object) -> bool:
    """Hooks run beside a release and are no part of what it holds."""
    return "helm.sh/hook" in ((definition.get("metadata") or {}).get("annotations") or {})


def by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    return {key_of(definition): definition for definition in objects if not is_hook(definition)}


def settled(live: Object) -> Object:
    """A live object without what the server keeps and without its status: what a manifest could decide."""
    meta = {name: value for name, value in live.get("metadata", {}).items() if name not in SERVER_FIELDS}
    rest = {name: value for name, value in live.items() if name not in ("metadata", "status")}
    return {**rest, "metadata": meta}


def without_fields_of(definition: Object, live: Object, managers: Sequence[str]) -> Object:
    """The definition without the fields that other writers, named on purpose, own in the live object."""
    result = copy.deepcopy(definition)
    for entry in live.get("metadata", {}).get("managedFields") or []:
        if entry.get("manager") in managers and not entry.get("subresource"):
            _prune(result, entry.get("fieldsV1") or {})
    return result


def _prune(value: Any, owned: Object) -> None:
    """Remove the leaves that the field set names (keys f:…; entries of lists are left alone)."""
    for mark, below in owned.items():
        name = mark.removeprefix("f:")
        if not mark.startswith("f:") or not isinstance(value, dict) or name not in value:
            continue
        if not [key for key in below if key != "."]:
            if name not in ("apiVersion", "kind", "name"):
                del value[name]
        elif name != "metadata":
            _prune(value[name], below)


def extra_items(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Lists of the manifest that hold more than the manifest says: entries somebody added by hand.

    A server-side apply leaves such entries alone, as does an upgrade by helm. Additional keys of maps are no business
    of ours: controllers and tools put labels, annotations and defaults there.
    """
    if path in SHARED_LISTS:
        return []
    if isinstance(wanted, dict) and isinstance(found, dict):
        paths = [f"{path}.{name}" if path else name for name in wanted]
        return [
            extra
            for name, below in zip(wanted, paths, strict=True)
            if name in found
            for extra in extra_items(wanted[name], found[name], below)
        ]
    if isinstance(wanted, list) and isinstance(found, list):
        if len(found) > len(wanted):
            return [path]
        return [
            extra
            for index, item in enumerate(wanted)
            for extra in extra_items(item, _partner(item, index, found), f"{path}[{index}]")
        ]
    return []


def _partner(item: Any, index: int, found: list[Any]) -> Any:
    """The entry of a list that stands for the same thing: by name where there are names, else by place."""
    if isinstance(item, dict) and "name" in item:
        return next((other for other in found if isinstance(other, dict) and other.get("name") == item["name"]), None)
    return found[index] if index < len(found) else None


def masked(before: Object | None, after: Object | None) -> tuple[Object | None, Object | None]:
    """Both sides of a difference, with the values of Secrets hidden; that one changed can still be seen."""
    if "Secret" not in {(side or {}).get("kind") for side in (before, after)}:
        return before, after
    old, new = copy.deepcopy(before), copy.deepcopy(after)
    for part in ("data", "stringData"):
        old_values, new_values = (old or {}).get(part) or {}, (new or {}).get(part) or {}
        changed = {name for name in new_values if name in old_values and old_values[name] != new_values[name]}
        for name in old_values:
            old_values[name] = HIDDEN
        for name in new_values:
            new_values[name] = HIDDEN_CHANGED if name in changed else HIDDEN
    return old, new


def show(definition: Object | None) -> str:
    """An object as YAML, for a difference."""
    return yaml.dump(definition, Dumper=_Dumper, sort_keys=True, width=120) if definition else ""


def as_diff(release: str, difference: Difference) -> dict[str, str]:
    """One entry of a module's diff."""
    before, after = masked(difference.before, difference.after)
    name = f"{release}: {title(difference.definition)}"
    held = {"repair": "as it is in the cluster"}.get(difference.change, "as the release has it")
    return {
        "before": show(before),
        "after": show(after),
        "before_header": f"{name} ({held})" if before else f"{name} (not there)",
        "after_header": f"{name} ({difference.note or difference.change})" if after else f"{name} (deleted)",
    }
