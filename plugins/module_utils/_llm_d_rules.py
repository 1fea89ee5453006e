# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What must hold before llm-d is installed: settings and cluster in, findings out. Pure functions.

This file is private to the collection. The rules are those whose breach is silent, or shows half an hour later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

Object = dict[str, Any]
TPU = "google.com/tpu"
INTERNAL_CLASSES = ("gke-l7-rilb", "gke-l7-cross-regional-internal-managed-mc")
FLOATING_TAGS = re.compile(r"(latest|nightly|main|master|dev|edge|stable)$")
# The sidecar dropped --connector there, which the chart always passes.
FIRST_SIDECAR_WITHOUT_CONNECTOR = (0, 10)
BLOCK_SIZES = (1, 8, 16, 32, 64, 128, 256)

GATEWAY_KINDS = (("gateway.networking.k8s.io/v1", "Gateway"), ("gateway.networking.k8s.io/v1", "HTTPRoute"))
INFERENCE_KINDS = (("inference.networking.k8s.io/v1", "InferencePool"),)
GKE_KINDS = (("networking.gke.io/v1", "HealthCheckPolicy"), ("networking.gke.io/v1", "GCPBackendPolicy"))
MONITORING_KINDS = (("monitoring.googleapis.com/v1", "PodMonitoring"),)


@dataclass(frozen=True)
class Finding:
    """One rule that is broken (error), or that should be known (warning)."""

    name: str
    message: str
    remedy: str
    severity: str = "error"

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What the cluster says of itself."""

    kinds: frozenset[tuple[str, str]] = frozenset()
    nodes: Sequence[Object] = ()
    secret_keys: Sequence[str] | None = None
    gateway_classes: Sequence[str] = field(default_factory=list)


def quantity(text: object) -> float:
    """A Kubernetes quantity as a number: 3920m, 16Gi, 4."""
    match = re.fullmatch(r"([0-9.]+(?:[eE][0-9]+)?)([a-zA-Z]*)", str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is no quantity")
    number, suffix = float(match[1]), match[2]
    powers = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
    powers |= {unit + "i": 1024.0**power for power, unit in enumerate("KMGTP", 1)}
    if suffix not in powers:
        raise ValueError(f"{text!r} is no quantity")
    return number * powers[suffix]


def of_settings(settings: Mapping[str, Any]) -> list[Finding]:
    """What the settings alone tell."""
    rules: tuple[Callable[[Mapping[str, Any]], Iterable[Finding]], ...] = (
        _images, _sidecar, _ports, _blocks, _chips_of_a_pod, _roles, _gateway,
    )  # fmt: skip
    return [finding for rule in rules for finding in rule(settings)]


def of_cluster(settings: Mapping[str, Any], facts: Facts) -> list[Finding]:
    """What settings and cluster together tell."""
    rules: tuple[Callable[[Mapping[str, Any], Facts], Iterable[Finding]], ...] = (
        _kinds,
        _token,
        _chips,
        _endpoint_picker,
    )
    return [finding for rule in rules for finding in rule(settings, facts)]


def missing_crds(facts: Facts) -> dict[str, bool]:
    """Which definitions have to be installed first."""
    return {
        "gateway_api": any(kind not in facts.kinds for kind in GATEWAY_KINDS),
        "inference": any(kind not in facts.kinds for kind in INFERENCE_KINDS),
    }


def tag_of(image: str) -> str:
    """An image's tag; empty when it has none."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def _images(settings: Mapping[str, Any]) -> Iterable[Finding]:
    if settings.get("allow_floating_images"):
        return
    for name, image in settings["images"].items():
        tag = tag_of(image)
        if "@sha256:" not in image and (not tag or FLOATING_TAGS.search(tag)):
            yield Finding(
                "images are pinned",
                f"llm_d_image_{name} is {image}: what it means changes without notice",
                "Name a release's tag or a digest, or set llm_d_allow_floating_images: true.",
            )


def _sidecar(settings: Mapping[str, Any]) -> Iterable[Finding]:
    image = settings["images"]["sidecar"]
    version = re.match(r"v?(\d+)\.(\d+)", tag_of(image))
    if version and (int(version[1]), int(version[2])) >= FIRST_SIDECAR_WITHOUT_CONNECTOR:
        yield Finding(
            "sidecar fits the chart",
            f"{image} stops with an unknown flag: the chart passes --connector, which went away in v0.10.0",
            "Use llm_d_image_sidecar with a version before v0.10.0.",
        )


def _ports(settings: Mapping[str, Any]) -> Iterable[Finding]:
    ports = settings["ports"]
    for name, port in ports.items():
        if not 0 < int(port) < 65536:
            yield Finding("ports are ports", f"llm_d_{name}_port is {port}", "Choose a port from 1 to 65535.")
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if other := seen.get(int(port)):
            yield Finding(
                "ports differ",
                f"llm_d_{other}_port and llm_d_{name}_port are both {port}: a decode pod listens on all of them",
                "Give each its own port (8000, 8200, 9100, 9600).",
            )
        seen[int(port)] = name


def _blocks(settings: Mapping[str, Any]) -> Iterable[Finding]:
    size, threshold = int(settings["block_size"]), int(settings["epp"]["non_cached_tokens"])
    if size not in BLOCK_SIZES:
        yield Finding(
            "block size is known",
            f"llm_d_block_size is {size}; vLLM takes {', '.join(map(str, BLOCK_SIZES))}",
            "Use 128.",
        )
    if threshold <= 0:
        yield Finding(
            "prefill is used",
            f"llm_d_epp_non_cached_tokens is {threshold}, which switches separate prefill off",
            f"Use a value of at least the block size ({size}).",
        )
    elif threshold < size:
        yield Finding(
            "prefill is worth it",
            f"llm_d_epp_non_cached_tokens ({threshold}) is below the block size ({size}): prompts between them pay the "
            "way through a prefill pod and nothing is handed over",
            f"Use a value of at least {size}.",
            "warning",
        )
    if int(settings["max_model_len"]) < 4 * size:
        yield Finding(
            "prompts span blocks",
            f"llm_d_max_model_len ({settings['max_model_len']}) is less than four blocks of {size}",
            "Use a longer context or smaller blocks.",
        )


def _chips_of_a_pod(settings: Mapping[str, Any]) -> Iterable[Finding]:
    topology, parallel = settings.get("topology") or "", int(settings["tensor_parallel"])
    if re.fullmatch(r"\d+(x\d+)+", topology):
        chips = prod(int(part) for part in topology.split("x"))
        if chips != parallel:
            yield Finding(
                "a pod spans its slice",
                f"topology {topology} has {chips} chips, llm_d_tensor_parallel is {parallel}",
                f"Set llm_d_tensor_parallel: {chips}, or choose another topology.",
            )


def _roles(settings: Mapping[str, Any]) -> Iterable[Finding]:
    for role in ("prefill", "decode"):
        if int(settings[role]["replicas"]) < 1:
            yield Finding(
                "both roles have pods",
                f"llm_d_{role}_replicas is {settings[role]['replicas']}: nothing would be disaggregated",
                f"Set llm_d_{role}_replicas to at least 1.",
            )


def _gateway(settings: Mapping[str, Any]) -> Iterable[Finding]:
    gateway = settings["gateway"]
    if gateway["class"] in INTERNAL_CLASSES:
        return
    channel = "in clear text" if not gateway["tls_secret"] else "over TLS"
    yield Finding(
        "the gateway is internal",
        f"GATEWAY CLASS {gateway['class']}: THE MODEL IS OPEN TO THE INTERNET, {channel} AND WITHOUT AUTHENTICATION. "
        "Whoever finds the address uses your TPUs",
        "Use llm_d_gateway_class: gke-l7-rilb; or restrict it by routes_security_policy (a Cloud Armor policy that "
        "lets only your source ranges in) and llm_d_gateway_tls_secret.",
        "warning",
    )


def _kinds(settings: Mapping[str, Any], facts: Facts) -> Iterable[Finding]:
    for api_version, kind in GKE_KINDS:
        if (api_version, kind) not in facts.kinds:
            yield Finding(
                "the cluster knows GKE's policies",
                f"the cluster knows no {kind} ({api_version})",
                "Switch on the Gateway API of the cluster: gcloud container clusters update --gateway-api=standard.",
            )
    if settings["monitoring"] and any(kind not in facts.kinds for kind in MONITORING_KINDS):
        yield Finding(
            "the cluster has managed Prometheus",
            "the cluster knows no PodMonitoring (monitoring.googleapis.com/v1)",
            "Enable managed Prometheus on the cluster, or set llm_d_monitoring: false.",
        )
    wanted = settings["gateway"]["class"]
    if facts.gateway_classes and wanted not in facts.gateway_classes:
        yield Finding(
            "the gateway class exists",
            f"the cluster has no GatewayClass {wanted}; it has {', '.join(sorted(facts.gateway_classes))}",
            "Set llm_d_gateway_class to one of these.",
        )


def _token(settings: Mapping[str, Any], facts: Facts) -> Iterable[Finding]:
    name = settings["model"]["token_secret"]
    if facts.secret_keys is None:
        yield Finding(
            "the token's Secret exists",
            f"there is no Secret {name} in {settings['namespace']}",
            "Run the role llm_d.gke.namespace first; it makes it of deployment_hf_token.",
        )
    elif "HF_TOKEN" not in facts.secret_keys:
        yield Finding(
            "the token has its key",
            f"the Secret {name} has no key HF_TOKEN (it has {', '.join(facts.secret_keys) or 'none'}): every model pod "
            "would end in CreateContainerConfigError",
            "Put the token under the key HF_TOKEN.",
        )


def allocatable(node: Object, resource: str) -> float:
    return quantity(((node.get("status") or {}).get("allocatable") or {}).get(resource, "0"))


def _chips(settings: Mapping[str, Any], facts: Facts) -> Iterable[Finding]:
    pods = int(settings["prefill"]["replicas"]) + int(settings["decode"]["replicas"])
    wanted = pods * int(settings["tensor_parallel"])
    selector = settings["node_selector"].items()
    fitting = [node for node in facts.nodes if selector <= (node["metadata"].get("labels") or {}).items()]
    there = int(sum(allocatable(node, TPU) for node in fitting))
    planned = int(settings.get("planned_chips") or 0)
    if wanted > max(there, planned):
        yield Finding(
            "the chips suffice",
            f"{pods} pods of {settings['tensor_parallel']} chips need {wanted}; the cluster has {there} chips and "
            f"{planned} are planned",
            "Use fewer replicas, or more TPU pools (deployment_pool_count).",
        )


def _endpoint_picker(settings: Mapping[str, Any], facts: Facts) -> Iterable[Finding]:
    requests = settings["epp"]["resources"].get("requests", {})
    nodes = [node for node in facts.nodes if not allocatable(node, TPU)]
    if not nodes:
        return
    fits = any(all(allocatable(node, name) >= quantity(amount) for name, amount in requests.items()) for node in nodes)
    if not fits:
        most = {name: max(allocatable(node, name) for node in nodes) for name in requests}
        sizes = ", ".join(
            f"{name} {amount} (the most a node has is {_readable(name, most[name])})"
            for name, amount in requests.items()
        )
        yield Finding(
            "the endpoint picker fits a node",
            f"no node without TPUs has what the endpoint picker asks for: {sizes}",
            "Use a larger machine type for the default pool (e2-standard-8), or lower llm_d_epp_resources.",
        )


def _readable(resource: str, amount: float) -> str:
    return f"{amount / 1024**3:.1f}Gi" if resource == "memory" else f"{amount:g}"
