# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""`vllm bench serve`: vLLM's own client, in a Python that sees the standard library and what vllm_install filled.

python -I -S vllm_bench.py --site DIR serve ARGUMENTS
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(site: str, arguments: list[str]) -> int:
    if arguments[:1] != ["serve"]:
        sys.stderr.write("usage: vllm bench {serve}\nvllm bench: error: the sandbox's image has only bench serve\n")
        return 2
    sys.path[:0] = [site, str(Path(__file__).resolve().parents[3])]
    from sandbox.cluster.programs import vllm_stubs

    vllm_stubs.install(vllm_stubs.ENGINE | vllm_stubs.SERVER | vllm_stubs.PARSER, vllm_stubs.VLLM_FOR_BENCHMARK)
    from vllm.benchmarks import serve
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser(prog="vllm bench serve")
    serve.add_cli_args(parser)
    serve.main(parser.parse_args(arguments[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], sys.argv[3:]))
