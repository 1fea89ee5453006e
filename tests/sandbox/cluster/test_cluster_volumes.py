# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What volumes hold, how they change, and what a container's root is made of."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.node.environment import Sources
from sandbox.cluster.node.provisioner import is_to_be_deleted, volume_object, wants_volume
from sandbox.cluster.node.rootfs import Bind, host_paths, mount_order
from sandbox.cluster.node.volumes import (
    AtomicFolder,
    File,
    VolumeError,
    payload_of_config_map,
    payload_of_projected,
    payload_of_secret,
    token_requests,
    volume_references,
)

POD = {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"containers": []}}
MAPS = {"m": {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\0\1").decode()}}, "gone": None}
SECRETS = {"s": {"data": {"k": base64.b64encode(b"v").decode()}}}
SOURCES = Sources(pod=POD, pod_ip="10.64.0.2", host_ip="h", config_maps=MAPS, secrets=SECRETS)


def test_a_config_map_shows_all_keys_or_those_asked_for() -> None:
    everything = payload_of_config_map({"name": "m"}, SOURCES, 0o644)
    assert {name: file.content for name, file in everything.items()} == {"a": b"1", "b": b"2", "c": b"\0\1"}
    items = [{"key": "a", "path": "x/y", "mode": 0o600}]
    assert payload_of_config_map({"name": "m", "items": items}, SOURCES, 0o644) == {"x/y": File(b"1", 0o600)}


def test_what_is_missing_is_refused_unless_optional() -> None:
    with pytest.raises(VolumeError, match='configmap "gone" not found'):
        payload_of_config_map({"name": "gone"}, SOURCES, 0o644)
    assert payload_of_config_map({"name": "gone", "optional": True}, SOURCES, 0o644) == {}
    items = [{"key": "nope", "path": "x"}]
    with pytest.raises(VolumeError, match="references non-existent secret key: nope"):
        payload_of_secret({"secretName": "s", "items": items}, SOURCES, 0o644)
    assert payload_of_secret({"secretName": "s", "items": items, "optional": True}, SOURCES, 0o644) == {}


def test_a_projected_volume_joins_its_sources() -> None:
    volume = {
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "m", "items": [{"key": "a", "path": "ca.crt"}]}},
                {"secret": {"name": "s"}},
                {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
            ]
        }
    }
    found = payload_of_projected(volume["projected"], SOURCES, lambda _: b"jwt", 0o644)
    assert {name: file.content for name, file in found.items()} == {
        "token": b"jwt",
        "ca.crt": b"1",
        "k": b"v",
        "ns": b"ns",
    }
    assert found["token"].mode == 0o600
    assert volume_references([volume]) == ({"m"}, {"s"})
    assert [item["path"] for item in token_requests([volume])] == ["token"]


def test_a_folder_changes_all_at_once(tmp_path: Path) -> None:
    folder = AtomicFolder(tmp_path / "v")
    assert folder.write({"a": File(b"1", 0o644), "d/e": File(b"2", 0o400)})
    assert (tmp_path / "v" / "d" / "e").read_bytes() == b"2"
    assert (tmp_path / "v" / "d" / "e").stat().st_mode & 0o777 == 0o400
    before = (tmp_path / "v" / "..data").readlink()
    assert not folder.write({"a": File(b"1", 0o644), "d/e": File(b"2", 0o400)})
    assert (tmp_path / "v" / "..data").readlink() == before
    assert folder.write({"a": File(b"3", 0o644)})
    assert (tmp_path / "v" / "a").read_bytes() == b"3"
    assert sorted(entry.name for entry in (tmp_path / "v").iterdir() if not entry.name.startswith("..")) == ["a"]
    assert not (tmp_path / "v" / before).exists()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b"])
def test_a_file_stays_in_its_volume(tmp_path: Path, name: str) -> None:
    with pytest.raises(VolumeError, match="invalid path"):
        AtomicFolder(tmp_path / "v").write({name: File(b"", 0o644)})
    assert not (tmp_path / "x").exists()


def test_outer_mounts_come_first() -> None:
    binds = [Bind("1", "/a/b/c"), Bind("2", "/a"), Bind("3", "/a/b/")]
    assert [bind.source for bind in mount_order(binds)] == ["2", "3", "1"]


def test_programs_are_visible_with_what_their_links_lead_to(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    tools = tmp_path / "tools"
    (tools / "bin").mkdir(parents=True)
    cache.mkdir()
    (cache / "kube").touch()
    (tools / "bin" / "etcd").symlink_to(cache / "kube")
    found = host_paths(tools)
    assert str(tools) in found and str(cache) in found
    assert not any(path.startswith(str(tools) + "/") for path in found)
    assert not any(path.startswith("/usr") for path in found)


def claim(**spec: Any) -> dict[str, Any]:
    annotations = {"volume.kubernetes.io/selected-node": "n"}
    return {
        "metadata": {"name": "c", "namespace": "ns", "uid": "1", "annotations": annotations},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec},
    }


def test_claims_wait_for_their_first_consumer() -> None:
    late = {"provisioner": "pd.csi.storage.gke.io", "volumeBindingMode": "WaitForFirstConsumer"}
    unscheduled = claim()
    unscheduled["metadata"]["annotations"] = {}
    assert wants_volume(claim(), late)
    assert not wants_volume(unscheduled, late)
    assert wants_volume(unscheduled, {**late, "volumeBindingMode": "Immediate"})
    assert not wants_volume(claim(volumeName="pv"), late)
    assert not wants_volume(claim(), {**late, "provisioner": "someone.else"})


def test_a_volume_belongs_to_its_claim_and_goes_with_it() -> None:
    volume = volume_object(claim(), {"reclaimPolicy": "Delete"}, Path("/disks/x"))
    assert volume["spec"]["claimRef"]["uid"] == "1"
    assert not is_to_be_deleted(volume)
    assert is_to_be_deleted({**volume, "status": {"phase": "Released"}})
    kept = volume_object(claim(), {"reclaimPolicy": "Retain"}, Path("/disks/x"))
    assert not is_to_be_deleted({**kept, "status": {"phase": "Released"}})
