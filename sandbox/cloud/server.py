# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""HTTP/1.1 with keep-alive on loopback TCP and on a unix socket, for one and the same handler."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from sandbox.cloud.app import Cloud
from sandbox.cloud.request import HttpRequest, HttpResponse

LARGEST_BODY = 64 * 1024 * 1024
IDLE_SECONDS = 300


class Handler(BaseHTTPRequestHandler):
    """One connection. The server it belongs to carries the cloud and says whether its callers are trusted."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet
    timeout = IDLE_SECONDS
    server: LoopbackServer | SocketServer

    def setup(self) -> None:
        if self.request.family != socket.AF_UNIX:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        super().setup()

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        http = HttpRequest(self.command, self.path, dict(self.headers.items()), body, trusted=self.server.trusted)
        response = self.server.cloud.handle(http)
        if response.reset:
            self._reset()
        else:
            self._answer(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _read_body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = self._read_chunks()
        else:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LARGEST_BODY:
                self.close_connection = True
                self._answer(HttpResponse(413))
                return None
            body = self.rfile.read(length) if length else b""
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _answer(self, response: HttpResponse) -> None:
        content = response.encoded()
        self.send_response(response.status)
        if content:
            headers = {"Content-Type": "application/json; charset=UTF-8", **response.headers}
        else:
            headers = response.headers
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if response.cut else content)
        self.wfile.flush()
        if response.cut:
            self.close_connection = True
            self.request.shutdown(socket.SHUT_RDWR)

    def _reset(self) -> None:
        """Drops the connection so that the client sees a reset, not an orderly end."""
        self.close_connection = True
        if self.request.family != socket.AF_UNIX:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def version_string(self) -> str:
        return "ESF"

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: Any) -> None:
        """The request log has its own file."""

    def finish(self) -> None:
        # The connection may have been reset, by the client or by a fault.
        with contextlib.suppress(OSError, ValueError):
            super().finish()


class _Quiet:
    """A client that goes away is no news."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class LoopbackServer(_Quiet, ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    trusted = False

    def __init__(self, cloud: Cloud, port: int = 0) -> None:
        self.cloud = cloud
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        # HTTPServer looks up its own host name here, which can take seconds without a name server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class SocketServer(_Quiet, ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    trusted = True

    def __init__(self, cloud: Cloud, path: Path) -> None:
        self.cloud = cloud
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            super().__init__(str(path), Handler)
        finally:
            os.umask(mask)


class Serving:
    """Both servers, each in a thread of its own, until ``close``."""

    def __init__(self, cloud: Cloud, *, port: int = 0, socket_path: Path | None = None) -> None:
        self.cloud = cloud
        self.tcp = LoopbackServer(cloud, port)
        self.unix = SocketServer(cloud, socket_path) if socket_path else None
        self.base = self.tcp.base
        cloud.auth.token_urls.add(f"{self.base}/token")
        for server in (self.tcp, self.unix):
            if server is not None:
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        for server in (self.tcp, self.unix):
            if server is not None:
                server.shutdown()
                server.server_close()
        self.cloud.close()
