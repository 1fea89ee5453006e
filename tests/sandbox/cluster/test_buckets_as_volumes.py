# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Buckets as volumes: what is shown of them, to whom, and the driver's words where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import apis
from sandbox.cloud.app import Cloud
from sandbox.cloud.server import Serving
from sandbox.cloud.settings import Settings
from sandbox.cloud.unixhttp import call
from sandbox.cluster.config import Config
from sandbox.cluster.node.gcsfuse import Buckets, BucketVolume, Mount, shown
from sandbox.cluster.node.volumes import VolumeError
from sandbox.cluster.node.workload_identity import ANNOTATION, NODE_LABEL, WorkloadIdentity

Json = dict[str, Any]
POOL = "llm-d-sandbox.svc.id.goog"
PRINCIPAL = (
    "principal://iam.googleapis.com/projects/415104041262/locations/global/workloadIdentityPools/"
    f"{POOL}/subject/ns/n/sa/reader"
)
POD = {
    "metadata": {"name": "p", "namespace": "n", "annotations": {"gke-gcsfuse/volumes": "true"}},
    "spec": {"nodeName": "node", "serviceAccountName": "reader"},
}
SERVING = BucketVolume("weights", ("implicit-dirs",), True)


class FakeApi:
    """The API server, as far as it is asked here."""

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {}
        self.labels = {NODE_LABEL: "true"}

    async def find(self, path: str) -> Json:
        return {
            "metadata": {"annotations": self.annotations} if "/serviceaccounts/" in path else {"labels": self.labels}
        }


class World:
    def __init__(self, folder: Path) -> None:
        apis.load()
        self.cloud = Cloud(Settings())
        self.cloud.store.put(f"workloadIdentityPools/{POOL}", {"name": POOL})
        self.cloud.services.enable("llm-d-sandbox", ["iam.googleapis.com"], propagation=0)
        self.socket = folder / "cloud.sock"
        self.serving = Serving(self.cloud, socket_path=self.socket)
        self.api = FakeApi()
        self.config = Config(
            name="c", project="llm-d-sandbox", location="us-east5", dir=folder, control_socket="",
            cloud_socket=str(self.socket), tools=folder, workload_pool=POOL,
            addons={"gcsFuseCsiDriverConfig": {"enabled": True}},
        )  # fmt: skip
        self.folder = folder / "mount"
        self.google("POST", "/storage/v1/b?project=llm-d-sandbox", {"name": "weights", "location": "us-east5"})

    def google(self, method: str, path: str, body: Any = None) -> Json:
        return call(str(self.socket), method, path, body)

    def put(self, name: str, content: str) -> None:
        self.google("POST", f"/upload/storage/v1/b/weights/o?uploadType=media&name={name}", content)

    def grant(self, member: str = PRINCIPAL, role: str = "roles/storage.objectViewer") -> None:
        policy = self.google("GET", "/storage/v1/b/weights/iam")
        policy["bindings"].append({"role": role, "members": [member]})
        self.google("PUT", "/storage/v1/b/weights/iam", policy)

    def mount(self, volume: BucketVolume = SERVING, pod: Json = POD, config: Config | None = None) -> Mount:
        config = config or self.config
        identity = WorkloadIdentity(config, self.api)  # type: ignore[arg-type]
        mount = Buckets(config, identity).mount(volume, pod, self.folder)
        asyncio.run(mount.set_up())
        return mount

    def refused(self, **given: Any) -> str:
        with pytest.raises(VolumeError) as caught:
            self.mount(**given)
        return str(caught.value)

    def seen(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.serving.close()


def test_objects_are_files_for_who_may_read_them(world: World) -> None:
    world.put("Qwen/Qwen3-32B/config.json", "{}")
    world.put("other.txt", "x")
    world.grant()
    mount = world.mount()
    assert world.seen() == ["Qwen/Qwen3-32B/config.json", "other.txt"]
    world.put("other.txt", "y")
    world.google("DELETE", "/storage/v1/b/weights/o/Qwen%2FQwen3-32B%2Fconfig.json")
    asyncio.run(mount.refresh())
    assert world.seen() == ["other.txt"] and (world.folder / "other.txt").read_text() == '"y"'
    assert not (world.folder / "Qwen").exists()


def test_an_endless_cache_never_looks_again(world: World) -> None:
    world.grant()
    mount = world.mount(BucketVolume("weights", ("implicit-dirs", "metadata-cache:ttl-secs:-1"), True))
    world.put("late.txt", "x")
    asyncio.run(mount.refresh())
    assert world.seen() == []


def test_who_may_not_is_told_in_the_driver_s_words(world: World) -> None:
    denied = world.refused()
    assert denied.startswith('rpc error: code = PermissionDenied desc = failed to get GCS bucket "weights"')
    assert "storage.objects.list access" in denied
    world.grant("user:somebody@example.com")
    assert "PermissionDenied" in world.refused()
    world.api.annotations = {ANNOTATION: "reader@llm-d-sandbox.iam.gserviceaccount.com"}
    unknown = world.refused()
    assert unknown.startswith("rpc error: code = Unauthenticated") and "getAccessToken" in unknown
    world.api.annotations = {}
    missing = world.refused(volume=replace(SERVING, bucket="nobodys"))
    assert "code = NotFound" in missing and "bucket doesn't exist" in missing


def test_what_the_driver_needs(world: World) -> None:
    world.grant()
    plain = {**POD, "metadata": {**POD["metadata"], "annotations": {}}}
    assert "failed to find the sidecar container in Pod spec" in world.refused(pod=plain)
    assert "flag provided but not defined: -nonsense" in world.refused(
        volume=BucketVolume("weights", ("nonsense=1",), True)
    )
    assert "not found in the list of registered CSI drivers" in world.refused(config=replace(world.config, addons={}))
    assert "Unauthenticated" in world.refused(config=replace(world.config, workload_pool=""))
    world.api.labels = {}
    assert "GKE_METADATA" in world.refused()


def test_acting_as_a_service_account(world: World) -> None:
    email = "reader@llm-d-sandbox.iam.gserviceaccount.com"
    world.google("POST", "/v1/projects/llm-d-sandbox/serviceAccounts", {"accountId": "reader"})
    account = f"/v1/projects/llm-d-sandbox/serviceAccounts/{email}"
    binding = {"role": "roles/iam.workloadIdentityUser", "members": [f"serviceAccount:{POOL}[n/reader]"]}
    world.google("POST", f"{account}:setIamPolicy", {"policy": {"bindings": [binding]}})
    world.cloud.store.get(account.removeprefix("/v1/")).hidden["visible_from"] = 0.0  # type: ignore[union-attr]
    world.grant(f"serviceAccount:{email}")
    world.put("a", "x")
    world.api.annotations = {ANNOTATION: email}
    world.mount()
    assert world.seen() == ["a"]


def test_folders_are_seen_only_when_told_or_when_an_object_stands_for_them() -> None:
    names = ["a/b/c", "top", "d/", "d/e"]
    assert shown(names, "", True) == {"a/b/c": "a/b/c", "top": "top", "d/": "d/", "d/e": "d/e"}
    assert shown(names, "", False) == {"top": "top", "d/": "d/", "d/e": "d/e"}
    assert shown(names, "a/b", True) == {"a/b/c": "c"}
    assert shown(["x", "x/y", "../z", "a//b"], "", True) == {"x/y": "x/y"}


def test_what_volumes_say() -> None:
    inline = BucketVolume.inline(
        {"readOnly": True, "volumeAttributes": {"bucketName": "b", "mountOptions": "implicit-dirs,only-dir=m/n"}}
    )
    assert (inline.bucket, inline.read_only, inline.option("only-dir")) == ("b", True, "m/n")
    persistent = BucketVolume.persistent(
        {
            "mountOptions": ["implicit-dirs", "metadata-cache:ttl-secs:-1", "read_ahead_kb=1024"],
            "csi": {"driver": "gcsfuse.csi.storage.gke.io", "volumeHandle": "b:one", "readOnly": True},
        }
    )
    persistent.check()
    assert (persistent.bucket, persistent.kept_for_ever) == ("b", True)
    with pytest.raises(VolumeError, match="bucketName"):
        BucketVolume.inline({})
