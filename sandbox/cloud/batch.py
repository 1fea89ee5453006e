# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Several requests in one: POST /batch/… with a multipart/mixed body, one HTTP request a part, as gcloud sends it."""

from __future__ import annotations

import secrets
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.cloud.errors import ApiError
from sandbox.cloud.registry import route
from sandbox.cloud.request import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

MOST_PARTS = 1000
# Of the outer request's headers, those that count for every part which does not bring its own.
INHERITED = ("authorization", "user-agent", "x-goog-user-project")


@route("POST", "/batch")
@route("POST", "/batch/*")
def batch(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    head = f"Content-Type: {http.headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + http.body)
    if not message.is_multipart():
        raise ApiError(400, "Failed to parse batch request: it is not multipart/mixed.", front_end=True)
    parts = message.get_payload()
    if not isinstance(parts, list) or len(parts) > MOST_PARTS:
        raise ApiError(400, f"The batch request has more than {MOST_PARTS} parts.", front_end=True)
    boundary = f"batch_{secrets.token_hex(12)}"
    answers = [_part(cloud, http, part) for part in parts if isinstance(part, Message)]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + answer + b"\r\n" for answer in answers)
    content_type = f"multipart/mixed; boundary={boundary}"
    return HttpResponse(200, body + f"--{boundary}--\r\n".encode(), {"Content-Type": content_type})


def _part(cloud: Cloud, outer: HttpRequest, part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    response = cloud.handle(_inner_request(outer, payload if isinstance(payload, bytes) else b""))
    content = response.encoded()
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "Unknown"
    content_id = part.get("Content-ID", "").strip()
    answer_id = f"<response-{content_id[1:]}" if content_id.startswith("<") else f"response-{content_id}"
    head = (
        f"Content-Type: application/http\r\nContent-ID: {answer_id}\r\n\r\n"
        f"HTTP/1.1 {response.status} {phrase}\r\n"
        f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _inner_request(outer: HttpRequest, payload: bytes) -> HttpRequest:
    request_line, _newline, rest = payload.lstrip().partition(b"\n")
    words = request_line.decode("latin-1").split()
    if len(words) < 2:
        raise ApiError(400, "Failed to parse batch request: a part has no request line.", front_end=True)
    inner = BytesParser().parsebytes(rest)
    body = inner.get_payload(decode=True)
    headers = {name: outer.headers[name] for name in INHERITED if name in outer.headers}
    headers.update({name.lower(): str(value) for name, value in inner.items()})
    return HttpRequest(
        words[0],
        words[1],
        headers,
        body.strip() if isinstance(body, bytes) else b"",
        trusted=outer.trusted,
        via="batch",
    )
