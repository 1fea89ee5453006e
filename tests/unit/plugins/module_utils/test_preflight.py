# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a look before anything is made tells: every mistake by its name, and nothing of what cannot be seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._clients import Cloud, Patience
from ansible_collections.llm_d.gke.plugins.module_utils._clock import Clock, Deadline, Pace
from ansible_collections.llm_d.gke.plugins.module_utils._errors import Json, from_answer
from ansible_collections.llm_d.gke.plugins.module_utils._findings import Check
from ansible_collections.llm_d.gke.plugins.module_utils._methods import Method
from ansible_collections.llm_d.gke.plugins.module_utils._preflight import capacity, cluster, local, network, project
from ansible_collections.llm_d.gke.plugins.module_utils._preflight.look import Hidden, Look

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OPTIONS = {"zone": "us-east5-a", "machine_type": "ct6e-standard-4t", "machines": 8, "capacity": "reservation"}
HERE = "mine/zones/us-east5-a"
SPECIFIC: Json = {
    "specificReservationRequired": True,
    "specificReservation": {"count": "8", "instanceProperties": {"machineType": "ct6e-standard-4t"}},
}


class Answers:
    """Google, as far as it knows these paths; an answer that is a number is a refusal."""

    credentials = None

    def __init__(self, answers: Mapping[str, Json | int]) -> None:
        self._answers = answers

    def send(self, method: Method, params: Mapping[str, Any], body: Json | None) -> Json:
        path = method.url_path(params).removeprefix("compute/v1/projects/")
        answer = self._answers.get(path, 404)
        if isinstance(answer, int):
            raise from_answer(answer, {"error": {"code": answer, "message": f"refused with {answer}"}})
        return answer


def looking(answers: Mapping[str, Json | int]) -> Look:
    clock, pace = Clock(), Pace(0.01)
    return Look(Cloud(Answers(answers), clock, pace, Patience.from_pace(pace)), Deadline.after(clock, 1), "mine")


def bad(checks: Any) -> list[Check]:
    return [check for check in checks if check.severity]


# ---- capacity ------------------------------------------------------------------------------------------------------


def told(answers: Mapping[str, Json | int], ours: int = 0, **options: Any) -> list[Check]:
    want = capacity.wanted(OPTIONS | options, "mine")
    return bad(capacity.judge(want, capacity.look(want, looking(answers)), NOW, ours))


def zone(**more: Json | int) -> dict[str, Json | int]:
    return {HERE: {}, f"{HERE}/machineTypes/ct6e-standard-4t": {}, **more}


def reserved(change: Json | None = None, owner: str = "mine", name: str = "tpus") -> dict[str, Json | int]:
    return zone() | {f"{owner}/zones/us-east5-a/reservations/{name}": SPECIFIC | (change or {})}


def used(count: int, in_use: int) -> Json:
    return {"specificReservation": SPECIFIC["specificReservation"] | {"count": str(count), "inUseCount": str(in_use)}}


def test_a_reservation_that_fits_is_no_finding() -> None:
    assert told(reserved(), reservation="tpus") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "CREATING"}, "is CREATING"),
        (
            {"specificReservation": {"count": "8", "instanceProperties": {"machineType": "ct6e-standard-1t"}}},
            "is for ct6e-standard-1t, not for ct6e-standard-4t",
        ),
        (used(4, 0), "has 4 machines, and the pools need 8"),
        (used(10, 4), "has 10 machines, of which 4 are in use; the pools need 8"),
        ({"specificReservationRequired": False}, "may be used by any machine"),
        ({"deleteAtTime": "2026-11-26T20:00:00.000-08:00"}, "is deleted at 2026-11-26T20:00"),
        ({"deleteAtTime": "2026-11-25T20:00:00Z"}, "ended at 2026-11-25T20:00"),
    ],
)
def test_what_is_wrong_with_a_reservation_is_told(change: Json, words: str) -> None:
    [finding] = told(reserved(change), reservation="tpus")
    assert words in finding.found
    assert finding.remedy


def test_what_our_own_pools_use_is_room() -> None:
    assert told(reserved(used(8, 8)), ours=8, reservation="tpus") == []
    assert told(reserved(used(8, 8)), ours=7, reservation="tpus")


AGGREGATE: Json = {
    "specificReservation": None,
    "aggregateReservation": {
        "vmFamily": "VM_FAMILY_CLOUD_TPU_LITE_POD_SLICE_CT6E",
        "workloadType": "SERVING",
        "reservedResources": [{"accelerator": {"acceleratorCount": 32}}],
        "inUseResources": [],
    },
}


def aggregate(**change: Any) -> Json:
    return AGGREGATE | {"aggregateReservation": AGGREGATE["aggregateReservation"] | change}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"vmFamily": "VM_FAMILY_CLOUD_TPU_POD_SLICE_CT5P"}, ["CT5P"]),
        ({"workloadType": "BATCH"}, ["BATCH"]),
        ({"reservedResources": [{"accelerator": {"acceleratorCount": 16}}]}, ["has 16 chips, and the pools need 32"]),
        ({"inUseResources": [{"accelerator": {"acceleratorCount": 4}}]}, ["of which 4 are in use"]),
    ],
)
def test_a_reservation_of_chips_is_counted_in_chips(change: Json, words: list[str]) -> None:
    findings = told(reserved(aggregate(**change)), reservation="tpus")
    assert len(findings) == len(words)
    assert all(word in finding.found for word, finding in zip(words, findings, strict=True))


SHARED = {"shareSettings": {"shareType": "SPECIFIC_PROJECTS", "projectMap": {"mine": {"projectId": "mine"}}}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (SHARED, []),
        ({"shareSettings": {"shareType": "ORGANIZATION"}}, []),
        ({"shareSettings": {"shareType": "SPECIFIC_PROJECTS", "projectMap": {"other": {}}}}, ["is shared with other"]),
        ({}, ["is shared with nobody"]),
    ],
)
def test_a_shared_reservation_is_looked_up_with_its_owner(settings: Json, words: list[str]) -> None:
    findings = told(reserved(settings, owner="theirs"), reservation="projects/theirs/reservations/tpus")
    assert [finding.severity for finding in findings] == ["error"] * len(words)
    assert all(word in finding.found for word, finding in zip(words, findings, strict=True))


def test_a_block_of_a_reservation_is_looked_up() -> None:
    name = "projects/theirs/reservations/tpus/reservationBlocks/b1"
    block: dict[str, Json | int] = {"theirs/zones/us-east5-a/reservations/tpus/reservationBlocks/b1": {"count": 8}}
    assert told(reserved(SHARED, owner="theirs") | block, reservation=name) == []
    [finding] = told(reserved(SHARED, owner="theirs"), reservation=name)
    assert "has no block b1" in finding.found


def test_a_reservation_elsewhere_is_told_with_its_place() -> None:
    everywhere: Json = {"items": {"zones/us-east5-b": {"reservations": [{"name": "tpus", "zone": "z/us-east5-b"}]}}}
    [finding] = told(zone() | {"mine/aggregated/reservations": everywhere}, reservation="tpus")
    assert "is in us-east5-b, not in us-east5-a" in finding.found
    [finding] = told(zone(), reservation="tpus")
    assert "does not exist" in finding.found


def test_zone_and_machine_type_are_looked_up() -> None:
    [finding] = told({}, capacity="spot")
    assert "Zone us-east5-a does not exist" in finding.found
    findings = told({HERE: {}, "v1/projects/mine/locations/global": 404}, capacity="reservation")
    assert "Zone us-east5-a has no machine type ct6e-standard-4t" in findings[0].found


@pytest.mark.parametrize("hidden", [f"{HERE}/reservations/tpus", f"{HERE}/machineTypes/ct6e-standard-4t", HERE])
def test_what_may_not_be_looked_at_is_not_held_against_the_pools(hidden: str) -> None:
    """A shared reservation is often hidden from who may use it: whether it will do, the pools find out."""
    assert {finding.severity for finding in told(reserved() | {hidden: 403}, reservation="tpus")} == {"info"}


@pytest.mark.parametrize(
    ("reservations", "severity"),
    [([SPECIFIC | {"specificReservationRequired": False}], ""), ([SPECIFIC], "warning"), ([], "warning")],
)
def test_any_reservation_needs_one_that_needs_no_name(reservations: list[Json], severity: str) -> None:
    answers = zone() | {f"{HERE}/reservations": {"items": reservations}}
    assert [finding.severity for finding in told(answers, capacity="any_reservation")] == (
        [severity] if severity else []
    )


QUOTAS = "v1/projects/mine/locations/global/services/compute.googleapis.com/quotaInfos"


def quota(name: str, value: str, **dimensions: str) -> Json:
    return {"quotaId": name, "dimensionsInfos": [{"dimensions": dimensions, "details": {"value": value}}]}


@pytest.mark.parametrize(
    ("model", "info", "severity"),
    [
        ("on_demand", quota("TPUS-PER-TPU-FAMILY-per-project-region", "32", region="us-east5", tpu_family="CT6E"), ""),
        (
            "on_demand",
            quota("TPUS-PER-TPU-FAMILY-per-project-region", "31", region="us-east5", tpu_family="CT6E"),
            "warning",
        ),
        (
            "on_demand",
            quota("TPUS-PER-TPU-FAMILY-per-project-region", "99", region="us-east1", tpu_family="CT6E"),
            "warning",
        ),
        ("on_demand", quota("PREEMPTIBLE-TPU-V6E-per-project-region", "99", region="us-east5"), "warning"),
        ("spot", quota("PREEMPTIBLE-TPU-V6E-per-project-region", "32", region="us-east5"), ""),
        ("queued", quota("PREEMPTIBLE-TPU-V6E-per-project-region", "-1", region="us-east5"), ""),
    ],
)
def test_the_quota_of_chips_is_told_and_stops_nothing(model: str, info: Json, severity: str) -> None:
    findings = told(zone() | {QUOTAS: {"quotaInfos": [info]}}, capacity=model)
    quotas = [finding for finding in findings if finding.name == capacity.QUOTA]
    assert [finding.severity for finding in quotas] == ([severity] if severity else [])


def test_nodes_that_nobody_asks_for_are_told() -> None:
    enough = quota("PREEMPTIBLE-TPU-V6E-per-project-region", "32", region="us-east5")
    findings = told(zone() | {QUOTAS: {"quotaInfos": [enough]}}, capacity="queued")
    assert [(finding.name, finding.severity) for finding in findings] == [(capacity.QUEUED, "warning")]


# ---- project -------------------------------------------------------------------------------------------------------

STEPS: Json = {"steps": ["preflight", "project_services"], "services": ["a.googleapis.com"]}


def of_project(
    granted: list[str] | Hidden, billing: Json | Hidden | None, enabled: list[str] | None = None
) -> list[Check]:
    found = project.Project(enabled if enabled is not None else ["a.googleapis.com"], ["x.y.get"], granted, billing)
    return bad(project.judge(STEPS, found, "mine"))


def test_permissions_and_billing() -> None:
    paid: Json = {"billingEnabled": True, "billingAccountName": "billingAccounts/1"}
    assert of_project(["x.y.get"], paid) == []
    [missing] = of_project([], paid)
    assert "lacks x.y.get" in missing.found
    [closed] = of_project(["x.y.get"], {"billingAccountName": "billingAccounts/1"})
    assert "closed" in closed.found
    [unpaid] = of_project(["x.y.get"], {})
    assert "no billing account" in unpaid.found
    assert [check.severity for check in of_project(Hidden("off"), Hidden("off"))] == ["info", "info"]
    [off] = of_project(["x.y.get"], paid, enabled=[])
    assert off.severity == "warning"


def test_permissions_are_asked_for_by_the_hundred() -> None:
    answers: dict[str, Json | int] = {
        "v1/projects/mine/services": {"services": [{"name": "projects/1/services/a.googleapis.com"}]},
        "v1/projects/mine:testIamPermissions": {"permissions": ["compute.zones.get"]},
    }
    found = project.look({**STEPS, "steps": ["preflight"]}, looking(answers))
    assert found.enabled == ["a.googleapis.com"]
    assert "compute.zones.get" in found.wanted
    assert found.granted == ["compute.zones.get"]


# ---- network -------------------------------------------------------------------------------------------------------

NET: Json = {
    "name": "main",
    "project": "mine",
    "region": "us-east5",
    "manage": True,
    "subnetworks": [{"name": "tpu"}, {"name": "proxy"}],
    "firewall_rules": ["rule"],
    "ranges": {"deployment_subnetwork_range": "10.10.0.0/18", "deployment_pod_range": ""},
}
OURS = {"description": "[llm-d-deployment: east]"}


def subnetwork(name: str, cidr: str = "10.10.0.0/20", **more: Any) -> Json:
    where = {"network": "projects/mine/global/networks/main", "region": "projects/mine/regions/us-east5"}
    return {"name": name, "ipCidrRange": cidr, **where, **more}


def of_network(found: network.Found, **change: Any) -> list[str]:
    return [check.found for check in bad(network.judge({**NET, **change}, found, "east"))]


def test_an_empty_project_has_room_for_a_network() -> None:
    found = network.Found(None, [], {"rule": None})
    assert of_network(found) == []
    assert network.quota_needs(NET, found) == {"NETWORKS": 1, "SUBNETWORKS": 2, "FIREWALLS": 1}


def test_our_own_network_is_no_finding() -> None:
    found = network.Found(
        OURS, [subnetwork("tpu", **OURS), subnetwork("proxy", "172.16.0.0/26", **OURS)], {"rule": OURS}
    )
    assert of_network(found) == []
    assert network.quota_needs(NET, found) == {"NETWORKS": 0, "SUBNETWORKS": 0, "FIREWALLS": 0}


def test_every_name_that_is_taken_is_told() -> None:
    theirs = {"description": "[llm-d-deployment: west]"}
    found = network.Found({}, [subnetwork("tpu", "10.9.0.0/20", **theirs)], {"rule": {}})
    first, second, third = of_network(found)
    assert "network main exists, and it carries no mark" in first
    assert "subnetwork tpu exists, and it belongs to the deployment 'west'" in second
    assert "firewall rule rule exists" in third


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (subnetwork("other"), "overlaps 10.10.0.0/20, which subnetwork other"),
        (subnetwork("other", "10.0.0.0/24", secondaryIpRanges=[{"ipCidrRange": "10.10.16.0/20"}]), "10.10.16.0/20"),
        (subnetwork("p", "172.16.9.0/26", purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE"), "p is the proxy-only"),
    ],
)
def test_ranges_that_are_not_free_are_told(there: Json, words: str) -> None:
    [finding] = of_network(network.Found(OURS, [there], {}))
    assert words in finding


def test_a_network_of_somebody_else_has_to_have_what_we_need() -> None:
    assert "does not exist" in of_network(network.Found(None, [], {}), manage=False)[0]
    assert len(of_network(network.Found({}, [], {}), manage=False)) == 2
    proxy = subnetwork("p", purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE")
    assert of_network(network.Found({}, [subnetwork("tpu"), proxy], {}), manage=False) == []


# ---- cluster -------------------------------------------------------------------------------------------------------

WANT: Json = {
    "name": "c",
    "location": "us-east5",
    "manage": True,
    "channel": "RAPID",
    "machine_type": "ct6e-standard-4t",
    "node_pools": ["p-1"],
    "nodes": [
        {"name": "default-pool", "machine_type": "e2-standard-8", "count": 3, "disk_size_gb": 100},
        {"name": "p-1", "machine_type": "ct6e-standard-4t", "count": 1, "disk_size_gb": 300},
    ],
}


def config(version: str) -> Json:
    return {"channels": [{"channel": "RAPID", "defaultVersion": version}]}


def of_cluster(there: Json | None, version: str = "1.35.4-gke.1", **change: Any) -> list[str]:
    found = cluster.Found(there, config(version), {}, {})
    return [check.found for check in bad(cluster.judge({**WANT, **change}, found, "east"))]


MARK = {"llm-d-deployment": "east"}


def test_clusters() -> None:
    ours: Json = {"status": "RUNNING", "resourceLabels": MARK, "currentMasterVersion": "1.35.4-gke.1"}
    pool: Json = {"name": "p-1", "config": {"resourceLabels": MARK}}
    assert of_cluster(None) == []
    assert of_cluster({**ours, "nodePools": [pool]}) == []
    assert "carries no mark" in of_cluster({**ours, "resourceLabels": {}})[0]
    assert "node pool p-1 exists" in of_cluster({**ours, "nodePools": [{"name": "p-1"}]})[0]
    [broken] = of_cluster({**ours, "status": "ERROR", "conditions": [{"message": "no room"}]})
    assert "is ERROR (no room)" in broken
    assert "does not exist" in of_cluster(None, manage=False)[0]


def test_versions() -> None:
    assert of_cluster(None, "1.31.2-gke.1115000") == ["1.31.2-gke.1115000"], "a warning about the InferencePool"
    old, _inference = of_cluster(None, "1.31.2-gke.1114999")
    assert "would be of 1.31.2-gke.1114999" in old


def test_quotas_count_what_is_not_there_yet() -> None:
    found = cluster.Found(None, {}, {"quotas": [{"metric": "CPUS", "limit": 24.0, "usage": 1.0}], "name": "r"}, {})
    needs = cluster.quota_needs(WANT, found)
    assert needs == {"INSTANCES": 4, "SSD_TOTAL_GB": 600, "IN_USE_ADDRESSES": 4, "CPUS": 24}
    [short] = bad(cluster.judge_quotas(found, needs, "mine"))
    assert short.found == "23 of 24 CPUS are free in r"
    there = cluster.Found({"nodePools": [{"name": "default-pool"}, {"name": "p-1"}]}, {}, {}, {})
    assert cluster.quota_needs(WANT, there) == {}


# ---- this machine, the hub, charts -----------------------------------------------------------------------------------


def answering(*answers: tuple[int, Mapping[str, str], str]) -> local.Fetch:
    left = list(answers)

    def fetch(url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], str]:
        if not left:
            raise OSError("ConnectionError")
        return left.pop(0)

    return fetch


@pytest.mark.parametrize(
    ("status", "severity"), [(200, ""), (307, ""), (401, "error"), (403, "error"), (404, "error"), (500, "info")]
)
def test_the_hub_is_asked_for_the_model(status: int, severity: str) -> None:
    check = local.hub("https://hub", "Qwen/Qwen3-32B", "secret-token", answering((status, {}, "")))
    assert check.severity == severity
    assert "secret-token" not in str(check)


def test_a_hub_that_does_not_answer_stops_nothing() -> None:
    assert local.hub("https://hub", "m", "t", answering()).severity == "warning"


INDEX = "entries:\n  llm-d-infra:\n  - version: v1.4.0\n  - version: 1.3.9\n"


@pytest.mark.parametrize(
    ("chart", "answers", "severity"),
    [
        (local.Chart("r/llm-d-infra", "v1.4.0", "https://repo"), [(200, {}, INDEX)], ""),
        (local.Chart("r/llm-d-infra", "v1.3.9", "https://repo"), [(200, {}, INDEX)], ""),
        (local.Chart("r/llm-d-infra", "v1.4", "https://repo"), [(200, {}, INDEX)], "error"),
        (local.Chart("r/llm-d-infra", "v1.4.0", "https://repo"), [(404, {}, "")], "error"),
        (local.Chart("r/llm-d-infra", "v1.4.0", "https://repo"), [], "error"),
        (local.Chart("oci://reg/charts/pool", "v1", ""), [(200, {}, "")], ""),
        (local.Chart("oci://reg/charts/pool", "v1", ""), [(404, {}, "")], "error"),
        (
            local.Chart("oci://reg/charts/pool", "v1", ""),
            [
                (401, {"www-authenticate": 'Bearer realm="https://t",service="s"'}, ""),
                (200, {}, '{"token": "x"}'),
                (200, {}, ""),
            ],
            "",
        ),
        (local.Chart("/nowhere/pool", "", ""), [], "error"),
    ],
)
def test_charts_are_looked_for_where_helm_will(chart: local.Chart, answers: list[Any], severity: str) -> None:
    assert local.chart(chart, answering(*answers)).severity == severity


def test_programs_have_to_be_there_and_new_enough() -> None:
    def run(helm: str, helmfile: str) -> local.RunProgram:
        return lambda arguments: (0, helm if arguments[0] == "helm" else f'{{"version": "{helmfile}"}}')

    def missing(arguments: list[str]) -> tuple[int, str]:
        raise FileNotFoundError(2, "No such file or directory")

    assert local.programs("helm", "helmfile", run("v3.20.2", "1.4.4")).severity == ""
    assert "too old" in local.programs("helm", "helmfile", run("v3.2.0", "1.4.4")).found
    assert "cannot be run" in local.programs("helm", "helmfile", missing).found


def test_libraries_have_to_be_there_and_new_enough() -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert bad(local.libraries()) == []
    assert "is missing" in bad(local.libraries(absent))[0].found
    assert "kubernetes is 1.0" in bad(local.libraries(lambda _name: "1.0"))[0].found
