# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Operations that end badly: where the reason stands, and what is left behind."""

from __future__ import annotations

import time

import pytest

from tests.sandbox.container.gke import CLUSTER, PROJECT, Gke, tpu_pool

STOCKOUT = (
    "Google Compute Engine: Not all instances running in IGM after 1m11s. Expect 1. Current errors: [GCE_STOCKOUT]: "
    "Instance 'x' creation failed: The zone 'us-east5-a' does not have enough resources available to fulfill the "
    "request. '(resource type:compute)'"
)


def _stockout(gke: Gke, method: str, form: str = "error", leaves: str = "ERROR") -> None:
    operation = {
        "code": "RESOURCE_EXHAUSTED",
        "message": STOCKOUT,
        "form": form,
        "condition": "GCE_STOCKOUT",
        "leaves": leaves,
    }
    gke.fault(api_method=f"container.projects.locations.clusters.{method}", operation=operation)


@pytest.mark.parametrize(
    ("form", "field"),
    [("error", "error"), ("statusMessage", "statusMessage"), ("conditions", "nodepoolConditions")],
)
def test_the_reason_stands_in_one_of_three_places(gke: Gke, form: str, field: str) -> None:
    gke.cluster()
    _stockout(gke, "nodePools.create", form)
    operation = gke.end(gke.ask_pool(tpu_pool("tpu")))
    places = {"error", "statusMessage", "nodepoolConditions", "clusterConditions"} & set(operation)
    assert places == {field}
    expected = {
        "error": {"code": 8, "message": STOCKOUT},
        "statusMessage": STOCKOUT,
        "nodepoolConditions": [{"canonicalCode": "RESOURCE_EXHAUSTED", "code": "GCE_STOCKOUT", "message": STOCKOUT}],
    }
    assert operation[field] == expected[field]


def test_a_stockout_leaves_a_pool_in_error_that_blocks_its_name(gke: Gke) -> None:
    gke.cluster()
    _stockout(gke, "nodePools.create")
    gke.end(gke.ask_pool(tpu_pool("tpu")))
    pool = gke.read(f"{CLUSTER}/nodePools/tpu")
    assert (pool["status"], pool["statusMessage"]) == ("ERROR", STOCKOUT)
    assert pool["conditions"][0]["code"] == "GCE_STOCKOUT"
    assert gke.ask_pool(tpu_pool("tpu")).status == 409
    assert gke.reservation_use() == 0
    gke.succeed("DELETE", f"{CLUSTER}/nodePools/tpu")
    gke.pool(tpu_pool("tpu"))
    assert gke.reservation_use() == 1


def test_a_partial_stockout_leaves_some_nodes(gke: Gke) -> None:
    gke.cluster()
    _stockout(gke, "nodePools.create", leaves="RUNNING_WITH_ERROR")
    gke.end(gke.ask_pool({"name": "p", "initialNodeCount": 4, "locations": ["us-east5-a"]}))
    pool = gke.read(f"{CLUSTER}/nodePools/p")
    assert pool["status"] == "RUNNING_WITH_ERROR"
    assert gke.read(CLUSTER)["currentNodeCount"] == 3 + 2


def test_a_failed_create_of_a_cluster_leaves_it_in_error(gke: Gke) -> None:
    gke.place()
    _stockout(gke, "create", form="conditions")
    operation = gke.end(gke.ask_cluster())
    assert operation["clusterConditions"][0]["code"] == "GCE_STOCKOUT"
    cluster = gke.read(CLUSTER)
    assert (cluster["status"], cluster["statusMessage"]) == ("ERROR", STOCKOUT)
    gke.succeed("DELETE", CLUSTER)
    assert "items" not in gke.get("global/firewalls")


def test_a_failed_delete_leaves_the_pool_and_can_be_repeated(gke: Gke) -> None:
    gke.cluster()
    gke.pool(tpu_pool("tpu"))
    _stockout(gke, "nodePools.delete")
    operation = gke.end(gke.container("DELETE", f"{CLUSTER}/nodePools/tpu"))
    assert operation["error"]["code"] == 8
    assert gke.read(f"{CLUSTER}/nodePools/tpu")["status"] == "ERROR"
    assert gke.reservation_use() == 1
    gke.succeed("DELETE", f"{CLUSTER}/nodePools/tpu")
    assert gke.reservation_use() == 0


def test_a_lost_reply_leaves_the_effect(gke: Gke) -> None:
    gke.cluster()
    gke.fault(api_method="container.projects.locations.clusters.nodePools.create", when="after", status=503)
    assert gke.ask_pool(tpu_pool("tpu")).status == 503
    assert gke.ask_pool(tpu_pool("tpu")).status == 409


def test_a_refused_create_takes_nothing_from_the_reservation(slow_gke: Gke) -> None:
    slow_gke.cluster()
    started = [slow_gke.ask_pool(tpu_pool(f"tpu-{number}")) for number in range(5)]
    for _attempt in range(3):
        assert slow_gke.ask_pool(tpu_pool("late")).status == 429
    assert slow_gke.reservation_use() == 5
    for operation in started:
        slow_gke.end(operation)


def test_an_operation_of_gkes_own_holds_the_lock(slow_gke: Gke) -> None:
    slow_gke.cluster()
    own = {"cluster": f"projects/{PROJECT}/{CLUSTER}", "kind": "UPGRADE_MASTER", "seconds": 300}
    name = slow_gke.call("POST", "/_sandbox/gke/operation", own).body["operation"]
    refused = slow_gke.ask_pool(tpu_pool("tpu"))
    assert refused.message == f"Cluster is running incompatible operation {name}."
    listed = slow_gke.read("locations/us-east5/operations")["operations"]
    assert [item["operationType"] for item in listed if item["status"] == "RUNNING"] == ["UPGRADE_MASTER"]
    while slow_gke.read(f"locations/us-east5/operations/{name}")["status"] != "DONE":
        time.sleep(0.02)
    slow_gke.pool(tpu_pool("tpu"))


def test_a_state_that_nobody_wished_for(gke: Gke) -> None:
    gke.cluster()
    wanted = {"resource": f"projects/{PROJECT}/{CLUSTER}", "status": "DEGRADED", "message": "Something is wrong."}
    assert gke.call("POST", "/_sandbox/gke/status", wanted).status == 200
    cluster = gke.read(CLUSTER)
    assert (cluster["status"], cluster["statusMessage"]) == ("DEGRADED", "Something is wrong.")
    assert gke.call("POST", "/_sandbox/gke/status", wanted | {"status": "FINE"}).status == 400
