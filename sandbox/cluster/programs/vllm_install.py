# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Install vLLM's own code, without its engine: the parser of `vllm serve` and the client `vllm bench serve`.

    python -m sandbox.cluster.programs.vllm_install --target .tools/vllm

The wheel of vllm-tpu is plain Python here; what it would need to run a model (torch, jax, ray, ...) is never imported,
see vllm_stubs. What is left is pinned below and installed without looking at dependencies. It goes on from an
interruption where it was, and does nothing when all is there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from sandbox.cluster.programs import vllm_parse

VLLM_VERSION = "0.26.0"

# Its tag says Python 3.12, its code runs on 3.11 and later; without the options pip builds it from source, in vain.
_VLLM = ("--python-version", "3.12", f"vllm-tpu=={VLLM_VERSION}")
_PARSER = (
    "annotated-types==0.8.0",
    "jinja2==3.1.6",
    "markupsafe==3.0.4",
    "pydantic==2.14.3",
    "pydantic-core==2.50.4",
    "pyyaml==6.0.3",
    "regex==2026.11.15",
    "typing-extensions==4.16.0",
    "typing-inspection==0.4.5",
)
_BENCHMARK = (
    "aiohappyeyeballs==2.7.1",
    "aiohttp==3.14.5",
    "aiosignal==1.4.0",
    "anyio==4.16.0",
    "attrs==26.1.0",
    "filelock==4.2.11",
    "frozenlist==1.8.0",
    "fsspec==2026.9.0",
    "h11==0.16.0",
    "httpcore2==2.16.2",
    "httpx2==2.16.2",
    "huggingface_hub==2.4.0",
    "idna==3.20",
    "multidict==7.2.1",
    "numpy==2.4.6",
    "packaging==26.3",
    "propcache==0.5.4",
    "safetensors==0.8.0",
    "sniffio==1.3.1",
    "tokenizers==0.23.3",
    "tqdm==4.70.1",
    "transformers==5.23.0",
    "truststore==0.10.5",
    "urllib3==2.8.0",
    "yarl==1.25.1",
)
_STEPS: dict[str, tuple[str, ...]] = {"vLLM": _VLLM, "its parser's packages": _PARSER, "its benchmark's": _BENCHMARK}


def install(target: Path) -> bool:
    """Install into `target`; false when it was complete already."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    marker = target / ".installed.json"
    done: dict[str, list[str]] = {}
    if marker.is_file():
        found = json.loads(marker.read_text())
        done = found["steps"] if found.get("python") == python else {}
    steps = [(name, what) for name, what in _STEPS.items() if done.get(name) != list(what)]
    if not steps:
        return False
    target.mkdir(parents=True, exist_ok=True)
    for name, what in steps:
        started = time.monotonic()
        print(f"installing {name} ({sum('==' in word for word in what)} packages)", flush=True)
        _pip(target, what)
        done[name] = list(what)
        marker.write_text(json.dumps({"python": python, "steps": done}))
        print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
    # A first parse proves that it works, and leaves the byte code that makes the next one fast.
    parsed = vllm_parse.parse_in_subprocess(target, ["some/model", "--port", "8000"])
    if parsed.status != 0:
        raise RuntimeError(f"vLLM's parser does not start from what was installed:\n{parsed.stderr.strip()}")
    return True


def _pip(target: Path, what: tuple[str, ...]) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    command += ["--target", str(target), "--upgrade", "--no-deps", "--no-compile", "--only-binary", ":all:", *what]
    if subprocess.run(command, check=False, timeout=900).returncode != 0:
        raise RuntimeError(f"pip could not install {' '.join(what)}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--target", type=Path, required=True, help="directory to install into")
    target = parser.parse_args(arguments).target.resolve()
    try:
        fresh = install(target)
    except (OSError, RuntimeError) as error:
        print(f"vllm_install: {error}", file=sys.stderr)
        return 1
    print(f"vLLM {VLLM_VERSION} {'installed' if fresh else 'is there already'}: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
