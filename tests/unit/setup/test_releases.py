# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official releases: proved by their publisher's checksums, left alone where they are out of reach."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.error
from pathlib import Path

import pytest

from sandbox.setup import releases
from sandbox.setup.console import SetupError


def archive(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


HELM = releases.Release("https://x.test/helm.tar.gz", "https://x.test/helm.sha256sum", (("linux-amd64/helm", "helm"),))
KUBE = releases.Release("https://x.test/kube", "https://x.test/kube.sha256", (("kube", "kube"),))


def test_a_proved_release_is_unpacked(tmp_path: Path) -> None:
    tar = archive("linux-amd64/helm", b"#!helm")
    pages = {
        HELM.url: tar,
        HELM.checksum_url: f"{hashlib.sha256(tar).hexdigest()}  helm.tar.gz\n".encode(),
        KUBE.url: b"#!kube",
        KUBE.checksum_url: hashlib.sha256(b"#!kube").hexdigest().encode(),
    }
    releases.fetch_all(tmp_path, lambda text: None, fetch=pages.__getitem__, releases=[HELM, KUBE])
    assert (tmp_path / "helm").read_bytes() == b"#!helm"
    assert (tmp_path / "kube").read_bytes() == b"#!kube"
    assert (tmp_path / "helm").stat().st_mode & 0o111


def test_a_checksum_that_does_not_fit_is_an_error_and_nothing_is_kept(tmp_path: Path) -> None:
    pages = {KUBE.url: b"something else", KUBE.checksum_url: hashlib.sha256(b"#!kube").hexdigest().encode()}
    with pytest.raises(SetupError, match="SHA-256"):
        releases.fetch_all(tmp_path, lambda text: None, fetch=pages.__getitem__, releases=[KUBE])
    assert list(tmp_path.iterdir()) == []


def test_out_of_reach_is_no_error(tmp_path: Path) -> None:
    def unreachable(url: str) -> bytes:
        raise urllib.error.URLError("no route")

    said: list[str] = []
    releases.fetch_all(tmp_path, said.append, fetch=unreachable, releases=[HELM])
    assert list(tmp_path.iterdir()) == []
    assert "built instead" in said[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("abc", "abc"),
        ("111  other.tar.gz\nabc  helm.tar.gz\n", "abc"),
        ("ABC *helm.tar.gz", "abc"),
        ("abc  ./dist/helm.tar.gz", "abc"),
        ("111  other.tar.gz", None),
    ],
)
def test_forms_of_checksum_files(text: str, found: str | None) -> None:
    assert releases.expected_checksum(text, "helm.tar.gz") == found


def test_every_pinned_release_names_its_checksum() -> None:
    for release in releases.all_releases("amd64"):
        assert release.url.startswith("https://")
        assert release.checksum_url.startswith("https://")
