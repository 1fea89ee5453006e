# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""gcp_security_policy against the sandbox: as Ansible runs it, and further cases without Ansible around them."""

from __future__ import annotations

from typing import Any

from ansible_collections.llm_d.gke.plugins.module_utils._resources.security_policy import (
    OPTIONS,
    SecurityPolicyDeclaration,
)

from sandbox.testing import HttpFailure, RunningCloud

from .ansible_run import Outcome, Task
from .ansible_run import run as as_ansible
from .in_process import InProcess

Json = dict[str, Any]
MODULE = "gcp_security_policy"
OFFICE = ["203.0.113.0/24", "198.51.100.7/32"]


def policy(**changes: Any) -> Json:
    return {"name": "allow", "region": "us-east5", "deployment": "blue", "source_ranges": OFFICE, **changes}


def run(cloud: RunningCloud, *tasks: Json) -> list[Outcome]:
    cloud.enable("compute")
    return InProcess(cloud, OPTIONS, SecurityPolicyDeclaration).run(*(Task(MODULE, task) for task in tasks))


def path(cloud: RunningCloud, name: str) -> str:
    return f"compute/v1/projects/{cloud.info['project']}/regions/us-east5/securityPolicies/{name}"


def rules(outcome: Outcome) -> dict[int, tuple[str, list[str]]]:
    found = outcome.result["security_policy"]["rules"]
    return {rule["priority"]: (rule["action"], rule["match"]["config"]["srcIpRanges"]) for rule in found}


def test_from_nothing_to_nothing(cloud: RunningCloud) -> None:
    cloud.enable("compute")
    wider = policy(source_ranges=[*OFFICE, "192.0.2.0/24"])
    plan, made, again, changed, refused, nobody, planned_end, ended, ended_again = as_ansible(
        cloud,
        Task(MODULE, policy(), check=True),
        Task(MODULE, policy()),
        Task(MODULE, policy()),
        Task(MODULE, wider),
        Task(MODULE, policy(source_ranges=["nonsense"])),
        Task(MODULE, policy(source_ranges=[])),
        Task(MODULE, policy(state="absent"), check=True),
        Task(MODULE, policy(state="absent")),
        Task(MODULE, policy(state="absent")),
    )
    assert plan.changed and plan.writes == [] and "203.0.113.0/24" in plan.diff
    assert not made.failed and len(made.writes) == 1, made.result
    assert rules(made) == {1000: ("allow", OFFICE), 2147483647: ("deny(403)", ["*"])}
    assert "llm-d-deployment: blue" in made.result["security_policy"]["description"]
    assert not again.changed and again.writes == [], again.result["plan"]
    assert changed.changed and [write.rpartition("/")[2] for write in changed.writes] == ["patchRule"]
    assert "192.0.2.0/24" in changed.diff
    assert refused.failed and "is not a range" in refused.result["msg"] and refused.writes == []
    assert nobody.failed and "nobody would be let in" in nobody.result["msg"]
    assert planned_end.changed and planned_end.writes == []
    assert not ended.failed and ended.changed and not ended_again.changed


def test_more_than_ten_ranges_are_more_than_one_rule(cloud: RunningCloud) -> None:
    many = [f"192.0.{number}.0/24" for number in range(23)]
    made, fewer, again = run(
        cloud,
        policy(name="many", source_ranges=many),
        policy(name="many", source_ranges=many[:5]),
        policy(name="many", source_ranges=list(reversed(many[:5]))),
    )
    assert sorted(rules(made)) == [1000, 1001, 1002, 2147483647]
    assert sorted(write.rpartition("/")[2] for write in fewer.writes) == ["patchRule", "removeRule", "removeRule"]
    assert sorted(rules(fewer)) == [1000, 2147483647]
    assert not again.changed, "the order of ranges means nothing"


def test_drift_is_put_right(cloud: RunningCloud) -> None:
    (_made,) = run(cloud, policy(name="drifting"))
    open_again = {"action": "allow", "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}}
    cloud.wait_compute(cloud.call("POST", f"{path(cloud, 'drifting')}/patchRule?priority=2147483647", open_again))
    cloud.wait_compute(cloud.call("POST", f"{path(cloud, 'drifting')}/removeRule?priority=1000", {}))
    cloud.wait_compute(cloud.call("POST", f"{path(cloud, 'drifting')}/addRule", {**open_again, "priority": 7}))
    mended, again = run(cloud, policy(name="drifting"), policy(name="drifting"))
    assert sorted(write.rpartition("/")[2] for write in mended.writes) == ["addRule", "patchRule", "removeRule"]
    assert rules(mended) == {1000: ("allow", OFFICE), 2147483647: ("deny(403)", ["*"])}
    assert not again.changed


def test_a_policy_of_others(cloud: RunningCloud) -> None:
    cloud.enable("compute")
    collection = path(cloud, "x").rpartition("/")[0]
    cloud.wait_compute(cloud.call("POST", collection, {"name": "theirs", "description": "Not ours."}))
    refused, left, adopted = run(
        cloud,
        policy(name="theirs"),
        policy(name="theirs", state="absent"),
        policy(name="theirs", adopt=True),
    )
    assert refused.failed and "carries no mark" in refused.result["msg"] and refused.writes == []
    assert not left.failed and left.writes == []
    assert not adopted.failed, adopted.result
    assert rules(adopted)[2147483647][0] == "deny(403)"


def test_google_s_refusal_is_shown(cloud: RunningCloud) -> None:
    cloud.enable("compute")
    cloud.fault("compute.regionSecurityPolicies.insert", status=403, times=0, message="Required 'x' permission.")
    (refused,) = run(cloud, policy(name="denied"))
    assert refused.failed and "Required 'x' permission." in refused.result["msg"]
    assert "security policy denied" in refused.result["msg"]
    try:
        cloud.call("GET", path(cloud, "denied"))
    except HttpFailure as failure:
        assert failure.status == 404
