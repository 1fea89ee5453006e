# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What others have in the same project, under names that look like ours; and what GKE's controllers leave on a network
whose cluster went first."""

from __future__ import annotations

import json
from typing import Any

from sandbox.cluster.loadbalancer.names import Names
from tests.chaos.scene import MACHINE
from tests.chaos.world import World

Json = dict[str, Any]
THEIRS = "their-main"
THEIR_CLUSTER = "their-cluster"


def gateway(world: World, network: str, subnetwork: str, cluster: str, uid: str) -> list[str]:
    """The parts of a gateway, as GKE makes them, on a network: their paths."""
    project, region, zone = world.place.project, world.place.region, world.place.zone
    names = Names(uid)
    made: list[str] = []
    where = f"/projects/{project}/locations/{region}/clusters/{cluster}"
    description = json.dumps({"K8sResource": "/namespaces/llm-d-pd/gateways/infra-pd", "K8sCluster": where})

    def make(scope: str, collection: str, **body: Any) -> str:
        path = f"projects/{project}/{scope}/{collection}"
        world.call("POST", f"compute/v1/{path}", body)
        made.append(f"{path}/{body['name']}")
        return made[-1]

    here = f"regions/{region}"
    backend_name = names.of_backend("llm-d-pd", "gaie-pd-ip", 54321)
    make(
        "global",
        "firewalls",
        name=names.of_firewall(network.rpartition("/")[2], region),
        network=network,
        allowed=[{"IPProtocol": "tcp", "ports": ["0-65535"]}],
        sourceRanges=["130.211.0.0/22"],
        description=json.dumps({"kubernetes.io/cluster": cluster}),
    )
    check = make(here, "healthChecks", name=backend_name, type="HTTP", httpHealthCheck={"requestPath": "/health"})
    groups = [
        make(
            f"zones/{zone}",
            "networkEndpointGroups",
            name=names.of_neg("llm-d-pd", f"gaie-pd-{number}", 54321),
            networkEndpointType="GCE_VM_IP_PORT",
            network=network,
            subnetwork=subnetwork,
        )
        for number in range(2)
    ]
    managed = "INTERNAL_MANAGED"
    backend = make(
        here,
        "backendServices",
        name=backend_name,
        description=description,
        protocol="HTTP",
        loadBalancingScheme=managed,
        healthChecks=[check],
        backends=[
            {"group": g, "balancingMode": "RATE", "maxRatePerEndpoint": 100, "capacityScaler": 1} for g in groups
        ],
    )
    # Only the default action names the backend, as in GKE's own maps.
    url_map = make(
        here,
        "urlMaps",
        name=names.of_gateway("llm-d-pd", "infra-pd", "map"),
        description=description,
        defaultRouteAction={"weightedBackendServices": [{"backendService": backend, "weight": 1}]},
    )
    proxy = make(here, "targetHttpProxies", name=names.of_gateway("llm-d-pd", "infra-pd", "proxy"), urlMap=url_map)
    address = make(
        here,
        "addresses",
        name=names.of_gateway("llm-d-pd", "infra-pd", "address"),
        addressType="INTERNAL",
        purpose="SHARED_LOADBALANCER_VIP",
        subnetwork=subnetwork,
    )
    make(
        here,
        "forwardingRules",
        name=names.of_gateway("llm-d-pd", "infra-pd", "rule"),
        description=description,
        IPAddress=address,
        IPProtocol="TCP",
        portRange="80-80",
        loadBalancingScheme=managed,
        target=proxy,
        network=network,
        subnetwork=subnetwork,
    )
    make(
        f"zones/{zone}",
        "disks",
        name=f"pvc-{uid}",
        sizeGb="10",
        labels={"goog-k8s-cluster-name": cluster, "goog-k8s-cluster-location": region},
        description=json.dumps({"storage.gke.io/created-by": "pd.csi.storage.gke.io"}),
    )
    return made


def move_in(world: World) -> dict[str, Json]:
    """A network with subnetworks, a cluster and its gateway, of somebody else; path → body."""
    project, region, zone = world.place.project, world.place.region, world.place.zone
    compute = f"compute/v1/projects/{project}"
    before = set(world.paths())
    network = f"projects/{project}/global/networks/{THEIRS}"
    mark = "[llm-d-deployment: theirs]"
    world.call(
        "POST",
        f"{compute}/global/networks",
        {"name": THEIRS, "autoCreateSubnetworks": False, "description": mark},
    )
    subnetwork = f"projects/{project}/regions/{region}/subnetworks/their-tpu"
    for body in (
        {"name": "their-tpu", "ipCidrRange": "10.10.0.0/18"},
        {"name": "their-proxy", "ipCidrRange": "172.16.0.0/26", "purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE"},
    ):
        world.call("POST", f"{compute}/regions/{region}/subnetworks", {**body, "network": network, "description": mark})
    rule = {"name": "their-allow-internal", "network": network, "allowed": [{"IPProtocol": "all"}]}
    world.call("POST", f"{compute}/global/firewalls", {**rule, "sourceRanges": ["10.0.0.0/8"]})
    pool = {
        "name": "chaos-tpu-1",
        "initialNodeCount": 1,
        "locations": [zone],
        "config": {"machineType": MACHINE, "resourceLabels": {"llm-d-deployment": "theirs"}},
    }
    cluster = {
        "name": THEIR_CLUSTER,
        "network": network,
        "subnetwork": subnetwork,
        "ipAllocationPolicy": {"useIpAliases": True},
        "nodePools": [{"name": "default-pool", "initialNodeCount": 1}, pool],
        "resourceLabels": {"llm-d-deployment": "theirs"},
    }
    world.call("POST", f"v1/projects/{project}/locations/{region}/clusters", {"cluster": cluster})
    gateway(world, network, subnetwork, THEIR_CLUSTER, "their-uid")
    return {path: world.body(path) or {} for path in set(world.paths()) - before}
