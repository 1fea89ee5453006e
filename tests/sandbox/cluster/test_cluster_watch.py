# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What survives a control plane that hiccups, and what pods that run for long are shown: with a scripted client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from sandbox.cluster.kube import ApiError, Informer, KubeClient, Object
from sandbox.cluster.node.environment import Sources
from sandbox.cluster.node.gcsfuse import Buckets
from sandbox.cluster.node.pod_volumes import PodVolumes
from sandbox.cluster.node.volumes import VolumeError


def item(name: str, version: int, **more: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version), **more}}


class Scripted:
    """Answers lists and watches from a script: an exception is raised, a list of events is streamed."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists = lists
        self.watches = watches
        self.watched_from: list[str] = []

    async def get(self, _: str) -> Any:
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"metadata": {"resourceVersion": "10"}, "items": answer}

    async def watch(self, _: str, version: str) -> AsyncIterator[Object]:
        self.watched_from.append(version)
        answer = self.watches.pop(0) if self.watches else None
        if answer is None:
            await asyncio.sleep(3600)
        elif isinstance(answer, Exception):
            raise answer
        else:
            for event in answer:
                yield event


def follow(lists: list[Any], watches: list[Any], until: int) -> tuple[Informer, list[tuple[str, str]], Scripted]:
    """Run an informer until it has reported so many changes."""
    client = Scripted(lists, watches)
    seen: list[tuple[str, str]] = []

    def changed(old: Object | None, new: Object | None) -> None:
        kind = "new" if old is None else "gone" if new is None else "changed"
        seen.append((kind, cast(Object, new or old)["metadata"]["name"]))
        if seen[-1][1] == "odd":
            raise RuntimeError("an object nobody expected")

    async def run() -> Informer:
        informer = Informer(cast(KubeClient, client), "/things", changed)
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(10):
            while len(seen) < until:
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return informer

    return asyncio.run(run()), seen, client


def event(kind: str, changed: Object) -> Object:
    return {"type": kind, "object": changed}


def test_changes_are_followed() -> None:
    events = [event("ADDED", item("b", 11)), event("MODIFIED", item("a", 12)), event("DELETED", item("b", 13))]
    informer, seen, _ = follow([[item("a", 1)]], [events], until=4)
    assert seen == [("new", "a"), ("new", "b"), ("changed", "a"), ("gone", "b")]
    assert list(informer.items) == [("ns", "a")]


def test_a_broken_watch_goes_on_where_it_was() -> None:
    watches = [[event("ADDED", item("b", 11)), event("BOOKMARK", item("", 15))], ConnectionResetError(), None]
    _, seen, client = follow([[]], [*watches[:2], [event("ADDED", item("c", 16))]], until=2)
    assert seen == [("new", "b"), ("new", "c")]
    assert client.watched_from[:3] == ["10", "15", "15"]


def test_a_version_that_is_too_old_means_a_new_list_that_finds_what_was_missed() -> None:
    gone = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
    lists = [[item("a", 1), item("b", 2)], [item("a", 1), item("c", 20)]]
    _, seen, _ = follow(lists, [[gone]], until=4)
    assert seen == [("new", "a"), ("new", "b"), ("gone", "b"), ("new", "c")]


def test_an_api_server_that_is_not_there_yet_is_asked_again() -> None:
    lists = [ConnectionRefusedError(), ApiError(503, "", "starting"), [item("a", 1)]]
    _, seen, _ = follow(lists, [], until=1)
    assert seen == [("new", "a")]


def test_one_odd_object_does_not_stop_the_others() -> None:
    informer, seen, _ = follow([[item("odd", 1), item("a", 2)]], [], until=2)
    assert ("new", "a") in seen
    assert len(informer.items) == 2


class Objects:
    """Hands out service account tokens with a number, and knows no claims."""

    def __init__(self) -> None:
        self.tokens = 0
        self.asked: list[Any] = []

    async def create(self, path: str, body: Mapping[str, Any]) -> Any:
        self.tokens += 1
        self.asked.append((path, body["spec"]))
        return {"status": {"token": f"jwt-{self.tokens}"}}

    async def find(self, _: str) -> None:
        return None


def pod(*volumes: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u-1"},
        "spec": {"containers": [], "serviceAccountName": "sa", "volumes": list(volumes)},
    }


def sources(of: Mapping[str, Any], value: str) -> Sources:
    secret = {"data": {"key": base64.b64encode(value.encode()).decode()}}
    return Sources(pod=of, pod_ip="", host_ip="", secrets={"s": secret})


TOKEN = {
    "name": "token",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]},
}
SECRET = {"name": "secret", "secret": {"secretName": "s"}}


def test_running_pods_see_changed_secrets_and_keep_a_token_that_is_good(tmp_path: Path) -> None:
    client = Objects()
    given = pod(TOKEN, SECRET)
    volumes = PodVolumes(tmp_path, given, cast(KubeClient, client), cast(Buckets, None))
    asyncio.run(volumes.set_up(sources(given, "old")))
    secret = Path(volumes.bind_of({"name": "secret", "mountPath": "/s"}, {}).source)
    assert (secret / "key").read_text() == "old"
    asyncio.run(volumes.refresh(sources(given, "new")))
    assert (secret / "key").read_text() == "new"
    token = Path(volumes.bind_of({"name": "token", "mountPath": "/t"}, {}).source) / "token"
    assert token.read_text() == "jwt-1"
    assert client.tokens == 1
    path, asked = client.asked[0]
    assert path == "/api/v1/namespaces/ns/serviceaccounts/sa/token"
    assert asked["boundObjectRef"]["uid"] == "u-1" and asked["expirationSeconds"] == 3607
    volumes.remove()
    assert not secret.exists()


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"name": "v", "hostPath": {"path": "/"}}, "no volumes of kind hostPath"),
        ({"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, 'persistentvolumeclaim "c" is not bound'),
        ({"name": "v", "secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        (
            {"name": "v", "downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "spec.nope"}}]}},
            "unsupported fieldPath: spec.nope",
        ),
    ],
)
def test_volumes_that_cannot_be_had(tmp_path: Path, volume: dict[str, Any], message: str) -> None:
    given = pod(volume)
    volumes = PodVolumes(tmp_path, given, cast(KubeClient, Objects()), cast(Buckets, None))
    with pytest.raises(VolumeError) as refused:
        asyncio.run(volumes.set_up(sources(given, "x")))
    assert str(refused.value).startswith('MountVolume.SetUp failed for volume "v" : ')
    assert message in str(refused.value)


def test_mounts_of_a_part_of_a_volume(tmp_path: Path) -> None:
    given = pod({"name": "v", "emptyDir": {}})
    volumes = PodVolumes(tmp_path, given, cast(KubeClient, Objects()), cast(Buckets, None))
    asyncio.run(volumes.set_up(sources(given, "x")))
    whole = volumes.bind_of({"name": "v", "mountPath": "/v"}, {})
    assert not whole.read_only
    part = volumes.bind_of(
        {"name": "v", "mountPath": "/v", "subPathExpr": "logs/$(POD)", "readOnly": True}, {"POD": "p"}
    )
    assert part.source == f"{whole.source}/logs/p" and Path(part.source).is_dir() and part.read_only
    (Path(whole.source) / "out").symlink_to("/etc")
    for below in ("../x", "/etc", "out"):
        with pytest.raises(VolumeError, match="subPath"):
            volumes.bind_of({"name": "v", "mountPath": "/v", "subPath": below}, {})
