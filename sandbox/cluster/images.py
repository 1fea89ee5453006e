# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Container images of the sandbox: a table from image name to the local program that stands behind it.

There is no registry. An image is known when its repository and tag are in the table; everything else is what an image
that does not exist is on a cluster: ``ErrImagePull``, then ``ImagePullBackOff``.

How the node agent uses it::

    program = resolve("ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1", tools=Path(".tools"), time_scale=60)
    if program is None:
        ...                                   # ErrImagePull / ImagePullBackOff; pull_error(image) is the message
    argv = program.argv(container.command, container.args)
    env = {**program.env, **container_env}    # program.env is the image's ENV: the pod's own variables win
    os.execvpe(argv[0], argv, env)            # inside the container's root and network namespace

* ``argv`` follows Kubernetes: `command` replaces the image's ENTRYPOINT, `args` replace its CMD, `command` alone drops
  the CMD. The first word is then mapped to the local program when it is one of the image's own executables
  (``/app/epp``); any other word is looked up on ``PATH`` (or taken as a path) by execvpe, in the container's root.
  ENOENT there is a container that cannot start (``RunContainerError``, exit code 128, as containerd has it).
* exec probes and life cycle hooks run the same way: ``program.argv(probe_command, ())``, the container's environment.
* ``$(VAR)`` references must be expanded by the caller *before* argv, as the kubelet does.
* What must be visible in the container's root, at the same paths: /usr, /bin, /lib*; ``sys.prefix`` and
  ``sys.base_prefix``; the checkout's ``sandbox`` package; the tools directory and everything its symbolic links point
  at. Programs write only to the working directory, to mounted volumes, to /tmp, and to the directory of
  ``LLM_D_PARSE_CACHE`` (a cache that the vLLM stand-in shares between pods: bind it read-write into pods of images with
  ``shares_parse_cache``; without it every pod parses its own command line, a second of one core each).

Environment that the programs read (all set in ``program.env``): LLM_D_TOOLS, SANDBOX_PYTHON, SANDBOX_TIME_SCALE,
LLM_D_PARSE_CACHE. The vLLM stand-in finds its own address in VLLM_HOST_IP, else in the interface of the default route.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

_PROGRAMS = Path(__file__).resolve().parent / "programs"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"(?P<name>[^@]+?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?")


@dataclass(frozen=True)
class Program:
    """How to run a container of one image on this machine."""

    name: str
    """Short name, for logs and process titles: epp, pd-sidecar, vllm, python, curl, busybox."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """The image's environment, PATH included; the container's own variables go over it."""
    executables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Executables of the image that live elsewhere here: name in the image -> start of the local command line."""
    shares_parse_cache: bool = False
    """Wants the directory of LLM_D_PARSE_CACHE read-write in its root (only an optimisation)."""

    def argv(self, command: Sequence[str] | None = None, args: Sequence[str] | None = None) -> list[str]:
        """The local command line of a container with this `command` and these `args`."""
        line = [*command, *(args or ())] if command else [*self.entrypoint, *(args or self.cmd)]
        if not line:
            raise ValueError(f"no command specified: image {self.name} has neither entrypoint nor command")
        return [*self.executables.get(line[0], (line[0],)), *line[1:]]


@dataclass(frozen=True)
class Reference:
    """An image reference in its full form: ``python`` is docker.io/library/python:latest."""

    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, image: str) -> Reference:
        match = _REFERENCE.fullmatch(image.strip())
        if not match:
            raise ValueError(f"invalid reference format: {image!r}")
        name, tag, digest = match["name"], match["tag"], match["digest"]
        host, slash, rest = name.partition("/")
        if not slash:
            name = f"docker.io/library/{name}"
        elif host == "docker.io" and "/" not in rest:
            name = f"docker.io/library/{rest}"
        elif not ("." in host or ":" in host or host == "localhost"):
            name = f"docker.io/{name}"
        return cls(name, tag or (None if digest else "latest"), digest)


@dataclass(frozen=True)
class _Host:
    """Where things lie on this machine."""

    tools: Path
    python: str
    time_scale: float
    parse_cache: Path | None

    def env(self, *path: Path) -> dict[str, str]:
        found = {
            "PATH": ":".join([*(str(entry) for entry in path), _SYSTEM_PATH]),
            "LLM_D_TOOLS": str(self.tools),
            "SANDBOX_PYTHON": self.python,
            "SANDBOX_TIME_SCALE": f"{self.time_scale:g}",
        }
        if self.parse_cache:
            found["LLM_D_PARSE_CACHE"] = str(self.parse_cache)
        return found


def _go_program(name: str, inside: str, host: _Host) -> Program:
    local = (str(host.tools / "bin" / name),)
    return Program(name, entrypoint=(inside,), env=host.env(), executables={inside: local, name: local})


def _epp(host: _Host) -> Program:
    return _go_program("epp", "/app/epp", host)


def _sidecar(host: _Host) -> Program:
    return _go_program("pd-sidecar", "/app/pd-sidecar", host)


def _vllm(host: _Host) -> Program:
    # The image starts a shell when it is given nothing to do; `vllm` and `python3` are found on PATH, also by scripts.
    shims = _PROGRAMS / "bin" / "vllm"
    env = host.env(shims, Path(host.python).parent)
    return Program("vllm", cmd=("/bin/bash",), env={**env, "VLLM_TARGET_DEVICE": "tpu"}, shares_parse_cache=True)


def _vllm_client(host: _Host) -> Program:
    # vLLM for processors: enough for its benchmark client, which is what it is taken for here.
    program = _vllm(host)
    return replace(program, name="vllm-cpu", entrypoint=("vllm", "serve"), cmd=(), shares_parse_cache=False,
                   env={**program.env, "VLLM_TARGET_DEVICE": "cpu"})  # fmt: skip


def _python(host: _Host) -> Program:
    return Program("python", cmd=("python3",), env=host.env(Path(host.python).parent))


def _curl(host: _Host) -> Program:
    return Program("curl", entrypoint=("curl",), cmd=("--help",), env=host.env())


def _busybox(host: _Host) -> Program:
    return Program("busybox", cmd=("sh",), env=host.env())


# Repository, the tags that there is a program for, and the program. Tags of the llm-d images are those whose behaviour
# the pinned programs have: v0.7.1 is what is built, v0.7.0 (the guide's) takes the same flags and configuration. An
# older or newer sidecar takes other flags and answers errors differently: it is not passed off, it fails to pull.
_V07 = re.compile(r"v0\.7\.[01]")
_TABLE = (
    ("ghcr.io/llm-d/llm-d-inference-scheduler", _V07, _epp),
    ("ghcr.io/llm-d/llm-d-routing-sidecar", _V07, _sidecar),
    ("docker.io/vllm/vllm-tpu", re.compile(r"v0\.26\.0"), _vllm),
    ("docker.io/vllm/vllm-openai-cpu", re.compile(r"v0\.26\.0"), _vllm_client),
    ("docker.io/library/python", re.compile(r"latest|slim|alpine|3(\.\d+){0,2}(-(slim|alpine)\S*)?"), _python),
    ("docker.io/curlimages/curl", re.compile(r".+"), _curl),
    ("docker.io/library/busybox", re.compile(r".+"), _busybox),
)


def resolve(
    image: str,
    *,
    tools: Path | None = None,
    python: str | None = None,
    time_scale: float = 60,
    parse_cache: Path | None = None,
) -> Program | None:
    """The program behind an image, or None when a cluster could not pull it.

    A digest beside a known tag is not looked at (no registry could confirm it); a digest alone is unknown.
    """
    try:
        reference = Reference.parse(image)
    except ValueError:
        return None
    host = _Host(
        tools=(tools or _default_tools()).absolute(),
        python=python or sys.executable,
        time_scale=time_scale,
        parse_cache=parse_cache,
    )
    for repository, tags, program in _TABLE:
        if reference.repository == repository and reference.tag and tags.fullmatch(reference.tag):
            return program(host)
    return None


def pull_error(image: str) -> str:
    """The kubelet's words for an image that `resolve` does not know."""
    try:
        reference = Reference.parse(image)
    except ValueError:
        return f'Failed to apply default image tag "{image}": couldn\'t parse image name: invalid reference format'
    full = reference.repository + (f":{reference.tag}" if reference.tag else f"@{reference.digest}")
    return (
        f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": {full}: not found '
        f"(the sandbox has {', '.join(known_images())})"
    )


def known_images() -> list[str]:
    """Repositories of the table, for messages."""
    return [repository.removeprefix("docker.io/library/").removeprefix("docker.io/") for repository, _, _ in _TABLE]


def _default_tools() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("LLM_D_TOOLS") or checkout / ".tools")
