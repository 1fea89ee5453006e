# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The command `vllm` of the sandbox's vLLM image: `vllm serve`, `vllm bench serve` and `vllm --version`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command == "serve":
        from sandbox.cluster.programs.model_server.main import main as serve

        return serve(rest)
    if command == "bench":
        site = Path(os.environ.get("LLM_D_TOOLS") or _CHECKOUT / ".tools") / "vllm"
        script = Path(__file__).with_name("vllm_bench.py")
        os.execv(sys.executable, [sys.executable, "-I", "-S", str(script), "--site", str(site), *rest])
    if command in ("-v", "--version"):
        print("0.26.0")
        return 0
    sys.stderr.write("usage: vllm [-h] [-v] {serve,bench} ...\nvllm: error: the sandbox has only serve and bench\n")
    return 2


if __name__ == "__main__":
    sys.path.insert(0, str(_CHECKOUT))
    sys.exit(main(sys.argv[1:]))
