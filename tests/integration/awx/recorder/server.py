# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The recorder as a server on this machine's loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from .kinds import KINDS
from .store import Refused, Store

Json = dict[str, Any]
# Small on purpose: what reads only the first page is found out.
PAGE_SIZE = 3
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Recorder:
    """A controller, its tokens, and what was asked of it."""

    def __init__(self, store: Store, tokens: Mapping[str, str]) -> None:
        self.store = store
        # A token and whose it is: admin, member (of an organization, without rights on the system), reader.
        self.tokens = tokens
        self.requests: list[tuple[str, str, int]] = []
        self.bodies: list[Any] = []
        self.url = ""
        # After so many changes the connection is cut, as when a run is interrupted; none when negative.
        self.changes_left = -1
        self.lock = threading.Lock()

    def changes(self) -> list[str]:
        """What was changed, or tried to be."""
        return [f"{method} {path} {status}" for method, path, status in self.requests if method in CHANGING]

    def answer(
        self, method: str, path: str, query: Sequence[tuple[str, str]], token: str, body: Any
    ) -> tuple[int, Any]:
        """One request."""
        try:
            who = self.tokens.get(token)
            if path == "/api/v2/ping/":
                return 200, {"version": "24.6.1", "active_node": "recorder"}
            if who is None:
                raise Refused(401, {"detail": "Authentication credentials were not provided."})
            return self._routed(method, [part for part in path.split("/") if part][2:], query, who, body)
        except Refused as refusal:
            return refusal.status, refusal.body

    def _routed(
        self, method: str, parts: list[str], query: Sequence[tuple[str, str]], who: str, body: Any
    ) -> tuple[int, Any]:
        if parts == ["me"]:
            mine = {"id": 1, "username": who, "is_superuser": who == "admin"}
            return 200, {"count": 1, "next": None, "previous": None, "results": [mine]}
        kind = parts[0] if parts else ""
        if kind not in KINDS and kind != "unified_job_templates":
            raise Refused(404, {"detail": "The requested resource could not be found."})
        if method in CHANGING:
            self._allowed(kind, who)
        if len(parts) == 1:
            return self._list(method, kind, query, body)
        if not parts[1].isdigit():
            raise Refused(404, {"detail": "Not found."})
        number = int(parts[1])
        if len(parts) == 2:
            return self._detail(method, kind, number, body)
        return self._related(method, kind, number, parts[2], query, body)

    def _allowed(self, kind: str, who: str) -> None:
        if who == "reader" or (who == "member" and KINDS[kind].admin_only):
            raise Refused(403, {"detail": "You do not have permission to perform this action."})

    def _list(self, method: str, kind: str, query: Sequence[tuple[str, str]], body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, paged(f"/api/v2/{kind}/", filtered(kind, list(self.store.all(kind)), query), query)
        if method == "POST" and kind != "unified_job_templates":
            return 201, self.store.create(kind, body)
        raise Refused(405, {"detail": f'Method "{method}" not allowed.'})

    def _detail(self, method: str, kind: str, number: int, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self.store.get(kind, number)
        if method == "PATCH":
            return 200, self.store.update(kind, number, body)
        if method == "DELETE":
            self.store.delete(kind, number)
            # An inventory goes in the background.
            return (202, {}) if kind == "inventories" else (204, None)
        raise Refused(405, {"detail": f'Method "{method}" not allowed.'})

    def _related(
        self, method: str, kind: str, number: int, name: str, query: Sequence[tuple[str, str]], body: Any
    ) -> tuple[int, Any]:
        store = self.store
        if name == "survey_spec" and kind in ("job_templates", "workflow_job_templates"):
            if method == "POST":
                store.set_survey(kind, number, body)
            elif method == "DELETE":
                store.surveys.pop((kind, number), None)
            return 200, store.survey(kind, number) if method == "GET" else None
        if name == "update" and kind == "projects" and method == "POST":
            return 202, store.synchronise(number)
        if name == "create_approval_template" and kind == "workflow_job_template_nodes" and method == "POST":
            return 201, store.approval(number, body)
        if name not in KINDS[kind].lists:
            raise Refused(404, {"detail": "The requested resource could not be found."})
        if method == "POST":
            store.associate(kind, number, name, body)
            return 204, None
        store.get(kind, number)
        target = KINDS[kind].lists[name]
        members = [store.get(target, one) for one in store.members.get((kind, number, name), [])]
        return 200, paged(f"/api/v2/{kind}/{number}/{name}/", filtered(target, members, query), query)


def filtered(kind: str, objects: list[Json], query: Sequence[tuple[str, str]]) -> list[Json]:
    """The objects that a query asks for; a field nobody has is an error, as with AWX."""
    known = {"id", "type", "name", "organization", *(KINDS[kind].fields if kind in KINDS else ())}
    alternatives = [(key.removeprefix("or__"), value) for key, value in query if key.startswith("or__")]
    for key, value in query:
        if key in ("page", "page_size", "order_by") or key.startswith("or__"):
            continue
        field, _, operator = key.partition("__")
        if field not in known or operator not in ("", "in"):
            raise Refused(400, {"detail": f"{kind} has no field named '{key}'"})
        wanted = value.split(",") if operator else [value]
        objects = [one for one in objects if str(one.get(field)) in wanted]
    if alternatives:
        objects = [one for one in objects if any(str(one.get(field)) == value for field, value in alternatives)]
    return objects


def paged(path: str, objects: list[Json], query: Sequence[tuple[str, str]]) -> Json:
    """A page of a list."""
    given = dict(query)
    page, size = int(given.get("page", 1)), min(int(given.get("page_size", PAGE_SIZE)), 200)
    begin = (page - 1) * size
    if begin and begin >= len(objects):
        raise Refused(404, {"detail": "Invalid page."})
    rest = "&".join(f"{quote(key)}={quote(value)}" for key, value in query if key != "page")
    more = f"{path}?{rest}{'&' if rest else ''}page={page + 1}" if begin + size < len(objects) else None
    return {"count": len(objects), "next": more, "previous": None, "results": objects[begin : begin + size]}


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Nobody reads it: requests are remembered."""

        def handle_any(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            body = json.loads(text) if text else {}
            with recorder.lock:
                if self.command in CHANGING:
                    if recorder.changes_left == 0:
                        self.close_connection = True
                        return
                    recorder.changes_left -= 1
                query = parse_qsl(url.query, keep_blank_values=True)
                status, answer = recorder.answer(self.command, url.path, query, token, body)
                recorder.requests.append((self.command, url.path, status))
                recorder.bodies.append(body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(content))),
                                ("X-API-Product-Name", "AWX"), ("X-API-Product-Version", "24.6.1")):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any

    return Handler


@contextmanager
def running(playbooks: Sequence[str], tokens: Mapping[str, str]) -> Iterator[Recorder]:
    """A recorder that answers until the block ends."""
    recorder = Recorder(Store(playbooks), tokens)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(recorder))
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
