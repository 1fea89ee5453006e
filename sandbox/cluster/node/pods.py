# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One pod on a node: its network, its volumes, its containers in order, its status, its end."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from .. import namespaces, netlink
from ..config import BRIDGE
from ..kube import ApiError
from . import etc_files, status
from .addresses import PoolExhausted
from .containers import Container
from .context import Node, Shared
from .environment import Sources
from .pod_volumes import PodVolumes
from .rootfs import Bind
from .status import POD_INITIALIZING, is_sidecar
from .volumes import VolumeError, volume_references

log = logging.getLogger(__name__)

_QUIET = 0.05
_LONGEST_VOLUME_RETRY = 5.0
_SHORTEST_GRACE = 2.0
_SIDECAR_GRACE = 0.5
_DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodWorker:
    """Lives from the binding of a pod to the removal of its object."""

    def __init__(self, shared: Shared, node: Node, pod: dict[str, Any], done: Callable[[PodWorker], None]) -> None:
        metadata = pod["metadata"]
        self.shared = shared
        self.node = node
        self.pod = pod
        self.uid: str = metadata["uid"]
        self.full_name = f"{metadata['namespace']}/{metadata['name']}"
        self.host_name: str = (pod["spec"].get("hostname") or metadata["name"])[:63]
        self.ip = ""
        self.network_namespace: int | None = None
        self.log_folder = shared.config.pod_logs / f"{metadata['namespace']}_{metadata['name']}_{self.uid}"
        self._volumes = PodVolumes(shared.config.dir, pod, shared.client, shared.buckets)
        spec = pod["spec"]
        self.init = [Container(self, item, "spec.initContainers") for item in spec.get("initContainers") or []]
        self.main = [Container(self, item, "spec.containers") for item in spec["containers"]]
        self._started_at = status.now()
        self._verdict: tuple[str, str] | None = None
        self._over = False
        self._conditions: list[dict[str, Any]] = list((pod.get("status") or {}).get("conditions") or [])
        self._sent: dict[str, Any] | None = None
        self._changed = asyncio.Event()
        self._done = done
        self._running: set[asyncio.Task[Any]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._deadline: asyncio.Task[None] | None = None
        self._life = self._task(self._live())
        self._reporter = asyncio.create_task(self._report())

    def _task(self, coroutine: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    # -- what the agent tells it ---------------------------------------------------------------------------------------

    def update(self, pod: dict[str, Any]) -> None:
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self.end(pod["metadata"].get("deletionGracePeriodSeconds"))

    def end(self, grace: float | None) -> None:
        """The pod is to go: stop its containers, then remove the object."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(self.grace_period if grace is None else grace))
        elif not grace:
            self.kill()

    def removed(self) -> None:
        """The object is gone already (a forced deletion)."""
        self.kill()
        self.end(0)

    def kill(self) -> None:
        for container in (*self.init, *self.main):
            container.kill()

    def abandon(self) -> None:
        """The cluster ends: kill everything, tell nobody."""
        self.kill()
        for task in (*self._running, self._life, self._reporter, self._ending, self._deadline):
            if task is not None:
                task.cancel()

    async def wait_until_over(self) -> None:
        if self._ending is not None:
            await asyncio.wait({self._ending})

    @property
    def grace_period(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def real_grace(self, seconds: float) -> float:
        """A grace period on the sandbox's clock, but enough for a program that ends in order on a busy machine."""
        return self.shared.config.scaled(seconds, at_least=min(seconds, _SHORTEST_GRACE))

    def changed(self) -> None:
        self._changed.set()

    # -- what its containers need --------------------------------------------------------------------------------------

    async def sources(self, config_maps: Iterable[str] = (), secrets: Iterable[str] = ()) -> Sources:
        return await self.shared.sources(self.pod, self.ip, self.node, config_maps, secrets)

    def bind_of(self, mount: Mapping[str, Any], env: Mapping[str, str]) -> Bind:
        return self._volumes.bind_of(mount, env)

    def termination_file(self, container: str) -> Path:
        path = self.log_folder / container / "termination-log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    def etc_files(self) -> dict[str, str]:
        config, spec = self.shared.config, self.pod["spec"]
        namespace = self.pod["metadata"]["namespace"]
        domain = f"{spec['subdomain']}.{namespace}.svc.cluster.local" if spec.get("subdomain") else ""
        return {
            "/etc/hosts": etc_files.hosts(self.host_name, self.ip, spec.get("hostAliases") or [], domain),
            "/etc/hostname": self.host_name + "\n",
            "/etc/resolv.conf": etc_files.resolv_conf(
                spec, namespace, config.dns_address, config.project, config.location
            ),
        }

    def container(self, name: str) -> Container | None:
        return next((item for item in (*self.init, *self.main) if item.name == name), None)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            if self.init:
                for container in self.main:
                    container.state.wait(POD_INITIALIZING)
            self._watch_deadline()
            self.changed()
            self._join_network()
            self.changed()
            await self._set_up_volumes()
            await self._run_containers()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("%s failed", self.full_name)
            self._verdict = ("NodeAgentError", str(error))
            await self._stop_containers(0)
        await self._settle()
        self._over = True
        self._leave_network()
        self.changed()

    def _watch_deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return

        async def expire() -> None:
            await asyncio.sleep(float(seconds))
            if not self._over and self._ending is None:
                self.shared.events.record(self.pod, *_DEADLINE)
                self._verdict = _DEADLINE
                self._life.cancel()
                await self._stop_containers(self.grace_period)
                self._over = True
                self._leave_network()
                self.changed()

        self._deadline = asyncio.create_task(expire())

    def _join_network(self) -> None:
        if self.pod["spec"].get("hostNetwork"):
            self.ip = self.node.address
            return
        try:
            self.ip = self.shared.addresses.take(self.node.pod_range)
        except PoolExhausted as error:
            raise RuntimeError(f"failed to set up the pod's network: {error}") from error
        namespace = namespaces.new_network_namespace()
        self.network_namespace = namespace
        netlink.add_veth(self._interface, BRIDGE, "eth0", namespace)
        with namespaces.inside_network(namespace):
            netlink.set_up("lo")
            netlink.add_address("eth0", f"{self.ip}/{self.shared.config.pod_prefix_length}")
            netlink.set_up("eth0")
            netlink.add_default_route(self.shared.config.bridge_address)

    @property
    def _interface(self) -> str:
        return f"veth{self.uid.replace('-', '')[:11]}"

    def _leave_network(self) -> None:
        if self.network_namespace is not None:
            netlink.delete_link(self._interface)
            os.close(self.network_namespace)
            self.network_namespace = None
            self.shared.addresses.release(self.ip)

    async def _set_up_volumes(self) -> None:
        delay = 0.5
        while True:
            try:
                await self._volumes.set_up(await self.sources(*volume_references(self._volumes.specs)))
                return
            except VolumeError as error:
                self.shared.events.record(self.pod, "FailedMount", str(error), warning=True)
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("%s: volumes: %s", self.full_name, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_VOLUME_RETRY)

    async def refresh_volumes(self) -> None:
        """Called now and then while the pod runs."""
        if self._life.done() or self._ending is not None:
            return
        try:
            await self._volumes.refresh(await self.sources(*volume_references(self._volumes.specs)))
        except (VolumeError, ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("%s: volumes are not refreshed: %s", self.full_name, error)

    async def _run_containers(self) -> None:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        for container in self.init:
            if is_sidecar(container.spec):
                task = self._task(container.run("Always"))
                started = self._task(container.became_started.wait())
                await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
                continue
            await asyncio.shield(self._task(container.run("Never" if policy == "Never" else "OnFailure")))
            if not container.state.succeeded:
                await self._stop_sidecars(self.real_grace(self.grace_period))
                return
            container.state.ready = True
            self.changed()
        if self.main and self.init:
            for container in self.main:
                container.state.wait(status.CONTAINER_CREATING)
        await asyncio.gather(*(asyncio.shield(self._task(item.run(policy))) for item in self.main))
        await self._stop_sidecars(self.real_grace(self.grace_period))

    async def _stop_sidecars(self, grace: float) -> None:
        """In reverse order, after everything that may need them. What is left of `grace` is for all of them."""
        end = time.monotonic() + grace
        for container in reversed(self.init):
            if is_sidecar(container.spec):
                await container.stop(max(_SIDECAR_GRACE if grace else 0, end - time.monotonic()))

    async def _stop_containers(self, grace: float) -> None:
        real = self.real_grace(grace)
        end = time.monotonic() + real
        others = [item for item in self.init if not is_sidecar(item.spec)]
        await asyncio.gather(*(item.stop(real) for item in (*others, *self.main)))
        await self._stop_sidecars(max(0.0, end - time.monotonic()) or (_SIDECAR_GRACE if real else 0))
        await self._settle()

    async def _settle(self) -> None:
        """Containers that were stopped write their last state in their own loops."""
        loops = [task for task in self._running if task is not asyncio.current_task() and task is not self._life]
        if loops:
            await asyncio.wait(loops, timeout=2)

    async def _end(self, grace: float) -> None:
        try:
            await self._stop_and_say_so(grace)
        except Exception:
            log.exception("%s did not end in order", self.full_name)
            self.kill()
        finally:
            self._done(self)

    async def _stop_and_say_so(self, grace: float) -> None:
        self._life.cancel()
        await asyncio.wait({self._life})
        if self._deadline is not None:
            self._deadline.cancel()
        await self._stop_containers(grace)
        self._over = True
        self._reporter.cancel()
        await asyncio.wait({self._reporter})
        self._clean_up()
        path = f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/pods/{self.pod['metadata']['name']}"
        for delay in (0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
            try:
                await self._send(self._render())
                await self.shared.client.delete(path, grace=0, uid=self.uid)
                break
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("%s: the last status: %s", self.full_name, error)
            await asyncio.sleep(delay)

    def _clean_up(self) -> None:
        self._leave_network()
        self._volumes.remove()
        shutil.rmtree(self.log_folder, ignore_errors=True)

    # -- status --------------------------------------------------------------------------------------------------------

    def _render(self) -> dict[str, Any]:
        spec = self.pod["spec"]
        init = [container.state for container in self.init]
        main = [container.state for container in self.main]
        phase = status.phase(spec, init, main)
        if self._verdict is not None:
            phase = "Failed"
        elif self._ending is not None and self._over and phase in ("Running", "Pending"):
            # All containers were stopped: a deleted pod ends by their exit codes.
            phase = "Succeeded" if main and all(item.succeeded for item in main) else "Failed"
        elif phase in ("Succeeded", "Failed") and not self._over:
            phase = "Running"  # final only when the sidecars have ended as well
        gates = {item["type"]: item["status"] for item in (self.pod.get("status") or {}).get("conditions") or []}
        fresh = status.conditions(spec, phase, init, main, sandbox_ready=bool(self.ip) and not self._over, gates=gates)
        generation = self.pod["metadata"].get("generation", 1)
        self._conditions = status.with_times(fresh, self._conditions, generation, status.now())
        rendered: dict[str, Any] = {
            "observedGeneration": generation,
            "phase": phase,
            "conditions": self._conditions,
            "hostIP": self.node.address,
            "hostIPs": [{"ip": self.node.address}],
            "startTime": self._started_at,
            "containerStatuses": [item.as_status() for item in main],
        }
        if self.ip:
            rendered["podIP"] = self.ip
            rendered["podIPs"] = [{"ip": self.ip}]
        if init:
            rendered["initContainerStatuses"] = [item.as_status() for item in init]
        if self._verdict is not None:
            rendered["reason"], rendered["message"] = self._verdict
        return rendered

    async def _report(self) -> None:
        delay = 0.2
        while True:
            await self._changed.wait()
            await asyncio.sleep(_QUIET)
            self._changed.clear()
            try:
                await self._send(self._render())
                delay = 0.2
            except ApiError as error:
                if error.code in (404, 409):
                    continue  # the object is gone, or is another pod of this name; the watch will tell
                self._changed.set()
                log.warning("%s: status: %s", self.full_name, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._changed.set()
                log.warning("%s: status: %s", self.full_name, error or type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _send(self, rendered: dict[str, Any]) -> None:
        if rendered == self._sent:
            return
        metadata = self.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        began = time.monotonic()
        try:
            await self.shared.client.patch(path, {"metadata": {"uid": self.uid}, "status": rendered})
        except ApiError as error:
            if error.code not in (404, 409) or self._ending is None:
                raise
        self._sent = rendered
        if time.monotonic() - began > 2:
            log.warning("%s: the API server took %.1f s for a status", self.full_name, time.monotonic() - began)
