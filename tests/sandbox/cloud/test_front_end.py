# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What happens to a request before an API sees it: credentials, projects, switched-off APIs, shapes; and the log."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.server import Serving
from tests.sandbox.cloud.client import PROJECT, Client

NETWORKS = f"/compute/v1/projects/{PROJECT}/global/networks"
CLUSTERS = f"/v1/projects/{PROJECT}/locations/us-east5/clusters"
ClientOf = Callable[[Serving], Client]
Start = Callable[..., Serving]


def test_api_that_is_off_says_so_with_details_in_every_family(start: Start, client_of: ClientOf) -> None:
    api = client_of(start(enabled=False))
    for path, service in ((NETWORKS, "compute.googleapis.com"), (CLUSTERS, "container.googleapis.com")):
        answer = api.call("GET", path)
        assert (answer.status, answer.reason, answer.error["status"]) == (
            403,
            "accessNotConfigured",
            "PERMISSION_DENIED",
        )
        info = answer.error["details"][0]
        assert (info["reason"], info["domain"]) == ("SERVICE_DISABLED", "googleapis.com")
        assert info["metadata"]["service"] == service
        assert f"has not been used in project {PROJECT} before or it is disabled" in answer.message


def test_just_enabled_api_refuses_a_while_longer(start: Start, client_of: ClientOf) -> None:
    api = client_of(start(enabled=False, time_scale=100.0))
    api.cloud.services.enable(PROJECT, ["compute.googleapis.com"])
    assert api.cloud.services.is_enabled(PROJECT, "compute.googleapis.com")
    assert api.call("GET", NETWORKS).status == 403
    deadline = time.monotonic() + 5
    while api.call("GET", NETWORKS).status == 403:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_unknown_project_is_refused_as_not_ours(api: Client) -> None:
    for path in ("/compute/v1/projects/nobody/global/networks", "/v1/projects/nobody/locations/us-east5/clusters"):
        answer = api.call("GET", path)
        assert (answer.status, answer.message) == (403, "The caller does not have permission")
        assert answer.error["status"] == "PERMISSION_DENIED"


def test_project_number_is_the_same_project(api: Client) -> None:
    api.network()
    answer = api.call("GET", "/compute/v1/projects/415104041262/global/networks/net")
    assert answer.body["selfLink"].endswith(f"projects/{PROJECT}/global/networks/net")


def test_quota_project_must_exist(api: Client) -> None:
    refused = api.call("GET", NETWORKS, headers={"X-Goog-User-Project": "nobody"})
    assert (refused.status, refused.error["details"][0]["reason"]) == (403, "USER_PROJECT_DENIED")
    assert api.call("GET", NETWORKS, headers={"X-Goog-User-Project": PROJECT}).status == 200


def test_what_is_not_implemented_is_501_by_name(api: Client) -> None:
    answer = api.compute("POST", "regions/us-east5/vpnTunnels", {"name": "tunnel"})
    assert (answer.status, answer.error["status"]) == (501, "UNIMPLEMENTED")
    assert answer.message == "The sandbox does not implement compute.vpnTunnels.insert."


def test_unknown_path_is_404(api: Client) -> None:
    assert api.call("GET", "/compute/v1/nothing/here").status == 404
    assert api.call("DELETE", "/").status == 404


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"colour": "red"}, 'Unknown name "colour": Cannot bind query parameter.'),
        ({"maxResults": "many"}, "Invalid value at 'max_results' (TYPE_UINT32), \"many\""),
        ({"prettyPrint": "perhaps"}, "Invalid value at 'pretty_print' (TYPE_BOOL)"),
    ],
)
def test_bad_query_is_refused(api: Client, query: dict[str, Any], text: str) -> None:
    answer = api.call("GET", NETWORKS, **query)
    assert answer.status == 400
    assert text in answer.message


def test_body_that_is_not_json_is_refused(api: Client) -> None:
    answer = api.call("POST", NETWORKS, b'{"name": ')
    assert answer.status == 400
    assert answer.message.startswith("Invalid JSON payload received.")


def test_every_violation_is_named_with_its_place(api: Client) -> None:
    body = {"cluster": {"nodePools": [{"naem": "x", "config": {"diskSizeGb": "big"}}]}}
    answer = api.call("POST", CLUSTERS, body)
    assert answer.status == 400
    violations = answer.error["details"][0]["fieldViolations"]
    fields = sorted(item["field"] for item in violations)
    assert fields == ["cluster.node_pools[0]", "cluster.node_pools[0].config.disk_size_gb"]
    assert "Unknown name \"naem\" at 'cluster.node_pools[0]': Cannot find field." in answer.message


def test_output_only_fields_are_ignored_as_google_ignores_them(api: Client) -> None:
    api.done("POST", "global/networks", {"name": "net", "autoCreateSubnetworks": False, "id": "1", "kind": "x"})
    assert api.get("global/networks/net")["id"] != "1"


def test_system_parameters_and_gzip_are_understood(api: Client) -> None:
    body = gzip.compress(json.dumps({"name": "net", "autoCreateSubnetworks": False}).encode())
    started = api.call("POST", NETWORKS, body, headers={"Content-Encoding": "gzip"}, alt="json", prettyPrint="false")
    api.operation(started)
    assert api.get("global/networks/net", **{"$alt": "json;enum-encoding=int"})["name"] == "net"


def test_long_get_may_come_as_a_post(api: Client) -> None:
    api.network()
    headers = {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
    answer = api.call("POST", NETWORKS, b"filter=name+eq+nothing", headers=headers)
    assert answer.status == 200
    assert answer.body["kind"] == "compute#networkList"
    assert "items" not in answer.body


def test_chunked_body_and_keep_alive(api: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(api.base.rpartition(":")[2]), timeout=10)
    parts = [b'{"name": "net", ', b'"autoCreateSubnetworks": false}']
    for _attempt in range(2):  # the second one finds the connection clean, and the network there
        connection.request("POST", NETWORKS, iter(parts), api.headers, encode_chunked=True)
        response = connection.getresponse()
        answer = json.loads(response.read())
    connection.close()
    assert answer["error"]["code"] == 409


def test_request_log_counts_without_telling(api: Client, tmp_path: Path) -> None:
    started = api.compute("POST", "global/networks", {"name": "net", "autoCreateSubnetworks": False})
    api.call("GET", NETWORKS, access_token="secret-in-the-url", maxResults=3)
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    insert, listing = lines
    assert (insert["method"], insert["path"], insert["status"]) == ("POST", NETWORKS, 200)
    assert insert["api_method"] == "compute.networks.insert"
    assert insert["operation"] == started.body["name"]
    assert insert["principal"] == f"deployer@{PROJECT}.iam.gserviceaccount.com"
    assert listing["query"] == {"maxResults": "3"}
    text = (tmp_path / "requests.jsonl").read_text()
    assert "secret-in-the-url" not in text
    assert api.headers["Authorization"].partition(" ")[2] not in text


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def test_unix_socket_is_trusted_and_private(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "cloud.sock"
    serving = start(enabled=False, socket_path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connection = UnixConnection(path)
    connection.request("GET", NETWORKS)
    assert connection.getresponse().read().startswith(b'{\n  "kind": "compute#networkList"')

    def tokeninfo(token: str, target: Any) -> tuple[int, Any]:
        target.request("POST", "/_sandbox/tokeninfo", json.dumps({"token": token}))
        response = target.getresponse()
        return response.status, json.loads(response.read())

    token = serving.cloud.auth.issue("somebody@example.com")
    status, info = tokeninfo(token, connection)
    assert (status, info["email"]) == (200, "somebody@example.com")
    assert 3590 < info["expires_in"] <= 3600
    assert tokeninfo("made-up", connection)[0] == 404
    outside = http.client.HTTPConnection("127.0.0.1", serving.tcp.server_port, timeout=10)
    assert tokeninfo(token, outside)[0] == 404
    connection.close()
    outside.close()


def test_nulls_in_a_body_are_as_if_they_were_not_there(api: Client) -> None:
    """Some clients send every field they know; numbers among them lead past the enums."""
    cluster = {"name": "c", "initialNodeCount": 1, "resourceLabels": None, "addonsConfig": None, "locations": None}
    refused = api.call("POST", f"/v1/projects/{PROJECT}/locations/us-east5/clusters", {"cluster": cluster})
    assert (refused.status, "no network" in refused.message) == (400, True)
