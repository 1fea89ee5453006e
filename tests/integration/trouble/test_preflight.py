# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Everything that is wrong is told in one run, before a cent is spent; and nothing that is right is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox.cloud.unixhttp import call
from tests.integration.trouble.conftest import TOKEN, Site

BILLING = "billingInfo"


class Hub(BaseHTTPRequestHandler):
    """A model hub that knows no token."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def hub() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def open_site(site: Site) -> Site:
    """A project whose APIs are on, so that all of it can be looked at."""
    site.cloud.enable("compute", "container", "iam", "cloudresourcemanager", "cloudbilling")
    return site


def test_an_empty_project_is_looked_at_without_being_touched(site: Site) -> None:
    """Before anything is switched on: what cannot be seen is told, and is no error."""
    attempt = site.run("playbooks/preflight.yml")
    assert attempt.run.status == 0, attempt.run.output
    assert attempt.changes == []
    assert attempt.run.recap("changed") == 0
    report = site.report("preflight.json")
    assert report["passed"] is True
    assert {finding["severity"] for finding in report["findings"]} == {"warning", "info"}
    assert report["cost"]["per_hour"] > 90
    assert set(report["checks"][0]) == {"name", "passed", "expected", "actual", "remedy"}


def test_ten_findings_are_told_at_once(open_site: Site, hub: ThreadingHTTPServer) -> None:
    project = open_site.cloud.info["project"]
    open_site.make_network("qwen-serving-main")
    open_site.make_subnetwork("taken", "qwen-serving-main", "10.10.0.0/20")
    open_site.cloud.call("PUT", f"v1/projects/{project}/{BILLING}", {"billingAccountName": ""})
    attempt = open_site.run(
        "playbooks/preflight.yml",
        preflight_hub=f"http://127.0.0.1:{hub.server_address[1]}",
        deployment_reservation="nowhere",
        deployment_pool_count=7,
        deployment_helm="/nowhere/helm",
        llm_d_charts_dir="/nowhere/charts",
        llm_d_image_vllm="vllm/vllm-tpu:nightly",
        cluster_default_pool_machine_type="e2-standard-32",
        cluster_default_pool_node_count=30,
        cost_limit_per_hour=1,
        ttl="2020-01-01T00:00Z",
    )
    open_site.cloud.call(
        "PUT", f"v1/projects/{project}/{BILLING}", {"billingAccountName": "billingAccounts/012345-567890-ABCDEF"}
    )
    attempt.refused(
        "no billing account is linked",
        "Reservation nowhere of project llm-d-sandbox does not exist",
        "network qwen-serving-main exists, and it carries no mark",
        "overlaps 10.10.0.0/20, which subnetwork taken",
        "8 model servers",
        "/nowhere/helm cannot be run",
        "/nowhere/charts/inferencepool holds no chart",
        "the hub does not know the token",
        "vllm/vllm-tpu:nightly",
        "CPUS are free in us-east5",
        "cost_limit_per_hour",
        "which is past",
        "networkservices.googleapis.com off",
    )
    assert attempt.changes == []
    assert TOKEN not in attempt.run.output
    assert hub.asked == ["/Qwen/Qwen3-32B/resolve/main/config.json"]  # type: ignore[attr-defined]
    # On an idle machine that is 15 s of the wall at the most; a busy one counts more for the same work.
    assert attempt.run.cpu_seconds <= 30
    report = open_site.report("preflight.json")
    assert report["passed"] is False
    errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
    assert len(errors) == report["errors"] >= 12
    for finding in report["findings"]:
        assert set(finding) == {"name", "severity", "found", "needed", "remedy"}
        assert finding["remedy"], finding


def test_a_permission_that_is_missing_is_named(open_site: Site) -> None:
    """Somebody took the owner's role away, and gave three smaller ones."""
    project, account = open_site.cloud.info["project"], open_site.cloud.info["account"]
    policy = open_site.cloud.call("POST", f"v1/projects/{project}:getIamPolicy", {})
    roles = ("roles/compute.admin", "roles/container.admin", "roles/serviceusage.serviceUsageAdmin")
    smaller = [{"role": role, "members": [f"serviceAccount:{account}"]} for role in roles]
    open_site.cloud.call("POST", f"v1/projects/{project}:setIamPolicy", {"policy": {"bindings": smaller}})
    try:
        attempt = open_site.run("playbooks/up.yml", deployment_prefix="mine")
    finally:
        # Not as the account itself, which may no longer do so.
        before = {"policy": {"bindings": policy["bindings"]}}
        call(open_site.cloud.info["cloud_socket"], "POST", f"/v1/projects/{project}:setIamPolicy", before)
    attempt.refused("iam.serviceAccounts.actAs", "docs/preflight.md", "gcloud projects add-iam-policy-binding")
    assert attempt.changes == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deployment_capacity": "flex_start", "deployment_reservation": "mine"}, "draws on none by name"),
        ({"deployment_capacity": "queued", "deployment_max_run_duration": "8d"}, "deployment_max_run_duration"),
    ],
)
def test_capacity_that_contradicts_itself_is_refused(open_site: Site, settings: dict[str, str], words: str) -> None:
    attempt = open_site.run("playbooks/up.yml", "--check", **settings)
    attempt.refused(words)
    assert attempt.changes == []


def test_a_price_table_that_makes_no_sense_is_refused(open_site: Site) -> None:
    attempt = open_site.run("playbooks/preflight.yml", deployment_prices={"cluster_hour": "cheap"})
    attempt.refused("cluster_hour is 'cheap', no price", "docs/cost.md")
