# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""google-cloud-container itself, with a service-account key, over REST."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth import credentials
from google.cloud import container_v1 as container
from google.cloud.container_v1.services.cluster_manager.transports import ClusterManagerRestTransport
from google.oauth2 import service_account

from tests.sandbox.container.gke import CLUSTER, PROJECT, REGION, Gke

PARENT = f"projects/{PROJECT}/locations/{REGION}"


@pytest.fixture
def library(gke: Gke) -> Any:
    """The official client, with credentials that google-auth makes of a key."""
    key = gke.cloud.auth.create_key(gke.cloud.settings.account_email, PROJECT)
    made: credentials.Credentials = service_account.Credentials.from_service_account_info(
        json.loads(json.dumps(key)), scopes=["https://www.googleapis.com/auth/cloud-platform"]
    ).with_always_use_jwt_access(True)
    transport = ClusterManagerRestTransport(host=gke.base.removeprefix("http://"), url_scheme="http", credentials=made)
    return container.ClusterManagerClient(transport=transport)


def _done(library: Any, operation: Any) -> Any:
    for _look in range(400):
        found = library.get_operation(name=f"{PARENT}/operations/{operation.name}")
        if found.status == container.Operation.Status.DONE:
            return found
        time.sleep(0.01)
    raise AssertionError(operation)


def test_life_of_a_cluster(gke: Gke, library: Any) -> None:
    gke.place()
    cluster = container.Cluster(
        name="c",
        network="net",
        subnetwork="sub",
        release_channel=container.ReleaseChannel(channel=container.ReleaseChannel.Channel.RAPID),
        network_config=container.NetworkConfig(datapath_provider=container.DatapathProvider.ADVANCED_DATAPATH),
        node_pools=[container.NodePool(name="default-pool", initial_node_count=1)],
    )
    operation = _done(library, library.create_cluster(parent=PARENT, cluster=cluster))
    assert operation.operation_type == container.Operation.Type.CREATE_CLUSTER
    found = library.get_cluster(name=f"{PARENT}/clusters/c")
    assert found.status == container.Cluster.Status.RUNNING
    assert found.release_channel.channel == container.ReleaseChannel.Channel.RAPID
    assert found.node_pools[0].max_pods_constraint.max_pods_per_node == 110
    assert [item.name for item in library.list_clusters(parent=f"projects/{PROJECT}/locations/-").clusters] == ["c"]
    pool = container.NodePool(
        name="tpu",
        initial_node_count=1,
        locations=["us-east5-a"],
        placement_policy=container.NodePool.PlacementPolicy(tpu_topology="2x2"),
        config=container.NodeConfig(
            machine_type="ct6e-standard-4t",
            reservation_affinity=container.ReservationAffinity(
                consume_reservation_type=container.ReservationAffinity.Type.SPECIFIC_RESERVATION,
                key="compute.googleapis.com/reservation-name",
                values=["tpu-v6e-reservation"],
            ),
        ),
    )
    _done(library, library.create_node_pool(parent=f"{PARENT}/clusters/c", node_pool=pool))
    assert library.get_node_pool(name=f"{PARENT}/clusters/c/nodePools/tpu").config.taints[0].key == "google.com/tpu"
    _done(library, library.delete_cluster(name=f"{PARENT}/clusters/c"))
    with pytest.raises(exceptions.NotFound, match="Not found: projects/"):
        library.get_cluster(name=f"{PARENT}/clusters/c")


def test_errors_arrive_as_the_librarys_own(gke: Gke, library: Any) -> None:
    gke.cluster()
    with pytest.raises(exceptions.Conflict):
        library.create_node_pool(
            parent=f"{PARENT}/clusters/c", node_pool=container.NodePool(name="default-pool", initial_node_count=1)
        )
    assert gke.read(CLUSTER)["status"] == "RUNNING"
