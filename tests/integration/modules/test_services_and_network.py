# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""gcp_project_services and gcp_network, as Ansible runs them, against the sandbox."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sandbox.testing import RunningCloud

from .ansible_run import Task, one, run, secret_in

SERVICES = {"services": ["compute.googleapis.com", "container.googleapis.com"]}
NETWORK: dict[str, Any] = {
    "name": "net",
    "deployment": "blue",
    "mtu": 8896,
    "routing_mode": "REGIONAL",
    "subnetworks": [
        {"name": "nodes", "region": "us-east5", "ip_cidr_range": "10.10.0.0/18", "private_ip_google_access": True},
        {
            "name": "proxies",
            "region": "us-east5",
            "ip_cidr_range": "172.16.0.0/26",
            "purpose": "REGIONAL_MANAGED_PROXY",
            "role": "ACTIVE",
        },
    ],
    "firewall_rules": [
        {
            "name": "internal",
            "description": "Inside.",
            "direction": "INGRESS",
            "allowed": [{"ip_protocol": "all"}],
            "source_ranges": ["172.16.0.0/12", "10.0.0.0/8"],
        }
    ],
}


def network(**changes: Any) -> dict[str, Any]:
    return {**deepcopy(NETWORK), **changes}


def changed_subnetwork(**changes: Any) -> dict[str, Any]:
    declared = network()
    declared["subnetworks"][0].update(changes)
    return declared


def test_services_on_an_empty_project(cloud: RunningCloud) -> None:
    plan, plan_network, on, again = run(
        cloud,
        Task("gcp_project_services", SERVICES, check=True),
        Task("gcp_network", NETWORK, check=True),
        Task("gcp_project_services", SERVICES),
        Task("gcp_project_services", SERVICES),
    )
    assert plan.changed and plan.writes == [] and "compute.googleapis.com" in plan.diff
    assert plan_network.changed and plan_network.writes == []
    assert "is not enabled" in str(plan_network.result["warnings"])
    assert on.changed and len(on.writes) == 1
    assert not again.changed and again.writes == []


def test_network_from_nothing_to_nothing(cloud: RunningCloud) -> None:
    absent = {
        "name": "net",
        "deployment": "blue",
        "state": "absent",
        "subnetworks": [{"name": s["name"], "region": "us-east5"} for s in NETWORK["subnetworks"]],
    }
    plan, made, again, planned_end, ended, ended_again = run(
        cloud,
        Task("gcp_network", NETWORK, check=True),
        Task("gcp_network", NETWORK),
        Task("gcp_network", NETWORK),
        Task("gcp_network", absent, check=True),
        Task("gcp_network", absent),
        Task("gcp_network", absent),
    )
    assert plan.changed and plan.writes == [] and "mtu: 8896" in plan.diff
    assert made.changed and not made.failed
    assert sorted(made.writes) == sorted(f"POST /{step['request'].split()[1]}" for step in plan.result["plan"])
    assert made.result["network"]["mtu"] == 8896
    assert made.result["network"]["autoCreateSubnetworks"] is False
    assert {s["name"] for s in made.result["subnetworks"]} == {"nodes", "proxies"}
    assert "[llm-d-deployment: blue]" in made.result["firewall_rules"][0]["description"]
    assert not again.changed and again.writes == [] and again.diff == ""
    assert len(again.result["gcp_actions"]) == 3, "network, one region, rules"
    assert planned_end.changed and planned_end.writes == []
    assert ended.changed and len(ended.writes) == 4, "the rule goes too, although it is not named: it is ours"
    assert not ended_again.changed and ended_again.writes == []
    assert not secret_in(cloud, made.output)


def test_every_kind_of_change(cloud: RunningCloud) -> None:
    rules = deepcopy(NETWORK["firewall_rules"])
    rules[0] |= {"source_ranges": ["10.0.0.0/8"], "priority": 900, "description": "Other."}
    rerouted = network(routing_mode="GLOBAL", mtu=1500)
    wider = changed_subnetwork(ip_cidr_range="10.10.0.0/17")
    steps = [
        NETWORK,
        rerouted,
        {**wider, "mtu": None, "routing_mode": None},
        {**network(firewall_rules=rules, mtu=None, routing_mode=None), "subnetworks": []},
    ]
    steps = [{key: value for key, value in step.items() if value is not None} for step in steps]
    outcomes = run(cloud, *(Task("gcp_network", step, check) for step in steps for check in (True, False, False)))
    for number in range(0, len(outcomes), 3):
        plan, made, again = outcomes[number : number + 3]
        assert plan.changed and plan.writes == [], number
        assert made.changed and not made.failed, made.result
        assert len(made.writes) == len(plan.result["plan"]), "check mode plans what apply sends"
        assert not again.changed and again.writes == []
    rerouted_diff = outcomes[3].diff
    assert "mtu: 8896" in rerouted_diff and "mtu: 1500" in rerouted_diff and "name" not in rerouted_diff
    assert outcomes[7].writes[0].endswith("/subnetworks/nodes/expandIpCidrRange")
    assert outcomes[10].result["firewall_rules"][0]["sourceRanges"] == ["10.0.0.0/8"]


def test_what_cannot_be_changed_is_told_and_nothing_is_sent(cloud: RunningCloud) -> None:
    shrunk, auto, theirs, bad, overlap = run(
        cloud,
        Task("gcp_network", changed_subnetwork(ip_cidr_range="10.10.0.0/20")),
        Task("gcp_network", network(auto_create_subnetworks=True)),
        Task("gcp_network", network(deployment="green")),
        Task("gcp_network", network(mtu=9000)),
        Task("gcp_network", changed_subnetwork(ip_cidr_range="172.16.0.0/24")),
    )
    for outcome in (shrunk, auto, theirs, bad, overlap):
        assert outcome.failed and outcome.writes == []
    assert "10.10.0.0/17" in shrunk.result["msg"] and "10.10.0.0/20" in shrunk.result["msg"]
    assert "widened" in shrunk.result["failure"]["remedy"]
    assert "auto_create_subnetworks" in auto.result["msg"]
    assert "'blue'" in theirs.result["msg"] and "adopt" in theirs.result["msg"]
    assert "8896" in bad.result["msg"] and "overlap" in overlap.result["msg"]


def test_what_is_not_ours_stays_and_blockers_are_named(cloud: RunningCloud) -> None:
    base = f"compute/v1/projects/{cloud.info['project']}/global/firewalls"
    rule = {
        "name": "by-hand",
        "network": f"projects/{cloud.info['project']}/global/networks/net",
        "allowed": [{"IPProtocol": "tcp"}],
    }
    cloud.wait_compute(cloud.call("POST", base, rule))
    named = {
        "name": "net",
        "deployment": "blue",
        "state": "absent",
        "subnetworks": [{"name": "nodes", "region": "us-east5"}],
    }
    theirs, blocked = run(
        cloud,
        Task("gcp_network", {**named, "deployment": "green"}),
        Task("gcp_network", named),
    )
    assert not theirs.failed and not theirs.changed and theirs.writes == []
    assert "is left" in str(theirs.result["warnings"])
    assert blocked.failed
    failure = blocked.result["failures"][-1] if "failures" in blocked.result else blocked.result["failure"]
    assert failure["blockers"] or "already being used" in blocked.result["msg"]
    cloud.wait_compute(cloud.call("DELETE", f"{base}/by-hand"))
    rest = {
        **named,
        "subnetworks": [{"name": "nodes", "region": "us-east5"}, {"name": "proxies", "region": "us-east5"}],
    }
    gone = one(cloud, "gcp_network", **rest)
    assert gone.changed and not gone.failed


def test_trouble(cloud: RunningCloud) -> None:
    cloud.fault("compute.networks.insert", kind="reset", when="after", times=1)
    cloud.fault("compute.subnetworks.insert", kind="status", status=503, when="after", times=1)
    made = one(cloud, "gcp_network", **NETWORK)
    assert made.changed and not made.failed, made.result.get("msg")
    assert made.result["gcp_retries"] >= 2
    cloud.clear_faults()
    quota = {
        "code": "QUOTA_EXCEEDED",
        "message": "Quota 'FIREWALLS' exceeded.  Limit: 100 globally.",
        "http_status": 403,
    }
    cloud.fault("compute.firewalls.insert", kind="operation", operation=quota)
    rules = [{"name": "more", "direction": "INGRESS", "allowed": [{"ip_protocol": "tcp", "ports": ["80"]}]}]
    refused = one(cloud, "gcp_network", name="net", deployment="blue", firewall_rules=rules)
    assert refused.failed and "Quota 'FIREWALLS' exceeded" in refused.result["msg"]
    assert refused.result["failure"]["operation"] and "more quota" in refused.result["failure"]["remedy"]
