# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""helm and helmfile are run apart from the user's own, and their failures are told in helm's words."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_cli import (
    Helmfile,
    HelmfileError,
    Settings,
    explained,
    in_order,
    judge_versions,
    needs_in,
    reason_in,
)
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_releases import Release

SCHEMA_FAILURE = """\
in ./helmfile.yaml.gotmpl: command "/usr/bin/helm" exited with non-zero status:

PATH:
  /usr/bin/helm

ARGS:
  0: helm (4 bytes)

ERROR:
  exit status 1

EXIT STATUS
  1

STDERR:
  Error: values don't meet the specifications of the schema(s) in the following chart(s):
  a:
  - at '': additional properties 'nope' not allowed

COMBINED OUTPUT:
  Error: values don't meet the specifications of the schema(s) in the following chart(s):
  a:
  - at '': additional properties 'nope' not allowed
"""


class Program:
    """Stands for both programs: records how it was called, answers what it is told."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[list[str], dict[str, str], str]] = []

    def __call__(self, arguments: list[str], environment: dict[str, str], folder: str) -> tuple[int, str, str]:
        self.calls.append((arguments, environment, folder))
        return self.answers.pop(0)


def helmfile(program: Program, tmp_path: Path, **options: object) -> Helmfile:
    settings = Settings("/where/helmfile.yaml", "default", "n", "/kubeconfig", "", "helmfile", "helm", **options)  # type: ignore[arg-type]
    return Helmfile(program, settings, str(tmp_path))


def test_a_value_the_chart_does_not_know_is_named() -> None:
    error = explained("helmfile template", 1, "", SCHEMA_FAILURE)
    assert "additional properties 'nope' not allowed" in error.as_result()["msg"]
    assert "Correct the value" in error.as_result()["msg"]
    assert "ARGS" not in error.as_result()["msg"]


def test_without_a_frame_all_that_was_said_is_told() -> None:
    assert reason_in("\nerr: no releases found\n\n") == "err: no releases found"


def test_silence_is_told_as_such() -> None:
    assert "exit status 3" in explained("helmfile list", 3, "", "").message


@pytest.mark.parametrize(
    ("helm", "helmfile_version"), [("v3.18.6", "v1.1.0"), ("v3.20.2", "1.4.4"), ("v4.0.0", "v1.2.1")]
)
def test_versions_that_do(helm: str, helmfile_version: str) -> None:
    judge_versions(helm, helmfile_version)


@pytest.mark.parametrize(
    ("helm", "helmfile_version", "named"),
    [
        ("v3.18.5", "v1.4.4", "helm v3.18.5 is too old: 3.18.6"),
        ("v3.20.2", "v1.0.9", "helmfile v1.0.9 is too old: 1.1.0"),
        ("v4.0.0", "v1.2.0", "helmfile v1.2.0 is too old with helm v4.0.0: 1.2.1"),
        ("", "v1.4.4", "helm (version unknown)"),
    ],
)
def test_versions_that_do_not(helm: str, helmfile_version: str, named: str) -> None:
    with pytest.raises(HelmfileError) as caught:
        judge_versions(helm, helmfile_version)
    assert named in caught.value.message
    assert caught.value.remedy.startswith("Install ")


def test_nothing_of_the_user_s_helm_is_used(tmp_path: Path) -> None:
    program = Program((0, "[]", ""))
    helmfile(program, tmp_path).releases()
    arguments, environment, folder = program.calls[0]
    for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELMFILE_CACHE_HOME", "HELMFILE_TEMPDIR"):
        assert environment[name].startswith(str(tmp_path))
    assert environment["HELM_NAMESPACE"] == "" and environment["KUBECONFIG"] == "/kubeconfig"
    assert folder == "/where"
    assert arguments[:1] == ["helmfile"]


@pytest.mark.parametrize(("home", "given"), [(None, True), ("/dev/null/home", True), ("/", False)])
def test_without_a_home_there_is_one_below_the_work_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None, given: bool
) -> None:
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    program = Program((0, "v3.20.2", ""), (0, '{"version": "1.4.4"}', ""))
    settings = Settings("/helmfile.yaml", "default", "", "/kubeconfig", "", "helmfile", "helm")
    Helmfile(program, settings, str(tmp_path)).check_versions()
    assert [call[1].get("HOME") for call in program.calls] == [str(tmp_path) if given else None] * 2


def test_state_values_are_in_a_private_file_and_not_on_the_command_line(tmp_path: Path) -> None:
    program = Program((0, "[]", ""))
    helmfile(program, tmp_path, state_values={"password": "secret-value"}).releases()
    arguments = program.calls[0][0]
    path = arguments[arguments.index("--state-values-file") + 1]
    assert json.loads(Path(path).read_text()) == {"password": "secret-value"}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not any("secret-value" in word for word in arguments)


def test_only_the_named_releases_are_synced(tmp_path: Path) -> None:
    program = Program((0, "", ""))
    engine = helmfile(program, tmp_path)
    engine.sync([Release("a", "n", "c", ""), Release("b", "m", "c", "")])
    arguments = program.calls[0][0]
    selectors = [arguments[place + 1] for place, word in enumerate(arguments) if word == "--selector"]
    assert selectors == ["name=a,namespace=n", "name=b,namespace=m"]
    assert arguments[-1] == "sync"
    assert engine.actions == [
        "helmfile sync --selector name=a,namespace=n",
        "helmfile sync --selector name=b,namespace=m",
    ]


def test_releases_that_are_switched_off_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"name": "a", "namespace": "n", "enabled": True, "installed": True, "labels": "", "chart": "c", "version": "1"},
        {
            "name": "b",
            "namespace": "n",
            "enabled": False,
            "installed": True,
            "labels": "",
            "chart": "c",
            "version": "1",
        },
        {
            "name": "c",
            "namespace": "n",
            "enabled": True,
            "installed": False,
            "labels": "",
            "chart": "c",
            "version": "1",
        },
    ]
    found = helmfile(Program((0, json.dumps(rows), ""), (0, BUILT, "")), tmp_path).releases()
    assert [(release.name, release.installed) for release in found] == [("c", False), ("a", True)]


BUILT = """\
---
filepath: helmfile.yaml
releases:
  - {name: c, namespace: n, needs: [n/b]}
  - {name: a, namespace: n, needs: [context/n/c]}
  - {name: b, namespace: n}
"""


def test_the_order_is_that_of_needs_whatever_the_names() -> None:
    needs = needs_in(BUILT)
    assert needs == {"n/c": ["n/b"], "n/a": ["n/c"], "n/b": []}
    declared = [Release(name, "n", "x", "") for name in ("a", "b", "c")]
    assert [release.name for release in in_order(declared, needs)] == ["b", "c", "a"]


def test_a_need_that_is_not_declared_here_changes_nothing() -> None:
    declared = [Release(name, "n", "x", "") for name in ("a", "b")]
    assert in_order(declared, {"n/a": ["other/z"]}) == declared
