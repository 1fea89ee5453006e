# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What probes and life cycle hooks do to a container: ask it over the network, or run something in it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..processes import exit_code_of, terminate
from .launch import StartError
from .probes import Outcome, grpc_check, http_get, http_url, literal, port_number, tcp_connect

if TYPE_CHECKING:
    from .containers import Container
    from .pods import PodWorker

_HOOK_TIMEOUT = 60.0
_LARGEST_OUTPUT = 10_000


async def check(handler: Mapping[str, Any], container: Container, pod: PodWorker, timeout: float) -> Outcome:
    """One look of a probe."""
    try:
        if "httpGet" in handler:
            action = handler["httpGet"]
            return await http_get(pod.shared.http, action, http_url(action, container.spec, pod.ip), timeout)
        if "tcpSocket" in handler:
            action = handler["tcpSocket"]
            host = literal(action.get("host") or pod.ip)
            return await tcp_connect(host, port_number(action["port"], container.spec), timeout)
        if "grpc" in handler:
            return await grpc_check(pod.ip, handler["grpc"], timeout)
        if "exec" in handler:
            return await run_in(container, pod, handler["exec"].get("command") or [], timeout)
    except ValueError as error:
        return False, str(error)
    return False, f"unknown handler: {', '.join(handler)}"


async def run(hook: Mapping[str, Any], container: Container, pod: PodWorker, timeout: float = _HOOK_TIMEOUT) -> Outcome:
    """A life cycle hook."""
    if "sleep" in hook:
        await asyncio.sleep(min(timeout, pod.shared.config.scaled(float(hook["sleep"].get("seconds") or 0))))
        return True, ""
    try:
        return await asyncio.wait_for(check(hook, container, pod, timeout), timeout)
    except TimeoutError:
        return False, "the hook did not end in time"


async def run_in(container: Container, pod: PodWorker, command: list[str], timeout: float) -> Outcome:
    """Run a command in the container; its output is the message."""
    process, program = container.process, container.program
    if process is None or program is None or process.ended.done():
        return False, "the container is not running"
    working_dir = container.spec.get("workingDir") or "/"
    try:
        started = await pod.shared.launcher.inside(
            process.pid, program.argv(command, ()), container.environment, working_dir, pod.network_namespace
        )
    except (StartError, ValueError) as error:
        return False, str(error)
    try:
        async with asyncio.timeout(timeout):
            status = await asyncio.shield(started.ended)
    except TimeoutError:
        terminate(started.pid, signal.SIGKILL)
        await started.ended
        return False, f"command timed out: {' '.join(command)} timed out after {timeout:g}s"
    except asyncio.CancelledError:
        terminate(started.pid, signal.SIGKILL)
        raise
    finally:
        output = _output(started.stdout) + _output(started.stderr)
    return exit_code_of(status) == 0, output


def _output(descriptor: int) -> str:
    """What is in the pipe now; a pipe's worth is enough for a message."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, _LARGEST_OUTPUT).decode(errors="replace").strip()
    except BlockingIOError:
        return ""
    finally:
        os.close(descriptor)
