# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""JSON over HTTP over a unix socket: how the processes of the sandbox talk to each other."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

Json = dict[str, Any]


class UnixHttpError(Exception):
    """The other side answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(socket_path: str, method: str, path: str, body: Any = None, timeout: float = 10.0) -> Json:
    """One request; the answer's JSON, or UnixHttpError, or OSError when nobody listens."""
    connection = _UnixConnection(socket_path, timeout)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise UnixHttpError(answer.status, f"{method} {path}: {answer.status} {text.strip()[:500]}")
    result: Json = json.loads(text) if text.strip() else {}
    return result
