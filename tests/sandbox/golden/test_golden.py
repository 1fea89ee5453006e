# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Calls that were recorded against Google: the sandbox agrees on status, reason, operation and shape of the answer.

The requests are ours; statuses, reasons, operation types and shapes are what Google answered to requests of this kind.
Where the sandbox differs, ``DIFFERENCES`` says where and why. Recorded and out of scope (the sandbox answers 501 by
name, or has no such API): projects.create and billing, KMS, Pub/Sub, Network Connectivity hubs,
desiredAdditionalIpRangesConfig, and a registry's client certificate that was refused although it was there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import apis
from sandbox.cloud.app import Cloud
from sandbox.cloud.discovery import Catalog
from sandbox.cloud.request import Project
from sandbox.cloud.server import Serving
from sandbox.cloud.settings import Settings
from tests.sandbox.cloud.client import PROJECT, Answer, Client
from tests.sandbox.golden.golden import differences, shapes

Json = dict[str, Any]

NETWORK = f"/compute/v1/projects/{PROJECT}/global/networks"
REGION = f"/compute/v1/projects/{PROJECT}/regions/us-central1"
ZONE = f"/compute/v1/projects/{PROJECT}/zones/us-central1-a"
GKE = f"/v1beta1/projects/{PROJECT}/locations"
ZONAL, REGIONAL = f"{GKE}/us-central1-a/clusters", f"{GKE}/us-central1/clusters"
ACCOUNTS = f"/v1/projects/{PROJECT}/serviceAccounts"
ACCOUNT = f"{ACCOUNTS}/golden-sa@{PROJECT}.iam.gserviceaccount.com"
BUCKET = "/storage/v1/b/golden-bucket"

# Newer than the recording, or older: fields that came with a version of GKE (the sandbox is 1.35.4).
NEW_FIELDS = r"\+(.*\.)?(nodeReadinessConfig|nodeCreationConfig\.\w+|nodeImageConfig\.\w+|kubeletCertInfo\.\w+)"
# Recorded minutes after the create, when GKE had not counted the nodes' ranges yet; the sandbox counts at once.
RANGE_USE = r"\+(.*\.)?(defaultPodIpv4RangeUtilization|podIpv4RangeUtilization)"
DIFFERENCES = {
    "cluster, zonal": NEW_FIELDS,
    "cluster, with add-ons": rf"{NEW_FIELDS}|.addonsConfig\.(istio|kalm|cloudRun)Config.*",  # beta add-ons, long gone
    "cluster, with Dataplane V2": f"{NEW_FIELDS}|{RANGE_USE}",
    "cluster, with monitoring off": f"{NEW_FIELDS}|{RANGE_USE}",
    "cluster, regional": NEW_FIELDS,
    "pool, autoscaled": NEW_FIELDS,
    "pool, regional": NEW_FIELDS,
    "pool, resized": NEW_FIELDS,
    "pool, with swap": NEW_FIELDS,
}


@dataclass(frozen=True)
class Call:
    """``says`` is an error's reason, or an operation's type and status; ``shape`` a name in shapes.json."""

    method: str
    path: str
    body: Json | None = None
    status: int = 200
    says: str = ""
    shape: str = ""
    query: Json = field(default_factory=dict)


def read(path: str, shape: str) -> Call:
    return Call("GET", path, shape=shape)


def absent(path: str, shape: str) -> Call:
    return Call("GET", path, status=404, says="notFound", shape=shape)


def changed(call: Call, *, kind: str, shape: str = "") -> tuple[Call, Call]:
    """A compute call with its operation at the end."""
    where = "regional" if "/regions/" in call.path else "zonal" if "/zones/" in call.path else "compute"
    place = re.match(r"/compute/v1/projects/[^/]+/(global|regions/[^/]+|zones/[^/]+)", call.path)
    assert place is not None
    first = Call(call.method, call.path, call.body, says=f"{kind} RUNNING", shape=f"{where} operation, first")
    done = shape or (f"{where} operation, done" if where != "zonal" else "")
    return first, Call("GET", f"{place[0]}/operations/{{operation}}", says=f"{kind} DONE", shape=done, query=call.query)


def operated(
    method: str, path: str, body: Json | None, kind: str, first: str, done: str = "other container operation, done"
) -> tuple[Call, Call]:
    """A container call with its operation at the end."""
    place = re.match(rf"{GKE}/[^/]+", path)
    assert place is not None
    start = Call(method, path, body, says=f"{kind} {first}", shape="container operation, first")
    return start, Call("GET", f"{place[0]}/operations/{{operation}}", says=f"{kind} DONE", shape=done)


def cluster(where: str, **fields: Any) -> tuple[Call, Call]:
    """As the recording client asks: with empty messages and false values."""
    asked = {
        "name": "c",
        "network": f"projects/{PROJECT}/global/networks/default",
        "initialNodeCount": 1,
        "autopilot": {"enabled": False},
        "autoscaling": {"enableNodeAutoprovisioning": False},
        "maintenancePolicy": {"window": {}},
        "networkPolicy": {},
        "notificationConfig": {"pubsub": {}},
        "resourceLabels": {"team": "x"},
        **fields,
    }
    return operated("POST", where, {"cluster": asked}, "CREATE_CLUSTER", "RUNNING", "cluster create, done")


def update(where: str, **fields: Any) -> tuple[Call, Call]:
    return operated("PUT", f"{where}/c", {"update": fields}, "UPDATE_CLUSTER", "RUNNING")


def deleted(where: str) -> tuple[Call, Call]:
    return operated("DELETE", f"{where}/c", None, "DELETE_CLUSTER", "RUNNING")


def pool(where: str, **fields: Any) -> tuple[Call, Call]:
    asked = {"name": "p", "networkConfig": {}, **fields}
    return operated("POST", f"{where}/c/nodePools", {"nodePool": asked}, "CREATE_NODE_POOL", "PENDING")


def pool_deleted(where: str) -> tuple[Call, Call]:
    return operated("DELETE", f"{where}/c/nodePools/p", None, "DELETE_NODE_POOL", "PENDING")


DEFAULT_VARIANT = {"loggingConfig": {"variantConfig": {"variant": "DEFAULT"}}}
TAINT = {"key": "first", "value": "one", "effect": "NO_SCHEDULE"}
SCALING = {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3, "totalMinNodeCount": 0, "totalMaxNodeCount": 0}
ADDONS_ON: Json = {
    "configConnectorConfig": {"enabled": True},
    "dnsCacheConfig": {"enabled": True},
    "gcePersistentDiskCsiDriverConfig": {"enabled": True},
    "gcpFilestoreCsiDriverConfig": {"enabled": True},
    "gcsFuseCsiDriverConfig": {"enabled": True},
    "gkeBackupAgentConfig": {"enabled": True},
    "horizontalPodAutoscaling": {"disabled": False},
    "httpLoadBalancing": {"disabled": False},
    "networkPolicyConfig": {"disabled": False},
    "parallelstoreCsiDriverConfig": {"enabled": True},
}
ADDONS_OFF = {
    name: {"disabled": True} if "disabled" in value else {"enabled": False} for name, value in ADDONS_ON.items()
}
AUTOPROVISIONED = {
    "autoscalingProfile": "BALANCED",
    "enableNodeAutoprovisioning": True,
    "autoprovisioningNodePoolDefaults": {
        "bootDiskKmsKey": f"projects/{PROJECT}/locations/us-central1/keyRings/r/cryptoKeys/k",
        "diskSizeGb": 100,
        "imageType": "COS_CONTAINERD",
        "minCpuPlatform": "automatic",
        "serviceAccount": "default",
        "upgradeSettings": {},
    },
    "resourceLimits": [{"resourceType": "cpu", "minimum": "10", "maximum": "100"}],
}
PRIVATE_GATEWAY = {
    "name": "g",
    "type": "PRIVATE",
    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
    "subnetworks": [
        {"name": f"projects/{PROJECT}/regions/us-central1/subnetworks/s", "sourceIpRangesToNat": ["ALL_IP_RANGES"]}
    ],
    "rules": [
        {
            "ruleNumber": 100,
            "description": "d",
            "match": "nexthop.hub == 'https://networkconnectivity.googleapis.com/v1/h'",
            "action": {
                "sourceNatActiveRanges": [f"projects/{PROJECT}/regions/us-central1/subnetworks/s"],
                "sourceNatDrainRanges": [f"projects/{PROJECT}/regions/us-central1/subnetworks/s"],
            },
        }
    ],
}
CUSTOM = {"name": "n", "autoCreateSubnetworks": False, "enableUlaInternalIpv6": False}
SUBNET = {
    "name": "s",
    "network": f"projects/{PROJECT}/global/networks/n",
    "ipCidrRange": "10.2.0.0/16",
    "logConfig": {"enable": False},
}
MACHINES: Json = {
    "name": "r",
    "description": "d",
    "specificReservation": {
        "count": 2,
        "instanceProperties": {"machineType": "n2-standard-2", "minCpuPlatform": "Intel Ice Lake"},
    },
}
SHARED: Json = {"shareType": "SPECIFIC_PROJECTS", "projectMap": {"other": {"projectId": "other"}}}

STORIES: dict[str, list[Call | tuple[Call, Call]]] = {
    "an auto mode network": [
        absent(f"{NETWORK}/n", "compute 404"),
        changed(Call("POST", NETWORK, {"name": "n", "autoCreateSubnetworks": True}), kind="insert"),
        read(f"{NETWORK}/n", "network, auto"),
        changed(
            Call("PATCH", f"{NETWORK}/n", {"routingConfig": {"routingMode": "GLOBAL"}}), kind="compute.networks.patch"
        ),
        read(f"{NETWORK}/n", "network, auto"),
        changed(Call("DELETE", f"{NETWORK}/n"), kind="delete"),
    ],
    "a network with a profile": [
        changed(
            Call("POST", NETWORK, CUSTOM | {"networkProfile": f"projects/{PROJECT}/global/networkProfiles/p"}),
            kind="insert",
        ),
        read(f"{NETWORK}/n", "network with a profile"),
        changed(Call("PATCH", f"{NETWORK}/n", {"enableUlaInternalIpv6": True}), kind="updateNetwork"),
        read(f"{NETWORK}/n", "network with a profile and IPv6"),
        changed(Call("DELETE", f"{NETWORK}/n"), kind="delete"),
    ],
    "a network in use": [
        changed(Call("POST", NETWORK, CUSTOM), kind="insert"),
        absent(f"{REGION}/subnetworks/s", "compute 404"),
        changed(Call("POST", f"{REGION}/subnetworks", SUBNET), kind="insert"),
        read(f"{REGION}/subnetworks/s", "subnetwork"),
        changed(
            Call("POST", f"{REGION}/routers", {"name": "r", "network": SUBNET["network"], "description": "d"}),
            kind="insert",
        ),
        read(f"{REGION}/routers/r", "router"),
        changed(Call("PATCH", f"{REGION}/routers/r", {"nats": [PRIVATE_GATEWAY]}), kind="patch"),
        read(f"{REGION}/routers/r", "router with a private gateway"),
        changed(Call("DELETE", f"{REGION}/routers/r"), kind="delete"),
        changed(Call("DELETE", f"{NETWORK}/n"), kind="delete", shape="network delete, failed"),
        changed(Call("DELETE", f"{REGION}/subnetworks/s"), kind="delete"),
        changed(Call("DELETE", f"{NETWORK}/n"), kind="delete"),
    ],
    "a reservation": [
        absent(f"{ZONE}/reservations/r", "compute 404"),
        changed(Call("POST", f"{ZONE}/reservations", MACHINES), kind="insert"),
        read(f"{ZONE}/reservations/r", "reservation"),
        changed(Call("DELETE", f"{ZONE}/reservations/r"), kind="delete"),
    ],
    "a shared reservation": [
        Call("GET", "/v1/projects/absent-project", status=403, says="forbidden", shape="container 404"),
        changed(
            Call(
                "POST",
                f"{ZONE}/reservations",
                {
                    **MACHINES,
                    "specificReservation": {"count": 1, "instanceProperties": {"machineType": "n2-standard-2"}},
                    "shareSettings": SHARED,
                },
            ),
            kind="insert",
        ),
        read(f"{ZONE}/reservations/r", "shared reservation"),
        Call(
            "PATCH",
            f"{ZONE}/reservations/r",
            {"name": "r", "shareSettings": SHARED},
            says="compute.allocations.update RUNNING",
            shape="zonal operation, first",
            query={"paths": "shareSettings.projectMap.other"},
        ),
        read(f"{ZONE}/reservations/r", "shared reservation"),
        changed(Call("DELETE", f"{ZONE}/reservations/r"), kind="delete"),
    ],
    "a zonal cluster and an autoscaled pool": [
        absent(f"{ZONAL}/c", "container 404"),
        cluster(ZONAL),
        read(f"{ZONAL}/c", "cluster, zonal"),
        Call("GET", "{igm}", shape="instance group manager"),
        absent(f"{ZONAL}/c/nodePools/p", "container 404"),
        pool(ZONAL, autoscaling=SCALING, config={**DEFAULT_VARIANT, "taints": [TAINT]}),
        read(f"{ZONAL}/c/nodePools/p", "pool, autoscaled"),
        operated(
            "PUT",
            f"{ZONAL}/c",
            {"update": {"desiredNodePoolId": "p", "desiredNodePoolAutoscaling": {**SCALING, "maxNodeCount": 5}}},
            "UPDATE_CLUSTER",
            "PENDING",
            "autoscaling update, done",
        ),
        operated(
            "PUT",
            f"{ZONAL}/c/nodePools/p",
            {"name": "p", "taints": {"taints": [{**TAINT, "key": "second"}]}},
            "UPGRADE_NODES",
            "PENDING",
            "node upgrade, done",
        ),
        pool_deleted(ZONAL),
        deleted(ZONAL),
    ],
    "a pool that is refused": [
        cluster(ZONAL),
        Call(
            "POST",
            f"{ZONAL}/c/nodePools",
            {"nodePool": {"name": "p", "initialNodeCount": 1, "config": {"machineType": "x9-huge-1"}}},
            status=400,
            says="badRequest",
            shape="container 400",
        ),
        absent(f"{ZONAL}/c/nodePools/p", "container 404"),
        deleted(ZONAL),
    ],
    "a resized pool on a subnetwork of its own": [
        changed(Call("POST", NETWORK, CUSTOM), kind="insert"),
        changed(Call("POST", f"{REGION}/subnetworks", {**SUBNET, "privateIpGoogleAccess": False}), kind="insert"),
        cluster(ZONAL, network="n", subnetwork="s"),
        read(f"{REGION}/subnetworks/s", "subnetwork with a cluster"),
        pool(ZONAL, initialNodeCount=1, networkConfig={"enablePrivateNodes": False}),
        operated("POST", f"{ZONAL}/c/nodePools/p:setSize", {"nodeCount": 2}, "SET_NODE_POOL_SIZE", "PENDING"),
        read(f"{ZONAL}/c/nodePools/p", "pool, resized"),
        pool_deleted(ZONAL),
        deleted(ZONAL),
        read(f"{REGION}/subnetworks/s", "subnetwork"),
        changed(Call("DELETE", f"{REGION}/subnetworks/s"), kind="delete"),
        changed(Call("DELETE", f"{NETWORK}/n"), kind="delete"),
    ],
    "a pool with swap": [
        cluster(ZONAL),
        pool(
            ZONAL,
            initialNodeCount=1,
            config={
                **DEFAULT_VARIANT,
                "machineType": "e2-medium",
                "linuxNodeConfig": {
                    "cgroupMode": "CGROUP_MODE_V2",
                    "swapConfig": {"enabled": True, "bootDiskProfile": {"swapSizePercent": 10}},
                },
            },
        ),
        read(f"{ZONAL}/c/nodePools/p", "pool, with swap"),
        operated(
            "PUT",
            f"{ZONAL}/c/nodePools/p",
            {"nodePoolId": "p", "linuxNodeConfig": {"swapConfig": {"enabled": False}}},
            "UPGRADE_NODES",
            "PENDING",
            "node upgrade, done",
        ),
        pool_deleted(ZONAL),
        deleted(ZONAL),
    ],
    "add-ons": [
        cluster(
            ZONAL,
            releaseChannel={"channel": "RAPID"},
            addonsConfig=ADDONS_ON,
            workloadIdentityConfig={"workloadPool": f"{PROJECT}.svc.id.goog"},
        ),
        update(ZONAL, desiredAddonsConfig=ADDONS_OFF),
        update(ZONAL, desiredAddonsConfig=ADDONS_ON),
        read(f"{ZONAL}/c", "cluster, with add-ons"),
        deleted(ZONAL),
    ],
    "Dataplane V2": [
        cluster(
            ZONAL,
            networkConfig={
                "datapathProvider": "ADVANCED_DATAPATH",
                "inTransitEncryptionConfig": "IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT",
            },
        ),
        read(f"{ZONAL}/c", "cluster, with Dataplane V2"),
        update(ZONAL, desiredInTransitEncryptionConfig="IN_TRANSIT_ENCRYPTION_DISABLED"),
        deleted(ZONAL),
    ],
    "monitoring and labels": [
        cluster(
            ZONAL,
            autoscaling=AUTOPROVISIONED,
            ipAllocationPolicy={"useIpAliases": True, "clusterIpv4CidrBlock": "/20", "servicesIpv4CidrBlock": "/20"},
            notificationConfig={"pubsub": {"enabled": True, "topic": f"projects/{PROJECT}/topics/t"}},
            nodeConfig={
                **DEFAULT_VARIANT,
                "machineType": "n4-standard-2",
                "advancedMachineFeatures": {"enableNestedVirtualization": True},
                "linuxNodeConfig": {"sysctls": {"net.core.somaxconn": "4096"}},
            },
        ),
        update(ZONAL, desiredLoggingService="none", desiredMonitoringService="none"),
        operated(
            "POST",
            f"{ZONAL}/c:setResourceLabels",
            {"labelFingerprint": "{labelFingerprint}", "resourceLabels": {"team": "y"}},
            "UPDATE_CLUSTER",
            "RUNNING",
        ),
        read(f"{ZONAL}/c", "cluster, with monitoring off"),
        update(ZONAL, desiredLoggingConfig={"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}),
        deleted(ZONAL),
    ],
    "a regional cluster and its pool": [
        absent(f"{REGIONAL}/c", "container 404"),
        cluster(REGIONAL),
        pool(
            REGIONAL,
            autoscaling=SCALING,
            config={
                **DEFAULT_VARIANT,
                "machineType": "n2d-standard-2",
                "taints": [TAINT],
                "confidentialNodes": {"enabled": True, "confidentialInstanceType": "SEV_SNP"},
            },
        ),
        read(f"{REGIONAL}/c/nodePools/p", "pool, regional"),
        pool_deleted(REGIONAL),
        read(f"{REGIONAL}/c", "cluster, regional"),
        deleted(REGIONAL),
    ],
    "a service account": [
        absent(ACCOUNT, "account 404"),
        Call(
            "POST",
            ACCOUNTS,
            {"accountId": "golden-sa", "serviceAccount": {"displayName": "d", "description": "d"}},
            shape="account",
        ),
        read(ACCOUNT, "account"),
        Call(
            "PATCH",
            ACCOUNT,
            {"serviceAccount": {"displayName": "e", "description": "e"}, "updateMask": "description,displayName"},
            shape="account, patched",
        ),
        Call("DELETE", ACCOUNT),
    ],
    "a bucket": [
        absent(BUCKET, "bucket 404"),
        Call(
            "POST",
            "/storage/v1/b",
            {
                "name": "golden-bucket",
                "location": "US",
                "storageClass": "STANDARD",
                "labels": {"a": "b"},
                "lifecycle": {"rule": []},
                "autoclass": {"enabled": True},
                "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
            },
            shape="bucket",
            query={"project": PROJECT},
        ),
        read(BUCKET, "bucket"),
        Call("PATCH", BUCKET, {"labels": {"a": "c"}}, shape="bucket"),
        Call("DELETE", BUCKET, status=204),
    ],
}


class Plain(Client):
    """Doesn't check answers against the discovery documents: Google tells some fields that these do not know."""

    def _check(self, method: str, path: str, answer: Answer) -> None:
        return


class Narrator:
    """Tells a story to a cloud of its own."""

    def __init__(self, serving: Serving) -> None:
        self.cloud = serving.cloud
        self.client = Plain(serving, serving.cloud.auth.issue(serving.cloud.settings.account_email))
        self.seen: dict[str, str] = {}

    def settle(self) -> None:
        end = time.monotonic() + 20
        while self.cloud.operations.running("projects"):
            assert time.monotonic() < end, "operations don't end"
            time.sleep(0.005)

    def _fill(self, text: str) -> str:
        for name, value in self.seen.items():
            text = text.replace("{" + name + "}", value)
        return text

    def tell(self, call: Call) -> Answer:
        self.settle()
        if "{labelFingerprint}" in json.dumps(call.body):
            self.client.call("GET", f"{ZONAL}/c")
            self.remember(self.client.call("GET", f"{ZONAL}/c").body)
        body = json.loads(self._fill(json.dumps(call.body))) if call.body is not None else None
        answer = self.client.call(call.method, self._fill(call.path), body, **call.query)
        self.remember(answer.body)
        return answer

    def remember(self, body: Any) -> None:
        if not isinstance(body, dict):
            return
        if str(body.get("name", "")).startswith("operation-"):
            self.seen["operation"] = body["name"]
        if "labelFingerprint" in body:
            self.seen["labelFingerprint"] = body["labelFingerprint"]
        if urls := body.get("instanceGroupUrls"):
            self.seen["igm"] = urls[0].removeprefix("https://www.googleapis.com")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    apis.load()
    return Catalog()


@pytest.fixture
def narrator(catalog: Catalog, tmp_path: Path) -> Iterator[Narrator]:
    settings = Settings(
        time_scale=6000.0,
        directory=tmp_path,
        clusters="none",
        other_projects=(Project("other", "999"),),
    )
    cloud = Cloud(settings, catalog=catalog)
    services = [document.service for document in catalog.documents.values()]
    cloud.services.enable(PROJECT, services, propagation=0)
    serving = Serving(cloud)
    client = Client(serving, cloud.auth.issue(settings.account_email))
    client.network("default", auto=True)
    yield Narrator(serving)
    serving.close()


def _says(answer: Answer) -> str:
    if answer.status >= 400:
        return answer.reason
    return f"{answer.body['operationType']} {answer.body['status']}"


@pytest.mark.parametrize("story", STORIES)
def test_the_sandbox_answers_as_google_was_recorded_to(narrator: Narrator, story: str) -> None:
    for told in STORIES[story]:
        for call in told if isinstance(told, tuple) else (told,):
            answer = narrator.tell(call)
            assert answer.status == call.status, (call, answer.body)
            if call.says:
                assert _says(answer) == call.says, call
            if call.shape:
                allowed = DIFFERENCES.get(call.shape, "$^")
                found = {item for item in differences(answer.body, call.shape) if not re.fullmatch(allowed, item)}
                assert found == set(), f"{call.method} {call.path} as {call.shape}"


def test_every_recorded_shape_is_asked_for() -> None:
    calls = [
        call for story in STORIES.values() for told in story for call in (told if isinstance(told, tuple) else (told,))
    ]
    assert {call.shape for call in calls} - {""} == set(shapes())
