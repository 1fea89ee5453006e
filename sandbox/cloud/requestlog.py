# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One line a request, for people and tests to count: no bodies, no tokens."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import IO, Any

from sandbox.cloud.clock import utc_timestamp
from sandbox.cloud.request import HttpRequest

SECRET_PARAMETERS = frozenset({"access_token", "oauth_token", "key", "$key"})


class RequestLog:
    def __init__(self, file: Path | None) -> None:
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = file.open("a", encoding="utf-8")

    def write(
        self,
        http: HttpRequest,
        *,
        status: int,
        api_method: str,
        principal: str,
        operation: str,
        started: float,
        seconds: float,
    ) -> None:
        if self._file is None:
            return
        line: dict[str, Any] = {
            "time": utc_timestamp(started),
            "method": http.method,
            "path": http.path,
            "query": {
                name: values[0] if len(values) == 1 else values
                for name, values in http.query.items()
                if name not in SECRET_PARAMETERS
            },
            "status": status,
            "api_method": api_method,
            "principal": principal,
            "operation": operation,
            "user_agent": http.headers.get("user-agent", ""),
            "duration_ms": round(seconds * 1000, 1),
        }
        if http.via:
            line["via"] = http.via
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
