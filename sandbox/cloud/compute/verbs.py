# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What can be done to every kind of compute resource: get, list, insert, patch, update, setLabels, delete."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from sandbox.cloud.clock import compute_timestamp
from sandbox.cloud.compute import listing
from sandbox.cloud.compute.kinds import (
    SERVER_FIELDS,
    Kind,
    already_exists,
    check_name,
    condition_not_met,
    in_use,
    in_use_message,
    invalid_value,
    labels_changed,
    not_found,
    required,
)
from sandbox.cloud.compute.links import Place, link, split
from sandbox.cloud.compute.operations import render, start
from sandbox.cloud.compute.state import State
from sandbox.cloud.operations import Operation, OperationFailed
from sandbox.cloud.registry import METHODS, Handler, method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]


def register(kind: Kind) -> None:
    """Makes handlers for the verbs of a kind, in each of its scopes; methods that the API lacks are forgotten."""
    makers = {
        "get": _get,
        "list": _list,
        "aggregatedList": _aggregated_list,
        "insert": _insert,
        "patch": patcher,
        "update": _update,
        "setLabels": _set_labels,
        "delete": _delete,
    }
    for service in kind.services.values():
        for verb in kind.verbs:
            name = f"compute.{service}.{verb}"
            if name not in METHODS:
                method(name, optional=True)(makers[verb](kind))


def found(cloud: Cloud, request: Request) -> tuple[Place, Resource]:
    """The resource that a request names, ready to be changed."""
    place, rest = split(request)
    return place, cloud.part(State).existing(f"{place.path}/{rest[0]}/{rest[1]}")


def _get(kind: Kind) -> Handler:
    def get(cloud: Cloud, request: Request) -> Json:
        place, (collection, name) = split(request)
        path = f"{place.path}/{collection}/{name}"
        resource = cloud.store.get(path)
        if resource is None or kind.hidden(cloud, resource):
            raise not_found(path)
        return kind.view(cloud, resource)

    return get


def _list(kind: Kind) -> Handler:
    def list_all(cloud: Cloud, request: Request) -> Json:
        place, (collection,) = split(request)
        path = f"{place.path}/{collection}"
        found = [item for item in cloud.store.children(path) if not kind.hidden(cloud, item)]
        return listing.listed(request, path, [(item.path, kind.view(cloud, item)) for item in found])

    return list_all


def _aggregated_list(kind: Kind) -> Handler:
    def aggregated_list(cloud: Cloud, request: Request) -> Json:
        assert request.project is not None
        prefix = f"projects/{request.project.id}/"
        items = [
            (item.path, kind.view(cloud, item))
            for item in cloud.store.of_kind(kind.collection)
            if item.path.startswith(prefix) and not kind.hidden(cloud, item)
        ]
        answer = listing.aggregated(request, kind.collection, kind.services, items)
        if cloud.faults.habit("incomplete_list", f"{prefix}aggregated/{kind.collection}"):
            listing.make_incomplete(answer, kind.collection)
        return answer

    return aggregated_list


def complete(cloud: Cloud, kind: Kind, place: Place, path: str, body: Json, api_kind: str) -> Json:
    """A new body with what the server adds to every resource."""
    full: Json = {
        **copy.deepcopy(kind.defaults),
        **body,
        "kind": api_kind,
        "id": cloud.store.new_id(),
        "creationTimestamp": compute_timestamp(),
        "selfLink": link(path),
        **place.fields(),
    }
    if kind.fingerprint:
        full["fingerprint"] = cloud.store.fingerprint()
    if kind.labels:
        full["labelFingerprint"] = cloud.store.fingerprint()
    return full


def _kind_of_body(request: Request) -> str:
    reference = (request.method.request_schema or {}).get("$ref", "")
    return str(request.method.document.schemas[reference]["properties"]["kind"]["default"])


def _insert(kind: Kind) -> Handler:
    def insert(cloud: Cloud, request: Request) -> Json:
        state = cloud.part(State)
        if (earlier := state.repeated(request)) is not None:
            return render(earlier)
        place, (collection,) = split(request)
        body = {name: value for name, value in request.body.items() if name not in SERVER_FIELDS}
        path = f"{place.path}/{collection}/{check_name(body.get('name'))}"
        for name in kind.required:
            if body.get(name) in (None, "", []):
                raise required(name)
        if cloud.store.get(path) is not None or path in state.creating:
            raise already_exists(path)
        state.resolve_links(kind, body, place.project)
        full = complete(cloud, kind, place, path, body, _kind_of_body(request))
        kind.prepare(cloud, request, place, full)
        state.resolve_links(kind, full, place.project)  # those that were filled in
        state.creating[path] = full

        def effect(_operation: Operation) -> None:
            if missing := state.missing_link(kind, full):
                raise OperationFailed("RESOURCE_NOT_FOUND", str(not_found(missing)), http_status=404)
            state.creating.pop(path)
            kind.created(cloud, cloud.store.put(path, full))

        def failed(_operation: Operation) -> None:
            state.creating.pop(path, None)

        return start(cloud, request, place, path, full["id"], "insert", effect, failed)

    return insert


def _delete(kind: Kind) -> Handler:
    def delete(cloud: Cloud, request: Request) -> Json:
        state = cloud.part(State)
        if (earlier := state.repeated(request)) is not None:
            return render(earlier)
        place, resource = found(cloud, request)
        kind.refuse_delete(cloud, resource)
        if not kind.in_use_fails_operation and (user := next(state.users(resource), "")):
            raise in_use(kind.label, resource.path, user)
        state.deleting.add(resource.path)

        def effect(_operation: Operation) -> None:
            kind.about_to_go(cloud, resource)
            if user := next(state.users(resource), ""):
                message = in_use_message(kind.label, resource.path, user)
                raise OperationFailed("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", message)
            state.deleting.discard(resource.path)
            cloud.store.delete(resource.path)
            kind.removed(cloud, resource)

        def failed(_operation: Operation) -> None:
            state.deleting.discard(resource.path)

        return start(cloud, request, place, resource.path, resource.body["id"], "delete", effect, failed)

    return delete


def _refuse_stale(kind: Kind, resource: Resource, body: Json) -> None:
    given = body.get("fingerprint")
    if kind.fingerprint and given is not None and given != resource.body.get("fingerprint"):
        raise condition_not_met()


def _refuse_immutable(kind: Kind, resource: Resource, change: Json) -> None:
    for name, value in change.items():
        if name == "name" or (kind.changeable is not None and name not in kind.changeable):
            current = resource.body.get(name)
            if current != value and not (current is None and value in (False, "", 0, [], {})):
                raise invalid_value(name, value, "The field is immutable.")


def merged(old: Any, new: Any) -> Any:
    """A patch: messages merge, lists and values replace."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{name: merged(old.get(name), value) for name, value in new.items()}}


def change_operation(
    cloud: Cloud, request: Request, kind: Kind, place: Place, resource: Resource, operation_type: str, effect: Any
) -> Json:
    """Starts an operation that changes a resource: ``effect(body)`` returns the new body."""

    def apply(_operation: Operation) -> None:
        current = cloud.store.get(resource.path)
        if current is None:
            raise OperationFailed("RESOURCE_NOT_FOUND", str(not_found(resource.path)), http_status=404)
        current.body = effect(current.body)
        if kind.fingerprint:
            current.body["fingerprint"] = cloud.store.fingerprint()
        kind.changed(cloud, current)

    return start(cloud, request, place, resource.path, resource.body["id"], operation_type, apply)


def _accept_change(cloud: Cloud, request: Request, kind: Kind, place: Place, resource: Resource) -> Json:
    """The checked part of the body that a patch or update may change."""
    _refuse_stale(kind, resource, request.body)
    change = {name: value for name, value in request.body.items() if name not in SERVER_FIELDS}
    cloud.part(State).resolve_links(kind, change, place.project)
    _refuse_immutable(kind, resource, change)
    kind.check_change(cloud, request, resource, change)
    return change


def _cleared(kind: Kind, request: Request) -> list[str]:
    """The fields that a patch takes away: those it says are null."""
    names = [name for name, value in (request.raw_body or {}).items() if value is None]
    for name in names:
        if name == "name" or (kind.changeable is not None and name not in kind.changeable):
            raise invalid_value(name, "null", "The field is immutable.")
    return names


def patcher(kind: Kind) -> Handler:
    def patch(cloud: Cloud, request: Request) -> Json:
        if (earlier := cloud.part(State).repeated(request)) is not None:
            return render(earlier)
        place, resource = found(cloud, request)
        change = _accept_change(cloud, request, kind, place, resource)
        cleared = _cleared(kind, request)

        def effect(body: Json) -> Json:
            new: Json = merged(copy.deepcopy(body), change)
            for name in cleared:
                new.pop(name, None)
            kind.prepare(cloud, request, place, new)
            return new

        effect(resource.body)  # refuses now what would be refused at the end
        return change_operation(cloud, request, kind, place, resource, kind.patch_type(change), effect)

    return patch


def _update(kind: Kind) -> Handler:
    def update(cloud: Cloud, request: Request) -> Json:
        if (earlier := cloud.part(State).repeated(request)) is not None:
            return render(earlier)
        place, resource = found(cloud, request)
        change = _accept_change(cloud, request, kind, place, resource)

        def effect(body: Json) -> Json:
            kept = {name: value for name, value in body.items() if name in SERVER_FIELDS or name == "name"}
            new: Json = {**copy.deepcopy(kind.defaults), **change, **kept}
            for name in body:
                if kind.changeable is not None and name not in kind.changeable:
                    new.setdefault(name, body[name])
            kind.prepare(cloud, request, place, new)
            return new

        effect(resource.body)  # refuses now what would be refused at the end
        return change_operation(cloud, request, kind, place, resource, "update", effect)

    return update


def _set_labels(kind: Kind) -> Handler:
    def set_labels(cloud: Cloud, request: Request) -> Json:
        if (earlier := cloud.part(State).repeated(request)) is not None:
            return render(earlier)
        place, resource = found(cloud, request)
        if request.body.get("labelFingerprint") != resource.body.get("labelFingerprint"):
            raise labels_changed()
        labels = request.body.get("labels", {})

        def effect(body: Json) -> Json:
            return {**body, "labels": labels, "labelFingerprint": cloud.store.fingerprint()}

        return change_operation(cloud, request, kind, place, resource, "setLabels", effect)

    return set_labels
