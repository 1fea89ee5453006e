# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Starts processes in containers: fork, enter the namespaces, exec. What fails in the child is told to the parent.

A fork of this (single-threaded) process costs milliseconds; a helper program would cost an interpreter's start.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import termios
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from ..namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    fork_in_pid_namespace,
    set_host_name,
    setns,
    unshare,
)
from ..processes import Reaper, terminate
from . import rootfs

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_OURS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
_START_TIMEOUT = 30.0


class StartError(Exception):
    """The process did not start. `exit_code` is what a container runtime reports then."""

    def __init__(self, message: str, exit_code: int = 128) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass
class Ends:
    """The child's ends of its standard streams. The parent's copies are closed once the child has them."""

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False

    def close(self) -> None:
        for descriptor in {self.stdin, self.stdout, self.stderr}:
            os.close(descriptor)


@dataclass
class Started:
    """A process in a container. `stdout` and `stderr` are the read ends of its output, where it has pipes."""

    pid: int
    ended: asyncio.Future[int]
    stdout: int = -1
    stderr: int = -1


def _plain_signals() -> None:
    """The child is not an asyncio program: no handlers, nothing ignored, nothing blocked."""
    signal.set_wakeup_fd(-1)
    for number in (*_IGNORED_BY_PYTHON, *_OURS):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _exec(argv: Sequence[str], env: Mapping[str, str], ends: Ends) -> NoReturn:
    for source, target in ((ends.stdin, 0), (ends.stdout, 1), (ends.stderr, 2)):
        os.dup2(source, target)
    if ends.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.execvpe(argv[0], list(argv), dict(env))


def _not_executable(error: OSError, word: str) -> str:
    """The container runtime's words."""
    reason = (
        "executable file not found in $PATH" if error.errno == errno.ENOENT else os.strerror(error.errno or 0).lower()
    )
    return f'failed to create containerd task: unable to start container process: exec: "{word}": {reason}'


async def _start(
    reaper: Reaper,
    own_pid_namespace: int,
    argv: Sequence[str],
    env: Mapping[str, str],
    prepare: Callable[[], None],
    pid_namespace: int | None,
    ends: Ends,
) -> Started:
    """Fork and exec. Returns once the program runs; `ends` are closed here in any case."""
    told_read, told_write = os.pipe()

    def child() -> NoReturn:
        try:
            _plain_signals()
            os.setsid()
            prepare()
        except BaseException as error:
            os.write(told_write, f"failed to create the container: {error}".encode()[:4000])
            os._exit(128)
        try:
            _exec(argv, env, ends)
        except OSError as error:
            os.write(told_write, _not_executable(error, argv[0]).encode()[:4000])
        os._exit(128)

    try:
        pid = fork_in_pid_namespace(child, pid_namespace, own_pid_namespace)
        ended = reaper.watch(pid)
    except OSError as error:
        os.close(told_read)
        raise StartError(f"failed to fork: {error}") from error
    finally:
        os.close(told_write)
        ends.close()
    try:
        message = await _told(told_read)
    except asyncio.CancelledError:
        terminate(pid, signal.SIGKILL)
        raise
    if message:
        terminate(pid, signal.SIGKILL)
        await ended
        raise StartError(message)
    return Started(pid, ended)


async def _with_pipes(start: Callable[[Ends], Awaitable[Started]]) -> Started:
    """Start with nothing to read, and with pipes for the output."""
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        started = await start(Ends(null, out_write, err_write))
    except BaseException:
        os.close(out_read)
        os.close(err_read)
        raise
    started.stdout, started.stderr = out_read, err_read
    return started


async def _told(descriptor: int) -> str:
    """What the child has to say before exec closes the pipe; nothing is good news."""
    loop = asyncio.get_running_loop()
    said = bytearray()
    closed = loop.create_future()

    def read() -> None:
        data = os.read(descriptor, 4096)
        said.extend(data)
        if not data and not closed.done():
            closed.set_result(None)

    loop.add_reader(descriptor, read)
    try:
        await asyncio.wait_for(closed, _START_TIMEOUT)
    except TimeoutError:
        return "the container did not start in time"
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return said.decode(errors="replace")


class Launcher:
    """Starts containers and, inside running ones, further processes."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    async def container(
        self, argv: Sequence[str], env: Mapping[str, str], root: rootfs.Root, network: int | None, host_name: str
    ) -> Started:
        """A container: process 1 of a new PID namespace, with its own root. `network` None is the host's network."""

        def prepare() -> None:
            if network is not None:
                setns(network, CLONE_NEWNET)
            unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)
            if network is not None:
                set_host_name(host_name)
            rootfs.enter(root)
            os.umask(0o022)

        def start(ends: Ends) -> Awaitable[Started]:
            return _start(self._reaper, self._own_pid_namespace, argv, env, prepare, None, ends)

        return await _with_pipes(start)

    async def inside(
        self, pid: int, argv: Sequence[str], env: Mapping[str, str], working_dir: str, network: int | None
    ) -> Started:
        """A further process in the container whose process 1 has this `pid`, with pipes for its output."""
        return await _with_pipes(lambda ends: self.attached(pid, argv, env, working_dir, network, ends))

    async def attached(
        self, pid: int, argv: Sequence[str], env: Mapping[str, str], working_dir: str, network: int | None, ends: Ends
    ) -> Started:
        """A further process in a container, on streams of the caller's."""
        kinds = {"mnt": CLONE_NEWNS, "uts": CLONE_NEWUTS, "ipc": CLONE_NEWIPC}
        descriptors: dict[str, int] = {}
        try:
            for kind in ("pid", *kinds):
                descriptors[kind] = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            for descriptor in descriptors.values():
                os.close(descriptor)
            ends.close()
            raise StartError(f"the container is not running: {error}") from error

        def prepare() -> None:
            if network is not None:
                setns(network, CLONE_NEWNET)
            for kind, flag in kinds.items():
                setns(descriptors[kind], flag)
            os.chdir(working_dir)

        try:
            return await _start(self._reaper, self._own_pid_namespace, argv, env, prepare, descriptors["pid"], ends)
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)
