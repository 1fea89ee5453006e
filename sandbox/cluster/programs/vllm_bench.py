# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""`vllm bench serve`: vLLM's own client, in a Python that sees the standard library and what vllm_install filled.

python -I -S vllm_bench.py --site DIR serve ARGUMENTS
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class _Row(dict[str, Any]):
    def to_dict(self) -> dict[str, Any]:
        return dict(self)


class _Table:
    """As much of a data frame as the data set `custom` asks for."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        self.columns = {key for row in rows for key in row}

    def iterrows(self) -> Iterator[tuple[int, _Row]]:
        return ((number, _Row(row)) for number, row in enumerate(self._rows))


def _read_json(path_or_buf: str, lines: bool) -> _Table:
    text = Path(path_or_buf).read_text(encoding="utf-8")
    return _Table([json.loads(line) for line in text.splitlines() if line.strip()])


def _pandas() -> types.ModuleType:
    """The client reads lines of JSON by pandas, and needs nothing else of its 60 MB."""
    module = types.ModuleType("pandas")
    module.read_json = _read_json  # type: ignore[attr-defined]
    return module


def main(site: str, arguments: list[str]) -> int:
    if arguments[:1] != ["serve"]:
        sys.stderr.write("usage: vllm bench {serve}\nvllm bench: error: the sandbox's image has only bench serve\n")
        return 2
    sys.path[:0] = [site, str(Path(__file__).resolve().parents[3])]
    from sandbox.cluster.programs import vllm_stubs

    vllm_stubs.install(vllm_stubs.ENGINE | vllm_stubs.SERVER | vllm_stubs.PARSER, vllm_stubs.VLLM_FOR_BENCHMARK)
    sys.modules["pandas"] = _pandas()
    from vllm.benchmarks import serve
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser(prog="vllm bench serve")
    serve.add_cli_args(parser)
    serve.main(parser.parse_args(arguments[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], sys.argv[3:]))
