# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The execution environment: the context that ansible-builder makes of it, and the script that installs its programs,
run for real on releases served here."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from sandbox.setup.releases import all_releases
from tests.integration.playbooks.run import CHECKOUT

SCRIPT = CHECKOUT / "execution-environment" / "install-tools.sh"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
HELM = f"helm-v3.20.2-linux-{ARCH}.tar.gz"
HELMFILE = f"helmfile_1.4.4_linux_{ARCH}.tar.gz"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ee") / "context"
    builder = Path(sys.executable).with_name("ansible-builder")
    command = [builder, "create", "-f", CHECKOUT / "execution-environment.yml", "-c", folder]
    subprocess.run([*command, "--output-filename", "Containerfile"], check=True, capture_output=True, cwd=CHECKOUT)
    return folder


def test_the_context_holds_what_the_build_copies(context: Path) -> None:
    text = (context / "Containerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for word in line.split()[:-1]]
    assert copied
    assert [name for name in copied if not (context / name).exists()] == []
    assert (context / "_build" / "tools" / SCRIPT.name).read_bytes() == SCRIPT.read_bytes()


def test_the_image_has_the_collections_requirements(context: Path) -> None:
    assert (context / "_build" / "requirements.txt").read_text() == (CHECKOUT / "requirements.txt").read_text()
    wanted = yaml.safe_load((context / "_build" / "requirements.yml").read_text())["collections"]
    depends = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["dependencies"]
    assert {one["name"]: one["version"] for one in wanted} == depends


def test_versions_are_those_that_are_tested(context: Path) -> None:
    text = (context / "Containerfile").read_text()
    tested = (CHECKOUT / "requirements-dev.txt").read_text()
    for name in ("ansible-core", "ansible-runner"):
        [pinned] = re.findall(rf"{name}==([\d.]+)", text)
        assert f"{name}=={pinned}" in tested
    script = SCRIPT.read_text()
    urls = " ".join(release.url for release in all_releases())
    for name, before, after in (
        ("helm", "/helm-", "-linux"),
        ("helmfile", "/helmfile_", "_"),
        ("kubectl", "k8s.io/", "/"),
    ):
        [version] = re.findall(rf"^{name}=\$\{{\w+:-(.+)\}}$", script, re.M)
        assert f"{before}{version}{after}" in urls, name


def test_no_second_way_into_the_clouds(context: Path) -> None:
    text = (context / "Containerfile").read_text() + SCRIPT.read_text()
    for word in ("gcloud", "google-cloud-sdk", "gke-gcloud-auth-plugin", "helm-diff", "plugin install"):
        assert word not in text


class Site:
    """The publishers of the programs, on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.put(HELM, archive(f"linux-{ARCH}/helm", "#!/bin/sh\necho helm\n"))
        self.put(f"{HELM}.sha256sum", f"{self.digest(HELM)}  {HELM}\n".encode())
        self.put(f"v1.4.4/{HELMFILE}", archive("helmfile", "#!/bin/sh\necho helmfile\n"))
        other = f"{'0' * 64}  helmfile_1.4.4_darwin_{ARCH}.tar.gz\n"
        listed = f"{other}{self.digest(f'v1.4.4/{HELMFILE}')}  {HELMFILE}\n"
        self.put("v1.4.4/helmfile_1.4.4_checksums.txt", listed.encode())
        self.kubectl = f"release/v1.35.4/bin/linux/{ARCH}/kubectl"
        self.put(self.kubectl, b"#!/bin/sh\necho kubectl\n")
        self.put(f"{self.kubectl}.sha256", self.digest(self.kubectl).encode())

    def put(self, name: str, content: bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def digest(self, name: str) -> str:
        return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()


def archive(member: str, text: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        entry = tarfile.TarInfo(member)
        entry.size, entry.mode = len(text), 0o755
        file.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    folder = tmp_path / "site"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Site(folder), f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def install(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    sites = {name: url for name in ("HELM_SITE", "HELMFILE_SITE", "KUBECTL_SITE")}
    env = {"PATH": os.environ["PATH"], **sites}
    return subprocess.run(["bash", SCRIPT, folder], env=env, capture_output=True, text=True, timeout=60, check=False)


def test_programs_whose_checksums_fit_are_installed(site: tuple[Site, str], tmp_path: Path) -> None:
    done = install(site[1], tmp_path / "bin")
    assert done.returncode == 0, done.stderr
    for name in ("helm", "helmfile", "kubectl"):
        said = subprocess.run([tmp_path / "bin" / name], capture_output=True, text=True, check=True).stdout
        assert said == f"{name}\n"


@pytest.mark.parametrize("name", ["helm", "helmfile", "kubectl"])
@pytest.mark.parametrize("trouble", ["changed on the way", "not in the list", "list is gone"])
def test_a_program_that_cannot_be_proved_ends_the_build(
    site: tuple[Site, str], tmp_path: Path, name: str, trouble: str
) -> None:
    where, url = site
    program, listed = {
        "helm": (HELM, f"{HELM}.sha256sum"),
        "helmfile": (f"v1.4.4/{HELMFILE}", "v1.4.4/helmfile_1.4.4_checksums.txt"),
        "kubectl": (where.kubectl, f"{where.kubectl}.sha256"),
    }[name]
    if trouble == "changed on the way":
        where.put(program, (where.folder / program).read_bytes() + b"\n# and more")
    elif trouble == "not in the list":
        where.put(listed, f"{where.digest(program)}  another-file\n".encode())
    else:
        (where.folder / listed).unlink()
    done = install(url, tmp_path / "bin")
    assert done.returncode != 0
    assert list((tmp_path / "bin").iterdir()) == [], "nothing is installed unless all is proved"
    if trouble != "list is gone":
        assert "does not have the checksum that its publisher lists" in done.stderr
