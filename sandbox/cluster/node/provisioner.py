# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Persistent volumes: a claim of one of GKE's disk classes gets a folder, as the disk driver would make a disk."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ..config import Config
from ..kube import ApiError, KubeClient, Object

log = logging.getLogger(__name__)

DRIVER = "pd.csi.storage.gke.io"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def wants_volume(claim: Mapping[str, Any], storage_class: Mapping[str, Any]) -> bool:
    """Whether a volume is to be made for the claim now."""
    if storage_class.get("provisioner") != DRIVER:
        return False
    if claim["metadata"].get("deletionTimestamp") or claim["spec"].get("volumeName"):
        return False
    if (claim.get("status") or {}).get("phase", "Pending") != "Pending":
        return False
    if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer":
        return _SELECTED_NODE in (claim["metadata"].get("annotations") or {})
    return True


def volume_name(claim: Mapping[str, Any]) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def volume_object(claim: Mapping[str, Any], storage_class: Mapping[str, Any], folder: Path) -> Object:
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {_PROVISIONED_BY: DRIVER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": "Filesystem",
            "storageClassName": spec.get("storageClassName", ""),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


def is_to_be_deleted(volume: Mapping[str, Any]) -> bool:
    """A volume of ours whose claim is gone."""
    ours = (volume["metadata"].get("annotations") or {}).get(_PROVISIONED_BY) == DRIVER
    released = (volume.get("status") or {}).get("phase") in ("Released", "Failed")
    return ours and released and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"


class Provisioner:
    def __init__(self, config: Config, client: KubeClient) -> None:
        self._disks = config.dir / "disks"
        self._client = client
        self._queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()

    def claim_changed(self, _: Object | None, new: Object | None) -> None:
        if new is not None and not new["spec"].get("volumeName"):
            self._queue.put_nowait(("claim", new))

    def volume_changed(self, _: Object | None, new: Object | None) -> None:
        if new is not None and is_to_be_deleted(new):
            self._queue.put_nowait(("volume", new))

    async def run(self) -> None:
        while True:
            kind, item = await self._queue.get()
            try:
                await (self._provide(item) if kind == "claim" else self._delete(item))
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("%s %s: %s", kind, item["metadata"]["name"], error)
                asyncio.get_running_loop().call_later(2.0, self._queue.put_nowait, (kind, item))

    async def _provide(self, claim: Object) -> None:
        class_name = claim["spec"].get("storageClassName")
        if not class_name:
            return
        storage_class = await self._client.find(f"/apis/storage.k8s.io/v1/storageclasses/{class_name}")
        if storage_class is None or not wants_volume(claim, storage_class):
            return
        folder = self._disks / volume_name(claim)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        try:
            await self._client.create("/api/v1/persistentvolumes", volume_object(claim, storage_class, folder))
        except ApiError as error:
            if error.code != 409:
                raise

    async def _delete(self, volume: Object) -> None:
        name = volume["metadata"]["name"]
        await self._client.delete(f"/api/v1/persistentvolumes/{name}")
        shutil.rmtree(self._disks / name, ignore_errors=True)
