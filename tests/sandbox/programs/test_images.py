# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The table of images: what is known, what fails to pull, and what a container's command becomes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.cluster.images import Program, Reference, pull_error, resolve

TOOLS = Path("/somewhere/tools")


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("python", "docker.io/library/python"),
        ("docker.io/python:3.12", "docker.io/library/python"),
        ("vllm/vllm-tpu:v0.26.0", "docker.io/vllm/vllm-tpu"),
        ("localhost:5000/a/b", "localhost:5000/a/b"),
        ("ghcr.io/llm-d/x:v1@sha256:" + "0" * 64, "ghcr.io/llm-d/x"),
    ],
)
def test_references_have_one_full_form(image: str, full: str) -> None:
    assert Reference.parse(image).repository == full


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.0", "epp"),
        ("ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1", "epp"),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1", "pd-sidecar"),
        ("vllm/vllm-tpu:v0.26.0", "vllm"),
        ("docker.io/vllm/vllm-tpu:v0.26.0@sha256:" + "a" * 64, "vllm"),
        ("vllm/vllm-openai-cpu:v0.26.0", "vllm-cpu"),
        ("python:3.12-slim", "python"),
        ("docker.io/library/python:3.13.1-alpine3.20", "python"),
        ("curlimages/curl:8.10.1", "curl"),
        ("busybox", "busybox"),
    ],
)
def test_known_images(image: str, name: str) -> None:
    program = resolve(image, tools=TOOLS)
    assert program is not None and program.name == name


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/llm-d/llm-d-routing-sidecar:v0.5.0",
        "ghcr.io/llm-d/llm-d-routing-sidecar:v0.10.0",
        "ghcr.io/llm-d/llm-d-routing-sidecar",  # latest
        "ghcr.io/llm-d/llm-d-inference-scheduler@sha256:" + "a" * 64,
        "docker.io/llm-d/llm-d-inference-scheduler:v0.7.1",  # another registry
        "vllm/vllm-tpu:v0.13.2-ironwood",
        "vllm/vllm-openai:v0.26.0",
        "vllm/vllm-openai-cpu:v0.27.0",
        "python:2.7",
        "no such image",
        "",
    ],
)
def test_images_that_fail_to_pull(image: str) -> None:
    assert resolve(image, tools=TOOLS) is None
    assert pull_error(image)


def test_command_and_args_replace_entrypoint_and_cmd() -> None:
    program = Program("x", entrypoint=("/app/x",), cmd=("--help",), executables={"/app/x": ("/local/x",)})
    assert program.argv() == ["/local/x", "--help"]
    assert program.argv(args=["--a"]) == ["/local/x", "--a"]
    assert program.argv(["/app/x"]) == ["/local/x"]
    assert program.argv(["sh", "-c"], ["true"]) == ["sh", "-c", "true"]


def test_go_programs_come_from_the_tools_directory() -> None:
    program = resolve("ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1", tools=TOOLS)
    assert program is not None
    assert program.argv(args=["--port=8000"]) == ["/somewhere/tools/bin/pd-sidecar", "--port=8000"]


def test_the_vllm_image_finds_its_commands_on_path() -> None:
    program = resolve("vllm/vllm-tpu:v0.26.0", tools=TOOLS, time_scale=30)
    assert program is not None
    first = Path(program.env["PATH"].split(os.pathsep)[0])
    assert {"vllm", "python3", "python"} <= {entry.name for entry in first.iterdir() if os.access(entry, os.X_OK)}
    assert program.env["SANDBOX_TIME_SCALE"] == "30"
    assert program.argv(["vllm", "serve"], ["m"]) == ["vllm", "serve", "m"]
