# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One container of a pod through its whole life: image, configuration, process, probes, restarts, end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from .. import images
from ..images import Program
from ..kube import ApiError
from ..processes import exit_code_of, stop, terminate
from . import hooks
from .backoff import BackOff, as_go_duration
from .environment import ConfigError, command_line, environment, references
from .launch import Started, StartError
from .logs import LogWriter
from .probes import Probe, run_probe
from .rootfs import Bind, Root
from .status import ContainerState, Terminated, now
from .volumes import VolumeError

if TYPE_CHECKING:
    from .pods import PodWorker

log = logging.getLogger(__name__)

_GOOD_RUN = 600.0
_SHORTEST_GOOD_RUN = 30.0
_LONGEST_TERMINATION_MESSAGE = 4096
_IMAGE_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE_PATH = re.compile(rf"{_IMAGE_PART}(?:/{_IMAGE_PART})*")


class ImageError(Exception):
    """The image can't be had."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def invalid_image_name(image: str) -> str | None:
    """What is wrong with an image reference, or None."""
    try:
        repository = images.Reference.parse(image).repository
    except ValueError:
        return "invalid reference format"
    path = repository.partition("/")[2]
    if _IMAGE_PATH.fullmatch(path):
        return None
    lower = _IMAGE_PATH.fullmatch(path.lower())
    return "invalid reference format: repository name must be lowercase" if lower else "invalid reference format"


class Container:
    def __init__(self, pod: PodWorker, spec: Mapping[str, Any], field_path: str) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.state = ContainerState(name=self.name, image=spec["image"])
        self.log: LogWriter | None = None
        self.previous_log: Path | None = None
        self.became_started = asyncio.Event()
        self.environment: dict[str, str] = {}
        self.program: Program | None = None
        self.process: Started | None = None
        self._pod = pod
        self._field_path = f"{field_path}{{{self.name}}}"
        self._stopping = asyncio.Event()
        self._probes: list[asyncio.Task[None]] = []
        self._killing: asyncio.Task[None] | None = None

    # -- what the pod asks of it ---------------------------------------------------------------------------------------

    async def run(self, policy: str) -> None:
        """Run until the policy says that it is over, or `stop` was called."""
        scale = self._pod.shared.config.scaled
        back_off = BackOff(good_run=scale(_GOOD_RUN, at_least=_SHORTEST_GOOD_RUN))
        while not self._stopping.is_set():
            began = time.monotonic()
            if not await self._attempt():
                return
            code = self.state.terminated.exit_code if self.state.terminated else 0
            self._pod.changed()
            if self._stopping.is_set() or policy == "Never" or (policy == "OnFailure" and code == 0):
                return
            await self._pause_before_restart(back_off.after_run(time.monotonic() - began))
            if not self._stopping.is_set():
                self.state.restarts += 1

    async def stop(self, grace: float, reason: str = "Stopping container") -> None:
        """SIGTERM, then SIGKILL after `grace` real seconds; no restart. Returns when the process is gone."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self.process is not None and self.state.running_since:
            self.event("Killing", f"{reason} {self.name}")
            await self._end_process(grace)

    def kill(self) -> None:
        self._stopping.set()
        if self.process is not None and not self.process.ended.done():
            terminate(self.process.pid, signal.SIGKILL)

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        self._pod.shared.events.record(self._pod.pod, reason, message, warning=warning, field_path=self._field_path)

    # -- one attempt ---------------------------------------------------------------------------------------------------

    async def _attempt(self) -> bool:
        """From the image to the end of the process. False when stopped before there was a process."""
        prepared = await self._prepare()
        if prepared is None:
            return False
        argv, env, root = prepared
        self._rotate_log()
        self.event("Created", f"Created container: {self.name}")
        container_id = "containerd://" + secrets.token_hex(32)
        began = now()
        try:
            process = await self._pod.shared.launcher.container(
                argv, env, root, self._pod.network_namespace, self._pod.host_name
            )
        except StartError as error:
            self.event("Failed", f"Error: {error}", warning=True)
            self.state.container_id = container_id
            self.state.end(Terminated(error.exit_code, "StartError", began, now(), container_id, str(error)))
            return True
        self.process = process
        log_writer = LogWriter(self._log_path())
        log_writer.attach(process.stdout, process.stderr)
        self.log = log_writer
        self.state.run(container_id, self._image_id(), now())
        self.event("Started", f"Started container {self.name}")
        self._pod.changed()
        if self._stopping.is_set():
            terminate(process.pid, signal.SIGKILL)
        watching = asyncio.create_task(self._after_start())
        status = await process.ended
        watching.cancel()
        for task in self._probes:
            task.cancel()
        self._probes.clear()
        await log_writer.drain(1.0)
        code = exit_code_of(status)
        reason = "Completed" if code == 0 else "Error"
        since = self.state.running_since or began
        self.state.end(Terminated(code, reason, since, now(), container_id, self._termination_message(code)))
        return True

    async def _prepare(self) -> tuple[list[str], dict[str, str], Root] | None:
        """Image and configuration, retried until both are there. None when stopped meanwhile."""
        shared = self._pod.shared
        pulls = BackOff()
        while not self._stopping.is_set():
            try:
                self.program = self._pull()
                env = await self._environment(self.program)
                argv = self._argv(self.program, env)
                return argv, env, self._root(env)
            except ImageError as error:
                pause = max(10.0, pulls.after_run(0))
                await self._wait_for_image(error, shared.config.scaled(pause, at_least=0.5))
            except (ConfigError, VolumeError) as error:
                self._wait("CreateContainerConfigError", str(error))
                self.event("Failed", f"Error: {error}", warning=True)
                await self._sleep(shared.config.scaled(10, at_least=1.0))
            except (ValueError, OSError) as error:
                self._wait("CreateContainerError", str(error))
                self.event("Failed", f"Error: {error}", warning=True)
                await self._sleep(shared.config.scaled(20, at_least=1.0))
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("%s: %s: the API server: %s", self._pod.full_name, self.name, error)
                await self._sleep(1.0)
        return None

    def _pull(self) -> Program:
        image = self.spec["image"]
        if problem := invalid_image_name(image):
            message = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {problem}'
            raise ImageError("InvalidImageName", message)
        program = self._pod.shared.resolve(image)
        if program is None:
            if self.spec.get("imagePullPolicy") == "Never":
                message = f'Container image "{image}" is not present with pull policy of Never'
                raise ImageError("ErrImageNeverPull", message)
            self.event("Pulling", f'Pulling image "{image}"')
            raise ImageError("ErrImagePull", images.pull_error(image))
        self.event("Pulled", f'Container image "{image}" already present on machine')
        return program

    async def _wait_for_image(self, error: ImageError, pause: float) -> None:
        image = self.spec["image"]
        if error.reason != "ErrImagePull":
            self._wait(error.reason, str(error))
            reason = "InspectFailed" if error.reason == "InvalidImageName" else error.reason
            self.event(reason, str(error), warning=True)
            self.event("Failed", f"Error: {error.reason}", warning=True)
            await self._sleep(pause)
            return
        self._wait("ErrImagePull", str(error))
        self.event("Failed", f'Failed to pull image "{image}": {error}', warning=True)
        self.event("Failed", "Error: ErrImagePull", warning=True)
        await self._sleep(pause / 2)
        self._wait("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {error}')
        self.event("BackOff", f'Back-off pulling image "{image}"')
        self.event("Failed", "Error: ImagePullBackOff", warning=True)
        await self._sleep(pause / 2)

    async def _environment(self, program: Program) -> dict[str, str]:
        sources = await self._pod.sources(*references(self.spec))
        self.environment = {
            **program.env,
            "HOSTNAME": self._pod.host_name,
            "HOME": "/root",
            **environment(self.spec, sources),
        }
        return self.environment

    def _argv(self, program: Program, env: Mapping[str, str]) -> list[str]:
        command, arguments = command_line(self.spec, env)
        return program.argv(command, arguments)

    def _root(self, env: Mapping[str, str]) -> Root:
        pod = self._pod
        binds = [pod.bind_of(mount, env) for mount in self.spec.get("volumeMounts") or []]
        message_file = pod.termination_file(self.name)
        binds.append(Bind(str(message_file), self.spec.get("terminationMessagePath") or "/dev/termination-log"))
        if self.program is not None and self.program.shares_parse_cache:
            binds.append(Bind(str(pod.shared.parse_cache), str(pod.shared.parse_cache)))
        return Root(
            staging=str(pod.shared.config.dir / "root"),
            programs=pod.shared.programs,
            files=pod.etc_files(),
            volumes=binds,
            working_dir=self.spec.get("workingDir") or "/",
        )

    # -- while it runs -------------------------------------------------------------------------------------------------

    async def _after_start(self) -> None:
        """The post-start hook, then the startup probe, then the others."""
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            success, message = await hooks.run(hook, self, self._pod)
            if not success:
                self.event("FailedPostStartHook", f"PostStartHook failed: {message}", warning=True)
                self.restart("failed post-start hook")
                return
        startup = Probe.of(self.spec, "startup")
        if startup is None:
            self._set_started()
        else:
            self._watch(startup, lambda well: self._set_started() if well else self.restart("failed startup probe"))

    def _set_started(self) -> None:
        self.state.started = True
        readiness, liveness = Probe.of(self.spec, "readiness"), Probe.of(self.spec, "liveness")
        self.state.ready = readiness is None
        if readiness is not None:
            self._watch(readiness, self._set_ready)
        if liveness is not None:
            self._watch(liveness, lambda well: None if well else self.restart("failed liveness probe"))
        self.became_started.set()
        self._pod.changed()

    def _set_ready(self, ready: bool) -> None:
        if self.state.ready != ready and self.state.running_since:
            self.state.ready = ready
            self._pod.changed()

    def _watch(self, probe: Probe, decided: Callable[[bool], None]) -> None:
        def failed(message: str) -> None:
            self.event("Unhealthy", message, warning=True)

        async def check() -> tuple[bool, str]:
            return await hooks.check(probe.handler, self, self._pod, probe.timeout)

        scale = self._pod.shared.config.time_scale
        self._probes.append(asyncio.create_task(run_probe(probe, check, decided, failed, scale)))

    def restart(self, why: str) -> None:
        """End the process; the restart policy does the rest."""
        if self._killing is None or self._killing.done():
            self.event("Killing", f"Container {self.name} {why}, will be restarted")
            self._killing = asyncio.create_task(self._end_process(self._pod.real_grace(self._pod.grace_period)))

    async def _end_process(self, grace: float) -> None:
        process = self.process
        if process is None or process.ended.done():
            return
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and grace > 0:
            began = time.monotonic()
            success, message = await hooks.run(hook, self, self._pod, grace)
            if not success:
                self.event("FailedPreStopHook", f"PreStopHook failed: {message}", warning=True)
            grace = max(0.1, grace - (time.monotonic() - began))
        await stop(process.pid, process.ended, grace)

    # -- small things --------------------------------------------------------------------------------------------------

    def _wait(self, reason: str, message: str = "") -> None:
        self.state.wait(reason, message)
        self._pod.changed()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not through a stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _pause_before_restart(self, seconds: float) -> None:
        if seconds <= 0:
            return
        metadata = self._pod.pod["metadata"]
        who = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self._wait(
            "CrashLoopBackOff",
            f"back-off {as_go_duration(seconds)} restarting failed container={self.name} pod={who}",
        )
        self.event("BackOff", f"Back-off restarting failed container {self.name} in pod {who}", warning=True)
        await self._sleep(self._pod.shared.config.scaled(seconds))

    def _log_path(self) -> Path:
        return self._pod.log_folder / self.name / f"{self.state.restarts}.log"

    def _rotate_log(self) -> None:
        """The log of the run before this one stays, older ones go."""
        if self.previous_log is not None:
            self.previous_log.unlink(missing_ok=True)
            self.previous_log.with_suffix(".log.1").unlink(missing_ok=True)
        self.previous_log = self.log.path if self.log else None

    def _image_id(self) -> str:
        reference = images.Reference.parse(self.spec["image"])
        return f"{reference.repository}@sha256:{hashlib.sha256(self.spec['image'].encode()).hexdigest()}"

    def _termination_message(self, code: int) -> str:
        file = self._pod.termination_file(self.name)
        text = file.read_text(errors="replace")[:_LONGEST_TERMINATION_MESSAGE] if file.exists() else ""
        if not text and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError" and self.log:
            lines = self.log.path.read_text(errors="replace").splitlines()[-80:]
            text = "\n".join(line.split(" ", 3)[-1] for line in lines)[-2048:]
        file.unlink(missing_ok=True)
        return text
