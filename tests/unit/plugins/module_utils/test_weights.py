# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether a bucket holds a model's weights, judged from the list of what was fetched."""

from __future__ import annotations

from typing import Any

from ansible_collections.llm_d.gke.plugins.module_utils._resources.weights import judge

Json = dict[str, Any]
WANTED = {"model": "Qwen/Qwen3-32B", "revision": "main"}
FILES = {"config.json": {"size": 3, "md5": "a=="}, "model.safetensors": {"size": 7, "md5": "b=="}}
MANIFEST = {**WANTED, "commit": "c0ffee", "files": FILES}


def objects(**changes: Json) -> dict[str, Json]:
    there: dict[str, Json] = {name: {"size": str(f["size"]), "md5Hash": f["md5"]} for name, f in FILES.items()}
    return {**there, **changes}


def test_all_there() -> None:
    found = judge(WANTED, MANIFEST, objects())
    assert found["complete"] and (found["files"], found["bytes"], found["commit"]) == (2, 10, "c0ffee")


def test_never_filled_or_not_to_the_end() -> None:
    found = judge(WANTED, None, objects())
    assert not found["complete"] and "never filled" in found["reason"]
    assert not judge(WANTED, {**MANIFEST, "files": {}}, objects())["complete"]


def test_half_an_object_and_one_that_is_gone() -> None:
    half = objects(**{"model.safetensors": {"size": "3", "md5Hash": "b=="}})
    assert judge(WANTED, MANIFEST, half)["wrong"] == ["model.safetensors"]
    other = objects(**{"model.safetensors": {"size": "7", "md5Hash": "x=="}})
    assert judge(WANTED, MANIFEST, other)["wrong"] == ["model.safetensors"]
    gone = {"config.json": objects()["config.json"]}
    assert judge(WANTED, MANIFEST, gone)["wrong"] == ["model.safetensors"]


def test_another_model_or_revision() -> None:
    found = judge({**WANTED, "revision": "v2"}, MANIFEST, objects())
    assert not found["complete"] and found["reason"] == "it holds Qwen/Qwen3-32B at main"
