# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Networks that are somebody's, and ranges that are taken."""

from __future__ import annotations

from tests.integration.trouble.conftest import Site

OURS = "Network of a disaggregated llm-d service. [llm-d-deployment: sandbox]"


def test_a_network_that_is_not_ours_is_not_used(site: Site) -> None:
    site.cloud.enable("compute", "container")
    site.make_network("theirs-main")
    attempt = site.run("playbooks/up.yml", deployment_prefix="theirs")
    attempt.refused("network theirs-main", "carries no mark", "deployment_prefix", "deployment_network_manage")
    assert [change for change in attempt.changes if "services:batchEnable" not in change] == []


def test_a_range_that_is_taken_is_told_with_who_has_it_and_a_re_run_goes_on(site: Site) -> None:
    site.cloud.enable("compute", "container")
    site.make_network("ours-main", OURS)
    site.make_subnetwork("taken", "ours-main", "10.10.0.0/20")
    attempt = site.run("playbooks/up.yml", deployment_prefix="ours")
    attempt.refused("deployment_subnetwork_range 10.10.0.0/18", "taken", "does not overlap", "the same playbook again")
    assert "clusters" not in site.cloud.call("GET", f"v1/projects/{site.cloud.info['project']}/locations/-/clusters")

    # The cure: another range. That the run goes on is seen by the cluster it asks for, which it is refused.
    site.cloud.fault("container.projects.locations.clusters.create", status=403, message="no clusters today")
    again = site.run("playbooks/up.yml", deployment_prefix="ours", deployment_subnetwork_range="10.20.0.0/18")
    again.refused("ours-cluster", "no clusters today")
    # The refused run made nothing: the pods' and the proxies' subnetwork are both made now.
    assert sum("subnetworks" in change for change in again.changes) == 2, again.changes
