# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The root of a container: an empty tmpfs with this machine's programs bound into it, read-only, and the pod's volumes.

`host_paths` decides what of the machine is visible; `enter` runs in the forked child, in its own mount namespace.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..namespaces import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    make_read_only,
    mount,
    pivot_root,
)

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "sys")
_ETC = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf", "group", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "passwd", "pki", "profile", "protocols",
    "services", "ssl",
)  # fmt: skip
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_WORLD_WRITABLE = ("tmp", "var/tmp")


@dataclass(frozen=True)
class Bind:
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Root:
    """Everything `enter` needs to know, decided before the fork."""

    staging: str
    """An empty folder to build the root on."""
    programs: Sequence[str]
    """Folders of the machine to show at their own paths, read-only, beside the system's."""
    files: dict[str, str] = field(default_factory=dict)
    """Files of the container's own, such as /etc/hosts."""
    volumes: Sequence[Bind] = ()
    working_dir: str = "/"


def _covered(path: str, by: Iterable[str]) -> bool:
    return any(path == other or path.startswith(other.rstrip("/") + "/") for other in by)


def host_paths(tools: Path) -> list[str]:
    """Python, this package, the tools and whatever their symbolic links lead to; folders inside others left out."""
    wanted = {sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[2]), str(tools)}
    for link in [tools, *tools.glob("*"), *tools.glob("*/*")]:
        if link.is_symlink():
            target = link.resolve()
            wanted.add(str(target if target.is_dir() else target.parent))
    real = {os.path.realpath(path) for path in wanted}
    present = sorted(path for path in wanted | real if os.path.isdir(path))
    system = [f"/{name}" for name in _SYSTEM]
    found: list[str] = []
    for path in present:
        if not _covered(path, system) and not _covered(path, found):
            found.append(path)
    return found


def mount_order(volumes: Iterable[Bind]) -> list[Bind]:
    """Outer mounts first."""
    return sorted(volumes, key=lambda bind: os.path.normpath(bind.target).count("/"))


def _place(root: str, path: str, *, directory: bool) -> str:
    """Make the file or folder that something is to be bound on."""
    target = os.path.normpath(root + "/" + path)
    if directory:
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    return target


def _bind(root: str, source: str, path: str, *, read_only: bool) -> None:
    target = _place(root, path, directory=stat.S_ISDIR(os.stat(source).st_mode))
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        make_read_only(target)


def _system(root: str) -> None:
    for name in _SYSTEM:
        source = f"/{name}"
        if os.path.islink(source):
            # Links to /usr; relative, so that they never lead out of a root that is still being built.
            os.symlink(os.readlink(source).lstrip("/"), f"{root}/{name}")
        elif os.path.isdir(source):
            try:
                _bind(root, source, source, read_only=True)
            except OSError:
                if name != "sys":  # where it can't be had, programs do without
                    raise
    for name in _ETC:
        source = f"/etc/{name}"
        if os.path.exists(source):
            _bind(root, source, source, read_only=True)


def _devices(root: str) -> None:
    os.mkdir(f"{root}/dev", 0o755)
    for name in _DEVICES:
        _bind(root, f"/dev/{name}", f"/dev/{name}", read_only=False)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")
    os.mkdir(f"{root}/dev/pts", 0o755)
    with contextlib.suppress(OSError):
        mount("devpts", f"{root}/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
        os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    os.mkdir(f"{root}/dev/shm", 0o1777)
    mount("shm", f"{root}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")


def _folders(root: str) -> None:
    for name in ("etc", "home", "mnt", "proc", "root", "run", "srv", "var/lib", "var/log", "var/cache"):
        os.makedirs(f"{root}/{name}", mode=0o755, exist_ok=True)
    os.symlink("../run", f"{root}/var/run")
    for name in _WORLD_WRITABLE:
        os.mkdir(f"{root}/{name}")
        os.chmod(f"{root}/{name}", 0o1777)


def enter(root: Root) -> None:
    """Build the root and make it ours. Runs in a new mount and PID namespace, as its process 1."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    base = root.staging
    mount("root", base, "tmpfs", MS_NODEV, "mode=0755")
    _folders(base)
    _system(base)
    for path in root.programs:
        _bind(base, path, path, read_only=True)
    _devices(base)
    mount("proc", f"{base}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path, content in root.files.items():
        with open(_place(base, path, directory=False), "w", encoding="utf-8") as file:
            file.write(content)
    for volume in mount_order(root.volumes):
        _bind(base, volume.source, volume.target, read_only=volume.read_only)
    pivot_root(base)
    if root.working_dir != "/":
        os.makedirs(root.working_dir, exist_ok=True)
        os.chdir(root.working_dir)
