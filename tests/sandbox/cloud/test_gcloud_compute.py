# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The real gcloud as a client of the compute API: the tutorial's network commands, there and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.cloud.client import PROJECT, Client

GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")
LINK = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"


class Gcloud:
    """gcloud with a key of the sandbox and a configuration folder of its own."""

    def __init__(self, api: Client, folder: Path) -> None:
        key = folder / "key.json"
        key.write_text(json.dumps(api.cloud.auth.create_key(api.cloud.settings.account_email, PROJECT)))
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(key),
            "CLOUDSDK_AUTH_TOKEN_HOST": f"{api.base}/token",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{api.base}/compute/v1/",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [GCLOUD or "gcloud", "compute", *words, "--format=json"]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=120, check=False)

    def __call__(self, *words: str) -> Any:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")


@pytest.fixture
def gcloud(api: Client, tmp_path: Path) -> Gcloud:
    return Gcloud(api, tmp_path)


def test_tutorial_network_there_and_back(gcloud: Gcloud, api: Client) -> None:
    region = "--region=us-east5"
    gcloud("networks", "create", "main", "--subnet-mode=custom", "--bgp-routing-mode=regional", "--mtu=8896")
    tpu = gcloud("networks", "subnets", "create", "tpu", "--network=main", region, "--range=10.10.0.0/18")
    assert tpu[0]["gatewayAddress"] == "10.10.0.1"
    proxy = ("--purpose=REGIONAL_MANAGED_PROXY", "--role=ACTIVE", "--range=172.16.0.0/26")
    gcloud("networks", "subnets", "create", "proxy", "--network=main", region, *proxy)
    rule = ("--network=main", "--allow=all", "--source-ranges=172.16.0.0/12,10.0.0.0/8", "--description=internal")
    gcloud("firewall-rules", "create", "allow", *rule)
    listed = gcloud("firewall-rules", "list", "--filter=network:main")
    assert [item["name"] for item in listed] == ["allow"]
    assert api.get("global/firewalls/allow")["network"] == f"{LINK}/global/networks/main"

    refused = gcloud.run("networks", "delete", "main")
    assert refused.returncode == 1
    assert "is already being used by" in refused.stderr
    # One of the three exists; gcloud asks for all of them in one batch.
    partly = gcloud.run("firewall-rules", "delete", "allow", "allow-ssh", "allow-icmp")
    assert partly.returncode == 1
    assert "global/firewalls/allow-ssh' was not found" in partly.stderr
    assert "items" not in api.get("global/firewalls")
    gcloud("networks", "subnets", "delete", "tpu", region)
    gcloud("networks", "subnets", "delete", "proxy", region)
    gcloud("networks", "delete", "main")
    assert "items" not in api.get("global/networks")


def test_updates(gcloud: Gcloud, api: Client) -> None:
    api.network(auto=True)
    api.subnet("tpu", "10.10.0.0/18")
    region = "--region=us-east5"
    gcloud("networks", "subnets", "update", "tpu", region, "--enable-private-ip-google-access")
    gcloud("networks", "subnets", "expand-ip-range", "tpu", region, "--prefix-length=17")
    gcloud("networks", "update", "net", "--switch-to-custom-subnet-mode", "--quiet")
    subnet = api.get("regions/us-east5/subnetworks/tpu")
    assert (subnet["privateIpGoogleAccess"], subnet["ipCidrRange"]) == (True, "10.10.0.0/17")
    assert api.get("global/networks/net")["autoCreateSubnetworks"] is False


def test_reads_of_preflight_and_sweep(gcloud: Gcloud) -> None:
    zone = "--zone=us-east5-a"
    reservation = gcloud("reservations", "describe", "tpu-v6e-reservation", zone)
    assert reservation["specificReservation"]["count"] == "8"
    assert gcloud("machine-types", "describe", "ct6e-standard-4t", zone)["guestCpus"] == 180
    assert gcloud("regions", "describe", "us-east5")["status"] == "UP"
    for kind in ("network-endpoint-groups", "forwarding-rules", "disks"):
        done = gcloud.run(kind, "list")
        assert (done.returncode, done.stdout.strip(), "WARNING" in done.stderr) == (0, "[]", False), done.stderr
