# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official releases of the pinned programs, each proved by the checksum file that its publisher puts beside it.

Where the internet is out of reach nothing is fetched, and the programs are built instead; a checksum that does not
fit is an error, never a reason to go on.
"""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .cache import digest
from .console import SetupError

_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_TIMEOUT = 15.0


@dataclass(frozen=True)
class Release:
    """One file to fetch: where, where its checksum stands, and the programs in it (member -> name)."""

    url: str
    checksum_url: str
    programs: tuple[tuple[str, str], ...]

    @property
    def is_archive(self) -> bool:
        return self.url.endswith(".tar.gz")


_KUBERNETES = "https://dl.k8s.io/v1.35.4/bin/linux/{arch}/{program}"
_ETCD = "https://github.com/etcd-io/etcd/releases/download/v3.6.8"
_HELMFILE = "https://github.com/helmfile/helmfile/releases/download/v1.4.4"


def all_releases(arch: str = _ARCH) -> list[Release]:
    """What there is to fetch for this architecture."""
    kubernetes = [
        Release(url, f"{url}.sha256", ((program, program),))
        for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        for url in [_KUBERNETES.format(arch=arch, program=program)]
    ]
    helm = f"https://get.helm.sh/helm-v3.20.2-linux-{arch}.tar.gz"
    etcd = f"etcd-v3.6.8-linux-{arch}"
    return [
        Release(helm, f"{helm}.sha256sum", ((f"linux-{arch}/helm", "helm"),)),
        Release(f"{_HELMFILE}/helmfile_1.4.4_linux_{arch}.tar.gz", f"{_HELMFILE}/helmfile_1.4.4_checksums.txt",
                (("helmfile", "helmfile"),)),
        Release(f"{_ETCD}/{etcd}.tar.gz", f"{_ETCD}/SHA256SUMS", ((f"{etcd}/etcd", "etcd"),)),
        *kubernetes,
    ]  # fmt: skip


def key() -> str:
    """Changes when what would be fetched changes."""
    return digest(repr(all_releases()))


def expected_checksum(text: str, file_name: str) -> str | None:
    """The SHA-256 of ``file_name`` in a checksum file: either a bare digest, or lines of digest and name."""
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 1 or (len(parts) == 2 and parts[1].lstrip("*").rsplit("/", 1)[-1] == file_name):
            return parts[0].lower()
    return None


def fetch_all(
    folder: Path,
    say: Callable[[str], None],
    fetch: Callable[[str], bytes] | None = None,
    releases: list[Release] | None = None,
) -> None:
    """Fetch, prove and unpack every release into ``folder``; stop quietly at the first that is out of reach."""
    fetch = fetch or _fetch
    for release in all_releases() if releases is None else releases:
        try:
            checksums = fetch(release.checksum_url).decode()
            say(f"downloading {release.url.rsplit('/', 1)[-1]}")
            content = fetch(release.url)
        except (urllib.error.URLError, OSError):
            say("official releases are out of reach from here: the programs are built instead")
            return
        _prove(release, content, checksums)
        _unpack(release, content, folder)


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # https, and proved by checksum
        data: bytes = answer.read()
    return data


def _prove(release: Release, content: bytes, checksums: str) -> None:
    expected = expected_checksum(checksums, release.url.rsplit("/", 1)[-1])
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise SetupError(
            f"{release.url} has the SHA-256 {actual}; its publisher's list says {expected}.",
            "Run make again; if it stays so, something on the way changes the download: do not use it.",
        )


def _unpack(release: Release, content: bytes, folder: Path) -> None:
    if not release.is_archive:
        for _, name in release.programs:
            _write(folder / name, content)
        return
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member, name in release.programs:
            handle = archive.extractfile(member)
            if handle is None:
                raise SetupError(f"{release.url} holds no {member}.", "Report this: the project's list is out of date.")
            _write(folder / name, handle.read())


def _write(file: Path, content: bytes) -> None:
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.rename(file)
