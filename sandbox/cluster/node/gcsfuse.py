# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Buckets as volumes: the Cloud Storage FUSE driver's rules and words, with a folder of copies in place of FUSE.

The objects are listed and fetched by the API, as the pod's own identity. Mounts are read-only. What is mounted stays as
it was; only a volume without an endless metadata cache is looked at again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ..config import Config
from .volumes import VolumeError
from .workload_identity import NoToken, WorkloadIdentity

DRIVER = "gcsfuse.csi.storage.gke.io"
ANNOTATION = "gke-gcsfuse/volumes"
_NO_DRIVER = (
    "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name gcsfuse.csi.storage.gke.io not found in "
    "the list of registered CSI drivers"
)
_FLAGS = [
    "implicit-dirs",
    "only-dir",
    "uid",
    "gid",
    "file-mode",
    "dir-mode",
    "ro",
    "rw",
    "o",
    "read_ahead_kb",
    "max-conns-per-host",
    "client-protocol",
    "rename-dir-limit",
    "sequential-read-size-mb",
    "stat-cache-ttl",
    "type-cache-ttl",
    "stat-cache-max-size-mb",
    "type-cache-max-size-mb",
    "kernel-list-cache-ttl-secs",
    "limit-bytes-per-sec",
    "limit-ops-per-sec",
    "billing-project",
    "http-client-timeout",
    "max-retry-sleep",
    "enable-nonexistent-type-cache",
    "ignore-interrupts",
    "metadata-cache-ttl-secs",
]
# Parts of gcsfuse's configuration file, which mount options give as section:name:value.
_SECTIONS = ("file-cache", "metadata-cache", "file-system", "gcs-connection", "gcs-retries", "logging", "write", "read",
             "list", "enable-hns", "implicit-dirs")  # fmt: skip


def _rpc(code: str, text: str) -> VolumeError:
    return VolumeError(f"rpc error: code = {code} desc = {text}")


@dataclass(frozen=True)
class BucketVolume:
    """What a pod or a persistent volume says of a bucket."""

    bucket: str
    options: tuple[str, ...]
    read_only: bool

    @classmethod
    def inline(cls, source: Mapping[str, Any]) -> BucketVolume:
        attributes = source.get("volumeAttributes") or {}
        if not attributes.get("bucketName"):
            text = 'NodePublishVolume VolumeContext "bucketName" must be provided for ephemeral storage'
            raise _rpc("InvalidArgument", text)
        options = _split(attributes.get("mountOptions", ""))
        return cls(attributes["bucketName"], options, bool(source.get("readOnly")))

    @classmethod
    def persistent(cls, spec: Mapping[str, Any]) -> BucketVolume:
        source = spec["csi"]
        options = [option for text in spec.get("mountOptions") or [] for option in _split(text)]
        options += _split((source.get("volumeAttributes") or {}).get("mountOptions", ""))
        # A handle may carry something after a colon, for several volumes of one bucket.
        return cls(str(source["volumeHandle"]).partition(":")[0], tuple(options), bool(source.get("readOnly")))

    def option(self, name: str) -> str:
        for option in self.options:
            key, _equals, value = option.replace(":", "=").rpartition("=")
            if key == name or option == name:
                return value if key else "true"
        return ""

    def check(self) -> None:
        for option in self.options:
            name = option.partition("=")[0].partition(":")[0]
            if name not in _FLAGS and name not in _SECTIONS:
                raise _rpc(
                    "InvalidArgument",
                    f"the sidecar container failed with error: Incorrect Usage. flag provided but not defined: -{name}",
                )

    @property
    def kept_for_ever(self) -> bool:
        return "metadata-cache:ttl-secs:-1" in self.options


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def shown(names: Iterable[str], only_dir: str, implicit: bool) -> dict[str, str]:
    """Objects as files: name → path below the mount. Folders that no object stands for are seen only when told so."""
    root = f"{only_dir.strip('/')}/" if only_dir.strip("/") else ""
    inside = {name: name.removeprefix(root) for name in names if name.startswith(root) and name != root}
    folders = {path for path in inside.values() if path.endswith("/")}
    result = {}
    for name, path in inside.items():
        parents = [path[: place + 1] for place, letter in enumerate(path[:-1]) if letter == "/"]
        if (implicit or all(parent in folders for parent in parents)) and _is_safe(path):
            result[name] = path
    # A name that is a folder as well: the folder is seen.
    taken = {path[:place] for path in result.values() for place, letter in enumerate(path) if letter == "/"}
    return {name: path for name, path in result.items() if path not in taken}


def _is_safe(path: str) -> bool:
    return all(part not in ("", ".", "..") for part in path.rstrip("/").split("/"))


class Mount:
    """One bucket in one pod."""

    def __init__(self, buckets: Buckets, volume: BucketVolume, pod: Mapping[str, Any], folder: Path) -> None:
        self._buckets = buckets
        self._volume = volume
        self._pod = pod
        self._folder = folder
        self._generations: dict[str, str] = {}

    async def set_up(self) -> None:
        if not self._buckets.enabled:
            raise VolumeError(_NO_DRIVER)
        metadata = self._pod["metadata"]
        if (metadata.get("annotations") or {}).get(ANNOTATION) != "true":
            raise _rpc("FailedPrecondition", "failed to find the sidecar container in Pod spec")
        self._volume.check()
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._bring_up_to_date()

    async def refresh(self) -> None:
        if not self._volume.kept_for_ever:
            await self._bring_up_to_date()

    async def _bring_up_to_date(self) -> None:
        token = await self._token()
        objects = await self._list(token)
        paths = shown(objects, self._volume.option("only-dir"), "implicit-dirs" in self._volume.options)
        for name, path in paths.items():
            if self._generations.get(name) != objects[name]:
                await self._show(token, name, self._folder / path, folder=path.endswith("/"))
                self._generations[name] = objects[name]
        for name in [name for name in self._generations if name not in paths]:
            del self._generations[name]
        wanted = {self._folder / path for path in paths.values()}
        for entry in sorted(self._folder.rglob("*"), reverse=True):
            if entry.is_file() and entry not in wanted:
                entry.unlink()
            elif entry.is_dir() and not any(entry in item.parents or entry == item for item in wanted):
                shutil.rmtree(entry, ignore_errors=True)

    async def _token(self) -> str:
        spec, metadata = self._pod["spec"], self._pod["metadata"]
        account = spec.get("serviceAccountName") or "default"
        try:
            found = await self._buckets.identity.token(spec["nodeName"], metadata["namespace"], account)
        except NoToken as error:
            raise _rpc(
                "Unauthenticated",
                "failed to prepare storage service: storage service manager failed to setup service: timed out waiting "
                f"for the condition ({error})",
            ) from error
        return found.value

    async def _list(self, token: str) -> dict[str, str]:
        """Name → generation of every object."""
        found: dict[str, str] = {}
        page = ""
        while True:
            query = urlencode({"maxResults": 1000, **({"pageToken": page} if page else {})})
            answer = await self._ask(token, f"/storage/v1/b/{quote(self._volume.bucket, safe='')}/o?{query}")
            body = json.loads(answer)
            found |= {item["name"]: item["generation"] for item in body.get("items") or []}
            page = body.get("nextPageToken", "")
            if not page:
                return found

    async def _show(self, token: str, name: str, path: Path, *, folder: bool) -> None:
        if folder:
            path.mkdir(parents=True, exist_ok=True)
            return
        bucket = quote(self._volume.bucket, safe="")
        content = await self._ask(token, f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(content)
        temporary.chmod(0o644)
        temporary.replace(path)

    async def _ask(self, token: str, target: str) -> bytes:
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "gcs-fuse-csi-driver (sandbox)"}
        answer = await self._buckets.identity.cloud("GET", target, headers=headers)
        if answer.status == 200:
            return answer.body
        bucket = f'failed to get GCS bucket "{self._volume.bucket}"'
        if answer.status == 404:
            raise _rpc("NotFound", f"{bucket}: storage: bucket doesn't exist")
        message = json.loads(answer.body)["error"]["message"]
        code = "PermissionDenied" if answer.status == 403 else "Internal"
        raise _rpc(
            code, f"{bucket}: googleapi: Error {answer.status}: {message}, {'forbidden' * (answer.status == 403)}"
        )


class Buckets:
    """The driver, as far as all its mounts share it."""

    def __init__(self, config: Config, identity: WorkloadIdentity) -> None:
        self.enabled = bool((config.addons.get("gcsFuseCsiDriverConfig") or {}).get("enabled"))
        self.identity = identity

    def mount(self, volume: BucketVolume, pod: Mapping[str, Any], folder: Path) -> Mount:
        return Mount(self, volume, pod, folder)
