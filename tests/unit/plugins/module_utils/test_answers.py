# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What Google's answers mean: errors, and operations."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _errors as errors
from ansible_collections.llm_d.gke.plugins.module_utils._operations import operation_on, outcome, progress_of

IN_USE = "The network resource 'projects/p/global/networks/n' is already being used by 'projects/p/global/firewalls/f'"
DISABLED = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "SERVICE_DISABLED",
    "metadata": {"service": "compute.googleapis.com"},
}


def answer(code: int, message: str, status: str = "", reason: str = "", details: Any = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if status:
        error["status"] = status
    if reason:
        error["errors"] = [{"reason": reason, "message": message, "domain": "global"}]
    if details:
        error["details"] = details
    return {"error": error}


@pytest.mark.parametrize(
    ("code", "payload", "kind"),
    [
        (404, answer(404, "Not found: node pool", "NOT_FOUND", "notFound"), errors.NotFoundError),
        (404, answer(404, "The resource was not found", "", "notFound"), errors.NotFoundError),
        (409, answer(409, "Already exists: x", "ALREADY_EXISTS", "alreadyExists"), errors.ExistsError),
        (409, answer(409, "concurrent policy changes", "ABORTED"), errors.StaleError),
        (412, answer(412, "Invalid fingerprint.", "", "conditionNotMet"), errors.StaleError),
        (429, answer(429, "Too many operations: … quota 5", "RESOURCE_EXHAUSTED"), errors.BusyError),
        (
            400,
            answer(400, "Cluster is running incompatible operation operation-1.", "FAILED_PRECONDITION"),
            errors.BusyError,
        ),
        (
            400,
            answer(400, "Operation op is currently UPGRADING cluster c. Please wait", "FAILED_PRECONDITION"),
            errors.BusyError,
        ),
        (400, answer(400, "Another activation or deactivation is in progress"), errors.BusyError),
        (400, answer(400, "Node pool needs something.", "FAILED_PRECONDITION"), errors.ApiError),
        (400, answer(400, "not ready", "", "resourceNotReady"), errors.BusyError),
        (400, answer(400, IN_USE, "", "resourceInUseByAnotherResource"), errors.InUseError),
        (403, answer(403, "is disabled", "PERMISSION_DENIED", "forbidden", [DISABLED]), errors.DisabledError),
        (403, answer(403, "The caller does not have permission", "PERMISSION_DENIED"), errors.ApiError),
        (503, answer(503, "The service is currently unavailable.", "UNAVAILABLE"), errors.ServerError),
        (502, None, errors.ServerError),
        (500, "<html>", errors.ServerError),
    ],
)
def test_errors_by_their_signs(code: int, payload: Any, kind: type[errors.ApiError]) -> None:
    assert errors.from_answer(code, payload).__class__ is kind


def test_an_error_carries_what_one_needs() -> None:
    payload = answer(403, "API is disabled", "PERMISSION_DENIED", "forbidden", [DISABLED])
    error = errors.from_answer(403, payload).about("create", "network n")
    failure = error.as_result()["failure"]
    assert failure["code"] == 403 and failure["reason"] == "SERVICE_DISABLED"
    assert failure["service"] == "compute.googleapis.com" and "gcp_project_services" in failure["remedy"]
    assert error.as_result()["msg"].startswith("create network n: API is disabled (403 SERVICE_DISABLED)")


def test_the_blocker_is_named() -> None:
    error = errors.from_answer(400, answer(400, IN_USE, "", "resourceInUseByAnotherResource"))
    assert error.as_failure()["blockers"] == ["projects/p/global/firewalls/f"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[GCE_STOCKOUT]: Instance creation failed", "no capacity"),
        ("does not have available private IP space in 10.0.0.0/8", "free addresses"),
        ("Quota 'CPUS' exceeded. Limit: 8.0", "more quota"),
        ("NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS", "defaultNodeServiceAccount"),
        ("TPU topology can't be specified with single-host TPU slice pool; please", "topology"),
        ("Invalid value for field 'resource.reservationAffinity': ''", "reservation"),
        ('Service account "nodes@p.iam.gserviceaccount.com" does not exist.', "service account"),
        ("The user does not have access to service account 'x'. Ask a project owner", "serviceAccountUser"),
        ('Invalid machine type "ct6e-standard-4t" in zone "us-east5-c": GCE_NOT_FOUND.', "zone"),
        ("placement policy is not supported. Use workload policy instead", "policy"),
        ('Master version "1.20" is unsupported.', "version"),
        ("This API method requires billing to be enabled.", "billing"),
        ("Constraint constraints/compute.vmExternalIpAccess violated for project p", "organisation"),
        ("Cluster is running incompatible operation operation-1.", "wait_timeout"),
        (IN_USE, "uses it"),
        ("Cloud KMS Key x is disabled: CLOUD_KMS_KEY_ERROR", "key"),
    ],
    ids=str,
)
def test_known_failures_have_a_remedy(text: str, word: str) -> None:
    assert word in errors.remedy_for("", text)


def test_unknown_failures_have_no_remedy() -> None:
    assert errors.remedy_for("", "The operation was cancelled") == ""


def test_several_errors_all_show() -> None:
    both = [errors.OperationError("bad", resource="a"), errors.OperationError("worse", resource="b")]
    result = errors.SeveralErrors(both, 5, "node pools").as_result()
    assert "2 of 5 node pools failed" in result["msg"] and "bad" in result["msg"] and "worse" in result["msg"]
    assert [failure["resource"] for failure in result["failures"]] == ["a", "b"]


def test_compute_failures() -> None:
    failed = {
        "status": "DONE",
        "error": {"errors": [{"code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "message": IN_USE}]},
        "httpErrorStatusCode": 400,
    }
    found = outcome("compute", failed)
    assert found.done and found.failed and found.reason == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE" and found.code == 400
    assert not outcome("compute", {"status": "DONE", "progress": 100}).failed
    assert not outcome("compute", {"status": "RUNNING"}).done


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "ABORTING"])
def test_only_done_is_done(status: str) -> None:
    assert not outcome("container", {"status": status}).done


def test_a_condition_that_says_ok_is_no_failure() -> None:
    assert not outcome("container", {"status": "DONE", "error": {}, "clusterConditions": []}).failed


def test_service_usage() -> None:
    assert outcome("serviceusage", {"name": "operations/x"}) == outcome("serviceusage", {"done": False})
    assert outcome("serviceusage", {"done": True, "error": {"code": 7, "message": "no"}}).reason == "PERMISSION_DENIED"


def test_progress_in_words() -> None:
    def metric(name: str, value: str) -> dict[str, str]:
        return {"name": name, "intValue": value}

    metrics = [metric("CLUSTER_CONFIGURING", "3"), metric("CLUSTER_CONFIGURING_TOTAL", "9")]
    assert progress_of({"progress": {"metrics": metrics}}) == "configuring 3/9"
    nodes = [metric("NODES_TOTAL", "4"), metric("NODES_COMPLETE", "1")]
    assert progress_of({"progress": {"metrics": nodes}}) == "nodes 1/4"
    assert progress_of({}) == ""


def test_operations_are_matched_by_what_they_work_on() -> None:
    base = "https://container.googleapis.com/v1/projects/123/zones/z/clusters"
    running = [{"targetLink": f"{base}/c/nodePools/ab"}, {"targetLink": f"{base}/c"}]
    assert operation_on(running, "projects/p/locations/z/clusters/c") is running[1]
    assert operation_on(running, "projects/p/locations/z/clusters/c/nodePools/a") is None
