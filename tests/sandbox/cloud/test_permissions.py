# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Roles decide: what a caller without them is refused, and what testIamPermissions tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.cloud import permissions, policies
from sandbox.cloud.server import Serving
from tests.sandbox.cloud.client import PROJECT, Client

SOMEBODY = "somebody@example.com"


@pytest.fixture
def somebody(start: Callable[..., Serving]) -> Client:
    serving = start()
    return Client(serving, serving.cloud.auth.issue(SOMEBODY))


def grant(client: Client, *roles: str) -> None:
    bindings = [{"role": role, "members": [f"user:{SOMEBODY}"]} for role in roles]
    policies.set_policy(client.cloud, f"projects/{PROJECT}", {"bindings": bindings})


@pytest.mark.parametrize(
    ("method", "permission"),
    [
        ("compute.networks.insert", "compute.networks.create"),
        ("compute.subnetworks.aggregatedList", "compute.subnetworks.list"),
        ("compute.firewalls.patch", "compute.firewalls.update"),
        ("compute.globalOperations.wait", "compute.globalOperations.get"),
        ("container.projects.locations.clusters.create", "container.clusters.create"),
        ("container.projects.locations.clusters.setResourceLabels", "container.clusters.update"),
        ("container.projects.locations.clusters.nodePools.create", "container.clusters.update"),
        ("container.projects.locations.clusters.nodePools.list", "container.clusters.get"),
        ("container.projects.locations.operations.get", "container.operations.get"),
        ("iam.projects.serviceAccounts.keys.create", "iam.serviceAccountKeys.create"),
        ("serviceusage.services.batchEnable", "serviceusage.services.enable"),
        ("cloudresourcemanager.projects.setIamPolicy", "resourcemanager.projects.setIamPolicy"),
        ("cloudresourcemanager.projects.testIamPermissions", ""),
        ("storage.buckets.get", ""),
    ],
)
def test_the_permission_of_a_method(method: str, permission: str) -> None:
    assert permissions.needed(method) == permission


def test_without_a_role_everything_is_refused_in_each_apis_words(somebody: Client) -> None:
    network = somebody.compute("GET", "global/networks/net")
    assert (network.status, network.reason) == (403, "forbidden")
    where = f"projects/{PROJECT}/global/networks/net"
    assert network.message == f"Required 'compute.networks.get' permission for '{where}'"
    cluster = somebody.call("GET", f"/v1/projects/{PROJECT}/locations/us-east5/clusters/c")
    where = f"projects/{PROJECT}/locations/us-east5/clusters/c"
    assert cluster.message == f'Required "container.clusters.get" permission(s) for "{where}".'
    assert cluster.error["status"] == "PERMISSION_DENIED"
    assert somebody.call("GET", f"/v1/projects/{PROJECT}").message == "The caller does not have permission"
    account = somebody.call("POST", f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "some-account"})
    assert account.message.startswith("Permission 'iam.serviceAccounts.create' denied")


def test_a_role_allows_its_part(somebody: Client) -> None:
    grant(somebody, "roles/compute.networkAdmin", "roles/container.viewer")
    somebody.network()
    rule = {"name": "rule", "network": "global/networks/net", "allowed": [{"IPProtocol": "tcp"}]}
    assert somebody.compute("POST", "global/firewalls", rule).status == 403
    clusters = f"/v1/projects/{PROJECT}/locations/us-east5/clusters"
    assert somebody.call("GET", clusters).status == 200
    assert somebody.call("DELETE", f"{clusters}/c").status == 403


def test_who_asks_is_told_what_they_have(somebody: Client) -> None:
    grant(somebody, "roles/compute.networkAdmin")
    asked = ["compute.networks.create", "compute.firewalls.create", "container.clusters.create"]
    path = f"/v1/projects/{PROJECT}:testIamPermissions"
    assert somebody.call("POST", path, {"permissions": asked}).body == {"permissions": asked[:1]}
    grant(somebody)
    assert somebody.call("POST", path, {"permissions": asked}).body == {}
    grant(somebody, "roles/owner")
    assert somebody.call("POST", path, {"permissions": asked}).body == {"permissions": asked}
    tokens = ["iam.serviceAccounts.getAccessToken"]
    assert somebody.call("POST", path, {"permissions": tokens}).body == {}
