# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The decision procedure against a Google of a few lines: what is sent, what is waited for, what is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._converge import converge
from ansible_collections.llm_d.gke.plugins.module_utils._errors import (
    ApiError,
    ImmutableError,
    LostReply,
    OperationError,
    OptionError,
    OwnershipError,
    SeveralErrors,
    StateError,
    TimeLimit,
    from_answer,
)
from ansible_collections.llm_d.gke.plugins.module_utils._operations import Outcome, outcome
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy
from ansible_collections.llm_d.gke.plugins.module_utils._resources.node_pool import NodePoolsDeclaration

from .fake_google import FakeGoogle, context

STOCKOUT = "[GCE_STOCKOUT]: Instance 'x' creation failed: The zone does not have enough resources available"
QUOTA = {"code": 429, "message": "Too many operations: cluster hits the concurrent operations quota 5"}
RUNNING = {"code": 400, "status": "FAILED_PRECONDITION", "message": "Cluster is running incompatible operation op-1."}


def declared(names: list[str], policy: Policy | None = None, **params: Any) -> NodePoolsDeclaration:
    pools = [{"name": name, "initial_node_count": 1, **params.pop("pool", {})} for name in names]
    options = {"cluster": "c", "location": "l", "node_pools": pools, "max_operations": 4, **params}
    return NodePoolsDeclaration(options, "p", policy or Policy(deployment="d"))


def ours(name: str, **fields: Any) -> dict[str, Any]:
    mark = {"config": {"resourceLabels": {"llm-d-deployment": "d"}}}
    return {"name": name, "status": "RUNNING", "initialNodeCount": 1, **mark, **fields}


def names(count: int) -> list[str]:
    return [f"tpu-{number}" for number in range(count)]


def test_makes_what_is_missing_and_then_nothing() -> None:
    google = FakeGoogle()
    first = converge(declared(names(8)), context(google))
    assert first["changed"]
    assert [pool["status"] for pool in first["node_pools"]] == ["RUNNING"] * 8
    google.sent.clear()
    again = context(google)
    assert not converge(declared(names(8)), again)["changed"]
    assert google.sent == []
    assert len(again.cloud.actions) == 1, "a run that changes nothing costs one list"


def test_never_more_operations_in_flight_than_allowed() -> None:
    google = FakeGoogle()
    converge(declared(names(20), max_operations=3), context(google))
    assert google.most_in_flight == 3


def test_check_mode_sends_nothing_and_tells_what_it_would() -> None:
    google = FakeGoogle()
    google.pools["tpu-0"] = ours("tpu-0", initialNodeCount=3)
    result = converge(declared(["tpu-0", "tpu-1"]), context(google, check=True))
    assert result["changed"]
    assert google.sent == []
    assert [(step["action"], step["resource"]) for step in result["plan"]] == [
        ("update", "node pool tpu-0"),
        ("create", "node pool tpu-1"),
    ]
    assert result["plan"][0]["body"] == {"nodeCount": 1}


def test_check_mode_plans_what_apply_sends() -> None:
    google = FakeGoogle()
    google.pools["tpu-0"] = ours("tpu-0", initialNodeCount=3)
    google.pools["old"] = ours("old")
    planned = converge(declared(["tpu-0", "tpu-1"], prune=True), context(google, check=True))
    converge(declared(["tpu-0", "tpu-1"], prune=True), context(google))
    assert sorted(step["request"] for step in planned["plan"]) == sorted(google.sent)


@pytest.mark.parametrize("refusal", [QUOTA, RUNNING])
def test_waits_out_what_passes(refusal: dict[str, Any]) -> None:
    google = FakeGoogle()
    google.before = [from_answer(refusal["code"], {"error": refusal}) for _each in range(5)]
    run = context(google)
    assert converge(declared(["a"]), run)["node_pools"][0]["status"] == "RUNNING"
    assert run.cloud.retries == 5


def test_does_not_wait_out_what_stays() -> None:
    google = FakeGoogle()
    google.before = [from_answer(400, {"error": {"code": 400, "message": "no such machine type"}})]
    with pytest.raises(ApiError, match="no such machine type"):
        converge(declared(["a"]), context(google))
    assert len(google.sent) == 1


def test_gives_up_at_the_deadline_with_googles_words() -> None:
    google = FakeGoogle()
    google.before = [from_answer(429, {"error": QUOTA}) for _each in range(10_000)]
    with pytest.raises(ApiError, match="concurrent operations quota 5"):
        converge(declared(["a"]), context(google, timeout=600))


def test_a_lost_reply_is_resolved_by_looking() -> None:
    google = FakeGoogle()
    google.after = [LostReply("the connection broke")]
    result = converge(declared(["a"]), context(google))
    assert google.sent == ["POST v1/projects/p/locations/l/clusters/c/nodePools"], "sent once"
    assert result["changed"] and result["node_pools"][0]["status"] == "RUNNING"


def test_a_request_that_never_arrived_is_sent_again() -> None:
    google = FakeGoogle()
    google.before = [LostReply("the connection broke")]
    assert converge(declared(["a"]), context(google))["node_pools"][0]["status"] == "RUNNING"
    assert len(google.sent) == 2


def test_a_lost_reply_to_a_delete_is_resolved_by_looking() -> None:
    google = FakeGoogle()
    google.pools["a"] = ours("a")
    google.after = [LostReply("the connection broke")]
    result = converge(declared(["a"], state="absent"), context(google))
    assert len(google.sent) == 1 and result["changed"] and google.pools == {}


def test_waits_for_what_an_earlier_run_began() -> None:
    google = FakeGoogle()
    converge(declared(["a"]), context(google, wait=False))
    google.sent.clear()
    result = converge(declared(["a"]), context(google))
    assert google.sent == []
    assert not result["changed"] and result["node_pools"][0]["status"] == "RUNNING"


def test_wait_false_returns_the_operation() -> None:
    google = FakeGoogle()
    result = converge(declared(["a"]), context(google, wait=False))
    assert result["operations"] == ["operation-0"]
    assert result["node_pools"][0]["status"] == "PROVISIONING"


def test_a_pool_that_is_going_is_made_again_when_it_is_gone() -> None:
    google = FakeGoogle()
    google.pools["a"] = ours("a")
    converge(declared(["a"], state="absent"), context(google, wait=False))
    result = converge(declared(["a"]), context(google))
    assert result["node_pools"][0]["status"] == "RUNNING"
    assert [line.split()[0] for line in google.sent] == ["DELETE", "POST"]


FAILURES = [
    {"error": {"code": 8, "message": STOCKOUT}},
    {"statusMessage": STOCKOUT},
    {"nodepoolConditions": [{"code": "GCE_STOCKOUT", "message": STOCKOUT}]},
]


@pytest.mark.parametrize("form", FAILURES)
def test_done_is_not_success(form: dict[str, Any]) -> None:
    google = FakeGoogle()
    google.failing["b"] = form
    with pytest.raises(OperationError) as caught:
        converge(declared(["a", "b", "c"]), context(google))
    result = caught.value.as_result()
    assert result["failure"]["reason"] == "GCE_STOCKOUT"
    assert result["failure"]["resource"] == "node pool b"
    assert result["failure"]["operation"].startswith("operation-")
    assert "no capacity" in result["msg"]
    assert {pool["name"]: pool["status"] for pool in result["node_pools"]} | {"b": ""} == {
        "a": "RUNNING",
        "b": "",
        "c": "RUNNING",
    }


def test_one_failure_hides_no_other_and_the_next_run_repairs_just_those() -> None:
    google = FakeGoogle()
    google.failing = {"b": FAILURES[0], "d": FAILURES[1]}
    with pytest.raises(SeveralErrors) as caught:
        converge(declared(["a", "b", "c", "d"]), context(google))
    result = caught.value.as_result()
    assert [failure["resource"] for failure in result["failures"]] == ["node pool b", "node pool d"]
    assert result["changed"]
    google.failing.clear()
    google.sent.clear()
    repaired = converge(declared(["a", "b", "c", "d"]), context(google))
    assert sorted(line.rpartition("/")[2] for line in google.sent if line.startswith("DELETE")) == ["b", "d"]
    assert len(google.sent) == 4
    assert [pool["status"] for pool in repaired["node_pools"]] == ["RUNNING"] * 4
    assert all("ERROR" in step["why"] for step in repaired["plan"])


def test_a_broken_pool_that_is_not_known_to_be_ours_is_told() -> None:
    google = FakeGoogle()
    google.pools["a"] = {"name": "a", "status": "ERROR", "statusMessage": "out of luck"}
    with pytest.raises(StateError, match="out of luck"):
        converge(declared(["a"], Policy()), context(google))
    assert google.sent == []


def test_what_is_not_ours_is_neither_changed_nor_removed() -> None:
    google = FakeGoogle()
    google.pools["a"] = {"name": "a", "status": "RUNNING", "initialNodeCount": 7}
    with pytest.raises(OwnershipError, match="no mark"):
        converge(declared(["a", "b"]), context(google))
    gone = context(google)
    assert not converge(declared(["a"], state="absent"), gone)["changed"]
    assert google.sent == [] and "is left" in gone.warnings[0]


def test_prune_removes_only_what_is_ours() -> None:
    google = FakeGoogle()
    google.pools = {"a": ours("a"), "surplus": ours("surplus"), "theirs": {"name": "theirs", "status": "RUNNING"}}
    converge(declared(["a"], prune=True), context(google))
    assert sorted(google.pools) == ["a", "theirs"]


def test_immutable_drift_is_an_error_and_nothing_is_sent() -> None:
    google = FakeGoogle()
    google.pools["a"] = ours("a", placementPolicy={"tpuTopology": "4x4"})
    pool = {"placement_policy": {"tpu_topology": "2x4"}}
    with pytest.raises(ImmutableError) as caught:
        converge(declared(["a", "b"], pool=pool), context(google))
    assert google.sent == []
    assert caught.value.details["differences"] == [
        {"field": "placement_policy.tpu_topology", "before": "4x4", "after": "2x4"}
    ]


def test_recreate_only_when_asked() -> None:
    google = FakeGoogle()
    google.pools["a"] = ours("a", placementPolicy={"tpuTopology": "4x4"})
    pool = {"placement_policy": {"tpu_topology": "2x4"}}
    result = converge(declared(["a"], Policy("d", recreate=True), pool=pool), context(google))
    assert [line.split()[0] for line in google.sent] == ["DELETE", "POST"]
    assert result["node_pools"][0]["status"] == "RUNNING"


def test_a_refused_topology_is_left_out_when_allowed() -> None:
    refusal = "TPU topology can't be specified with single-host TPU slice pool; please remove the tpu_topology"
    pool = {"placement_policy": {"tpu_topology": "2x2"}, "config": {"machine_type": "ct6e-standard-4t"}}
    for allowed in (True, False):
        google = FakeGoogle()
        google.before = [from_answer(400, {"error": {"code": 400, "message": refusal}})]
        run, policy = context(google), Policy("d", omit_refused_topology=allowed)
        if not allowed:
            with pytest.raises(ApiError, match="single-host TPU slice"):
                converge(declared(["a"], policy, pool=dict(pool)), run)
            continue
        converge(declared(["a"], policy, pool=dict(pool)), run)
        assert "placementPolicy" not in google.pools["a"]
        assert any("without it" in warning for warning in run.warnings)
        assert not converge(declared(["a"], policy, pool=dict(pool)), context(google))["changed"]


def test_a_timeout_names_the_operation_and_what_a_re_run_does() -> None:
    google = FakeGoogle()
    google.polls = 10_000
    with pytest.raises(TimeLimit) as caught:
        converge(declared(["a"]), context(google, timeout=300))
    result = caught.value.as_result()
    assert "operation-0" in result["msg"] and "waits for this operation" in result["msg"]
    assert result["operations"] == ["operation-0"]


def test_progress_is_said_when_something_changes_and_now_and_then() -> None:
    google = FakeGoogle()
    google.polls = 12
    lines: list[str] = []
    run = context(google)
    run.cloud.progress.write = lines.append
    converge(declared(["a"]), run)
    assert any(line.startswith("node pool a: creating") for line in lines)
    assert lines[-1].startswith("node pool a: created")
    assert len(lines) < 12


DISABLED = {
    "code": 403,
    "message": "Kubernetes Engine API has not been used in project p before or it is disabled.",
    "details": [
        {"@type": "x/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "metadata": {"service": "container"}}
    ],
}


def disabled(count: int) -> list[Exception | None]:
    return [from_answer(403, {"error": DISABLED}) for _each in range(count)]


def test_an_api_that_was_just_enabled_is_given_time() -> None:
    google = FakeGoogle()
    google.looking = disabled(5)
    run = context(google)
    assert converge(declared(["a"]), run)["changed"]
    assert run.cloud.retries == 5


def test_an_api_that_is_off_is_told_within_a_bound() -> None:
    google = FakeGoogle()
    google.looking = disabled(10_000)
    run = context(google)
    with pytest.raises(ApiError, match="it is disabled") as caught:
        converge(declared(["a"]), run)
    assert run.deadline.elapsed() < 120
    assert "gcp_project_services" in caught.value.as_result()["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_an_api_that_is_off_has_nothing_to_remove(check: bool) -> None:
    google = FakeGoogle()
    google.looking = disabled(10_000)
    run = context(google, check=check)
    assert not converge(declared(["a"], state="absent"), run)["changed"]
    assert len(run.warnings) == 1 and len(run.cloud.actions) == 1


def test_check_mode_takes_an_api_that_is_off_for_empty() -> None:
    google = FakeGoogle()
    google.looking = disabled(10_000)
    run = context(google, check=True)
    assert [step["action"] for step in converge(declared(["a"]), run)["plan"]] == ["create"]
    assert "not enabled" in run.warnings[0] and len(run.cloud.actions) == 1


# ---- operations that are not ours, or not as many as we would like ---------------------------------------------------


def test_the_quota_that_google_tells_is_kept() -> None:
    google = FakeGoogle()
    google.quota, google.polls = 2, 20
    run = context(google, timeout=10**6)
    result = converge(declared(names(10), max_operations=8), run)
    assert [pool["status"] for pool in result["node_pools"]] == ["RUNNING"] * 10
    assert google.most_in_flight == 2
    assert run.cloud.quota == 2
    assert len([line for line in google.sent if line.startswith("POST")]) == 10 + run.cloud.retries


def test_an_operation_that_the_resource_does_not_show_yet_is_adopted() -> None:
    google = FakeGoogle()
    google.operation("CREATE_NODE_POOL", "a", lambda: google.pools.update(a=ours("a")))
    result = converge(declared(["a", "b"]), context(google))
    assert google.sent == ["POST v1/projects/p/locations/l/clusters/c/nodePools"], "only b"
    assert [pool["status"] for pool in result["node_pools"]] == ["RUNNING"] * 2


def test_what_else_fails_on_a_pool_does_not_keep_us_from_repairing_it() -> None:
    google = FakeGoogle()
    google.pools["a"] = ours("a", initialNodeCount=3)
    theirs = google.operation(
        "UPGRADE_NODES", "a", lambda: google.operations[theirs["name"]].update(statusMessage="no")
    )
    result = converge(declared(["a"]), context(google))
    assert result["node_pools"][0]["node_pool"]["initialNodeCount"] == 1
    assert len(google.sent) == 1


def test_an_earlier_create_that_fails_is_told() -> None:
    google = FakeGoogle()
    google.failing["a"] = FAILURES[0]
    converge(declared(["a"]), context(google, wait=False))
    with pytest.raises(OperationError, match="does not have enough resources"):
        converge(declared(["a"]), context(google))
    assert len(google.sent) == 1


def test_a_lost_reply_whose_effect_does_not_show_yet_is_not_sent_again() -> None:
    class Late(FakeGoogle):
        """A pool is seen when its operation has ended, and not before."""

        def _clusters_nodePools_create(self, params: Any, body: Any) -> dict[str, Any]:
            name = body["nodePool"]["name"]
            return self.operation("CREATE_NODE_POOL", name, lambda: self.pools.update({name: ours(name)}))

    google = Late()
    google.after = [LostReply("the connection broke")]
    result = converge(declared(["a"]), context(google))
    assert len(google.sent) == 1 and result["changed"]


def test_what_google_overlooks_in_a_create_request_is_asked_for_again() -> None:
    class Forgetful(FakeGoogle):
        def _clusters_nodePools_create(self, params: Any, body: Any) -> dict[str, Any]:
            pool = {key: value for key, value in body["nodePool"].items() if key != "initialNodeCount"}
            return super()._clusters_nodePools_create(params, {"nodePool": pool})

    google = Forgetful()
    run = context(google)
    result = converge(declared(["a"]), run)
    assert [line.rpartition("/")[2] for line in google.sent] == ["nodePools", "a:setSize"]
    assert [step["action"] for step in result["plan"]] == ["create", "update"]
    assert run.warnings == []
    google.sent.clear()
    assert not converge(declared(["a"]), context(google))["changed"] and google.sent == []


def test_what_was_sent_is_told_in_short() -> None:
    result = converge(declared(names(8)), context(FakeGoogle()))
    base = "v1/projects/p/locations/l"
    lines = result["gcp_actions"]
    assert lines[0] == f"GET {base}/clusters/c/nodePools"
    assert lines.count(f"POST {base}/clusters/c/nodePools") == 8
    looks = sorted(line for line in lines if line.startswith("GET"))
    assert len(looks) == 4 and looks[1] == f"GET {base}/clusters/c/nodePools/* (8 times)"
    assert looks[2] == f"GET {base}/operations" and looks[3].startswith(f"GET {base}/operations/* (")
    assert result["gcp_calls"] > 8 + 8 + 2


def test_time_is_over_names_the_operation_and_what_comes_next() -> None:
    google = FakeGoogle()
    google.polls = 10_000
    with pytest.raises(TimeLimit) as caught:
        converge(declared(["a"]), context(google, timeout=60))
    told = caught.value.as_result()
    assert told["failure"]["operation"] == "operation-0" and "operation-0" in told["msg"]
    assert "waits for this operation instead of starting another one" in told["msg"]


def test_an_operation_that_is_being_aborted_is_waited_for() -> None:
    assert outcome("container", {"status": "ABORTING"}) == Outcome(False, progress="aborting")
    ended = outcome("container", {"status": "DONE", "error": {"code": 1, "message": "cancelled"}})
    assert ended.failed and ended.reason == "CANCELLED"


def test_a_resource_that_changed_meanwhile_is_looked_at_again() -> None:
    google = FakeGoogle()
    google.pools["a"] = ours("a", initialNodeCount=3)
    google.before = [from_answer(412, {"error": {"code": 412, "errors": [{"reason": "conditionNotMet"}]}})]
    result = converge(declared(["a"]), context(google))
    assert result["changed"] and len(google.sent) == 2


@pytest.mark.parametrize("name", ["Tpu-1", "1tpu", "tpu-", "tpu_1", "t" * 41])
def test_a_name_that_google_would_refuse_is_told_before_anything_is_sent(name: str) -> None:
    with pytest.raises(OptionError, match="is no name"):
        declared(["tpu-0", name])
    declared([name], state="absent")
