# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Probes: when they run, when they have decided, and how to ask (http, tcp, grpc; exec is in hooks.py).

Times. Time-outs are real seconds: programs are as fast as they are. Periods are the sandbox's, shortened by the time
scale, but for the safety of a slow machine: a startup probe never gives up before `START_UP_GRACE` real seconds (or its
own threshold, if that is less), and a container that has been well is not asked more often than it is useful.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from . import grpc_health

START_UP_GRACE = 60.0
_SHORTEST = 0.2
_STEADY = {"startup": 0.2, "readiness": 1.0, "liveness": 3.0}

Outcome = tuple[bool, str]
Check = Callable[[], Awaitable[Outcome]]


@dataclass(frozen=True)
class Probe:
    kind: str
    handler: Mapping[str, Any]
    initial_delay: float
    period: float
    timeout: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, container: Mapping[str, Any], kind: str) -> Probe | None:
        given = container.get(f"{kind}Probe")
        if not given:
            return None
        return cls(
            kind=kind,
            handler=given,
            initial_delay=float(given.get("initialDelaySeconds") or 0),
            period=float(given.get("periodSeconds") or 10),
            timeout=float(given.get("timeoutSeconds") or 1),
            success_threshold=int(given.get("successThreshold") or 1),
            failure_threshold=int(given.get("failureThreshold") or 3),
        )


def first_pause(probe: Probe, time_scale: float) -> float:
    """Liveness keeps its real delay: it protects programs that take real time to start."""
    return probe.initial_delay if probe.kind == "liveness" else probe.initial_delay / time_scale


def pause(probe: Probe, time_scale: float, been_well: bool) -> float:
    """Seconds until the next look. Never longer than the probe's own period."""
    if probe.kind == "liveness" and not been_well:
        return probe.period
    shortest = _STEADY[probe.kind] if been_well else _SHORTEST
    return min(probe.period, max(shortest, probe.period / time_scale))


def may_give_up(probe: Probe, elapsed: float, time_scale: float) -> bool:
    """Whether a startup probe has waited long enough, by real time."""
    promised = probe.failure_threshold * probe.period
    return elapsed >= max(promised / time_scale, min(promised, START_UP_GRACE))


class Counter:
    """Consecutive results against the thresholds."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._last: bool | None = None
        self._row = 0

    def observe(self, success: bool) -> bool | None:
        """True or False once the threshold is reached, else None: nothing has been decided."""
        self._row = self._row + 1 if success == self._last else 1
        self._last = success
        needed = self._probe.success_threshold if success else self._probe.failure_threshold
        return success if self._row >= needed else None


async def run_probe(
    probe: Probe,
    check: Check,
    decided: Callable[[bool], None],
    failed: Callable[[str], None],
    time_scale: float,
) -> None:
    """Look again and again. `decided` hears verdicts, `failed` each failure; a startup probe ends with its verdict."""
    await asyncio.sleep(first_pause(probe, time_scale))
    counter = Counter(probe)
    started = time.monotonic()
    been_well = False
    while True:
        try:
            success, message = await asyncio.wait_for(check(), probe.timeout + 0.5)
        except TimeoutError:
            success, message = False, "command timed out" if "exec" in probe.handler else "context deadline exceeded"
        if not success:
            failed(f"{probe.kind.capitalize()} probe failed: {message}")
        verdict = counter.observe(success)
        if probe.kind == "startup":
            if verdict is True:
                decided(True)
                return
            if verdict is False and may_give_up(probe, time.monotonic() - started, time_scale):
                decided(False)
                return
        elif verdict is not None:
            decided(verdict)
        been_well = been_well or success
        await asyncio.sleep(pause(probe, time_scale, been_well))


def port_number(port: int | str, container: Mapping[str, Any]) -> int:
    """A port given by number or by the name it has in the container."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for item in container.get("ports") or []:
        if item.get("name") == port:
            return int(item["containerPort"])
    raise ValueError(f"couldn't find port: {port!r} in container {container['name']}")


def literal(host: str) -> str:
    """Addresses only: looking names up would start threads, and forks of a process with threads can't be trusted."""
    if host == "localhost":
        return "127.0.0.1"
    return str(ipaddress.ip_address(host))


def http_url(action: Mapping[str, Any], container: Mapping[str, Any], pod_ip: str) -> str:
    scheme = (action.get("scheme") or "HTTP").lower()
    path = action.get("path") or "/"
    host = literal(action.get("host") or pod_ip)
    return f"{scheme}://{host}:{port_number(action['port'], container)}/{path.lstrip('/')}"


def _why(error: OSError) -> str:
    """The system's words; asyncio puts its own into strerror."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def http_get(session: aiohttp.ClientSession, action: Mapping[str, Any], url: str, timeout: float) -> Outcome:
    headers = {"User-Agent": "kube-probe/1.35", "Accept": "*/*", "Connection": "close"}
    headers.update({item["name"]: item["value"] for item in action.get("httpHeaders") or []})
    try:
        async with session.get(
            url, headers=headers, ssl=False, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=timeout)
        ) as response:
            if 200 <= response.status < 400:
                return True, ""
            return False, f"HTTP probe failed with statuscode: {response.status}"
    except TimeoutError:
        return False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except aiohttp.ClientConnectorError as error:
        return False, f'Get "{url}": dial tcp: connect: {_why(error.os_error)}'
    except (aiohttp.ClientError, OSError) as error:
        return False, f'Get "{url}": {error or type(error).__name__}'


async def tcp_connect(host: str, port: int, timeout: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(literal(host), port)
        writer.close()
    except TimeoutError:
        return False, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return False, f"dial tcp {host}:{port}: connect: {_why(error)}"
    return True, ""


async def grpc_check(host: str, action: Mapping[str, Any], timeout: float) -> Outcome:
    port = int(action["port"])
    try:
        if await grpc_health.check(host, port, action.get("service") or "", timeout):
            return True, ""
    except TimeoutError:
        return (
            False,
            f'timeout: failed to connect service "{host}:{port}" within {timeout:g}s: context deadline exceeded',
        )
    except OSError as error:
        return False, f'error: failed to connect service "{host}:{port}": {_why(error)}'
    return False, 'service unhealthy (responded with "NOT_SERVING")'
