# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The kinds that GKE installs into a cluster by itself, chosen as GKE chooses: by its settings and version."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

OURS = Path(__file__).parent / "manifests"
# From this version on GKE brings the generally available kinds of the inference extension itself.
INFERENCE_POOL_SINCE = (1, 34, 0, 1626000)
GATEWAY_API_MODULE = "sigs.k8s.io/gateway-api@v1.4.1/config/crd/standard"
INFERENCE_EXTENSION_MODULE = "sigs.k8s.io/gateway-api-inference-extension@v1.4.0/config/crd/bases"


def gke_version(text: str) -> tuple[int, ...]:
    """`1.35.4-gke.1000000` as numbers that compare."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-gke\.(\d+))?", text)
    if match is None:
        raise ValueError(f"not a GKE version: {text!r}")
    return tuple(int(number or 0) for number in match.groups())


def managed_manifests(config: Mapping[str, Any]) -> list[Manifest]:
    """What GKE installs for this cluster configuration: definitions first, objects of the defined kinds last."""
    tools = Path(config["tools"])
    definitions: list[Manifest] = []
    objects: list[Manifest] = []
    if config.get("gateway_api"):
        definitions += _read_folder(_shared(tools, "gateway-api/standard", GATEWAY_API_MODULE))
        definitions += _read(OURS / "healthcheckpolicies.yaml")
        definitions += _read(OURS / "gcpbackendpolicies.yaml")
        objects += _read(OURS / "gatewayclasses.yaml")
        if gke_version(config["version"]) >= INFERENCE_POOL_SINCE:
            bases = _shared(tools, "inference-extension/crd/bases", INFERENCE_EXTENSION_MODULE)
            definitions += _read(bases / "inference.networking.k8s.io_inferencepools.yaml")
    if config.get("managed_prometheus"):
        for name in ("podmonitorings", "clusterpodmonitorings", "rules"):
            definitions += _read(OURS / f"{name}.yaml")
    return definitions + objects


def _shared(tools: Path, folder: str, module: str) -> Path:
    """The folder that set-up made, or, before set-up has run, the Go module that it is copied from."""
    installed = tools / "share" / folder
    if installed.is_dir():
        return installed
    module_cache = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod") / module
    if module_cache.is_dir():
        return module_cache
    raise FileNotFoundError(f"{installed} does not exist: run the set-up (make sandbox) first")


def _read_folder(folder: Path) -> list[Manifest]:
    return [document for path in sorted(folder.glob("*.yaml")) for document in _read(path)]


def _read(path: Path) -> Iterator[Manifest]:
    # The C loader matters: the definitions are 700 kB of YAML, read while the user waits for the cluster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as stream:
        for document in yaml.load_all(stream, Loader=loader):
            if isinstance(document, dict) and document.get("kind") != "Kustomization":
                yield document
