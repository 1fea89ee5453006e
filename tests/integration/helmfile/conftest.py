# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One API server for all tests of this folder; each test has a namespace, and charts, of its own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from control_plane import CHECKOUT, TOOLS, ControlPlane, control_plane

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    "values.yaml": "text: one\nreplicas: 1\nselector: a\nbroken: false\nextra: false\n",
    "values.schema.json": json.dumps(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "text": {"type": "string"},
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
                "broken": {"type": "boolean"},
                "extra": {"type": "boolean"},
                "global": {"type": "object"},
            },
        }
    ),
    "templates/config.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ .Values.text | quote }}
  # As helm sees the cluster when it installs: rendering for the comparison must see the same.
  version: {{ .Capabilities.KubeVersion.Version | quote }}
""",
    "templates/secret.yaml": """\
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  password: {{ printf "hidden-%s" .Values.text | quote }}
""",
    "templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}, with: {{ .Values.selector }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}, with: {{ .Values.selector }}}
    spec:
      containers:
        - name: main
          image: example/main:v1
          args: [--text, {{ .Values.text | quote }}]
          env:
            - {name: TEXT, value: {{ .Values.text | quote }}}
          resources:
            requests: {cpu: 0.5}
""",
    "templates/custom.yaml": """\
apiVersion: tests.example.com/v1
kind: Thing
metadata:
  name: {{ .Release.Name }}
spec:
  size: {{ .Values.replicas }}
  limit: 300
""",
    "templates/broken.yaml": """\
{{- if .Values.broken }}
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}-not_a_name
spec:
  ports: [{port: 80}]
{{- end }}
""",
    "templates/extra.yaml": """\
{{- if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-extra
{{- end }}
""",
}
HELMFILE = """\
helmDefaults:
  createNamespace: false
releases:
  - name: after
    namespace: {{ .Values.namespace }}
    chart: {{ .Values.chart }}
    needs: [{{ .Values.namespace }}/first]
    values: [{{ toJson .Values.after }}]
  - name: first
    namespace: {{ .Values.namespace }}
    chart: {{ .Values.chart }}
    values: [{{ toJson .Values.first }}]
"""
THING = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.tests.example.com"},
    "spec": {
        "group": "tests.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


class Deployment:
    """A helmfile in a namespace of its own, and the module run on it as Ansible runs modules."""

    def __init__(self, plane: ControlPlane, folder: Path, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self.file = folder / "helmfile.yaml.gotmpl"
        self.chart = folder / "app"
        self.file.write_text(HELMFILE)
        for name, text in CHART.items():
            path = self.chart / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        plane.writes()

    def run(
        self,
        *,
        first: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        check: bool = False,
        ok: bool = True,
        **options: Any,
    ) -> dict[str, Any]:
        values = {
            "namespace": self.namespace,
            "chart": str(self.chart),
            "first": first or {},
            "after": after or {},
        }
        arguments = {
            "file": str(self.file),
            "state_values": values,
            "kubeconfig": str(self.plane.kubeconfig),
            "binary_path": str(TOOLS / "bin" / "helmfile"),
            "helm_binary": str(TOOLS / "bin" / "helm"),
            "skip_deps": True,
            "poll_interval": 0.2,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **options,
        }
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.llm_d.gke.plugins.modules.helmfile"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env={**os.environ, "PYTHONPATH": str(CHECKOUT / ".ansible" / "collections")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout.strip(), done.stderr
        result = dict(json.loads(done.stdout))
        assert ok == (not result.get("failed")), result
        return result

    def path(self, kind: str, name: str = "first") -> str:
        group = {"deployments": "apis/apps/v1", "things": "apis/tests.example.com/v1"}.get(kind, "api/v1")
        return f"/{group}/namespaces/{self.namespace}/{kind}/{name}"

    def get(self, kind: str, name: str = "first") -> dict[str, Any] | None:
        return self.plane.request("GET", self.path(kind, name))

    def edit(self, kind: str, patch: dict[str, Any], name: str = "first") -> None:
        self.plane.edit(self.path(kind, name), patch)
        self.plane.writes()

    def record(self, name: str, revision: int) -> dict[str, Any]:
        found = self.get("secrets", f"sh.helm.release.v1.{name}.v{revision}")
        assert found is not None
        return found


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as running:
        running.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", THING)
        yield running


_numbers = itertools.count(1)


@pytest.fixture
def deployment(plane: ControlPlane, tmp_path: Path) -> Deployment:
    return Deployment(plane, tmp_path, f"test-{next(_numbers)}")


@pytest.fixture
def installed(deployment: Deployment) -> Deployment:
    deployment.run()
    deployment.plane.writes()
    return deployment
