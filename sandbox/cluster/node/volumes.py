# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Volumes of a pod: what each holds is decided by pure functions (`payload_*`); `AtomicFolder` writes it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environment import Object, Sources, config_map_data, field_value, resource_value, secret_data


class VolumeError(Exception):
    """The volume can't be set up; the message is the kubelet's, after `MountVolume.SetUp failed for volume …`."""


@dataclass(frozen=True)
class File:
    content: bytes
    mode: int


Payload = dict[str, File]

DEFAULT_MODE = 0o644


def payload_of_keys(data: Mapping[str, bytes], source: Object, kind: str, full_name: str, default_mode: int) -> Payload:
    """The files of a config map or secret: all keys, or those that `items` names, under the names it gives."""
    items = source.get("items")
    if not items:
        return {key: File(content, default_mode) for key, content in data.items()}
    files: Payload = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = File(data[item["key"]], item.get("mode", default_mode))
        elif not source.get("optional"):
            raise VolumeError(f"references non-existent {kind} key: {item['key']}" if full_name else "")
    return files


def payload_of_downward(items: Sequence[Object], sources: Sources, default_mode: int) -> Payload:
    files: Payload = {}
    for item in items:
        if "fieldRef" in item:
            text = field_value(item["fieldRef"]["fieldPath"], sources)
        else:
            reference = item["resourceFieldRef"]
            named = {"name": reference.get("containerName", "")}
            text = resource_value(reference, named, sources)
        files[item["path"]] = File(text.encode(), item.get("mode", default_mode))
    return files


def _present(found: Object | None, source: Object, kind: str, name: str) -> bool:
    """Whether the object is there; absent is allowed for optional ones only."""
    if found is not None:
        return True
    if source.get("optional"):
        return False
    raise VolumeError(f'{kind} "{name}" not found')


def payload_of_config_map(source: Object, sources: Sources, default_mode: int) -> Payload:
    name = source["name"]
    found = sources.config_maps.get(name)
    if not _present(found, source, "configmap", name) or found is None:
        return {}
    return payload_of_keys(config_map_data(found), source, "config", name, default_mode)


def payload_of_secret(source: Object, sources: Sources, default_mode: int) -> Payload:
    name = source.get("secretName") or source["name"]
    found = sources.secrets.get(name)
    if not _present(found, source, "secret", name) or found is None:
        return {}
    return payload_of_keys(secret_data(found), source, "secret", name, default_mode)


def payload_of_projected(
    source: Object, sources: Sources, token: Callable[[Object], bytes], default_mode: int
) -> Payload:
    """Several sources in one folder. `token` has the service account tokens, fetched before."""
    files: Payload = {}
    for part in source.get("sources") or []:
        if "serviceAccountToken" in part:
            item = part["serviceAccountToken"]
            files[item["path"]] = File(token(item), 0o600 if default_mode == DEFAULT_MODE else default_mode)
        elif "configMap" in part:
            files.update(payload_of_config_map(part["configMap"], sources, default_mode))
        elif "secret" in part:
            files.update(payload_of_secret(part["secret"], sources, default_mode))
        elif "downwardAPI" in part:
            files.update(payload_of_downward(part["downwardAPI"].get("items") or [], sources, default_mode))
        else:
            raise VolumeError(f"unsupported projected source: {', '.join(part)}")
    return files


def volume_references(volumes: Sequence[Object]) -> tuple[set[str], set[str]]:
    """Names of the config maps and of the secrets that volumes show."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for volume in volumes:
        parts: list[Any] = [volume]
        parts += (volume.get("projected") or {}).get("sources") or []
        for part in parts:
            if part.get("configMap"):
                config_maps.add(part["configMap"]["name"])
            if part.get("secret"):
                secrets.add(part["secret"].get("secretName") or part["secret"]["name"])
    return config_maps, secrets


def token_requests(volumes: Sequence[Object]) -> list[Object]:
    return [
        part["serviceAccountToken"]
        for volume in volumes
        for part in (volume.get("projected") or {}).get("sources") or []
        if "serviceAccountToken" in part
    ]


class AtomicFolder:
    """A folder whose files change all at once: names are links into `..data`, itself a link to the present version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: Payload | None = None

    def write(self, payload: Payload) -> bool:
        """Show exactly these files. Returns whether anything changed."""
        if payload == self._written:
            return False
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        version = Path(tempfile.mkdtemp(prefix="..", dir=self.path))
        version.chmod(0o755)
        for name, file in payload.items():
            target = _inside(version, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(file.mode)
        data = self.path / "..data"
        former = os.readlink(data) if data.is_symlink() else None
        link = self.path / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(data)
        self._show({Path(name).parts[0] for name in payload})
        if former:
            shutil.rmtree(self.path / former, ignore_errors=True)
        self._written = payload
        return True

    def _show(self, names: set[str]) -> None:
        for name in names:
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        for entry in self.path.iterdir():
            if not entry.name.startswith("..") and entry.name not in names:
                entry.unlink()


def _inside(folder: Path, name: str) -> Path:
    """A path below the folder; the API server refuses others, and so do we."""
    target = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise VolumeError(f"invalid path: {name}")
    return target
