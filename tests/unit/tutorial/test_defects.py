# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Defects of the tutorial that a default, or what is left out, cures; numbered as in docs/tutorial.md."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
TUTORIAL = CHECKOUT / "docs" / "tutorial.md"
VALUES = CHECKOUT / "roles" / "llm_d" / "files" / "values"


@cache
def default(role: str, variable: str) -> Any:
    """A default as it is written; templates are not rendered."""
    text = (CHECKOUT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)[variable]


def automation() -> dict[str, str]:
    """Everything that runs on a user's behalf: playbooks, roles."""
    paths = [path for folder in ("playbooks", "roles") for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
    # What Python keeps beside the files it imports is nobody's text.
    files = [path for path in paths if path.parent.name != "__pycache__"]
    return {str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8") for path in files}


def modelservice_values() -> str:
    return (VALUES / "modelservice.yaml.gotmpl").read_text(encoding="utf-8")


def test_02_06_12_40_nothing_is_run_through_a_shell_or_cloned() -> None:
    for name, text in automation().items():
        for word in ("ansible.builtin.shell", "ansible.builtin.command", "ansible.builtin.git", "get_url", "become:"):
            assert word not in text, f"{name} uses {word}"


def test_03_43_neither_gcloud_nor_kubectl_nor_a_helm_plugin_is_needed() -> None:
    for name, text in automation().items():
        uncommented = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        assert not re.search(r"\b(kubectl|helm-diff|gcloud (beta|container|compute))\b", uncommented), name


def test_05_14_the_container_has_arguments_and_no_shell() -> None:
    values = modelservice_values()
    assert "modelCommand: vllmServe" in values
    assert "/bin/bash" not in values
    assert not re.search(r"^  modelCommand", values, re.MULTILINE), "the key is the container's, not the role's"


def test_08_the_default_pool_has_room_for_the_endpoint_picker() -> None:
    cpus = int(default("cluster", "cluster_default_pool_machine_type").rsplit("-", 1)[1])
    # A node keeps part of its CPUs for itself: as many as are asked for do not suffice.
    assert cpus > int(default("llm_d", "llm_d_epp_resources")["requests"]["cpu"])


def test_09_the_gateways_api_is_enabled() -> None:
    assert "networkservices.googleapis.com" in default("project_services", "project_services_names")


def test_10_image_and_weights_fit_the_disk() -> None:
    assert default("tpu_pools", "tpu_pools_disk_size_gb") >= 200


def test_11_pods_are_not_chosen_by_a_label_they_lack() -> None:
    assert not [name for name, text in automation().items() if "modelservice-role" in text]


@pytest.mark.parametrize("image", ["llm_d_image_vllm", "llm_d_image_sidecar", "llm_d_image_epp"])
def test_13_images_are_pinned(image: str) -> None:
    assert re.search(r":v\d+\.\d+\.\d+$", default("llm_d", image))
    assert default("llm_d", "llm_d_allow_floating_images") is False


def test_15_no_tracing_to_nowhere() -> None:
    assert "tracing" not in modelservice_values()


def test_16_no_monitor_of_another_system() -> None:
    assert re.search(r"podmonitor:\n(\s*#.*\n)*\s*enabled: false", modelservice_values())


def test_17_one_produces_and_one_consumes() -> None:
    values = modelservice_values()
    assert '"name" "decode" "kv_role" "kv_consumer"' in values
    assert '"name" "prefill" "kv_role" "kv_producer"' in values


def test_21_names_stand_in_one_place() -> None:
    """Nothing but the shared defaults knows how a network or a subnetwork is called."""
    for name, text in automation().items():
        if not name.startswith("roles/deployment/"):
            assert "qwen-serving" not in text, name


def test_23_nobody_elses_bucket_or_account_is_touched() -> None:
    for name, text in automation().items():
        # gs://bucket/... and gs://name/... are how a user's own is written.
        assert not re.search(r"gs://(?!bucket\b|name\b)\w", text) and "iam.gserviceaccount.com" not in text, name


def test_31_one_namespace() -> None:
    for role, variable in (
        ("namespace", "namespace_name"),
        ("llm_d", "llm_d_namespace"),
        ("routes", "routes_namespace"),
    ):
        assert default(role, variable) == "{{ deployment_namespace }}"
    assert default("deployment", "deployment_namespace") != "default"


def test_32_the_gateway_is_internal() -> None:
    assert default("llm_d", "llm_d_gateway_class") == "gke-l7-rilb"


def test_33_the_weights_fit_the_memory() -> None:
    resources = default("llm_d", "llm_d_resources")
    assert int(resources["requests"]["memory"].removesuffix("Gi")) >= 200
    assert "memory" not in resources.get("limits", {})


def test_34_prefill_keeps_connections_longer_than_the_sidecar() -> None:
    seconds = re.search(r'VLLM_HTTP_TIMEOUT_KEEP_ALIVE\n\s*value: "(\d+)"', modelservice_values())
    assert seconds and int(seconds[1]) > 90


def test_35_the_threshold_follows_the_block_size() -> None:
    assert default("llm_d", "llm_d_epp_non_cached_tokens") == "{{ llm_d_block_size }}"


def test_36_a_first_start_may_take_two_hours() -> None:
    probe = default("llm_d", "llm_d_startup_probe")
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 7200


def test_37_long_answers_are_not_cut() -> None:
    assert default("routes", "routes_timeout") > 300
    spec = yaml.safe_load((CHECKOUT / "roles" / "routes" / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert "timeouts" not in str(spec["__routes_http_route_spec"])


def test_42_the_unused_address_is_left_out() -> None:
    assert "kv_ip" not in modelservice_values()


def test_every_defect_is_in_the_list_with_a_cure() -> None:
    rows = re.findall(
        r"^\| (\d+) \| [FSCD]\S* \| (.+?) \| (.+?) \|", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _kind, _cure in rows] == list(range(1, 44))
    assert all(cure.strip() for _number, _kind, cure in rows)


def test_the_tests_that_the_list_names_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", TUTORIAL.read_text(encoding="utf-8")))
    assert named
    for file, function in named:
        path = CHECKOUT / file
        assert path.exists(), file
        assert not function or f"def {function}(" in path.read_text(encoding="utf-8"), f"{file}::{function}"


def test_39_the_benchmark_has_limits_a_deadline_and_a_pinned_image() -> None:
    job = (CHECKOUT / "roles" / "benchmark" / "templates" / "job.yaml.j2").read_text(encoding="utf-8")
    for field in ("backoffLimit: 0", "activeDeadlineSeconds:", "ttlSecondsAfterFinished:", "resources:"):
        assert field in job
    resources = default("benchmark", "benchmark_resources")
    assert resources["requests"]["cpu"] and resources["limits"]["memory"]
    assert re.fullmatch(r"vllm/vllm-openai-cpu:v\d+\.\d+\.\d+", default("benchmark", "benchmark_image"))
    assert default("benchmark", "benchmark_temperature") == 0, "versions differ in what they take when it is not said"
