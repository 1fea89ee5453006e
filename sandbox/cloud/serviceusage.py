# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The service usage API: switching APIs on and off."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sandbox.cloud.container_operations import RPC_CODES
from sandbox.cloud.errors import ApiError, invalid
from sandbox.cloud.operations import Operation
from sandbox.cloud.registry import method
from sandbox.cloud.request import Project, Request

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

SERVICES = "serviceusage.services"
TYPE = "type.googleapis.com/google.api.serviceusage.v1"
MOST_AT_ONCE = 20
NOTHING_TO_DO = "operations/noop.DONE_OPERATION"
# Cloud seconds that switching takes, before the propagation that comes on top.
SWITCHING = 10.0
TITLES = {
    "aiplatform.googleapis.com": "Vertex AI API",
    "artifactregistry.googleapis.com": "Artifact Registry API",
    "certificatemanager.googleapis.com": "Certificate Manager API",
    "cloudbilling.googleapis.com": "Cloud Billing API",
    "cloudquotas.googleapis.com": "Cloud Quotas API",
    "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
    "compute.googleapis.com": "Compute Engine API",
    "container.googleapis.com": "Kubernetes Engine API",
    "dns.googleapis.com": "Cloud DNS API",
    "file.googleapis.com": "Cloud Filestore API",
    "iam.googleapis.com": "Identity and Access Management (IAM) API",
    "iamcredentials.googleapis.com": "IAM Service Account Credentials API",
    "logging.googleapis.com": "Cloud Logging API",
    "monitoring.googleapis.com": "Cloud Monitoring API",
    "networkconnectivity.googleapis.com": "Network Connectivity API",
    "networksecurity.googleapis.com": "Network Security API",
    "networkservices.googleapis.com": "Network Services API",
    "pubsub.googleapis.com": "Cloud Pub/Sub API",
    "secretmanager.googleapis.com": "Secret Manager API",
    "servicemanagement.googleapis.com": "Service Management API",
    "serviceusage.googleapis.com": "Service Usage API",
    "storage.googleapis.com": "Cloud Storage API",
    "tpu.googleapis.com": "Cloud TPU API",
}


def _project(request: Request) -> Project:
    if request.project is None:
        raise invalid("The parent must be a project, projects/PROJECT.")
    return request.project


def _check_known(names: list[str]) -> None:
    unknown = [name for name in names if name not in TITLES]
    if unknown:
        listed = ", ".join(f"[{name}]" for name in unknown)
        raise ApiError(403, f"Not found or permission denied for service(s): {listed}.", reason="forbidden")


def _service(cloud: Cloud, project: Project, name: str) -> Json:
    return {
        "name": f"projects/{project.number}/services/{name}",
        "parent": f"projects/{project.number}",
        "config": {"name": name, "title": TITLES[name]},
        "state": "ENABLED" if cloud.services.is_enabled(project.id, name) else "DISABLED",
    }


def _response(cloud: Cloud, operation: Operation) -> Json:
    project, names = cloud.project(operation.project), operation.details["services"]
    assert project is not None
    services = [_service(cloud, project, name) for name in names]
    kind = operation.details["response"]
    key = "services" if kind == "BatchEnableServicesResponse" else "service"
    return {"@type": f"{TYPE}.{kind}", key: services if key == "services" else services[0]}


def _rendered(cloud: Cloud, operation: Operation) -> Json:
    answer: Json = {"name": operation.name}
    if not operation.done:
        return answer
    answer["done"] = True
    if operation.failure is None:
        return answer | {"response": _response(cloud, operation)}
    return answer | {"error": {"code": RPC_CODES.get(operation.failure.code, 13), "message": operation.failure.message}}


def _switch(cloud: Cloud, request: Request, names: list[str], response: str, *, on: bool) -> Json:
    project = _project(request)
    _check_known(names)
    busy = [op for op in cloud.operations.find(api="serviceusage", project=project.id) if not op.done]
    if any(set(op.details["services"]) & set(names) for op in busy):
        raise ApiError(
            400,
            "Another activation or deactivation is in progress for this service.",
            status="FAILED_PRECONDITION",
            reason="failedPrecondition",
        )
    details = {"services": names, "response": response}
    done = all(cloud.services.is_enabled(project.id, name) is on for name in names)

    def effect(_operation: Operation) -> None:
        if on:
            cloud.services.enable(project.id, names)
        else:
            cloud.services.disable(project.id, names)

    operation = cloud.operations.start(
        request,
        kind="enable" if on else "disable",
        target=f"projects/{project.id}/services",
        scope="global",
        name=f"operations/acat.p2-{project.number}-{uuid.uuid4()}",
        duration=0.0 if done else SWITCHING,
        on_done=effect,
        details=details,
    )
    if done and operation.failure is None:
        cloud.operations.finish(operation)
        return _rendered(cloud, operation) | {"name": NOTHING_TO_DO}
    return _rendered(cloud, operation)


@method(f"{SERVICES}.enable")
def enable(cloud: Cloud, request: Request) -> Json:
    return _switch(cloud, request, [request.params["servicesId"]], "EnableServiceResponse", on=True)


@method(f"{SERVICES}.batchEnable")
def batch_enable(cloud: Cloud, request: Request) -> Json:
    names = list(dict.fromkeys(request.body.get("serviceIds", [])))
    if not 0 < len(names) <= MOST_AT_ONCE:
        raise invalid(f"Between 1 and {MOST_AT_ONCE} services can be enabled at once; this request has {len(names)}.")
    return _switch(cloud, request, names, "BatchEnableServicesResponse", on=True)


@method(f"{SERVICES}.disable")
def disable(cloud: Cloud, request: Request) -> Json:
    """Refused while the API is in use, unless the caller waives the check."""
    name, project = request.params["servicesId"], _project(request)
    if name == "container.googleapis.com" and request.body.get("checkIfServiceHasUsage") != "SKIP":
        clusters = [c.name for c in cloud.store.of_kind("clusters") if c.path.startswith(f"projects/{project.id}/")]
        if clusters:
            raise ApiError(
                400,
                f"The service {name} is in use by clusters: {', '.join(clusters)}. Delete them first.",
                status="FAILED_PRECONDITION",
                reason="failedPrecondition",
            )
    return _switch(cloud, request, [name], "DisableServiceResponse", on=False)


@method(f"{SERVICES}.get")
def get(cloud: Cloud, request: Request) -> Json:
    _check_known([request.params["servicesId"]])
    return _service(cloud, _project(request), request.params["servicesId"])


@method(f"{SERVICES}.batchGet")
def batch_get(cloud: Cloud, request: Request) -> Json:
    names = [name.rsplit("/", 1)[-1] for name in request.params.get("names", [])]
    _check_known(names)
    return {"services": [_service(cloud, _project(request), name) for name in names]}


@method(f"{SERVICES}.list")
def list_services(cloud: Cloud, request: Request) -> Json:
    wanted = str(request.params.get("filter", "")).replace(" ", "")
    if wanted not in ("", "state:ENABLED", "state:DISABLED"):
        raise invalid(f"Invalid filter {wanted}: state:ENABLED and state:DISABLED are supported.")
    services = [_service(cloud, _project(request), name) for name in sorted(TITLES)]
    found = [service for service in services if wanted in ("", f"state:{service['state']}")]
    size = min(int(request.params.get("pageSize") or 50), 200)
    first = int(request.params.get("pageToken") or 0)
    answer: Json = {"services": found[first : first + size]} if found[first:] else {}
    if first + size < len(found):
        answer["nextPageToken"] = str(first + size)
    return answer


@method("serviceusage.operations.get")
def get_operation(cloud: Cloud, request: Request) -> Json:
    name = f"operations/{request.params['operationsId']}"
    if name == NOTHING_TO_DO:
        return {"name": name, "done": True, "response": {"@type": f"{TYPE}.BatchEnableServicesResponse"}}
    operation = cloud.operations.get(name)
    if operation is None or operation.api != "serviceusage":
        raise ApiError(403, "Not found or permission denied for this operation.", reason="forbidden")
    return _rendered(cloud, operation)
