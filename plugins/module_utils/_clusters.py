# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A cluster with its default node pool, and sets of node pools.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._converge import Done, Report, Run, carry_out, converge
from ._errors import GcpError, Json, NotFoundError, OptionError
from ._fields import argument_spec, dig, put, wanted_body
from ._module import Session
from ._operations import running
from ._ownership import LABEL, owner
from ._plan import WAIT, ResourcePlan, Target, plan
from ._resources.cluster import CLUSTER
from ._resources.node_pool import NODE_POOL

PLACE: Json = {"location": {"type": "str", "required": True}}


def _pool_spec() -> Json:
    return {"name": {"type": "str", "required": True}, **argument_spec(NODE_POOL.rows)}


def cluster_spec() -> Json:
    pool = _pool_spec()
    pool["name"] = {"type": "str", "default": "default-pool"}
    return {
        "name": {"type": "str", "required": True},
        **PLACE,
        **argument_spec(CLUSTER.rows),
        "default_pool": {"type": "dict", "options": pool},
        "recreate": {"type": "bool", "default": False},
    }


def converge_cluster(session: Session) -> Json:
    """The cluster as it should be."""
    params, run = session.params, session.run
    scope = {"project": session.project, "location": params["location"]}
    wanted = wanted_body(CLUSTER.rows, params) if session.present else {}
    if session.present and params.get("default_pool"):
        wanted["nodePools"] = [_pool_body(params["default_pool"], run)]
    target = Target(CLUSTER, params["name"], scope, wanted, session.present)
    if not session.present:
        _let_operations_end(run, target)
    report = converge(run, [target])
    done = report.of(target)
    return {
        **report.as_result(),
        "cluster": _public(done.found),
        "exists": done.found is not None,
        "operation": done.operation,
    }


def _public(cluster: Json | None) -> Json:
    """The cluster without the certificates and keys that older clusters carry."""
    found = dict(cluster or {})
    if "masterAuth" in found:
        found["masterAuth"] = {
            key: value for key, value in found["masterAuth"].items() if key == "clusterCaCertificate"
        }
    return found


def _pool_body(options: Mapping[str, Any], run: Run) -> Json:
    body = {"name": options["name"], **wanted_body(NODE_POOL.rows, options)}
    if run.policy.deployment:
        put(body, NODE_POOL.mark, _labels(body, run))
    return body


def _labels(body: Json, run: Run) -> Json:
    return {**(dig(body, NODE_POOL.mark) or {}), LABEL: run.policy.deployment}


def _let_operations_end(run: Run, cluster: Target) -> None:
    """A cluster on which something runs cannot be deleted: pools that are being made, an upgrade of GKE's own."""
    if run.check_mode or run.get(cluster) is None:
        return
    clock = run.cloud.clock
    for pause in run.cloud.pace.pauses():
        tail = f"/clusters/{cluster.name}"
        busy = [
            op
            for op in running(run.cloud, cluster.parent, deadline=run.deadline)
            if f"{op.get('targetLink')}/".find(f"{tail}/") >= 0 and op.get("operationType") != "DELETE_CLUSTER"
        ]
        if not busy or run.deadline.passed():
            return
        run.cloud.progress.event(f"{cluster.label}: waiting for {busy[0].get('operationType')} {busy[0].get('name')}")
        clock.sleep(min(clock.spread(pause), max(run.deadline.left(), 0.01)))


# ---- node pools ----------------------------------------------------------------------------------------------------


def pools_spec() -> Json:
    return {
        "cluster": {"type": "str", "required": True},
        **PLACE,
        "node_pools": {"type": "list", "elements": "dict", "default": [], "options": _pool_spec()},
        "max_operations": {"type": "int", "default": 4},
        "prune": {"type": "bool", "default": False},
        "recreate": {"type": "bool", "default": False},
        "topology_refused": {"type": "str", "choices": ["omit", "fail"], "default": "omit"},
    }


def converge_node_pools(session: Session) -> Json:
    """A set of pools, together: as many operations at once as GKE allows, the rest queued."""
    params, run = session.params, session.run
    run.parallel = params["max_operations"]
    if not 1 <= run.parallel <= 20:
        raise OptionError(f"max_operations: {run.parallel} is not between 1 and 20")
    scope = {"project": session.project, "location": params["location"], "cluster": params["cluster"]}
    found = _pools_of(session, scope)
    names = [option["name"] for option in params["node_pools"]]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise OptionError(f"two node pools have the name {', '.join(twice)}")
    surplus = _surplus(session, found, names)
    targets = [Target(NODE_POOL, name, scope, {}, False) for name in surplus] + [
        Target(NODE_POOL, option["name"], scope, _wanted(session, option), session.present)
        for option in params["node_pools"]
    ]
    plans = [plan(target, found.get(target.name), run.policy) for target in targets]
    known = {target.path: found.get(target.name) for target in targets}
    try:
        report = carry_out(run, plans, known, run.get)
    except GcpError as error:
        error.partial.setdefault("node_pools", [])
        raise
    return {**report.as_result(), "node_pools": [_told(done, report) for done in report.done.values()]}


def _wanted(session: Session, option: Mapping[str, Any]) -> Json:
    if not session.present:
        return {}
    _refuse_contradictions(option)
    return wanted_body(NODE_POOL.rows, option)


def _pools_of(session: Session, scope: Mapping[str, str]) -> dict[str, Json]:
    """All pools of the cluster, in one call. A cluster that is not there has none, unless pools are to be made."""
    parent = "projects/{project}/locations/{location}/clusters/{cluster}".format(**scope)
    method = "container.projects.locations.clusters.nodePools.list"
    try:
        answer = session.run.read(method, {"parent": parent}, f"node pools of {scope['cluster']}")
        if answer is None and session.present and not session.check_mode:
            raise NotFoundError(
                f"there is no cluster {scope['cluster']} in {scope['location']}",
                action="list node pools",
                resource=f"cluster {scope['cluster']}",
                code=404,
                reason="NOT_FOUND",
                remedy="Make the cluster first (llm_d.gke.gke_cluster), or correct its name and location.",
            )
    except NotFoundError:
        if session.present and not session.check_mode:
            raise
        answer = None
    return {str(pool["name"]): pool for pool in (answer or {}).get("nodePools") or []}


def _surplus(session: Session, found: Mapping[str, Json], named: list[str]) -> list[str]:
    """Pools of ours that are not named any more."""
    deployment = session.run.policy.deployment
    if not session.params["prune"]:
        return []
    if not deployment:
        raise OptionError("prune needs `deployment`: only what carries its mark is ever deleted")
    return sorted(n for n, pool in found.items() if n not in named and owner(pool, NODE_POOL.mark) == deployment)


def _refuse_contradictions(option: Mapping[str, Any]) -> None:
    """What GKE would refuse minutes later, or silently take another way."""
    config = option.get("config") or {}
    affinity = (config.get("reservation_affinity") or {}).get("consume_reservation_type")
    reserved = affinity in ("SPECIFIC_RESERVATION", "ANY_RESERVATION")
    management = option.get("management") or {}
    autoscaling = option.get("autoscaling") or {}
    queued = (option.get("queued_provisioning") or {}).get("enabled")
    rules = (
        (config.get("spot") and reserved, "spot nodes cannot come from a reservation"),
        (config.get("flex_start") and reserved, "flex-start nodes cannot come from a reservation"),
        (config.get("flex_start") and config.get("spot"), "flex-start and spot exclude each other"),
        (config.get("flex_start") and management.get("auto_repair"), "flex-start needs management.auto_repair: false"),
        (queued and autoscaling.get("total_min_node_count"), "queued provisioning needs a minimum of no nodes"),
    )
    for wrong, text in rules:
        if wrong:
            raise OptionError(f"node pool {option['name']}: {text}")


def _told(done: Done, report: Report) -> Json:
    result: Json = {
        "name": done.target.name,
        "changed": done.changed,
        "status": str((done.found or {}).get("status") or ""),
    }
    plan_: ResourcePlan | None = next((p for p in report.plans if p.target is done.target), None)
    if plan_ and not done.changed and any(step.action == WAIT for step in plan_.steps):
        result["waited"] = True
    if done.operation:
        result["operation"] = done.operation
    return result
