# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Google's own Python clients against the sandbox, with a service-account key: they sign their own JWTs."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, NotFound
from google.cloud import compute_v1, container_v1
from google.oauth2 import service_account

from tests.sandbox.cloud.client import PROJECT, Client

REGION = "us-east5"
PARENT = f"projects/{PROJECT}/locations/{REGION}"


class Clients:
    def __init__(self, api: Client) -> None:
        key = api.cloud.auth.create_key(api.cloud.settings.account_email, PROJECT)
        self._credentials = service_account.Credentials.from_service_account_info(key)
        self._options = {"api_endpoint": api.base}

    def compute(self, name: str) -> Any:
        return getattr(compute_v1, name)(credentials=self._credentials, client_options=self._options)

    def container(self) -> Any:
        return container_v1.ClusterManagerClient(
            credentials=self._credentials, client_options=self._options, transport="rest"
        )

    def done(self, operation: Any) -> Any:
        if "/regions/" in operation.self_link:
            waiter = self.compute("RegionOperationsClient")
            return waiter.wait(project=PROJECT, region=REGION, operation=operation.name)
        return self.compute("GlobalOperationsClient").wait(project=PROJECT, operation=operation.name)


@pytest.fixture
def clients(api: Client) -> Clients:
    return Clients(api)


def test_network_and_subnet_live_their_life(clients: Clients) -> None:
    networks, subnets = clients.compute("NetworksClient"), clients.compute("SubnetworksClient")
    network = compute_v1.Network(name="net", auto_create_subnetworks=False, mtu=8896)
    clients.done(networks.insert(project=PROJECT, network_resource=network))
    found = networks.get(project=PROJECT, network="net")
    assert (found.mtu, found.routing_config.routing_mode) == (8896, "REGIONAL")
    subnet = compute_v1.Subnetwork(
        name="proxy",
        network=found.self_link,
        ip_cidr_range="172.16.0.0/26",
        purpose="REGIONAL_MANAGED_PROXY",
        role="ACTIVE",
    )
    clients.done(subnets.insert(project=PROJECT, region=REGION, subnetwork_resource=subnet))
    request = compute_v1.AggregatedListSubnetworksRequest(project=PROJECT, include_all_scopes=True)
    names = [item.name for _scope, entry in subnets.aggregated_list(request=request) for item in entry.subnetworks]
    assert names == ["proxy"]
    failed = clients.done(networks.delete(project=PROJECT, network="net"))
    assert failed.error.errors[0].code == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
    assert failed.http_error_status_code == 400
    clients.done(subnets.delete(project=PROJECT, region=REGION, subnetwork="proxy"))
    clients.done(networks.delete(project=PROJECT, network="net"))
    with pytest.raises(NotFound):
        networks.get(project=PROJECT, network="net")


def test_refusals_arrive_as_the_exceptions_that_clients_expect(clients: Clients) -> None:
    networks = clients.compute("NetworksClient")
    network = compute_v1.Network(name="net", auto_create_subnetworks=False)
    clients.done(networks.insert(project=PROJECT, network_resource=network))
    with pytest.raises(Conflict):
        networks.insert(project=PROJECT, network_resource=network)
    with pytest.raises(BadRequest, match="Invalid value for field"):
        networks.insert(project=PROJECT, network_resource=compute_v1.Network(name="N", auto_create_subnetworks=False))
    with pytest.raises(Forbidden):
        networks.get(project="nobody", network="net")


def test_pages_are_followed(clients: Clients, api: Client) -> None:
    api.network(auto=True)
    request = compute_v1.AggregatedListSubnetworksRequest(project=PROJECT, max_results=7)
    pages = clients.compute("SubnetworksClient").aggregated_list(request=request)
    names = [item.self_link for _scope, entry in pages for item in entry.subnetworks]
    assert len(set(names)) == len(names) == 42


def test_enums_travel_as_numbers_to_and_from_the_container_client(clients: Clients, api: Client) -> None:
    """google-cloud-container sends enum numbers; a network that is missing shows that the body was understood."""
    cluster = container_v1.Cluster(
        name="c",
        network="none",
        release_channel={"channel": container_v1.ReleaseChannel.Channel.RAPID},
        network_config={"datapath_provider": container_v1.DatapathProvider.ADVANCED_DATAPATH},
        node_pools=[{"name": "p", "initial_node_count": 1}],
    )
    with pytest.raises(BadRequest, match="none"):
        clients.container().create_cluster(parent=PARENT, cluster=cluster)
    body = {"cluster": {"name": "c", "releaseChannel": {"channel": 99}, "nodePools": [{"name": "p"}]}}
    answer = api.call("POST", f"/v1/{PARENT}/clusters", body)
    assert answer.status == 400
    assert "Invalid value at 'cluster.release_channel.channel'" in answer.message
    config = clients.container().get_server_config(name=PARENT)
    assert container_v1.ReleaseChannel.Channel.RAPID in {channel.channel for channel in config.channels}
    query: dict[str, Any] = {"$alt": "json;enum-encoding=int"}
    raw = api.call("GET", f"/v1/{PARENT}/serverConfig", **query)
    assert {type(channel["channel"]) for channel in raw.body["channels"]} == {int}
