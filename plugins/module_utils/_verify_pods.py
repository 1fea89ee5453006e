# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Why a pod is not ready, in its own words and with the likely cause. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

# Waiting for these to pass is in vain, mostly: the pod says what is wrong.
HOPELESS_WAITING = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"}
    | {"InvalidImageName", "RunContainerError", "ErrImageNeverPull"}
)
# Between two crashes a container runs for a while: so often is no accident any more.
MANY_RESTARTS = 3

# What a pod, an event or a log line says, and what is behind it.
CAUSES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"proxy-only subnetwork|REGIONAL_MANAGED_PROXY", re.IGNORECASE),
        "The region has no proxy-only subnetwork in this network: run the role llm_d.gke.network.",
    ),
    (
        re.compile(r"networkservices\.googleapis\.com|Network Services API"),
        "The API networkservices.googleapis.com is off: run the role llm_d.gke.project_services.",
    ),
    (
        re.compile(r"[Tt]imeouts?\b.*(not supported|unsupported|invalid)|(not supported|unsupported).*\btimeouts?\b"),
        "GKE's gateway takes no timeouts in an HTTPRoute: its limit is timeoutSec of the GCPBackendPolicy.",
    ),
    (re.compile(r"violates PodSecurity"), "The namespace's pod security does not admit these pods."),
    (re.compile(r"exceeded quota"), "A ResourceQuota of the namespace does not admit these pods."),
    (
        re.compile(r"couldn't find key HF_TOKEN"),
        "The Secret with the Hugging Face token has no key HF_TOKEN: run the role llm_d.gke.namespace.",
    ),
    (re.compile(r'secret "[^"]+" not found'), "The Secret is missing: run the role llm_d.gke.namespace."),
    (
        re.compile(r"Insufficient google\.com/tpu"),
        "Not enough free TPU chips: more pools, fewer replicas, or other pods hold them.",
    ),
    (
        re.compile(r"didn't match Pod's node affinity/selector"),
        "No node has the labels of the TPU type and topology: see the TPU pools and llm_d_node_selector.",
    ),
    (
        re.compile(r"Insufficient (cpu|memory)"),
        "No node has the room: a larger machine type for the default pool, or smaller requests (llm_d_epp_resources).",
    ),
    (
        re.compile(r"unknown (flag|shorthand flag).*connector"),
        "The sidecar is too new for the chart: llm_d_image_sidecar before v0.10.0.",
    ),
    (
        re.compile(r"unrecognized arguments|invalid choice|expected one argument"),
        "This vLLM does not take the arguments: see llm_d_prefill_args, llm_d_decode_args and llm_d_image_vllm.",
    ),
    (
        re.compile(r"kv_role|Unsupported kv|KVTransferConfig|--?kv-transfer-config|Invalid JSON"),
        "The KV transfer configuration is wrong: JSON with kv_connector TPUConnector, and kv_role kv_producer on "
        "prefill, kv_consumer on decode.",
    ),
    (
        re.compile(r"greater than the derived max_model_len"),
        "The context is longer than the model's: lower llm_d_max_model_len.",
    ),
    (
        re.compile(r"at least one request with the model's max seq len"),
        "The chips have no room for one request of that length: lower llm_d_max_model_len, raise "
        "llm_d_memory_utilization or llm_d_tensor_parallel.",
    ),
    (
        re.compile(r"RESOURCE_EXHAUSTED"),
        "The model does not fit into the memory of the chips: raise llm_d_tensor_parallel (with a larger topology).",
    ),
    (
        re.compile(r"[Aa]ddress already in use"),
        "Two of the pod's programs want the same port: see llm_d_service_port, llm_d_decode_port and the KV ports.",
    ),
    (
        re.compile(r"401 Client Error|403 Client Error|gated repo|Invalid user token|Repository Not Found"),
        "Hugging Face refuses: the token is wrong, or has no access to the model.",
    ),
    (
        re.compile(r"ephemeral-storage|No space left on device"),
        "The boot disk is too small for weights and image: tpu_pools_disk_size_gb of 300 or more.",
    ),
    (re.compile(r"OOMKilled"), "Out of memory: raise or remove the memory limit (llm_d_resources)."),
    (
        re.compile(r"ErrImagePull|ImagePullBackOff|InvalidImageName"),
        "The image cannot be pulled: check its name and tag (llm_d_image_vllm, llm_d_image_sidecar, llm_d_image_epp).",
    ),
    (
        re.compile(r"unknown plugin|plugin type .* not|failed to load.*config"),
        "The endpoint picker refuses its configuration.",
    ),
)


@dataclass(frozen=True)
class Trouble:
    """One reason why a pod is not ready."""

    pod: str
    reason: str
    message: str
    hopeless: bool
    container: str = ""
    crashed: bool = False

    def kind(self) -> str:
        """The trouble without whose it is, so that pods with the same one can be counted."""
        place = f"{self.container}: " if self.container else ""
        return f"{place}{self.reason}" + (f": {self.message}" if self.message else "")

    def __str__(self) -> str:
        place = f"{self.pod}/{self.container}" if self.container else self.pod
        return f"{place}: {self.reason}" + (f": {self.message}" if self.message else "")


def condition(thing: Mapping[str, Any], kind: str) -> Object | None:
    """A condition of a status, by its type."""
    return next((each for each in thing.get("conditions") or [] if each.get("type") == kind), None)


def is_true(thing: Mapping[str, Any], kind: str) -> bool:
    found = condition(thing, kind)
    return found is not None and found.get("status") == "True"


def is_ready(pod: Object) -> bool:
    """Ready, not on its way out, and with its sidecars up."""
    status = pod.get("status") or {}
    sidecars = [
        each["name"] for each in pod["spec"].get("initContainers") or [] if each.get("restartPolicy") == "Always"
    ]
    states = {each["name"]: each for each in status.get("initContainerStatuses") or []}
    up = all(states.get(name, {}).get("started") and states.get(name, {}).get("ready") for name in sidecars)
    return is_true(status, "Ready") and up and "deletionTimestamp" not in pod["metadata"]


def troubles(pod: Object) -> list[Trouble]:
    """What keeps a pod from being ready, the worst first."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if is_ready(pod) or "deletionTimestamp" in pod["metadata"]:
        return []
    found = [*_of_phase(name, status), *_of_scheduling(name, status), *_of_containers(name, status)]
    found.sort(key=lambda each: not each.hopeless)
    return found or [Trouble(name, status.get("phase", "Pending"), "not ready yet", False)]


def _of_phase(name: str, status: Object) -> Iterable[Trouble]:
    if status.get("phase") == "Failed":
        yield Trouble(name, status.get("reason") or "Failed", status.get("message") or "", True)


def _of_scheduling(name: str, status: Object) -> Iterable[Trouble]:
    scheduled = condition(status, "PodScheduled")
    if scheduled and scheduled.get("status") == "False":
        yield Trouble(name, scheduled.get("reason") or "Unscheduled", scheduled.get("message") or "", True)


def _of_containers(name: str, status: Object) -> Iterable[Trouble]:
    for each in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state, last = each.get("state") or {}, (each.get("lastState") or {}).get("terminated") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        restarts = int(each.get("restartCount") or 0)
        if waiting and waiting.get("reason") not in (None, "PodInitializing"):
            reason, message = waiting["reason"], waiting.get("message") or ""
            if last:
                # What the kubelet says of its back-off is long, and tells less than how the container ended.
                message = f"{last.get('reason')}, exit code {last.get('exitCode')}, restarted {restarts} times"
            hopeless = reason in HOPELESS_WAITING
            yield Trouble(name, reason, message, hopeless, each["name"], crashed=bool(last))
        elif ended and ended.get("exitCode"):
            message = f"exit code {ended['exitCode']} {ended.get('message') or ''}".strip()
            hopeless = restarts >= MANY_RESTARTS
            yield Trouble(name, ended.get("reason") or "Error", message, hopeless, each["name"], crashed=True)
        elif "running" in state and not each.get("ready"):
            message = "running, not ready" + (f", restarted {restarts} times" if restarts else "")
            yield Trouble(name, "NotReady", message, restarts >= MANY_RESTARTS, each["name"], crashed=restarts > 0)


def cause(texts: Iterable[str]) -> str:
    """What is most likely behind these messages; empty when nothing known fits."""
    said = "\n".join(texts)
    return next((meaning for pattern, meaning in CAUSES if pattern.search(said)), "")
