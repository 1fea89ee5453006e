# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The volumes of one pod on this machine: set up before its containers, refreshed while they run, removed after."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kube import KubeClient
from .environment import ConfigError, Sources, expand
from .gcsfuse import DRIVER, Buckets, BucketVolume, Mount
from .rootfs import Bind
from .volumes import (
    DEFAULT_MODE,
    AtomicFolder,
    Payload,
    VolumeError,
    payload_of_config_map,
    payload_of_downward,
    payload_of_projected,
    payload_of_secret,
    token_requests,
)

_FOLDER_ONLY = ("configMap", "secret", "projected", "downwardAPI")
_SHORTEST_TOKEN = 600


class Tokens:
    """Service account tokens of a pod, renewed when a fifth of their life is left."""

    def __init__(self, client: KubeClient, pod: Mapping[str, Any]) -> None:
        self._client = client
        self._pod = pod
        self._known: dict[tuple[str, int], tuple[bytes, float]] = {}

    @staticmethod
    def _key(request: Mapping[str, Any]) -> tuple[str, int]:
        return request.get("audience") or "", int(request.get("expirationSeconds") or 3600)

    async def fetch(self, request: Mapping[str, Any]) -> None:
        audience, seconds = key = self._key(request)
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[1]:
            return
        metadata = self._pod["metadata"]
        account = self._pod["spec"].get("serviceAccountName") or "default"
        body: dict[str, Any] = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": max(seconds, _SHORTEST_TOKEN),
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
            },
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        answer = await self._client.create(path, body)
        token: bytes = answer["status"]["token"].encode()
        self._known[key] = (token, time.monotonic() + 0.8 * seconds)

    def __call__(self, request: Mapping[str, Any]) -> bytes:
        return self._known[self._key(request)][0]


class PodVolumes:
    def __init__(self, directory: Path, pod: Mapping[str, Any], client: KubeClient, buckets: Buckets) -> None:
        uid = pod["metadata"]["uid"]
        self._pod = pod
        self._client = client
        self._specs: dict[str, Mapping[str, Any]] = {item["name"]: item for item in pod["spec"].get("volumes") or []}
        self._in_memory = directory / "volumes" / uid
        self._on_disk = directory / "ephemeral" / uid
        self._disks = directory / "disks"
        self._paths: dict[str, Path] = {}
        self._folders: dict[str, AtomicFolder] = {}
        self._tokens = Tokens(client, pod)
        self._buckets = buckets
        self._mounts: dict[str, Mount] = {}
        self._read_only: set[str] = set()

    @property
    def specs(self) -> list[Mapping[str, Any]]:
        return list(self._specs.values())

    async def set_up(self, sources: Sources) -> None:
        """Make all volumes. Raises VolumeError with the volume's name first."""
        for name, volume in self._specs.items():
            if name not in self._paths:
                try:
                    self._paths[name] = await self._one(name, volume, sources)
                except (VolumeError, ConfigError, OSError) as error:
                    raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    async def refresh(self, sources: Sources) -> None:
        """Bring what is shown up to date: changed config maps and secrets, tokens about to expire."""
        for name, folder in self._folders.items():
            folder.write(await self._payload(self._specs[name], sources))
        for mount in self._mounts.values():
            await mount.refresh()

    async def _one(self, name: str, volume: Mapping[str, Any], sources: Sources) -> Path:
        if any(kind in volume for kind in _FOLDER_ONLY):
            folder = AtomicFolder(self._in_memory / name)
            folder.write(await self._payload(volume, sources))
            self._folders[name] = folder
            return folder.path
        if "emptyDir" in volume:
            memory = (volume["emptyDir"] or {}).get("medium") == "Memory"
            path: Path = (self._in_memory if memory else self._on_disk) / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o777)
            return path
        if "persistentVolumeClaim" in volume:
            return await self._claimed(name, volume["persistentVolumeClaim"])
        if (volume.get("csi") or {}).get("driver") == DRIVER:
            return await self._bucket(name, BucketVolume.inline(volume["csi"]))
        kind = next((key for key in volume if key != "name"), "nothing")
        raise VolumeError(f"the sandbox's nodes have no volumes of kind {kind}")

    async def _payload(self, volume: Mapping[str, Any], sources: Sources) -> Payload:
        kind = next(kind for kind in _FOLDER_ONLY if kind in volume)
        source = volume[kind]
        mode = source.get("defaultMode", DEFAULT_MODE)
        if kind == "configMap":
            return payload_of_config_map(source, sources, mode)
        if kind == "secret":
            return payload_of_secret(source, sources, mode)
        if kind == "downwardAPI":
            return payload_of_downward(source.get("items") or [], sources, mode)
        for request in token_requests([volume]):
            await self._tokens.fetch(request)
        return payload_of_projected(source, sources, self._tokens, mode)

    async def _bucket(self, name: str, volume: BucketVolume) -> Path:
        """Memory holds the copies: like everything of a pod they go with the cluster."""
        folder: Path = self._in_memory / name
        mount = self._buckets.mount(volume, self._pod, folder)
        await mount.set_up()
        self._mounts[name] = mount
        if volume.read_only:
            self._read_only.add(name)
        return folder

    async def _claimed(self, name: str, source: Mapping[str, Any]) -> Path:
        """What is behind a claim: a bucket, or a folder below `disks`, as every other volume of the sandbox is."""
        claim = source["claimName"]
        namespace = self._pod["metadata"]["namespace"]
        found = await self._client.find(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}")
        volume = ((found or {}).get("spec") or {}).get("volumeName")
        if not volume:
            raise VolumeError(f'persistentvolumeclaim "{claim}" is not bound')
        if source.get("readOnly"):
            self._read_only.add(name)
        persistent = await self._client.find(f"/api/v1/persistentvolumes/{volume}")
        spec = (persistent or {}).get("spec") or {}
        if (spec.get("csi") or {}).get("driver") == DRIVER:
            return await self._bucket(name, BucketVolume.persistent(spec))
        path: Path = self._disks / volume
        if not path.is_dir():
            raise VolumeError(f'persistentvolume "{volume}" is not one of the sandbox')
        return path

    def bind_of(self, mount: Mapping[str, Any], env: Mapping[str, str]) -> Bind:
        """A container's volumeMount as a bind mount."""
        path = self._paths.get(mount["name"])
        if path is None:
            raise VolumeError(f'volume "{mount["name"]}" is not there')
        below = mount.get("subPath") or ""
        if mount.get("subPathExpr"):
            below = expand(mount["subPathExpr"], env.get)
        source = path
        if below:
            source = path / below
            if ".." in Path(below).parts or Path(below).is_absolute():
                raise VolumeError(f"subPath {below} must be a relative path inside the volume")
            if not source.exists():
                source.mkdir(parents=True)
            if not Path(os.path.realpath(source)).is_relative_to(os.path.realpath(path)):
                raise VolumeError(f"subPath {below} leads out of the volume")
            source = Path(os.path.realpath(source))
        volume = self._specs[mount["name"]]
        read_only = (
            bool(mount.get("readOnly"))
            or mount["name"] in self._read_only
            or any(kind in volume for kind in _FOLDER_ONLY)
        )
        if mount["name"] in self._mounts and not read_only:
            raise VolumeError(f"the sandbox mounts buckets read-only: say readOnly: true of volume {mount['name']}")
        return Bind(str(source), mount["mountPath"], read_only)

    def remove(self) -> None:
        for path in (self._in_memory, self._on_disk):
            shutil.rmtree(path, ignore_errors=True)
