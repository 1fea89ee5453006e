# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Mistakes that would be silent, or show half an hour later, are found before anything is installed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._llm_d_rules import (
    GATEWAY_KINDS,
    GKE_KINDS,
    INFERENCE_KINDS,
    MONITORING_KINDS,
    Facts,
    missing_crds,
    of_cluster,
    of_settings,
    quantity,
    tag_of,
)

TPU_LABELS = {"cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice", "cloud.google.com/gke-tpu-topology": "2x2"}
GOOD: dict[str, Any] = {
    "namespace": "llm-d-pd",
    "images": {"vllm": "vllm/vllm-tpu:v0.26.0", "sidecar": "ghcr.io/x/sidecar:v0.7.1", "epp": "ghcr.io/x/epp:v0.7.1"},
    "allow_floating_images": False,
    "ports": {"service": 8000, "decode": 8200, "kv_transfer": 9100, "side_channel": 9600},
    "block_size": 128,
    "max_model_len": 8192,
    "topology": "2x2",
    "tensor_parallel": 4,
    "planned_chips": 0,
    "prefill": {"replicas": 4},
    "decode": {"replicas": 4},
    "gateway": {"class": "gke-l7-rilb", "tls_secret": ""},
    "monitoring": True,
    "model": {"token_secret": "llm-d-hf-token"},
    "node_selector": TPU_LABELS,
    "epp": {"non_cached_tokens": 128, "resources": {"requests": {"cpu": "4", "memory": "8Gi"}}},
}


def settings(path: str = "", value: Any = None) -> dict[str, Any]:
    result = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = result
    for name in parents:
        place = place[name]
    if path:
        place[last] = value
    return result


def node(labels: dict[str, str] | None = None, **allocatable: str) -> dict[str, Any]:
    return {"metadata": {"name": "n", "labels": labels or {}}, "status": {"allocatable": allocatable}}


TPU_NODE = node(TPU_LABELS, cpu="178", memory="690Gi", **{"google.com/tpu": "4"})
FACTS = Facts(
    kinds=frozenset((*GATEWAY_KINDS, *INFERENCE_KINDS, *GKE_KINDS, *MONITORING_KINDS)),
    nodes=[*[TPU_NODE] * 8, node(cpu="7910m", memory="29Gi")],
    secret_keys=["HF_TOKEN"],
    gateway_classes=["gke-l7-rilb", "gke-l7-regional-external-managed"],
)


def facts(**changes: Any) -> Facts:
    return Facts(**{**FACTS.__dict__, **changes})


def test_the_defaults_are_good() -> None:
    assert of_settings(GOOD) == []
    assert of_cluster(GOOD, FACTS) == []
    assert missing_crds(FACTS) == {"gateway_api": False, "inference": False}


@pytest.mark.parametrize(
    ("path", "value", "severity", "said"),
    [
        ("images.vllm", "vllm/vllm-tpu:nightly", "error", "llm_d_image_vllm is vllm/vllm-tpu:nightly"),
        ("images.epp", "ghcr.io/x/epp", "error", "llm_d_image_epp"),
        ("images.sidecar", "ghcr.io/x/sidecar:v0.10.0", "error", "--connector"),
        ("ports.decode", 8000, "error", "both 8000"),
        ("ports.service", 0, "error", "llm_d_service_port is 0"),
        ("epp.non_cached_tokens", 0, "error", "switches separate prefill off"),
        ("epp.non_cached_tokens", 16, "warning", "below the block size"),
        ("block_size", 100, "error", "llm_d_block_size is 100"),
        ("max_model_len", 256, "error", "less than four blocks"),
        ("tensor_parallel", 8, "error", "topology 2x2 has 4 chips"),
        ("prefill.replicas", 0, "error", "llm_d_prefill_replicas is 0"),
        ("gateway.class", "gke-l7-regional-external-managed", "warning", "OPEN TO THE INTERNET"),
    ],
)
def test_settings_that_cannot_work(path: str, value: Any, severity: str, said: str) -> None:
    (finding,) = of_settings(settings(path, value))
    assert finding.severity == severity
    assert said in finding.message
    assert finding.remedy


def test_a_digest_pins_and_floating_tags_can_be_allowed() -> None:
    assert of_settings(settings("images.vllm", "vllm/vllm-tpu@sha256:" + "0" * 64)) == []
    assert of_settings({**settings("images.vllm", "vllm/vllm-tpu:nightly"), "allow_floating_images": True}) == []


def test_a_port_of_the_registry_is_no_tag() -> None:
    assert tag_of("localhost:5000/vllm") == ""
    assert tag_of("localhost:5000/vllm:v1@sha256:00") == "v1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"secret_keys": None}, "no Secret llm-d-hf-token"),
        ({"secret_keys": ["hf_api_token"]}, "it has hf_api_token"),
        ({"nodes": [*[TPU_NODE] * 7, node(cpu="7910m", memory="29Gi")]}, "need 32; the cluster has 28"),
        ({"nodes": [*[TPU_NODE] * 8, node(cpu="3920m", memory="13Gi")]}, "cpu 4 (the most a node has is 3.92)"),
        ({"kinds": FACTS.kinds - set(MONITORING_KINDS)}, "no PodMonitoring"),
        ({"kinds": FACTS.kinds - {GKE_KINDS[0]}}, "no HealthCheckPolicy"),
        ({"gateway_classes": ["gke-l7-gxlb"]}, "no GatewayClass gke-l7-rilb"),
    ],
)
def test_clusters_that_cannot_serve(changes: dict[str, Any], said: str) -> None:
    (finding,) = of_cluster(GOOD, facts(**changes))
    assert said in finding.message
    assert finding.remedy


def test_chips_that_are_planned_count() -> None:
    assert of_cluster(settings("planned_chips", 32), facts(nodes=[])) == []


def test_nodes_of_another_topology_do_not_count() -> None:
    other = node({**TPU_LABELS, "cloud.google.com/gke-tpu-topology": "2x4"}, **{"google.com/tpu": "8"})
    (finding,) = of_cluster(GOOD, facts(nodes=[other] * 8))
    assert "the cluster has 0 chips" in finding.message


def test_a_pool_of_tpu_nodes_only_has_no_room_for_the_endpoint_picker_yet() -> None:
    assert of_cluster(GOOD, facts(nodes=[TPU_NODE] * 8)) == []


def test_definitions_an_older_cluster_lacks() -> None:
    assert missing_crds(Facts(kinds=frozenset(GATEWAY_KINDS))) == {"gateway_api": False, "inference": True}


@pytest.mark.parametrize(
    ("text", "value"), [("3920m", 3.92), ("4", 4), ("16Gi", 16 * 1024**3), ("2k", 2000), ("1e3", 1000)]
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "four", "4Zi"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(text)
