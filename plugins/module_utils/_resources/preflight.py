# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Everything that can be looked at before anything is made, in one go: every finding at once, and no call that changes.

This file is private to the collection. What is looked at, and how it is judged, stands in `_preflight`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .. import _expiry as expiry
from .._errors import GcpError, Json
from .._findings import Check
from .._module import connect
from .._permissions import STEPS
from .._preflight import capacity, cluster, local, network, project
from .._preflight.look import Look

_NAMED: Json = {"name": {"type": "str", "required": True}}
OPTIONS: Json = {
    "deployment": {"type": "str", "required": True},
    "identity": {"type": "str"},
    "services": {"type": "list", "elements": "str", "default": []},
    "steps": {"type": "list", "elements": "str", "choices": list(STEPS), "default": list(STEPS)},
    "zone": {"type": "str", "required": True},
    "machine_type": {"type": "str", "required": True},
    "machines": {"type": "int", "default": 1},
    "capacity": {
        "type": "str",
        "choices": ["reservation", "any_reservation", "on_demand", "spot", "flex_start", "queued"],
        "default": "reservation",
    },
    "reservation": {"type": "str"},
    "network": {
        "type": "dict",
        "options": {
            **_NAMED,
            "project": {"type": "str"},
            "region": {"type": "str", "required": True},
            "manage": {"type": "bool", "default": True},
            "subnetworks": {"type": "list", "elements": "dict", "default": [], "options": _NAMED},
            "firewall_rules": {"type": "list", "elements": "str", "default": []},
            "ranges": {"type": "dict", "default": {}},
        },
    },
    "cluster": {
        "type": "dict",
        "options": {
            **_NAMED,
            "location": {"type": "str", "required": True},
            "manage": {"type": "bool", "default": True},
            "channel": {"type": "str", "default": "RAPID"},
            "node_pools": {"type": "list", "elements": "str", "default": []},
            "nodes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **_NAMED,
                    "machine_type": {"type": "str", "required": True},
                    "count": {"type": "int", "required": True},
                    "disk_size_gb": {"type": "int", "default": 100},
                    "public": {"type": "bool", "default": True},
                },
            },
        },
    },
    "programs": {"type": "dict", "options": {"helm": {"type": "str"}, "helmfile": {"type": "str"}}},
    "hub": {"type": "str"},
    "hub_token": {"type": "str", "no_log": True},
    "model": {"type": "str"},
    "charts": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "chart": {"type": "str", "required": True},
            "version": {"type": "str"},
            "repository": {"type": "str"},
        },
    },
}
# helmfile looks for newer versions of itself otherwise, and fails without the internet.
ENVIRONMENT = {"HELMFILE_UPGRADE_NOTICE_DISABLED": "1"}
# Of a hub or a repository that does not answer, in seconds.
FETCH_TIMEOUT = 5.0


def look(params: Mapping[str, Any], run: local.RunProgram, fetch: local.Fetch) -> Json:
    """The module's result."""
    checks: list[Check] = []
    seen = _google(params, checks)
    checks += _local(params, run, fetch)
    return {"changed": False, "checks": [check.as_dict() for check in checks], **seen}


def _google(params: Mapping[str, Any], checks: list[Check]) -> Json:
    """Looks first, then judges: what the cluster has already tells how much is still to be had."""
    nothing: Json = {"disabled": [], "gcp_actions": [], "expiry": expiry.labels_of([])}
    try:
        identity, cloud, deadline = connect(params, libraries=False)
    except GcpError as error:
        checks.append(project.refused(error))
        return nothing
    # A look waits for nothing: an address where nobody listens, and an API that is off, are findings.
    cloud.patience.activation = cloud.patience.first_contact = 0
    cloud.patience.faults = min(cloud.patience.faults, 5.0)
    looking = Look(cloud, deadline, identity.project)
    options: Json = {**params}
    of_project = project.look(options, looking)
    want = capacity.wanted(options, identity.project)
    of_capacity = capacity.look(want, looking)
    nets = (
        {**params["network"], "project": params["network"]["project"] or identity.project}
        if params["network"]
        else None
    )
    of_network = network.look(nets, looking) if nets else None
    of_cluster = cluster.look(params["cluster"], looking) if params["cluster"] else None

    checks.append(project.credentials(looking, str(params["identity"] or "")))
    if looking.stopped is not None:
        return {**nothing, "gcp_actions": list(cloud.actions)}
    checks += project.judge(options, of_project, identity.project)
    pools = cluster.pools_of(of_cluster) if of_cluster else []
    names = params["cluster"]["node_pools"] if params["cluster"] else []
    ours = sum(int(pool.get("initialNodeCount") or 0) for pool in pools if pool.get("name") in names)
    checks += capacity.judge(want, of_capacity, datetime.now(UTC), ours)
    needs: dict[str, float] = {}
    if nets and of_network:
        checks += network.judge(nets, of_network, params["deployment"])
        needs |= network.quota_needs(nets, of_network)
    if of_cluster:
        wanted = {**params["cluster"], "machine_type": params["machine_type"]}
        checks += cluster.judge(wanted, of_cluster, params["deployment"])
        needs |= cluster.quota_needs(params["cluster"], of_cluster)
        checks += cluster.judge_quotas(of_cluster, needs, identity.project)
    return {
        "disabled": sorted(looking.disabled),
        "expiry": expiry.labels_of(
            expiry.marked(cluster.facts(of_cluster) if of_cluster else None, params["deployment"])
        ),
        "gcp_actions": list(cloud.actions),
    }


def _local(params: Mapping[str, Any], run: local.RunProgram, fetch: local.Fetch) -> list[Check]:
    checks = [*local.libraries()]
    if programs := params["programs"]:
        checks.append(local.programs(programs["helm"] or "helm", programs["helmfile"] or "helmfile", run))
    if params["hub"] and params["model"] and params["hub_token"]:
        checks.append(local.hub(params["hub"], params["model"], params["hub_token"], fetch))
    for one in params["charts"]:
        checks.append(local.chart(local.Chart(one["chart"], one["version"] or "", one["repository"] or ""), fetch))
    return checks


def fetcher(timeout: float = FETCH_TIMEOUT) -> Callable[[str, Mapping[str, str]], tuple[int, Mapping[str, str], str]]:
    """GETs without Google's credentials, which are nobody else's business; redirects are answers."""

    def fetch(url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], str]:
        import requests

        try:
            answer = requests.get(url, headers=dict(headers), timeout=timeout, allow_redirects=False)
        except requests.exceptions.RequestException as error:
            raise OSError(type(error).__name__) from error
        return answer.status_code, answer.headers, answer.text

    return fetch
