# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The command `vllm` of the sandbox's vLLM image: `vllm serve ...` and `vllm --version`."""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["serve"]:
        from sandbox.cluster.programs.model_server.main import main as serve

        return serve(arguments[1:])
    if arguments and arguments[0] in ("-v", "--version"):
        print("0.26.0")
        return 0
    sys.stderr.write("usage: vllm [-h] [-v] {serve} ...\nvllm: error: the sandbox's image has only the command serve\n")
    return 2


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    sys.exit(main(sys.argv[1:]))
