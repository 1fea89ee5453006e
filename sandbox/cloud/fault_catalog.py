# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Trouble that Google is known for, by name, with Google's words. Every field can be overridden where it is used.

``passes`` says how a caller gets over it: ``itself`` (wait, or send it again), ``rerun`` (this run fails or leaves
something in ERROR, the next one repairs it), ``never`` (not before somebody does something about it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

CLUSTERS = "container.projects.locations.clusters"
POOLS = f"{CLUSTERS}.nodePools"
STOCKOUT = (
    "Google Compute Engine: Not all instances running in IGM after 1m11s. Expect 1. Current errors: [GCE_STOCKOUT]: "
    "Instance 'gke-sandbox' creation failed: The zone does not have enough resources available to fulfill the request. "
    "'(resource type:compute)'"
)
QUOTA = (
    "Google Compute Engine: Not all instances running in IGM after 35s. Expect 1. Current errors: [GCE_QUOTA_EXCEEDED]:"
    " Instance 'gke-sandbox' creation failed: Quota 'TPUS_PER_TPU_FAMILY' exceeded. Limit: 0.0 in region us-east5."
)
TOO_MANY = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute' of service."
POLICY_CHANGED = (
    "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
)
# What Google does otherwise than usual while such a fault is set.
HABITS = frozenset(
    {
        "topology_refused",
        "reservation_absent",
        "reservation_full",
        "reservation_not_shared",
        "quota_zero",
        "account_not_visible",
        "enforcer_firewall",
        "wait_at_once",
        "incomplete_list",
        "tpu_not_registered",
    }
)


@dataclass(frozen=True)
class Trouble:
    """``fault`` is a fault's JSON; ``says`` is for people."""

    says: str
    fault: Json
    passes: str = "itself"


def _status(code: int, message: str, api_method: str = "*", **more: Any) -> Json:
    return {"api_method": api_method, "kind": "status", "status": code, "message": message, **more}


def _operation(api_method: str, **operation: Any) -> Json:
    return {"api_method": api_method, "kind": "operation", "operation": operation}


def _habit(name: str, **more: Any) -> Json:
    return {"api_method": f"habit:{name}", "kind": "habit", "times": 0, **more}


UNAVAILABLE = "The service is currently unavailable."
INTERNAL = "Internal error encountered."
BAD_GATEWAY = "Bad Gateway"

CATALOG: dict[str, Trouble] = {
    # Refusals at the door, and replies that get lost
    "too_many_requests": Trouble("429, five times", _status(429, TOO_MANY, times=5, reason="rateLimitExceeded")),
    "unavailable": Trouble("503 before the effect", _status(503, UNAVAILABLE)),
    "unavailable_after": Trouble("503 after the effect", _status(503, UNAVAILABLE, when="after"), "rerun"),
    "internal_error": Trouble("500 before the effect", _status(500, INTERNAL)),
    "internal_error_after": Trouble("500 after the effect", _status(500, INTERNAL, when="after"), "rerun"),
    "bad_gateway": Trouble("502 before the effect", _status(502, BAD_GATEWAY)),
    "bad_gateway_after": Trouble("502 after the effect", _status(502, BAD_GATEWAY, when="after"), "rerun"),
    "lost_request": Trouble("connection reset before the effect", {"api_method": "*", "kind": "reset"}),
    "lost_reply": Trouble(
        "connection reset after the effect", {"api_method": "*", "kind": "reset", "when": "after"}, "rerun"
    ),
    "conflict": Trouble(
        "409 to a create that took effect, as a second sending of it would get",
        _status(409, "Already exists.", f"{POOLS}.create", when="after", reason="alreadyExists"),
        "rerun",
    ),
    "not_json": Trouble(
        "200 with a page of HTML",
        {"api_method": "*", "kind": "answer", "status": 200, "text": "<!DOCTYPE html><html>Error</html>"},
        "rerun",
    ),
    "error_in_200": Trouble(
        "200 with an error as its body",
        {
            "api_method": "*",
            "kind": "answer",
            "status": 200,
            "text": '{"error": {"code": 503, "message": "The service is currently unavailable.", '
            '"status": "UNAVAILABLE"}}',
        },
        "rerun",
    ),
    "expired_token": Trouble("401 in the middle, once: the token has expired", _status(401, "")),
    "forbidden": Trouble(
        "403 on one API",
        _status(403, "The caller does not have permission", "compute.*", times=0, reason="forbidden"),
        "never",
    ),
    "api_not_enabled": Trouble(
        "403 SERVICE_DISABLED on one API",
        _status(
            403,
            "Compute Engine API has not been used in project llm-d-sandbox before or it is disabled.",
            "compute.*",
            times=0,
            reason="accessNotConfigured",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED",
                    "domain": "googleapis.com",
                    "metadata": {"service": "compute.googleapis.com"},
                }
            ],
        ),
        "never",
    ),
    "not_ready": Trouble(
        "400 resourceNotReady from compute",
        _status(400, "The resource is not ready", "compute.subnetworks.*", times=2, reason="resourceNotReady"),
    ),
    "operation_in_progress": Trouble(
        "409 operationInProgress from compute",
        _status(409, "An operation is in progress.", "compute.*.patch", times=2, reason="operationInProgress"),
    ),
    "stale_fingerprint": Trouble(
        "412: somebody else changed it in between",
        _status(
            412,
            "Supplied fingerprint does not match current metadata fingerprint.",
            "compute.*.patch",
            reason="conditionNotMet",
        ),
    ),
    "concurrent_operations": Trouble(
        "429: the cluster's operations quota, ten times",
        _status(
            429,
            'Too many operations: cluster "sandbox" hits the concurrent operations quota 5, please try again later.',
            f"{POOLS}.*",
            times=10,
            reason="rateLimitExceeded",
        ),
    ),
    "activation_in_progress": Trouble(
        "400 from service usage: another activation is under way",
        _status(
            400,
            "Another activation or deactivation is in progress.",
            "serviceusage.services.*nable",
            times=2,
            reason="failedPrecondition",
            error_status="FAILED_PRECONDITION",
        ),
    ),
    "policy_conflict": Trouble(
        "409 on writing a policy",
        _status(409, POLICY_CHANGED, "*.setIamPolicy", reason="aborted", error_status="ABORTED"),
    ),
    # Operations that end badly, late or never
    "stockout": Trouble(
        "no TPU: the pool's create fails at its end and leaves ERROR",
        _operation(
            f"{POOLS}.create",
            code="RESOURCE_EXHAUSTED",
            message=STOCKOUT,
            form="error",
            condition="GCE_STOCKOUT",
            leaves="ERROR",
        ),
        "rerun",
    ),
    "stockout_partial": Trouble(
        "no TPU for some nodes: RUNNING_WITH_ERROR",
        _operation(
            f"{POOLS}.create",
            code="RESOURCE_EXHAUSTED",
            message=STOCKOUT,
            form="conditions",
            condition="GCE_STOCKOUT",
            leaves="RUNNING_WITH_ERROR",
        ),
        "rerun",
    ),
    "quota_exceeded": Trouble(
        "the pool's create fails for quota",
        _operation(
            f"{POOLS}.create",
            code="RESOURCE_EXHAUSTED",
            message=QUOTA,
            form="conditions",
            condition="GCE_QUOTA_EXCEEDED",
            leaves="ERROR",
        ),
        "rerun",
    ),
    "error_only": Trouble("DONE with `error` alone", _operation(f"{POOLS}.*", form="error"), "rerun"),
    "status_message_only": Trouble(
        "DONE with `statusMessage` alone", _operation(f"{POOLS}.*", form="statusMessage"), "rerun"
    ),
    "conditions_only": Trouble("DONE with conditions alone", _operation(f"{POOLS}.*", form="conditions"), "rerun"),
    "compute_operation_fails": Trouble(
        "a compute operation ends with an error",
        _operation("compute.*.insert", code="INTERNAL_ERROR", message="Internal error.", http_status=503),
        "rerun",
    ),
    "aborting": Trouble(
        "an operation says ABORTING for two minutes, then DONE with an error",
        _operation(
            f"{POOLS}.*", code="ABORTED", message="Operation was aborted.", form="statusMessage", after=60, aborting=120
        ),
        "rerun",
    ),
    "cluster_create_fails": Trouble(
        "the cluster's create fails, leaves ERROR, and GKE deletes what is left",
        _operation(f"{CLUSTERS}.create", message="Internal error.", leaves="ERROR", deleted_after=600),
        "rerun",
    ),
    "delete_fails_first": Trouble(
        "the cluster's delete fails; GKE repeats it by itself",
        _operation(f"{CLUSTERS}.delete", message="Internal error.", leaves="ERROR", deleted_after=120),
        "rerun",
    ),
    "slow_operation": Trouble(
        "a pool takes twenty minutes more", {"api_method": f"{POOLS}.create", "kind": "slow", "seconds": 1200}
    ),
    "stuck": Trouble(
        "a pool stays in PROVISIONING for ever", {"api_method": f"{POOLS}.create", "kind": "slow"}, "never"
    ),
    # What GKE does by itself
    "own_operation": Trouble(
        "an operation of GKE's own holds the cluster for five minutes",
        {"api_method": f"{POOLS}.*", "kind": "own_operation", "own": "UPGRADE_MASTER", "seconds": 300},
    ),
    "degraded": Trouble(
        "the cluster is DEGRADED for five minutes",
        {
            "api_method": f"{CLUSTERS}.get",
            "kind": "state",
            "state": {"status": "DEGRADED", "message": "The cluster requires user action."},
            "seconds": 300,
        },
        "rerun",
    ),
    # Habits
    "topology_refused": Trouble("2x2 is refused on single-host pools", _habit("topology_refused"), "never"),
    "reservation_absent": Trouble("there is no such reservation", _habit("reservation_absent"), "never"),
    "reservation_full": Trouble("others use the whole reservation", _habit("reservation_full"), "never"),
    "reservation_not_shared": Trouble(
        "the reservation of another project is not shared with us", _habit("reservation_not_shared"), "never"
    ),
    "quota_zero": Trouble("every quota of the region is zero", _habit("quota_zero"), "never"),
    "account_not_visible": Trouble(
        "policies don't know a new service account yet, three times", _habit("account_not_visible", times=3)
    ),
    "negs_stay": Trouble(
        "the cluster's controller never collects its NEGs",
        _status(503, UNAVAILABLE, "compute.networkEndpointGroups.delete", caller="cluster", times=0),
        "never",
    ),
    "neg_busy": Trouble(
        "a NEG says it is in use, three times, though its backend service has gone",
        _status(
            400,
            "The network_endpoint_group resource is already being used by a backend service",
            "compute.networkEndpointGroups.delete",
            caller="client",
            times=3,
            reason="resourceInUseByAnotherResource",
        ),
    ),
    "enforcer_firewall": Trouble(
        "an organisation's enforcer puts a firewall on a network that is being deleted, twice",
        _habit("enforcer_firewall", times=2),
    ),
    "wait_at_once": Trouble("compute's wait returns at once", _habit("wait_at_once")),
    "incomplete_list": Trouble("aggregated lists are incomplete, twice", _habit("incomplete_list", times=2)),
    "tpu_not_registered": Trouble(
        "new TPU nodes are Ready with google.com/tpu: 0 for two minutes", _habit("tpu_not_registered", seconds=120)
    ),
}
