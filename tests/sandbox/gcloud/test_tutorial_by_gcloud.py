# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The real gcloud runs the tutorial's own commands against the sandbox: it knows what Google's answers look like."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import RunningCloud, running_cloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")

Json = dict[str, Any]
REGION, ZONE, PROJECT = "us-east5", "us-east5-a", "llm-d-sandbox"
CLUSTER, NETWORK = "qwen-serving-cluster", "qwen-serving-main"
ACCOUNT = f"tpu-reader-sa@{PROJECT}.iam.gserviceaccount.com"
# Copies of what gcloud sends; the first word after the method is the API method's own name in the request log.
APIS = ("container", "compute", "iam", "cloudresourcemanager")


class Gcloud:
    """gcloud in the environment that the sandbox prints, and in a home of its own."""

    def __init__(self, cloud: RunningCloud, home: Path) -> None:
        self.cloud = cloud
        self._environment = os.environ | cloud.env | {"HOME": str(home), "KUBECONFIG": str(home / "kubeconfig")}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["gcloud", *arguments, "--quiet"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        try:
            output, errors = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def ok(self, *arguments: str) -> str:
        """Runs a command that must succeed."""
        result = self.run(*arguments)
        assert result.returncode == 0, f"gcloud {' '.join(arguments)}\n{result.stderr}"
        return result.stdout

    def read(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--format=json"))

    def fails(self, *arguments: str) -> str:
        """Runs a command that must fail, and answers what it says."""
        result = self.run(*arguments)
        assert result.returncode != 0, result.stdout
        return result.stderr


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), time_scale=600.0) as running:
        yield running


@pytest.fixture(scope="module")
def gcloud(cloud: RunningCloud, tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    return Gcloud(cloud, tmp_path_factory.mktemp("home"))


def _pool(name: str, *track: str) -> list[str]:
    return [
        *track,
        *("container", "node-pools", "create", name, f"--project={PROJECT}", f"--cluster={CLUSTER}"),
        *(f"--region={REGION}", f"--node-locations={ZONE}", "--machine-type=ct6e-standard-4t", "--tpu-topology=2x2"),
        *("--num-nodes=1", "--reservation-affinity=specific", "--reservation=tpu-v6e-reservation"),
        "--workload-metadata=GKE_METADATA",
    ]


def test_2_enable_the_apis(gcloud: Gcloud) -> None:
    names = [f"{name}.googleapis.com" for name in APIS]
    gcloud.ok("services", "enable", *names)
    enabled = {service["config"]["name"] for service in gcloud.read("services", "list", "--enabled")}
    assert set(names) <= enabled
    gcloud.cloud.enable(*APIS)


def test_3_network(gcloud: Gcloud) -> None:
    compute = ("compute", f"--project={PROJECT}")
    gcloud.ok(
        *(*compute, "networks", "create", NETWORK),
        *("--subnet-mode=auto", "--bgp-routing-mode=regional", "--mtu=8896"),
    )
    gcloud.ok(
        *(*compute, "networks", "subnets", "create", "qwen-serving-tpu", f"--network={NETWORK}"),
        *(f"--region={REGION}", "--range=10.10.0.0/18"),
    )
    gcloud.ok(
        *("compute", "networks", "subnets", "create", "qwen-serving-proxy", "--purpose=REGIONAL_MANAGED_PROXY"),
        *("--role=ACTIVE", f"--region={REGION}", f"--network={NETWORK}", "--range=172.16.0.0/26"),
    )
    gcloud.ok(
        *(*compute, "firewall-rules", "create", "qwen-serving-allow-internal", f"--network={NETWORK}", "--allow=all"),
        *("--source-ranges=172.16.0.0/12,10.0.0.0/8", "--description=Allow all internal traffic within the network."),
    )
    assert gcloud.read("compute", "networks", "describe", NETWORK)["mtu"] == 8896


def test_4_cluster(gcloud: Gcloud) -> None:
    gcloud.ok(
        *("container", "clusters", "create", CLUSTER, f"--project={PROJECT}", f"--location={REGION}"),
        *("--release-channel=rapid", "--machine-type=e2-standard-4", f"--network={NETWORK}", "--num-nodes=1"),
        *("--subnetwork=qwen-serving-tpu", "--gateway-api=standard", "--enable-managed-prometheus"),
        *("--enable-dataplane-v2", "--enable-dataplane-v2-metrics", f"--workload-pool={PROJECT}.svc.id.goog"),
        "--addons=HttpLoadBalancing,GcsFuseCsiDriver,RayOperator,HorizontalPodAutoscaling,NodeLocalDNS",
        "--enable-ip-alias",
    )
    cluster = gcloud.read("container", "clusters", "describe", CLUSTER, f"--region={REGION}")
    assert (cluster["status"], cluster["currentNodeCount"]) == ("RUNNING", 3)
    assert cluster["networkConfig"]["datapathProvider"] == "ADVANCED_DATAPATH"
    gcloud.ok("container", "clusters", "get-credentials", CLUSTER, f"--region={REGION}")


def test_5_first_pool_by_the_beta_track(gcloud: Gcloud) -> None:
    gcloud.ok(*_pool("tpu-v6e-single-1", "beta"))
    where = (f"--cluster={CLUSTER}", f"--region={REGION}")
    pool = gcloud.read("container", "node-pools", "describe", "tpu-v6e-single-1", *where)
    assert pool["placementPolicy"] == {"tpuTopology": "2x2"}
    assert gcloud.cloud.requests(api_method="container.projects.locations.clusters.nodePools.create", status=200)


def test_5_more_pools_in_parallel(gcloud: Gcloud) -> None:
    names = [f"tpu-v6e-single-{number}" for number in range(2, 5)]
    running = [gcloud.start(*_pool(name, "beta")) for name in names]
    for process in running:
        _output, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
    pools = gcloud.read("container", "node-pools", "list", f"--cluster={CLUSTER}", f"--region={REGION}")
    assert {pool["name"] for pool in pools if pool["status"] == "RUNNING"} >= set(names)
    reservation = gcloud.read("compute", "reservations", "describe", "tpu-v6e-reservation", f"--zone={ZONE}")
    assert reservation["specificReservation"]["inUseCount"] == "4"


def test_6_storage_and_identity(gcloud: Gcloud) -> None:
    bucket, viewer = "gs://inf-demo-model-storage-of-ours", "--role=roles/storage.objectViewer"
    member = f"--member=serviceAccount:{ACCOUNT}"
    workload = f"--member=serviceAccount:{PROJECT}.svc.id.goog[default/default]"
    gcloud.ok(
        *("storage", "buckets", "create", bucket, f"--location={REGION}"),
        *("--uniform-bucket-level-access", "--public-access-prevention"),
    )
    gcloud.ok("iam", "service-accounts", "create", "tpu-reader-sa", "--display-name=TPU reader")
    gcloud.ok("storage", "buckets", "add-iam-policy-binding", bucket, member, viewer)
    gcloud.ok(
        *("iam", "service-accounts", "add-iam-policy-binding", ACCOUNT, workload),
        "--role=roles/iam.workloadIdentityUser",
    )
    gcloud.ok(
        *("projects", "add-iam-policy-binding", PROJECT, member),
        *("--role=roles/monitoring.metricWriter", "--condition=None"),
    )
    gcloud.ok("storage", "cp", __file__, f"{bucket}/folder/test.py")
    assert gcloud.ok("storage", "cat", f"{bucket}/folder/test.py") == Path(__file__).read_text()
    gcloud.ok("storage", "buckets", "remove-iam-policy-binding", bucket, member, viewer)
    again = gcloud.fails("storage", "buckets", "remove-iam-policy-binding", bucket, member, viewer)
    assert "Policy binding with the specified principal, role, and condition not found!" in again
    gcloud.ok("iam", "service-accounts", "delete", ACCOUNT)
    assert "Unknown service account" in gcloud.fails("iam", "service-accounts", "delete", ACCOUNT)
    gcloud.ok("storage", "rm", "-r", bucket)
    assert "not found: 404" in gcloud.fails("storage", "buckets", "remove-iam-policy-binding", bucket, member, viewer)


def test_7_updates(gcloud: Gcloud) -> None:
    cluster = ("container", "clusters", "update", CLUSTER, f"--region={REGION}")
    gcloud.ok(*cluster, "--update-labels=run=r1")
    gcloud.ok(*cluster, "--update-addons=RayOperator=DISABLED")
    pool = ("container", "node-pools", "update", "default-pool", f"--cluster={CLUSTER}", f"--region={REGION}")
    gcloud.ok(*pool, "--enable-autoscaling", "--total-min-nodes=0", "--total-max-nodes=2")
    gcloud.ok(*pool, "--no-enable-autorepair")
    gcloud.ok(*pool, "--workload-metadata=GCE_METADATA")
    found = gcloud.read("container", "clusters", "describe", CLUSTER, f"--region={REGION}")
    assert found["resourceLabels"] == {"run": "r1"}
    default = next(item for item in found["nodePools"] if item["name"] == "default-pool")
    assert default["config"]["workloadMetadataConfig"] == {"mode": "GCE_METADATA"}
    assert "autoRepair" not in default["management"]


def test_8_clean_up_the_tutorials_way(gcloud: Gcloud) -> None:
    refused = gcloud.fails("compute", "networks", "subnets", "delete", "qwen-serving-tpu", f"--region={REGION}")
    assert "is already being used by" in refused
    pool = ("container", "node-pools", "delete", "tpu-v6e-single-1", f"--cluster={CLUSTER}", f"--region={REGION}")
    gcloud.ok(*pool)
    assert "not found" in gcloud.fails(*pool)
    cluster = ("container", "clusters", "delete", CLUSTER, f"--region={REGION}")
    gcloud.ok(*cluster)
    assert f"No cluster named '{CLUSTER}' in {PROJECT}." in gcloud.fails(*cluster).replace("\\'", "'")
    rules = [f"qwen-serving-allow-{name}" for name in ("ssh", "icmp", "internal")]
    assert "qwen-serving-allow-ssh' was not found" in gcloud.fails("compute", "firewall-rules", "delete", *rules)
    for name in ("qwen-serving-tpu", "qwen-serving-proxy"):
        gcloud.ok("compute", "networks", "subnets", "delete", name, f"--region={REGION}")
    gcloud.ok("compute", "networks", "delete", NETWORK)
    for kind in ("networks", "firewall-rules", "instances"):
        assert gcloud.read("compute", kind, "list") == []
    assert gcloud.read("container", "clusters", "list") == []
    reservation = gcloud.read("compute", "reservations", "describe", "tpu-v6e-reservation", f"--zone={ZONE}")
    assert reservation["specificReservation"]["inUseCount"] == "0"


def test_9_nothing_was_answered_by_accident(gcloud: Gcloud) -> None:
    """No request of gcloud met a method that the sandbox does not implement, or broke it."""
    bad = [line for line in gcloud.cloud.requests() if line["status"] >= 500]
    assert bad == []
