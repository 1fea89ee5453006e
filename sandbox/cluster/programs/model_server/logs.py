# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Log lines as vLLM writes them."""

from __future__ import annotations

import os
import sys
import time


def info(source: str, message: str) -> None:
    _write("INFO", source, message)


def warning(source: str, message: str) -> None:
    _write("WARNING", source, message)


def error(source: str, message: str) -> None:
    _write("ERROR", source, message)


def server(message: str) -> None:
    """A line of the web server, which has no time and no source."""
    print(f"(APIServer pid={os.getpid()}) INFO:     {message}", flush=True)


def _write(level: str, source: str, message: str) -> None:
    part = "EngineCore" if source.startswith(("tpu_", "core")) else "APIServer"
    now = time.strftime("%m-%d %H:%M:%S")
    print(f"({part} pid={os.getpid()}) {level} {now} [{source}] {message}", file=sys.stdout, flush=True)
