# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A deadline is kept, moved and acted on; a deployment that has none, or one that cannot be read, is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from plugins.module_utils._permissions import permissions_for, permissions_of
from sandbox.testing import running_cloud
from tests.integration.playbooks.run import CHECKOUT
from tests.integration.trouble.conftest import Attempt, Site

Json = dict[str, Any]
SMALL = {
    "deployment_capacity": "spot",
    "deployment_pool_count": 2,
    "deployment_prefill_replicas": 1,
    "deployment_decode_replicas": 1,
}
PAST = "2020-01-01t00-00-00z"


def only_google_s_part() -> str:
    """The playbook up, without what needs a live cluster."""
    [play] = yaml.safe_load((CHECKOUT / "playbooks" / "up.yml").read_text(encoding="utf-8"))
    settle, make = play["tasks"]
    wanted = ("preflight", "project_services", "network", "cluster", "tpu_pools")
    make["block"] = [
        task for task in make["block"] if task["ansible.builtin.include_role"]["name"].rpartition(".")[2] in wanted
    ]
    return yaml.safe_dump([{**play, "tasks": [settle, make]}])


@pytest.fixture(scope="module")
def up_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("expiry")
    with running_cloud(folder, time_scale=600) as cloud:
        (folder / "up.yml").write_text(only_google_s_part())
        yield Site(cloud, folder / "home")


def up(site: Site, **settings: Any) -> Attempt:
    attempt = site.run(str(site.home.parent / "up.yml"), **SMALL, **settings)
    assert attempt.run.status == 0, attempt.run.output
    return attempt


def expired_only(site: Site) -> Attempt:
    return site.run("teardown.yml", expired_only=True, **SMALL)


def cluster_path(site: Site) -> str:
    info = site.cloud.info
    return f"v1/projects/{info['project']}/locations/{info['region']}/clusters/qwen-serving-cluster"


def labels(site: Site) -> list[Json]:
    cluster = site.cloud.call("GET", cluster_path(site))
    pools = [pool for pool in cluster["nodePools"] if pool["name"].startswith("tpu-")]
    return [cluster["resourceLabels"], *(pool["config"]["resourceLabels"] for pool in pools)]


def relabel(site: Site, deadline: str) -> None:
    """Behind our back: everything says something else."""
    cluster = site.cloud.call("GET", cluster_path(site))
    body = {
        "resourceLabels": {**cluster["resourceLabels"], "llm-d-expires": deadline},
        "labelFingerprint": cluster["labelFingerprint"],
    }
    site.cloud.wait(site.cloud.call("POST", f"{cluster_path(site)}:setResourceLabels", body))
    for pool in cluster["nodePools"]:
        if pool["name"].startswith("tpu-"):
            mine = {**pool["config"]["resourceLabels"], "llm-d-expires": deadline}
            change = {"resourceLabels": {"labels": mine}}
            site.cloud.wait(site.cloud.call("PUT", f"{cluster_path(site)}/nodePools/{pool['name']}", change))


def test_the_life_of_a_deployment_with_a_deadline(up_site: Site) -> None:
    # A time to live becomes one deadline, on everything that costs.
    up(up_site, ttl="2h")
    [deadline] = {one["llm-d-expires"] for one in labels(up_site)}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dt\d\d-\d\d-\d\dz", deadline)
    assert len(labels(up_site)) == 3

    # Status tells it, and changes nothing.
    status = up_site.run("playbooks/status.yml", **SMALL)
    assert status.run.status == 0, status.run.output
    assert status.changes == []
    # On an idle machine that is 10 s of the wall at the most; a busy one counts more for the same work.
    assert status.run.cpu_seconds <= 20
    report = up_site.report("status.json")
    assert report["up"] is True and report["deadline"] == deadline and report["expiry"]["state"] == "alive"
    assert 15 < report["cost"]["per_hour"] < 16, "two machines of four chips, and the rest"
    assert f"it lives until {deadline}" in status.said

    # Spot capacity may vanish: the next run makes what is gone again, and nothing else; the deadline stays as it is.
    up_site.cloud.wait(up_site.cloud.call("DELETE", f"{cluster_path(up_site)}/nodePools/tpu-v6e-single-1"))
    [made] = up(up_site, ttl="2h").changes
    assert made.startswith("POST") and "nodePools" in made
    assert [one["llm-d-expires"] for one in labels(up_site)] == [deadline] * 3

    # A schedule leaves it alone.
    early = expired_only(up_site)
    assert early.run.status == 0 and early.changes == [], early.run.output
    assert "stays" in early.said

    # Extending it is one variable, counted from the same beginning.
    up(up_site, ttl="3h")
    [later] = {one["llm-d-expires"] for one in labels(up_site)}
    assert later[:11] >= deadline[:11] and later != deadline and later[14:] == deadline[14:]

    # What cannot be read is never acted on, and never passed over.
    relabel(up_site, "tomorrow")
    unreadable = expired_only(up_site)
    unreadable.refused("cannot be read", "tomorrow", "Nothing of sandbox was touched")
    assert unreadable.changes == []

    # What has passed goes, all of it.
    relabel(up_site, PAST)
    late = expired_only(up_site)
    assert late.run.status == 0, late.run.output
    assert up_site.report("teardown.json")["passed"] is True
    assert "clusters" not in up_site.cloud.call(
        "GET", f"v1/projects/{up_site.cloud.info['project']}/locations/-/clusters"
    )

    # Where nothing is, status says so.
    nothing = up_site.run("playbooks/status.yml", **SMALL)
    assert nothing.run.status == 0, nothing.run.output
    assert up_site.report("status.json")["up"] is False


# What a life without mishaps has no use for: repairs of what somebody changed, sweeps of what a cluster left, looks at
# other kinds of capacity, and weights in a bucket.
REPAIRS = {
    "compute.networks.update",
    "compute.networks.switchToCustomMode",
    "compute.subnetworks.update",
    "compute.subnetworks.expandIpCidrRange",
    "compute.subnetworks.setPrivateIpGoogleAccess",
    "compute.firewalls.update",
}


def test_the_documented_role_is_what_the_life_cycle_called(up_site: Site) -> None:
    """By the log of the sandbox: nothing was called that the role does not allow, and it allows nothing besides."""
    account = up_site.cloud.info["account"]
    called = {str(one["api_method"]) for one in up_site.cloud.requests(principal=account) if one["api_method"]}
    needed = {name for method in called for name in permissions_of(method)}
    role = set(
        yaml.safe_load((CHECKOUT / "docs" / "custom-role.yaml").read_text(encoding="utf-8"))["includedPermissions"]
    )
    assert len(called) > 25, called
    assert needed - role == set()
    elsewhere = {*permissions_for(["weights", "source_ranges", "leftovers", "preflight"]), *REPAIRS}
    assert role - needed - elsewhere == set()
    assert {"container.clusters.create", "container.clusters.update", "iam.serviceAccounts.actAs"} <= needed
