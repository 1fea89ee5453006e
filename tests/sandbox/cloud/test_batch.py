# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Batch requests, as gcloud sends them."""

from __future__ import annotations

import json
from email.parser import BytesParser
from pathlib import Path

from tests.sandbox.cloud.client import PROJECT, Answer, Client

FIREWALLS = f"/compute/v1/projects/{PROJECT}/global/firewalls"
TYPE = {"Content-Type": 'multipart/mixed; boundary="==b=="'}


def send(api: Client, *requests: str) -> Answer:
    parts = [
        f"--==b==\r\nContent-Type: application/http\r\nContent-ID: <abc+{number}>\r\n\r\n{request}\r\n"
        for number, request in enumerate(requests)
    ]
    return api.call("POST", "/batch/compute/v1", ("".join(parts) + "--==b==--").encode(), headers=TYPE)


def test_each_part_has_its_own_answer(api: Client, tmp_path: Path) -> None:
    api.network()
    rule = json.dumps({"name": "rule", "network": "global/networks/net", "allowed": [{"IPProtocol": "tcp"}]})
    insert = f"POST {FIREWALLS}?alt=json HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{rule}"
    delete = f"DELETE {FIREWALLS}/other?alt=json HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    answer = send(api, insert, delete)
    assert answer.status == 200
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.body)
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [part["Content-ID"] for part in parts] == ["<response-abc+0>", "<response-abc+1>"]
    texts = [str(part.get_payload()).replace("\r\n", "\n") for part in parts]
    assert texts[0].startswith("HTTP/1.1 200 OK\n")
    assert texts[1].startswith("HTTP/1.1 404 Not Found\n")
    operation = json.loads(texts[0].partition("\n\n")[2])
    assert operation["operationType"] == "insert"
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [line["api_method"] for line in lines if line.get("via") == "batch"] == [
        "compute.firewalls.insert",
        "compute.firewalls.delete",
    ]


def test_parts_are_authenticated_like_any_request(api: Client) -> None:
    api.headers = {}
    answer = send(api, f"GET {FIREWALLS} HTTP/1.1\r\n\r\n")
    assert b"HTTP/1.1 401 Unauthorized" in answer.body


def test_nonsense_is_refused(api: Client) -> None:
    assert api.call("POST", "/batch/compute/v1", b"hello", headers={"Content-Type": "text/plain"}).status == 400
    assert send(api, "").status == 400
