# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Every request that the real gcloud was recorded to send is taken as well-formed, and gets the status of Google's."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.cloud import apis
from sandbox.cloud.app import Cloud
from sandbox.cloud.discovery import Catalog
from sandbox.cloud.request import Project
from sandbox.cloud.server import Serving
from sandbox.cloud.settings import Settings
from tests.sandbox.cloud.client import Answer, Client
from tests.sandbox.gcloud.gcloud_requests import COMPUTE, GKE, PROJECT, TUTORIAL_CLUSTER, Command, Row, commands

Json = dict[str, Any]

OWN = "UPGRADE_MASTER"
# What of all this the sandbox answers 501, and why. Nothing of the tutorial may ever stand here.
OUT_OF_SCOPE: dict[str, str] = {}
# Commands whose operation must fail.
FAILING = ("E4", "E5")


class World:
    """A cloud, and gcloud's requests one after the other."""

    def __init__(self, serving: Serving) -> None:
        self.cloud = serving.cloud
        self.client = Client(serving, serving.cloud.auth.issue(serving.cloud.settings.account_email))
        self.operation = ""
        self.etag = ""
        self.bindings: list[Json] = []

    def settle(self) -> None:
        """Until nothing is under way but GKE's own."""
        end = time.monotonic() + 20
        while any(item.kind != OWN for item in self.cloud.operations.running("projects")):
            assert time.monotonic() < end, "operations don't end"
            time.sleep(0.005)

    def send(self, row: Row) -> Answer:
        path = row.path.replace("{operation}", self.operation)
        body = self._body(row) if row.body else None
        answer = self._batch(row) if row.batch else self.client.call(row.method, path, body, alt="json", **row.query)
        found = answer.body if isinstance(answer.body, dict) else {}
        if re.match(r"operation|operations/", str(found.get("name", ""))) and row.status == 200:
            self.operation = found["name"].removeprefix("operations/")
        self.etag = found.get("etag", self.etag)
        self.bindings = found.get("bindings", self.bindings)
        return answer

    def _body(self, row: Row) -> Json:
        """As recorded; a policy keeps what it had for owners, of whom the recorder knew nothing."""
        body: Json = json.loads(json.dumps(row.body).replace("{etag}", self.etag))
        policy = body.get("policy", body)
        if "etag" in policy:
            owners = [item for item in self.bindings if re.match(r"roles/(owner|storage\.legacy)", item["role"])]
            policy["bindings"] = owners + policy.get("bindings", [])
        return body

    def _batch(self, row: Row) -> Answer:
        part = f"{row.method} {quote(row.path)}?alt=json HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
        content = f"--b\r\nContent-Type: application/http\r\nContent-ID: <b+1>\r\n\r\n{part}\r\n--b--".encode()
        kind = {"Content-Type": 'multipart/mixed; boundary="b"'}
        whole = self.client.call("POST", "/batch/compute/v1", content, headers=kind)
        text = whole.body.decode().replace("\r\n", "\n")
        status = re.search(r"HTTP/1.1 (\d+)", text)
        assert status is not None
        inner = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return Answer(int(status[1]), inner, {})

    def make(self, path: str, body: Json) -> None:
        answer = self.client.call("POST", path, body)
        assert answer.status == 200, answer.body
        self.settle()

    def fault(self, name: str, **fields: Any) -> None:
        self.cloud.faults.add({"name": name, **fields})


def default_network(world: World) -> None:
    world.make(f"{COMPUTE}/global/networks", {"name": "default", "autoCreateSubnetworks": True})


def shared_reservation(world: World) -> None:
    specific = {"count": "4", "instanceProperties": {"machineType": "ct6e-standard-4t"}}
    share = {"shareType": "SPECIFIC_PROJECTS", "projectMap": {PROJECT: {"projectId": PROJECT}}}
    body = {"name": "my-res", "specificReservation": specific, "specificReservationRequired": True}
    world.make("/compute/v1/projects/owner-proj/zones/us-east5-a/reservations", body | {"shareSettings": share})


def account(name: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.make(f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": name})
        time.sleep(world.cloud.clock.real_seconds(30))  # until policies know it

    return make


def placement_policy(world: World) -> None:
    body = {"name": "pp", "groupPlacementPolicy": {"collocation": "COLLOCATED"}}
    world.make(f"{COMPUTE}/regions/us-east5/resourcePolicies", body)


def busy_cluster(world: World) -> None:
    cluster = {**TUTORIAL_CLUSTER, "name": "c9", "network": "n2", "subnetwork": "s3"}
    world.make(f"{GKE}/clusters", {"cluster": cluster})
    own = {"cluster": f"{GKE.removeprefix('/v1/')}/clusters/c9", "kind": OWN, "seconds": 10**9}
    assert world.client.call("POST", "/_sandbox/gke/operation", own).status == 200


def unavailable_once(world: World) -> None:
    for item in list(world.cloud.operations.find(kind=OWN)):
        world.cloud.operations.finish(item)
    world.fault("unavailable", api_method="*nodePools.create")


def used_subnet(world: World) -> None:
    body = {"name": "s1", "network": "global/networks/n2", "ipCidrRange": "10.40.0.0/24"}
    world.make(f"{COMPUTE}/regions/us-east5/subnetworks", body)
    address = {"name": "a1", "addressType": "INTERNAL", "subnetwork": "regions/us-east5/subnetworks/s1"}
    world.make(f"{COMPUTE}/regions/us-east5/addresses", address)


def somebody_else_writes(world: World) -> None:
    policy = {"bindings": [{"role": "roles/viewer", "members": ["allUsers"]}]}
    path = f"/v1/projects/{PROJECT}/serviceAccounts/sa9-sa9@{PROJECT}.iam.gserviceaccount.com:setIamPolicy"
    world.make(path, {"policy": policy})


# What must be so before a command (or before its second request) that no command before it made.
GIVEN: dict[tuple[str, int], Callable[[World], None]] = {
    ("V0", 0): default_network,
    ("V5", 0): shared_reservation,
    ("V6", 0): account("nodes-sa"),
    ("V33", 0): placement_policy,
    ("E1", 0): busy_cluster,
    ("E2", 0): unavailable_once,
    ("E3", 0): lambda world: world.fault("too_many_requests", api_method="*nodePools.create", times=2),
    ("E4", 0): lambda world: world.fault("stockout", operation={"form": "statusMessage"}),
    ("E5", 0): lambda world: world.fault("stockout", operation={"form": "error"}),
    ("E6", 0): used_subnet,
    ("E7", 0): account("sa9-sa9"),
    ("E7", 1): somebody_else_writes,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    apis.load()
    catalog = Catalog()
    settings = Settings(
        project=Project(PROJECT, "123456789012"),
        other_projects=(Project("owner-proj", "210987654321"),),
        reservation="my-res",
        reservation_count=32,
        time_scale=6000.0,
        directory=tmp_path_factory.mktemp("cloud"),
        clusters="none",
    )
    cloud = Cloud(replace(settings), catalog=catalog)
    for project in settings.projects:
        services = [document.service for document in catalog.documents.values()]
        cloud.services.enable(project.id, services, propagation=0)
    serving = Serving(cloud)
    yield World(serving)
    serving.close()


def test_the_table_is_whole() -> None:
    rows = [row for command in commands() for row in command.rows]
    assert len(rows) == 208
    assert not [step for step in OUT_OF_SCOPE if re.match(r"\d", step)]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.step)
def test_gclouds_requests_get_googles_status(world: World, command: Command) -> None:
    step, world.operation = command.step.split()[0], ""
    for index, row in enumerate(command.rows):
        if not row.polls:
            world.settle()
        if given := GIVEN.get((step, index)):
            given(world)
        answer = world.send(row)
        assert answer.status == (501 if step in OUT_OF_SCOPE else row.status), answer.body
        found = world.cloud.catalog.match(row.method, row.path.replace("{operation}", "o"))
        assert row.api_method in {match.method.id for match in found}
    world.settle()
    ended = world.cloud.operations.get(world.operation)
    if ended is not None and command.rows[0].method != "GET":
        assert (ended.failure is not None) == step.startswith(FAILING), ended.failure
