# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a model server was told is read from its pod, however its command line is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._verify_settings import (
    Settings,
    of_pod,
    sidecar_port,
    vllm_port,
)

KV = json.dumps({"kv_connector": "TPUConnector", "kv_role": "kv_consumer"})


def pod(*args: str, command: list[str] | None = None, env: dict[str, str] | None = None) -> dict[str, Any]:
    ports = [{"name": "vllm", "containerPort": 8200}, {"name": "tpu-kv-transfer", "containerPort": 9100}]
    container = {"name": "vllm", "command": command or ["vllm", "serve"], "args": list(args), "ports": ports}
    container["env"] = [{"name": name, "value": value} for name, value in (env or {}).items()]
    container["env"].append({"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    sidecar = {"name": "routing-proxy", "restartPolicy": "Always", "image": "sidecar:v0.7.1", "args": ["--port=8000"]}
    return {"spec": {"containers": [{"name": "other"}, container], "initContainers": [sidecar]}}


def test_a_decode_pod() -> None:
    args = ("model", "--port", "8200", "--kv-transfer-config", KV, "--block-size=128", "--tensor-parallel-size", "4")
    env = {"TPU_KV_TRANSFER_PORT": "9100", "TPU_SIDE_CHANNEL_PORT": "9600"}
    told = of_pod(pod(*args, env=env))
    assert told == Settings("kv_consumer", 128, 4, 8200, 9100, 9600, "", "sidecar:v0.7.1")
    assert Settings.from_dict(told.as_dict()) == told
    assert (vllm_port(pod()), sidecar_port(pod())) == (8200, 8000)


@pytest.mark.parametrize(
    ("args", "role"),
    [
        (["--kv-transfer-config", ""], "none"),
        (["--kv-transfer-config="], "none"),
        (["model"], "none"),
        ([f"--kv-transfer-config={KV}"], "kv_consumer"),
        (["--kv-transfer-config", KV, "--kv-transfer-config", KV.replace("consumer", "both")], "kv_both"),
        (["--kv-transfer-config", "{}"], "none"),
        (["--kv-transfer-config", "${KV_CONFIG}"], "?"),
        (["-c", f"python3 -m vllm --port 8200 --kv-transfer-config '{KV}'"], "kv_consumer"),
        (["-c", 'python3 -m vllm --port 8200 --kv-transfer-config ""'], "none"),
        (["-c", 'python3 -m vllm --kv-transfer-config "${KV_CONFIG}"'], "?"),
    ],
)
def test_the_role(args: list[str], role: str) -> None:
    command = ["/bin/bash"] if args[0] == "-c" else None
    assert of_pod(pod(*args, command=command)).kv_role == role


def test_a_later_option_wins_and_a_foreign_address_is_kept() -> None:
    spec = pod("--block-size=128", "--block-size", "64")
    spec["spec"]["containers"][1]["env"].append({"name": "VLLM_HOST_IP", "value": "127.0.0.1"})
    told = of_pod(spec)
    assert (told.block_size, told.announced_address, told.port) == (64, "127.0.0.1", 8200)
    spec["spec"]["containers"][1]["env"].append({"name": "VLLM_HOST_IP", "value": "$(POD_IP)"})
    assert of_pod(spec).announced_address == ""
