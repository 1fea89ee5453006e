# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The programs helm and helmfile: which versions, which environment, what they print, why they fail.

This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._errors import GcpError
from ._helmfile_manifests import Object, load
from ._helmfile_releases import Release

# (arguments, environment, working directory) -> (exit status, stdout, stderr)
Run = Callable[[list[str], dict[str, str], str], tuple[int, str, str]]

LEAST_HELM = (3, 18, 6)
LEAST_HELMFILE = (1, 1, 0)
LEAST_HELMFILE_FOR_HELM_4 = (1, 2, 1)

# What people do about the failures the programs are known for: (found in the output, what to do).
REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"don't meet the specifications of the schema"),
        "Correct the value named above: the chart does not know it, or wants another type.",
    ),
    (
        re.compile(r"invalid ownership metadata|cannot be imported into the current release"),
        "The object belongs to somebody else: delete it, give the release another name, or let helm take it over "
        "(helmfile: takeOwnership).",
    ),
    (
        re.compile(r"no matches for kind|ensure CRDs are installed first"),
        "Install the CustomResourceDefinition, or switch off the chart's value that makes this object.",
    ),
    (re.compile(r"chart requires kubeVersion"), "Use a newer cluster, or a chart version that fits it."),
    (
        re.compile(
            r"failed to download|no such host|connection refused|i/o timeout|could not be found in repo|looks like"
        ),
        "The chart's source cannot be reached: check its address, or use charts in a local folder.",
    ),
    (
        re.compile(r"no cached repo found|no such file or directory.*[Cc]hart"),
        "Check the path or the repository of the chart.",
    ),
    (re.compile(r"environment \S+ is not defined"), "Give an environment that the helmfile defines."),
    (re.compile(r"forbidden", re.IGNORECASE), "Give the identity the missing permission in the cluster."),
)


def a_home(instead: str) -> dict[str, str]:
    """A container may have no home, or name one that is not there; helm looks into it all the same."""
    return {} if os.path.isdir(os.environ.get("HOME", "")) else {"HOME": instead}


class HelmfileError(GcpError):
    """helm or helmfile is missing, too old, or failed."""


@dataclass(frozen=True)
class Settings:
    """What to run, on what."""

    file: str
    environment: str
    namespace: str
    kubeconfig: str
    kube_context: str
    helmfile: str
    helm: str
    state_values: Object = field(default_factory=dict)
    skip_deps: bool = False


class Helmfile:
    """One helmfile, run in an environment of its own below `work_dir`: the user's own helm is left alone."""

    def __init__(self, run: Run, settings: Settings, work_dir: str) -> None:
        self._run = run
        self._settings = settings
        self._work_dir = work_dir
        self._values = os.path.join(work_dir, "state-values.json")
        # 0600 by the folder's and the file's mode: state values may hold what nobody else should read.
        with os.fdopen(os.open(self._values, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(settings.state_values, file)
        self.actions: list[str] = []

    def _environment(self) -> dict[str, str]:
        folders = {
            "HELM_CACHE_HOME": "helm/cache",
            "HELM_CONFIG_HOME": "helm/config",
            "HELM_DATA_HOME": "helm/data",
            "HELMFILE_CACHE_HOME": "helmfile/cache",
            "HELMFILE_TEMPDIR": "helmfile/tmp",
            "KUBECACHEDIR": "kube/cache",
        }
        paths = {name: os.path.join(self._work_dir, folder) for name, folder in folders.items()}
        for path in paths.values():
            os.makedirs(path, mode=0o700, exist_ok=True)
        cleared = dict.fromkeys(("HELM_NAMESPACE", "HELM_KUBECONTEXT", "HELM_KUBEAPISERVER", "HELM_KUBETOKEN"), "")
        kubeconfig = self._settings.kubeconfig or os.path.join(self._work_dir, "no-cluster")
        return {
            **paths,
            **a_home(self._work_dir),
            **cleared,
            "HELM_DRIVER": "secret",
            "HELMFILE_UPGRADE_NOTICE_DISABLED": "1",
            "HELMFILE_INTERACTIVE": "false",
            "KUBECONFIG": kubeconfig,
            "NO_COLOR": "1",
        }

    def _call(self, program: str, arguments: Sequence[str], what: str) -> str:
        folder = os.path.dirname(os.path.abspath(self._settings.file))
        rc, out, err = self._run([program, *arguments], self._environment(), folder)
        if rc != 0:
            raise explained(what, rc, out, err)
        return out

    def _helmfile(self, command: str, *arguments: str, releases: Sequence[Release] = ()) -> str:
        settings = self._settings
        words = ["--quiet", "--no-color", "--file", settings.file, "--helm-binary", settings.helm]
        words += ["--state-values-file", self._values]
        for option, value in (
            ("--environment", settings.environment),
            ("--namespace", settings.namespace),
            ("--kube-context", settings.kube_context),
        ):
            words += [option, value] if value else []
        for release in releases:
            words += ["--selector", release.selector]
        return self._call(settings.helmfile, [*words, command, *arguments], f"helmfile {command}")

    def check_versions(self) -> dict[str, str]:
        """The versions, once they are known to be new enough."""
        helm = self._call(self._settings.helm, ["version", "--template", "{{.Version}}"], "helm version").strip()
        helmfile = json.loads(self._call(self._settings.helmfile, ["version", "--output", "json"], "helmfile version"))
        versions = {"helm": helm, "helmfile": str(helmfile["version"])}
        judge_versions(versions["helm"], versions["helmfile"])
        return versions

    def releases(self) -> list[Release]:
        """What the helmfile declares, in the order of `needs`."""
        rows = json.loads(self._helmfile("list", "--output", "json") or "[]")
        found = [
            Release(row["name"], row["namespace"], row["chart"], row["version"], bool(row["installed"]))
            for row in rows
            if row["enabled"]
        ]
        return in_order(found, needs_in(self._helmfile("build"))) if len(found) > 1 else found

    def render(self, releases: Sequence[Release], *, like: str, kube_version: str = "") -> dict[Release, list[Object]]:
        """What each release would consist of.

        `like` says what helm may know while rendering, because charts ask for it: install and upgrade render as
        helm would in the cluster (its exact version, its kinds, look-ups); plan needs neither the cluster's kinds
        nor a cluster at all.
        """
        if not releases:
            return {}
        folder = os.path.join(self._work_dir, "rendered")
        arguments = ["--no-hooks", "--output-dir", folder]
        arguments += ["--output-dir-template", "{{ .OutputDir }}/{{ .Release.Namespace }}/{{ .Release.Name }}"]
        arguments += ["--skip-deps"] if self._settings.skip_deps else []
        if like == "plan":
            arguments += ["--kube-version", kube_version] if kube_version else []
        else:
            arguments += ["--validate", "--args", "--dry-run=server" + (" --is-upgrade" if like == "upgrade" else "")]
        self._helmfile("template", *arguments, releases=releases)
        return {release: _read_folder(os.path.join(folder, release.namespace, release.name)) for release in releases}

    def sync(self, releases: Sequence[Release]) -> None:
        arguments = ["--skip-deps"] if self._settings.skip_deps else []
        self.actions += [f"helmfile sync --selector {release.selector}" for release in releases]
        self._helmfile("sync", *arguments, releases=releases)

    def destroy(self, releases: Sequence[Release], wait: bool, timeout: int) -> None:
        arguments = ["--skip-charts", "--deleteTimeout", str(timeout)] + (["--deleteWait"] if wait else [])
        self.actions += [f"helmfile destroy --selector {release.selector}" for release in reversed(releases)]
        self._helmfile("destroy", *arguments, releases=releases)


def needs_in(state: str) -> dict[str, list[str]]:
    """Which releases each release needs, by namespace/name, from what `helmfile build` prints."""
    needs: dict[str, list[str]] = {}
    for document in load(state):
        for release in document.get("releases") or []:
            named = release.get("needs") or []
            # A need may begin with a kube context.
            needs[f"{release.get('namespace', '')}/{release['name']}"] = [
                "/".join(need.split("/")[-2:]) for need in ([named] if isinstance(named, str) else named)
            ]
    return needs


def in_order(releases: Sequence[Release], needs: Mapping[str, Sequence[str]]) -> list[Release]:
    """The releases so that each stands after those it needs. There are no circles: helmfile refuses them."""
    by_name = {f"{release.namespace}/{release.name}": release for release in releases}
    ordered: dict[str, Release] = {}

    def add(name: str) -> None:
        if name in by_name and name not in ordered:
            for need in needs.get(name, ()):
                add(need)
            ordered[name] = by_name[name]

    for name in by_name:
        add(name)
    return list(ordered.values())


def _read_folder(folder: str) -> list[Object]:
    objects: list[Object] = []
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            with open(os.path.join(path, name), encoding="utf-8") as file:
                objects += load(file.read())
    return objects


def judge_versions(helm: str, helmfile: str) -> None:
    """Refuse programs that are too old, with what to install."""
    helm_number, helmfile_number = _number(helm), _number(helmfile)
    if helm_number < LEAST_HELM:
        raise _too_old("helm", helm, LEAST_HELM)
    if helmfile_number < LEAST_HELMFILE:
        raise _too_old("helmfile", helmfile, LEAST_HELMFILE)
    if helm_number >= (4,) and helmfile_number < LEAST_HELMFILE_FOR_HELM_4:
        raise _too_old("helmfile", helmfile, LEAST_HELMFILE_FOR_HELM_4, f" with helm {helm}")


def _number(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version.strip())
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _too_old(program: str, found: str, least: tuple[int, ...], beside: str = "") -> HelmfileError:
    wanted = ".".join(str(part) for part in least)
    return HelmfileError(
        f"{program} {found or '(version unknown)'} is too old{beside}: {wanted} or later is needed",
        reason="TooOld",
        remedy=f"Install {program} {wanted} or later, or name another one by the option for its path.",
    )


def explained(what: str, rc: int, out: str, err: str) -> HelmfileError:
    """A failure in helm's own words, without helmfile's frame around them, and what to do."""
    words = reason_in(f"{err}\n{out}") or f"it ended with exit status {rc} and said nothing"
    remedy = next((remedy for pattern, remedy in REMEDIES if pattern.search(words)), "")
    return HelmfileError(words, action=what, reason="Failed", remedy=remedy)


def reason_in(output: str) -> str:
    """What helm said on its way out: helmfile repeats it between STDERR: and COMBINED OUTPUT:, indented."""
    blocks = re.findall(r"^STDERR:\n(.*?)(?=^\S|\Z)", output, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()] if blocks else output.strip().splitlines()
    told: list[str] = []
    for line in map(str.strip, lines):
        if line and line not in told and not line.startswith(("walk.go:", "WARNING: Kubernetes configuration file")):
            told.append(line)
    return "\n".join(told[-20:])


def as_run(run_command: Callable[..., tuple[int, str, str]], limit: Callable[[Any], None] | None = None) -> Run:
    """AnsibleModule.run_command in the shape this file wants."""

    def run(arguments: list[str], environment: dict[str, str], folder: str) -> tuple[int, str, str]:
        extra: dict[str, Any] = {"before_communicate_callback": limit} if limit else {}
        return run_command(arguments, environ_update=environment, cwd=folder, **extra)

    return run
