# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A client of the container API in tests; like its base it checks every answer against the discovery documents."""

from __future__ import annotations

import time
from typing import Any

from tests.sandbox.cloud.client import PROJECT, Answer, Client

__all__ = ["CLUSTER", "PROJECT", "REGION", "TPU_CONFIG", "Gke", "tpu_pool"]

Json = dict[str, Any]
REGION = "us-east5"
CLUSTER = f"locations/{REGION}/clusters/c"
TPU_CONFIG: Json = {
    "machineType": "ct6e-standard-4t",
    "reservationAffinity": {
        "consumeReservationType": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": ["tpu-v6e-reservation"],
    },
}


def tpu_pool(name: str, **fields: Any) -> Json:
    """A pool as the tutorial asks for it."""
    return {
        "name": name,
        "initialNodeCount": 1,
        "locations": ["us-east5-a"],
        "config": TPU_CONFIG,
        "placementPolicy": {"tpuTopology": "2x2"},
        **fields,
    }


class Gke(Client):
    """Calls the container API, and waits for its operations."""

    def _check(self, method: str, path: str, answer: Answer) -> None:
        if not isinstance(answer.body, bytes):  # the content of an object is not JSON
            super()._check(method, path, answer)

    def container(self, method: str, path: str, body: Any = None, version: str = "v1", **query: Any) -> Answer:
        return self.call(method, f"/{version}/projects/{PROJECT}/{path}", body, **query)

    def read(self, path: str, version: str = "v1") -> Json:
        answer = self.container("GET", path, version=version)
        assert answer.status == 200, answer.body
        found: Json = answer.body
        return found

    def end(self, started: Answer, seconds: float = 30.0) -> Json:
        """The operation of an accepted request, at its end."""
        assert started.status == 200, started.body
        path = f"locations/{started.body['zone']}/operations/{started.body['name']}"
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            operation = self.read(path)
            if operation["status"] == "DONE":
                return operation
            time.sleep(0.01)
        raise AssertionError(f"not done within {seconds} s: {operation}")

    def succeed(self, method: str, path: str, body: Any = None) -> Json:
        """A request and its operation, which must succeed."""
        operation = self.end(self.container(method, path, body))
        assert not {"error", "statusMessage", "clusterConditions", "nodepoolConditions"} & set(operation), operation
        return operation

    def place(self) -> None:
        """A custom network with a subnetwork, as a cluster needs it."""
        self.network("net")
        self.subnet("sub", "10.10.0.0/18", privateIpGoogleAccess=False)

    def ask_cluster(self, location: str = REGION, **fields: Any) -> Answer:
        asked = {"name": "c", "network": "net", "subnetwork": "sub", "initialNodeCount": 1, **fields}
        if "nodePools" in fields:
            del asked["initialNodeCount"]
        return self.container("POST", f"locations/{location}/clusters", {"cluster": asked})

    def cluster(self, location: str = REGION, **fields: Any) -> Json:
        """A cluster that is RUNNING, on a network of its own unless there is one."""
        if self.compute("GET", "global/networks/net").status == 404:
            self.place()
        operation = self.end(self.ask_cluster(location, **fields))
        assert "error" not in operation, operation
        return self.read(f"locations/{location}/clusters/{fields.get('name', 'c')}")

    def ask_pool(self, pool: Json, cluster: str = CLUSTER) -> Answer:
        return self.container("POST", f"{cluster}/nodePools", {"nodePool": pool})

    def pool(self, pool: Json, cluster: str = CLUSTER) -> Json:
        operation = self.end(self.ask_pool(pool, cluster))
        assert "error" not in operation, operation
        return self.read(f"{cluster}/nodePools/{pool['name']}")

    def reservation_use(self) -> int:
        body = self.get("zones/us-east5-a/reservations/tpu-v6e-reservation")
        return int(body["specificReservation"]["inUseCount"])

    def fault(self, **fields: Any) -> None:
        answer = self.call("POST", "/_sandbox/faults", fields)
        assert answer.status == 200, answer.body
