# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Nodes: the objects (pure) and their keeper, which registers them, reports them ready and renews their leases."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ..config import KUBELET_PORT, Config
from ..kube import MERGE, ApiError, KubeClient, Object
from .context import Node
from .quantities import parse_quantity
from .status import now

log = logging.getLogger(__name__)

TPU = "google.com/tpu"
_LEASE_SECONDS = 60
_RENEW_EVERY = 20.0
_STATUS_EVERY = 240.0
_DEVICE_PLUGIN_AFTER = 15.0
_RESERVED_PODS = "110"


@dataclass(frozen=True)
class NodeSpec:
    """A node as the cloud asks for it."""

    name: str
    zone: str
    machine_type: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, Any], ...] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)
    allocatable: Mapping[str, str] = field(default_factory=dict)
    internal_ip: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> NodeSpec:
        capacity = {key: str(value) for key, value in (given.get("capacity") or {}).items()}
        return cls(
            name=given["name"],
            zone=given["zone"],
            machine_type=given.get("machine_type") or "",
            labels=dict(given.get("labels") or {}),
            taints=tuple(dict(item) for item in given.get("taints") or []),
            capacity=capacity,
            allocatable={key: str(value) for key, value in (given.get("allocatable") or capacity).items()},
            internal_ip=given.get("internal_ip"),
        )

    @property
    def region(self) -> str:
        return self.zone.rpartition("-")[0]

    @property
    def has_devices(self) -> bool:
        return parse_quantity(self.capacity.get(TPU, "0")) > 0


def node_labels(spec: NodeSpec) -> dict[str, str]:
    """The labels every node has; the cloud's own go over them."""
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": spec.machine_type,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": spec.machine_type,
        "topology.gke.io/zone": spec.zone,
        "topology.kubernetes.io/region": spec.region,
        "topology.kubernetes.io/zone": spec.zone,
        "failure-domain.beta.kubernetes.io/region": spec.region,
        "failure-domain.beta.kubernetes.io/zone": spec.zone,
        **spec.labels,
    }


def node_object(spec: NodeSpec, pod_range: str, project: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": spec.name,
            "labels": node_labels(spec),
            "annotations": {
                "container.googleapis.com/instance_id": str(_number(spec.name)),
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": {
            "podCIDR": pod_range,
            "podCIDRs": [pod_range],
            "providerID": f"gce://{project}/{spec.zone}/{spec.name}",
            "taints": [dict(item) for item in spec.taints],
        },
    }


def _number(name: str) -> int:
    """A number that looks like an instance id and stays the same for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _resources(amounts: Mapping[str, str], devices: bool) -> dict[str, str]:
    filled = {"pods": _RESERVED_PODS, "ephemeral-storage": "98831908Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0"}
    filled.update(amounts)
    if TPU in filled and not devices:
        filled[TPU] = "0"
    return filled


def node_status(spec: NodeSpec, address: str, version: str, project: str, *, ready: bool, devices: bool) -> Object:
    """The status. `devices` tells whether the device plugin has registered its chips."""
    time = now()
    digest = hashlib.sha256(spec.name.encode()).hexdigest()

    def condition(kind: str, value: bool, reason: str, message: str) -> Object:
        return {
            "type": kind,
            "status": "True" if value else "False",
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": time,
            "lastTransitionTime": time,
        }

    not_ready = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
    return {
        "addresses": [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": spec.name},
            {"type": "InternalDNS", "address": f"{spec.name}.{spec.zone}.c.{project}.internal"},
        ],
        "capacity": _resources(spec.capacity, devices),
        "allocatable": _resources(spec.allocatable, devices),
        "conditions": [
            condition("NetworkUnavailable", False, "RouteCreated", "NodeController create implicit route"),
            condition("MemoryPressure", False, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", False, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", False, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", True, "KubeletReady", "kubelet is posting ready status")
            if ready
            else condition("Ready", False, "KubeletNotReady", not_ready),
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": digest[:32],
            "containerRuntimeVersion": "containerd://2.1.5",
            "kernelVersion": os.uname().release,
            "kubeProxyVersion": "",
            "kubeletVersion": f"v{version.removeprefix('v')}",
            "machineID": digest[32:],
            "operatingSystem": "linux",
            "osImage": "Container-Optimized OS from Google",
            "systemUUID": digest[:32],
        },
    }


def lease_object(name: str, time: str) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": time},
    }


def _micro_time() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class NodeKeeper:
    """Keeps one node registered and alive."""

    def __init__(self, config: Config, client: KubeClient, spec: NodeSpec, address: str, pod_range: str) -> None:
        self.spec = spec
        self.node = Node(spec.name, address, pod_range, spec.allocatable)
        self.ready = False
        self._config = config
        self._client = client
        self._path = f"/api/v1/nodes/{spec.name}"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def update(self, spec: NodeSpec) -> None:
        """New labels or taints of the same node."""
        if spec == self.spec:
            return
        gone: dict[str, None] = {key: None for key in node_labels(self.spec) if key not in node_labels(spec)}
        body = {
            "metadata": {"labels": {**gone, **node_labels(spec)}},
            "spec": {"taints": [dict(item) for item in spec.taints]},
        }
        self.spec = spec
        self.node.allocatable = spec.allocatable
        await self._client.patch(self._path, body, MERGE)
        await self._report(ready=self.ready, devices=self.ready)

    async def cordon(self) -> None:
        try:
            await self._client.patch(self._path, {"spec": {"unschedulable": True}}, MERGE)
        except ApiError as error:
            if error.code != 404:
                raise

    async def delete(self) -> None:
        await self.stop()
        await self._client.delete(self._path)
        await self._client.delete(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.spec.name}")

    async def _run(self) -> None:
        delay = 0.2
        while True:
            try:
                await self._register()
                delay = 0.2
                await self._keep()
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("node %s: %s", self.spec.name, error or type(error).__name__)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _register(self) -> None:
        """As a new machine does: the node appears, becomes ready, then its device plugin shows the chips."""
        try:
            await self._client.create(
                "/api/v1/nodes", node_object(self.spec, self.node.pod_range, self._config.project)
            )
        except ApiError as error:
            if error.code != 409:
                raise
        if not self.ready:
            await self._report(ready=False, devices=False)
            await asyncio.sleep(self._config.scaled(5, at_least=0.05))
        await self._renew()
        if self.spec.has_devices and not self.ready:
            await self._report(ready=True, devices=False)
            await asyncio.sleep(self._config.scaled(_DEVICE_PLUGIN_AFTER, at_least=0.1))
        await self._report(ready=True, devices=True)
        self.ready = True

    async def _keep(self) -> None:
        reported = 0.0
        while True:
            await asyncio.sleep(_RENEW_EVERY)
            reported += _RENEW_EVERY
            await self._renew()
            if reported >= _STATUS_EVERY:
                await self._report(ready=True, devices=True)
                reported = 0.0

    async def _report(self, *, ready: bool, devices: bool) -> None:
        config = self._config
        body = node_status(self.spec, self.node.address, config.version, config.project, ready=ready, devices=devices)
        await self._client.patch(f"{self._path}/status", {"status": body})

    async def _renew(self) -> None:
        base = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        lease = lease_object(self.spec.name, _micro_time())
        try:
            await self._client.patch(f"{base}/{self.spec.name}", {"spec": lease["spec"]}, MERGE)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._client.create(base, lease)
