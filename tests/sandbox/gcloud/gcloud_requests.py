# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Reads gcloud_requests.txt: what the real gcloud sends, as commands of rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PROJECT = "my-proj"
GKE = f"/v1/projects/{PROJECT}/locations/us-east5"
COMPUTE = f"/compute/v1/projects/{PROJECT}"
SHORT = {
    "$GKE": GKE,
    "$BETA": f"/v1beta1/projects/{PROJECT}/locations/us-east5",
    "$COMPUTE": COMPUTE,
    "$PROJECT": f"/v1/projects/{PROJECT}",
    "$BUCKETS": "/storage/v1/b",
    # A link as gcloud writes it, not with the host that Google answers.
    "$LINK": f"https://compute.googleapis.com{COMPUTE}",
}
SCOPES = [
    f"https://www.googleapis.com/auth/{name}"
    for name in (
        "devstorage.read_only",
        "logging.write",
        "monitoring",
        "service.management.readonly",
        "servicecontrol",
        "trace.append",
    )
]
RESERVED = {"consumeReservationType": "SPECIFIC_RESERVATION", "key": "compute.googleapis.com/reservation-name"}
MANAGED: Json = {"management": {"autoRepair": True, "autoUpgrade": True}, "upgradeSettings": {"maxSurge": 1}}
TPU_POOL: Json = {
    "initialNodeCount": 1,
    "locations": ["us-east5-a"],
    "placementPolicy": {"tpuTopology": "2x2"},
    **MANAGED,
}
TPU_CONFIG: Json = {"machineType": "ct6e-standard-4t", "oauthScopes": SCOPES}
TUTORIAL_CLUSTER: Json = {
    "releaseChannel": {"channel": "RAPID"},
    "addonsConfig": {
        "dnsCacheConfig": {"enabled": True},
        "gcsFuseCsiDriverConfig": {"enabled": True},
        "horizontalPodAutoscaling": {"disabled": False},
        "httpLoadBalancing": {"disabled": False},
        "kubernetesDashboard": {"disabled": True},
        "networkPolicyConfig": {"disabled": True},
        "rayOperatorConfig": {"enabled": True},
    },
    "ipAllocationPolicy": {"createSubnetwork": False, "useIpAliases": True},
    "monitoringConfig": {
        "advancedDatapathObservabilityConfig": {"enableMetrics": True},
        "managedPrometheusConfig": {"enabled": True},
    },
    "networkConfig": {
        "datapathProvider": "ADVANCED_DATAPATH",
        "gatewayApiConfig": {"channel": "CHANNEL_STANDARD"},
    },
    "workloadIdentityConfig": {"workloadPool": f"{PROJECT}.svc.id.goog"},
    "nodePools": [
        {
            "name": "default-pool",
            "initialNodeCount": 1,
            "config": {"machineType": "e2-standard-4", "oauthScopes": SCOPES},
            **MANAGED,
        }
    ],
}
LINE = re.compile(
    r"(?P<method>[A-Z]+) (?P<path>\S+) (?P<api_method>\S+) (?P<status>\d+)(?P<batch> batch)?"
    r"( \?(?P<query>\{.*?\}))?( (?P<body>[@{].*))?"
)


@dataclass(frozen=True)
class Row:
    method: str
    path: str
    api_method: str
    status: int
    batch: bool
    query: Json
    body: Json | None

    @property
    def polls(self) -> bool:
        """Asks how an operation is doing."""
        return "{operation}" in self.path


@dataclass(frozen=True)
class Command:
    step: str
    rows: list[Row]


def _long(value: Any) -> Any:
    """A body's shorthands written out."""
    if isinstance(value, dict):
        return {name: _long(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_long(item) for item in value]
    if value == "$SCOPES":
        return SCOPES
    if isinstance(value, str) and value.startswith("$RESERVED "):
        return {**RESERVED, "values": [value.removeprefix("$RESERVED ")]}
    return value.replace("$LINK", SHORT["$LINK"]) if isinstance(value, str) else value


def _body(text: str, path: str) -> Json:
    kind, _space, rest = text.partition(" ") if text.startswith("@") else ("", "", text)
    given: Json = _long(json.loads(rest))
    parent = path.split("/", 2)[2].rpartition("/")[0]
    if kind == "@tpu":
        config = {**TPU_CONFIG, **given.pop("config", {})}
        return {"nodePool": {**TPU_POOL, "config": config, **given}, "parent": parent}
    return {"cluster": {**TUTORIAL_CLUSTER, **given}, "parent": parent} if kind == "@tutorial" else given


def _row(line: str) -> Row:
    found = LINE.fullmatch(line)
    assert found is not None, line
    path = found["path"]
    for short, full in SHORT.items():
        path = path.replace(short, full)
    return Row(
        method=found["method"],
        path=path,
        api_method=found["api_method"].replace("…", ".projects.locations."),
        status=int(found["status"]),
        batch=bool(found["batch"]),
        query=json.loads(found["query"] or "{}"),
        body=_body(found["body"], path) if found["body"] else None,
    )


def commands() -> list[Command]:
    """All of them, in the order in which they can be run."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    result: list[Command] = []
    for line in text.splitlines():
        if line.startswith("## "):
            result.append(Command(line.removeprefix("## "), []))
        elif line and not line.startswith("#"):
            result[-1].rows.append(_row(line))
    return result
