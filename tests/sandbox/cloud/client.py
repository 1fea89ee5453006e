# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A plain HTTP client of the sandbox's APIs; every answer is checked against Google's discovery documents."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.cloud.schema import check_answer
from sandbox.cloud.server import Serving

Json = dict[str, Any]
PROJECT = "llm-d-sandbox"


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> Json:
        error: Json = self.body["error"]
        return error

    @property
    def message(self) -> str:
        return str(self.error["message"])

    @property
    def reason(self) -> str:
        return str(self.error["errors"][0]["reason"])


class Client:
    """Calls the API as one identity and insists on well-formed answers."""

    def __init__(self, serving: Serving, token: str | None) -> None:
        self.cloud = serving.cloud
        self.base = serving.base
        self._port = serving.tcp.server_port
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        target = f"{path}?{urlencode(query)}" if query else path
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, target, content, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        parsed = json.loads(text) if text and "json" in (response.getheader("Content-Type") or "") else text or None
        answer = Answer(response.status, parsed, {name.lower(): value for name, value in response.getheaders()})
        if "$alt" not in query:  # with it, enums are numbers, which the documents do not know
            self._check((headers or {}).get("X-HTTP-Method-Override", method), path, answer)
        return answer

    def _check(self, method: str, path: str, answer: Answer) -> None:
        found = self.cloud.catalog.match(method, path)
        if answer.status == 200 and found:
            assert check_answer(found[0].method, answer.body) == []
        elif answer.status >= 400 and found:
            assert answer.error["code"] == answer.status
            assert answer.error["errors"][0]["message"]

    def compute(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        return self.call(method, f"/compute/v1/projects/{PROJECT}/{path}", body, **query)

    def get(self, path: str, **query: Any) -> Json:
        answer = self.compute("GET", path, **query)
        assert answer.status == 200, answer.body
        found: Json = answer.body
        return found

    def operation(self, started: Answer) -> Json:
        """The operation of an accepted request, at its end."""
        assert started.status == 200, started.body
        path = started.body["selfLink"].partition(f"projects/{PROJECT}/")[2]
        for _attempt in range(50):
            ended = self.compute("POST", f"{path}/wait")
            if ended.body["status"] == "DONE":
                break
        found: Json = ended.body
        assert (found["status"], found["progress"]) == ("DONE", 100)
        return found

    def done(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """A request and its operation, which must succeed."""
        ended = self.operation(self.compute(method, path, body, **query))
        assert "error" not in ended, ended["error"]
        return ended

    # Things most tests need

    def network(self, name: str = "net", *, auto: bool = False) -> Json:
        self.done("POST", "global/networks", {"name": name, "autoCreateSubnetworks": auto})
        return self.get(f"global/networks/{name}")

    def subnet(self, name: str, cidr: str, network: str = "net", region: str = "us-east5", **fields: Any) -> Json:
        body = {"name": name, "ipCidrRange": cidr, "network": f"global/networks/{network}", **fields}
        self.done("POST", f"regions/{region}/subnetworks", body)
        return self.get(f"regions/{region}/subnetworks/{name}")

    def proxy_subnet(self, name: str = "proxy", cidr: str = "172.16.0.0/26", network: str = "net") -> Json:
        return self.subnet(name, cidr, network, purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE")
