# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What the charts render for a deployment on TPU, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.charts.prepare import CHARTS, main, prepare, stamp_version

TOOLS = Path(os.environ.get("LLM_D_TOOLS") or Path(__file__).resolve().parents[3] / ".tools")
HELM = TOOLS / "bin" / "helm"
SHARE = TOOLS / "share"
VALUES = Path(__file__).with_name("values")
LABELS = {
    "llm-d.ai/inference-serving": "true",
    "llm-d.ai/guide": "pd-disaggregation",
    "llm-d.ai/model": "Qwen3-32B",
    "llm-d.ai/accelerator-variant": "tpu-v6e",
    "llm-d.ai/accelerator-vendor": "google",
}


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("charts")
    assert prepare(SHARE, HELM, out)
    assert not prepare(SHARE, HELM, out)  # all there
    assert {entry.name for entry in out.iterdir() if entry.is_dir()} == set(CHARTS)
    return out


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60, check=False)


def render(charts: Path, chart: str, release: str, *more: str) -> dict[tuple[str, str], Any]:
    """The objects of a release by kind and name."""
    options: list[str | Path] = [
        "--namespace",
        "llm-d-pd",
        "--kube-version",
        "1.35.4",
        "--values",
        VALUES / f"{chart}.yaml",
        *more,
    ]
    done = helm("template", release, charts / chart, *options)
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def refusal(charts: Path, chart: str, *more: str) -> str:
    done = helm(
        "template", "x", charts / chart, "--kube-version", "1.35.4", "--values", VALUES / f"{chart}.yaml", *more
    )
    assert done.returncode != 0, "helm took it"
    return done.stderr


@pytest.fixture(scope="module")
def model_servers(charts: Path) -> Iterator[dict[tuple[str, str], Any]]:
    yield render(charts, "llm-d-modelservice", "ms-pd")


def test_the_gateway_release_is_one_gateway(charts: Path) -> None:
    objects = render(charts, "llm-d-infra", "infra-pd")
    assert list(objects) == [("Gateway", "infra-pd-inference-gateway")]
    spec = objects["Gateway", "infra-pd-inference-gateway"]["spec"]
    assert spec["gatewayClassName"] == "gke-l7-regional-external-managed"
    (listener,) = spec["listeners"]
    routes = {"namespaces": {"from": "All"}}
    assert listener == {"name": "default", "port": 80, "protocol": "HTTP", "allowedRoutes": routes}


def test_a_gateway_class_wins_over_the_providers(charts: Path) -> None:
    objects = render(charts, "llm-d-infra", "infra-pd", "--set", "gateway.gatewayClassName=gke-l7-rilb")
    assert objects["Gateway", "infra-pd-inference-gateway"]["spec"]["gatewayClassName"] == "gke-l7-rilb"


def test_a_gateway_takes_labels_name_and_certificate(charts: Path) -> None:
    tls = {"hostname": "h", "mode": "Terminate", "certificateRefs": [{"name": "c"}]}
    listener = json.dumps({"name": "tls", "port": 443, "protocol": "HTTPS", "tls": tls})
    objects = render(
        charts,
        *("llm-d-infra", "infra-pd", "--set", "gateway.fullnameOverride=mine", "--set", "gateway.labels.owner=me"),
        *("--set-json", f"gateway.listeners=[{listener}]"),
    )
    gateway = objects["Gateway", "mine"]
    assert gateway["metadata"]["labels"]["owner"] == "me"
    (made,) = gateway["spec"]["listeners"]
    assert made["hostname"] == "h" and made["tls"] == {"mode": "Terminate", "certificateRefs": [{"name": "c"}]}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("gateway.provider=gke-l7-rilb", "/gateway/provider"),
        (
            "gateway.provider=,gateway.gatewayClassName=mine",
            'gateway.provider must be set when using custom gateway.gatewayClassName "mine"',
        ),
        ("gateway.listeners=null", "listeners"),
        ("gateway.listners=x", "listners"),
        ("gatway.provider=istio", "gatway"),
    ],
)
def test_wrong_gateway_settings_are_refused(charts: Path, setting: str, words: str) -> None:
    if setting == "gateway.listeners=null":
        assert words in refusal(charts, "llm-d-infra", "--set-json", "gateway.listeners=[]")
    else:
        assert words in refusal(charts, "llm-d-infra", "--set", setting)


def test_the_gateway_chart_wants_a_kubernetes_of_today(charts: Path) -> None:
    done = helm("template", "x", charts / "llm-d-infra", "--kube-version", "1.20.0")
    assert done.returncode != 0 and "chart requires kubeVersion: >= 1.28.0-0" in done.stderr


def test_the_pool_release_has_the_objects_of_gke(charts: Path) -> None:
    objects = render(charts, "inferencepool", "gaie-pd")
    names = {kind: name for kind, name in objects}
    for kind in ("InferencePool", "HealthCheckPolicy", "GCPBackendPolicy", "PodMonitoring"):
        assert names[kind] == "gaie-pd"
    for kind in ("Deployment", "Service", "ConfigMap"):
        assert (kind, "gaie-pd-epp") in objects
    pool = objects["InferencePool", "gaie-pd"]["spec"]
    assert pool["targetPorts"] == [{"number": 8000}] and pool["endpointPickerRef"]["name"] == "gaie-pd-epp"
    (container,) = objects["Deployment", "gaie-pd-epp"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1"
    assert "/config/pd.yaml" in container["args"]
    chart = yaml.safe_load((charts / "inferencepool" / "Chart.yaml").read_text())
    assert chart["version"] == "v1.4.0"


def test_the_model_release_has_two_deployments(model_servers: dict[tuple[str, str], Any]) -> None:
    assert set(model_servers) == {
        ("ServiceAccount", "ms-pd-llm-d-modelservice"),
        ("Deployment", "ms-pd-llm-d-modelservice-decode"),
        ("Deployment", "ms-pd-llm-d-modelservice-prefill"),
        ("PodMonitoring", "ms-pd-vllm"),
    }


@pytest.mark.parametrize(("role", "port"), [("decode", "8200"), ("prefill", "8000")])
def test_a_model_server_deployment(model_servers: dict[tuple[str, str], Any], role: str, port: str) -> None:
    deployment = model_servers["Deployment", f"ms-pd-llm-d-modelservice-{role}"]
    assert "annotations" not in deployment["metadata"]
    assert set(deployment["spec"]) == {"replicas", "selector", "template"}  # neither strategy nor deadline
    assert deployment["spec"]["replicas"] == 4
    labels = {**LABELS, "llm-d.ai/role": role}
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert deployment["spec"]["template"]["metadata"] == {"labels": labels}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "ms-pd-llm-d-modelservice" and pod["terminationGracePeriodSeconds"] == 130
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "2x2"
    (vllm,) = pod["containers"]
    assert vllm["command"] == ["vllm", "serve"]
    assert vllm["args"][:7] == [
        *("Qwen/Qwen3-32B", "--port", port, "--tensor-parallel-size", "4", "--served-model-name", "Qwen/Qwen3-32B"),
    ]
    assert vllm["args"][7] == "--kv-transfer-config" and '"kv_role":' in vllm["args"][8]
    env = {entry["name"]: entry for entry in vllm["env"]}
    assert list(env)[:2] == ["POD_IP", "VLLM_HOST_IP"]
    assert [env[name]["value"] for name in ("DP_SIZE", "TP_SIZE", "DP_SIZE_LOCAL", "HF_HOME")] == [
        "1",
        "4",
        "1",
        "/model-cache",
    ]
    assert env["HF_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": "llm-d-hf-token", "key": "HF_TOKEN"}}
    assert vllm["resources"]["limits"] == {"google.com/tpu": "4"}
    assert vllm["resources"]["requests"] == {"cpu": "16", "memory": "200Gi", "google.com/tpu": "4"}
    assert [mount["mountPath"] for mount in vllm["volumeMounts"]] == ["/dev/shm", "/model-cache"]
    assert pod["volumes"][-1] == {"name": "model-storage", "emptyDir": {"sizeLimit": "200Gi"}}
    assert vllm["startupProbe"]["failureThreshold"] == 240 and vllm["readinessProbe"]["httpGet"]["path"] == "/v1/models"


def test_only_decode_has_the_sidecar(model_servers: dict[tuple[str, str], Any]) -> None:
    decode = model_servers["Deployment", "ms-pd-llm-d-modelservice-decode"]["spec"]["template"]["spec"]
    prefill = model_servers["Deployment", "ms-pd-llm-d-modelservice-prefill"]["spec"]["template"]["spec"]
    assert "initContainers" not in prefill
    (sidecar,) = decode["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("routing-proxy", "Always")
    assert sidecar["image"] == "ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1"
    assert sidecar["ports"] == [{"containerPort": 8000}]
    assert sidecar["args"] == [
        *("--port=8000", "--vllm-port=8200", "--connector=nixlv2", "--zap-encoder=json", "--zap-log-level=info"),
        "--secure-proxy=false",
    ]


def test_without_the_sidecar_decode_takes_the_service_port(charts: Path) -> None:
    objects = render(charts, "llm-d-modelservice", "ms-pd", "--set", "routing.proxy.enabled=false")
    pod = objects["Deployment", "ms-pd-llm-d-modelservice-decode"]["spec"]["template"]["spec"]
    assert "initContainers" not in pod and pod["containers"][0]["args"][1:3] == ["--port", "8000"]


def test_chips_that_do_not_fit_the_parallelism_are_noted(charts: Path) -> None:
    objects = render(charts, "llm-d-modelservice", "ms-pd", "--set", "decode.parallelism.tensor=8")
    annotations = objects["Deployment", "ms-pd-llm-d-modelservice-decode"]["metadata"]["annotations"]
    assert "google.com/tpu is set to 4 but parallelism calculates 8" in annotations["llm-d.ai/accelerator-warning"]


def test_chips_are_filled_in_when_they_are_not_given(charts: Path) -> None:
    objects = render(charts, "llm-d-modelservice", "ms-pd", "--set-json", "prefill.containers[0].resources={}")
    (vllm,) = objects["Deployment", "ms-pd-llm-d-modelservice-prefill"]["spec"]["template"]["spec"]["containers"]
    assert vllm["resources"] == {"limits": {"google.com/tpu": "4"}, "requests": {"google.com/tpu": "4"}}


def test_a_pod_monitor_is_of_the_operators_kind(charts: Path) -> None:
    objects = render(charts, "llm-d-modelservice", "ms-pd", "--set", "decode.monitoring.podmonitor.enabled=true")
    monitor = objects["PodMonitor", "ms-pd-llm-d-modelservice-decode"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"  # which GKE does not have


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("decode.containers[0].modelCommand=custom", "modelCommand not set or `custom`, a `command` is required."),
        ("decode.containers[0].modelCommand=", "modelCommand not set or `custom`, a `command` is required."),
        ("decode.containers[0].modelCommand=vllm", "modelCommand is not as expected. Valid values are"),
        ("modelArtifacts.token=x", "token"),
        ("tracing.endpoint=x", "endpoint"),
        ("modelArtifacts.uri=oci://x/y", "oci:// not implemented"),
        ("decode.containers[0].image=", "image of container is required"),
        ("routing.servicePort=0", "servicePort"),
        ("accelerator.dra=true", "no dynamic resource allocation"),
    ],
)
def test_wrong_model_settings_are_refused(charts: Path, setting: str, words: str) -> None:
    assert words in refusal(charts, "llm-d-modelservice", "--set", setting)


def test_a_model_command_of_the_role_is_not_the_containers(charts: Path) -> None:
    """It is no error where it stands; the container then lacks one."""
    assert "modelCommand not set" in refusal(
        charts, *("llm-d-modelservice", "--set", "decode.modelCommand=vllmServe,decode.containers[0].modelCommand=")
    )


def test_extra_objects_are_templates_and_arguments_are_not(charts: Path) -> None:
    extra = '[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{ .Release.Name }}-more"}}]'
    objects = render(charts, "llm-d-modelservice", "ms-pd", "--set-json", f"extraObjects={extra}")
    assert ("ConfigMap", "ms-pd-more") in objects
    kept = render(charts, "llm-d-modelservice", "ms-pd", "--set-json", 'prefill.containers[0].args=["{{ x }}"]')
    (vllm,) = kept["Deployment", "ms-pd-llm-d-modelservice-prefill"]["spec"]["template"]["spec"]["containers"]
    assert vllm["args"][-1] == "{{ x }}"


def test_a_release_stamps_chart_and_library() -> None:
    source = 'version: 0.0.0\nappVersion: "0.0.0"\ndependencies:\n  - name: x\n    version: 0.0.0\n'
    assert stamp_version(source, "v1.4.0").count("v1.4.0") == 3


def test_missing_input_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--share", str(tmp_path), "--helm", str(HELM), "--out", str(tmp_path / "out")]) == 1
    assert "inferencepool is missing" in capsys.readouterr().err
