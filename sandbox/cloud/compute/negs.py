# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Network endpoint groups, and the endpoints in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute import listing
from sandbox.cloud.compute.kinds import Kind, required
from sandbox.cloud.compute.links import Place, path_of
from sandbox.cloud.compute.operations import render, start
from sandbox.cloud.compute.state import State
from sandbox.cloud.compute.verbs import found
from sandbox.cloud.errors import ApiError
from sandbox.cloud.operations import Operation
from sandbox.cloud.registry import Handler, method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]
SERVICES = ("networkEndpointGroups", "regionNetworkEndpointGroups", "globalNetworkEndpointGroups")
MOST_PER_CALL = 500


class NegKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("networkEndpointType", "GCE_VM_IP_PORT")
        if place.kind == "zone" and "network" not in body:
            if "subnetwork" not in body:
                raise required("network")
            subnet = cloud.store.get(path_of(body["subnetwork"]))
            body["network"] = subnet.body["network"] if subnet else ""
        body["size"] = 0

    def view(self, cloud: Cloud, resource: Resource) -> Json:
        return {**resource.body, "size": len(resource.hidden.get("endpoints", []))}


def _identity(endpoint: Json) -> tuple[Any, ...]:
    return tuple(endpoint.get(name) for name in ("instance", "ipAddress", "port", "fqdn"))


def _changer(operation_type: str, attach: bool) -> Handler:
    def change(cloud: Cloud, request: Request) -> Json:
        if (earlier := cloud.part(State).repeated(request)) is not None:
            return render(earlier)
        place, group = found(cloud, request)
        given = request.body.get("networkEndpoints", [])
        if not given:
            raise required("networkEndpoints")
        if len(given) > MOST_PER_CALL:
            raise ApiError(400, f"At most {MOST_PER_CALL} endpoints in one call.", reason="invalid")
        endpoints: list[Json] = group.hidden.setdefault("endpoints", [])
        present = {_identity(endpoint) for endpoint in endpoints}
        if not attach and (unknown := [item for item in given if _identity(item) not in present]):
            message = f"Invalid value for field 'resource.networkEndpoints': '{unknown[0]}'. It is not attached."
            raise ApiError(400, message, reason="invalid")

        def effect(_operation: Operation) -> None:
            gone = {_identity(item) for item in given}
            kept = [item for item in endpoints if _identity(item) not in gone]
            group.hidden["endpoints"] = kept + given if attach else kept

        return start(cloud, request, place, group.path, group.body["id"], operation_type, effect)

    return change


method(*(f"compute.{service}.attachNetworkEndpoints" for service in SERVICES))(_changer("attachNetworkEndpoints", True))
method(*(f"compute.{service}.detachNetworkEndpoints" for service in SERVICES))(
    _changer("detachNetworkEndpoints", False)
)


@method(*(f"compute.{service}.listNetworkEndpoints" for service in SERVICES))
def list_endpoints(cloud: Cloud, request: Request) -> Json:
    _place, group = found(cloud, request)
    items = [{"networkEndpoint": endpoint} for endpoint in group.hidden.get("endpoints", [])]
    answer: Json = {"kind": listing.answer_kind(request), "id": f"{group.path}/listNetworkEndpoints"}
    return {**answer, "items": items} if items else answer
