# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The command line of `vllm serve`, parsed (and refused) by vLLM's own parser.

As a script it is run by a Python of its own, which sees nothing but the standard library and the directory that
vllm_install filled: `python -I -S vllm_parse.py --site DIR --out FILE -- ARGUMENTS`. Exit status and standard error are
vLLM's. As a module it runs that script and remembers what it said, so that eight pods with the same command line cost
one parse.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Parsed:
    """What vLLM makes of a command line: its options, or the end of the program."""

    options: dict[str, Any]
    stdout: str
    stderr: str
    status: int


def parse(site: Path, arguments: Sequence[str], cache: Path | None) -> Parsed:
    """The options of a command line, from the cache if any pod asked before."""
    # A configuration file may change between two runs with the same command line.
    if cache is None or any(word.startswith("--config") for word in arguments):
        return parse_in_subprocess(site, arguments)
    key = hashlib.sha256(json.dumps([_version(site), _fingerprint(), list(arguments)]).encode()).hexdigest()[:32]
    known = cache / f"{key}.json"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if known.is_file():
                return Parsed(**json.loads(known.read_text()))
            found = parse_in_subprocess(site, arguments)
            if found.status not in (0, 2):  # not an answer of the parser, but an accident
                return found
            partial = known.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(found.__dict__))
            partial.replace(known)
            return found
    except OSError:  # the cache is an optimisation
        return parse_in_subprocess(site, arguments)


def parse_in_subprocess(site: Path, arguments: Sequence[str]) -> Parsed:
    """Run this file as a script."""
    with tempfile.TemporaryDirectory(prefix="vllm-parse-") as folder:
        out = Path(folder) / "options.json"
        command = [sys.executable, "-I", "-S", __file__, "--site", str(site), "--out", str(out), "--", *arguments]
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        options = json.loads(out.read_text()) if ran.returncode == 0 and out.is_file() else {}
    return Parsed(options, ran.stdout, ran.stderr, ran.returncode)


def _version(site: Path) -> str:
    return next((entry.name for entry in site.glob("vllm_tpu-*.dist-info")), "")


def _fingerprint() -> str:
    sources = (Path(__file__), Path(__file__).with_name("vllm_stubs.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _plain(value: Any) -> Any:
    """A parsed value as JSON: vLLM's configuration objects become maps."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if type(value).__module__.startswith("vllm.") and hasattr(value, "__dict__"):
        return {key: _plain(item) for key, item in vars(value).items() if not key.startswith("_")}
    return str(value)


def _run_parser(site: str, out: str, arguments: list[str]) -> None:
    sys.path[:0] = [site, str(Path(__file__).resolve().parents[3])]
    from sandbox.cluster.programs import vllm_stubs

    stubbed = vllm_stubs.ENGINE | vllm_stubs.SERVER | vllm_stubs.BENCHMARK
    vllm_stubs.install(stubbed, vllm_stubs.VLLM_FOR_PARSER)
    import warnings

    warnings.filterwarnings("ignore")  # of pydantic, about the stubs' types
    import vllm.platforms
    from vllm.platforms.interface import Platform, PlatformEnum

    platform = type("TpuPlatform", (Platform,), {"_enum": PlatformEnum.TPU, "device_name": "tpu", "device_type": "tpu"})
    vllm.platforms._current_platform = platform()
    from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    # The same shape as vLLM's own main program has: a subcommand `serve`.
    parser = FlexibleArgumentParser(prog="vllm", description="vLLM CLI")
    commands = parser.add_subparsers(dest="subparser")
    make_arg_parser(commands.add_parser("serve", usage="vllm serve [model_tag] [options]"))
    options = parser.parse_args(["serve", *arguments])
    validate_parsed_serve_args(options)
    plain = {key: _plain(value) for key, value in vars(options).items()}
    Path(out).write_text(json.dumps(plain), encoding="utf-8")


if __name__ == "__main__":
    split = sys.argv.index("--")
    given = dict(zip(sys.argv[1:split:2], sys.argv[2:split:2], strict=True))
    _run_parser(given["--site"], given["--out"], sys.argv[split + 1 :])
