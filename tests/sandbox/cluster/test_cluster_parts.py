# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Probes, logs, nodes, control plane command lines: each by itself."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster import components, managed, tokens
from sandbox.cluster.config import Config
from sandbox.cluster.node import grpc_health, logs, nodes, probes, spdy
from sandbox.cluster.node.exec import status_of
from sandbox.cluster.node.kubelet_server import log_options
from sandbox.cluster.processes import exit_code_of


def probe(kind: str, **settings: Any) -> probes.Probe:
    found = probes.Probe.of({f"{kind}Probe": {"httpGet": {"port": 80}, **settings}}, kind)
    assert found is not None
    return found


def test_startup_probes_run_on_the_sandboxs_clock() -> None:
    startup = probe("startup", initialDelaySeconds=15, periodSeconds=30, failureThreshold=240)
    assert probes.first_pause(startup, 60) == 0.25
    assert probes.pause(startup, 60, been_well=False) == 0.5
    assert probes.pause(probe("startup", periodSeconds=1), 60, been_well=False) == 0.2


def test_startup_probes_do_not_give_up_on_a_slow_machine() -> None:
    patient = probe("startup", periodSeconds=30, failureThreshold=240)
    assert not probes.may_give_up(patient, 119, 60)
    assert probes.may_give_up(patient, 120, 60)
    assert not probes.may_give_up(probe("startup", periodSeconds=10, failureThreshold=30), 59, 60)
    assert probes.may_give_up(probe("startup", periodSeconds=1, failureThreshold=3), 3, 60)


def test_a_healthy_container_is_asked_less_often() -> None:
    readiness = probe("readiness", periodSeconds=10)
    assert probes.pause(readiness, 60, been_well=False) == 0.2
    assert probes.pause(readiness, 60, been_well=True) == 1.0
    assert probes.pause(probe("readiness", periodSeconds=1), 60, been_well=True) == 1.0
    liveness = probe("liveness", periodSeconds=10, initialDelaySeconds=20)
    assert probes.first_pause(liveness, 60) == 20
    assert probes.pause(liveness, 60, been_well=False) == 10


def test_thresholds_count_consecutive_results() -> None:
    counter = probes.Counter(probe("readiness", failureThreshold=3, successThreshold=2))
    results = [True, True, False, False, True, False, False, False]
    assert [counter.observe(item) for item in results] == [None, True, None, None, None, None, None, False]


def test_a_startup_probe_ends_with_its_verdict() -> None:
    answers = iter([False, False, True])
    failures: list[str] = []
    verdicts: list[bool] = []

    async def check() -> tuple[bool, str]:
        return next(answers), "connection refused"

    startup = probe("startup", periodSeconds=1, failureThreshold=100)
    asyncio.run(
        asyncio.wait_for(probes.run_probe(startup, check, verdicts.append, failures.append, time_scale=1000), 5)
    )
    assert verdicts == [True]
    assert failures == ["Startup probe failed: connection refused"] * 2


def test_ports_by_name() -> None:
    container = {"name": "c", "ports": [{"name": "vllm", "containerPort": 8200}]}
    assert probes.port_number("vllm", container) == 8200
    assert probes.port_number("80", container) == probes.port_number(80, container) == 80
    with pytest.raises(ValueError, match="couldn't find port"):
        probes.port_number("nope", container)
    assert probes.http_url({"port": "vllm", "path": "health"}, container, "10.64.0.2") == "http://10.64.0.2:8200/health"
    with pytest.raises(ValueError, match="example"):
        probes.http_url({"port": 80, "host": "example.com"}, container, "10.64.0.2")


async def _health_server(status: int | None) -> tuple[asyncio.Server, int, list[bytes]]:
    """Speaks just enough HTTP/2 to answer one health check."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(4096))
        writer.write(grpc_health.frame(4, 0, 0))
        writer.write(grpc_health.frame(6, 0, 0, b"12345678"))
        writer.write(grpc_health.frame(1, 4, 1, b"\x88"))
        if status is not None:
            message = bytes([8, status]) if status else b""
            writer.write(grpc_health.frame(0, 0, 1, struct.pack(">BI", 0, len(message)) + message))
        writer.write(grpc_health.frame(1, 5, 1, b"\x88"))
        await writer.drain()
        await reader.read(4096)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(("status", "well"), [(1, True), (2, False), (0, False), (None, False)])
def test_grpc_health(status: int | None, well: bool) -> None:
    async def run() -> tuple[bool, bytes]:
        server, port, asked = await _health_server(status)
        async with server:
            return await grpc_health.check("127.0.0.1", port, "inference-extension", 5), asked[0]

    found, asked = asyncio.run(run())
    assert found is well
    assert asked.startswith(b"PRI * HTTP/2.0")
    assert b"/grpc.health.v1.Health/Check" in asked
    assert b"\x0a\x13inference-extension" in asked


def test_grpc_probe_messages() -> None:
    ok, message = asyncio.run(probes.grpc_check("127.0.0.1", {"port": 1}, 1))
    assert not ok
    assert "connection refused" in message


def test_log_lines_are_cut_and_tagged() -> None:
    splitter = logs.LineSplitter()
    assert list(splitter.feed(b"a\nb")) == [("F", b"a")]
    assert list(splitter.feed(b"c\n\n")) == [("F", b"bc"), ("F", b"")]
    long = list(splitter.feed(b"x" * 40_000 + b"\n"))
    assert [(tag, len(part)) for tag, part in long] == [("P", 16384), ("P", 16384), ("F", 7232)]
    assert list(splitter.feed(b"end")) == []
    assert list(splitter.finish()) == [("P", b"end")]


def test_logs_are_written_and_read_back(tmp_path: Path) -> None:
    async def run() -> dict[str, str]:
        writer = logs.LogWriter(tmp_path / "c" / "0.log")
        (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe()
        writer.attach(out_read, err_read)
        os.write(out_write, b"one\ntwo\n")
        os.close(out_write)
        os.write(err_write, b"three\n")
        os.close(err_write)
        await asyncio.wait_for(writer.finished, 5)

        async def text(**options: Any) -> str:
            parts = [part async for part in logs.read(writer.path, logs.LogOptions(**options), writer.finished)]
            return b"".join(parts).decode()

        future = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        return {
            "all": await text(),
            "tail": await text(tail=1),
            "limit": await text(limit_bytes=5),
            "since": await text(since=future),
            "follow": await text(follow=True),
            "stamped": await text(timestamps=True, tail=1),
        }

    found = asyncio.run(run())
    assert sorted(found["all"].splitlines()) == ["one", "three", "two"]
    assert found["follow"] == found["all"]
    assert len(found["tail"].splitlines()) == 1
    assert len(found["limit"]) == 5
    assert found["since"] == ""
    assert found["stamped"][4] == "-" and "Z " in found["stamped"]


def test_log_options() -> None:
    now = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    found = log_options({"follow": "true", "tailLines": "5", "sinceSeconds": "60"}, now)
    assert (found.follow, found.tail, found.since) == (True, 5, now - datetime.timedelta(minutes=1))
    for bad in ({"tailLines": "x"}, {"limitBytes": "-1"}, {"sinceTime": "yesterday"}):
        with pytest.raises(ValueError, match=r".+"):
            log_options(bad, now)


NODE = {
    "name": "n1",
    "zone": "us-east5-a",
    "machine_type": "ct6e-standard-4t",
    "labels": {"cloud.google.com/gke-tpu-topology": "2x2"},
    "taints": [{"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}],
    "capacity": {"cpu": "180", "memory": "720Gi", "google.com/tpu": 4},
}


def test_nodes_look_like_gkes() -> None:
    spec = nodes.NodeSpec.of(NODE)
    item = nodes.node_object(spec, "10.64.5.0/24", "proj")
    assert item["spec"]["providerID"] == "gce://proj/us-east5-a/n1"
    assert item["metadata"]["labels"]["topology.kubernetes.io/region"] == "us-east5"
    assert item["metadata"]["labels"]["cloud.google.com/gke-tpu-topology"] == "2x2"
    assert item["spec"]["taints"] == NODE["taints"]


def test_chips_show_once_the_device_plugin_is_there() -> None:
    spec = nodes.NodeSpec.of(NODE)
    before = nodes.node_status(spec, "10.10.0.9", "1.35.4-gke.1", "p", ready=True, devices=False)
    after = nodes.node_status(spec, "10.10.0.9", "1.35.4-gke.1", "p", ready=True, devices=True)
    assert before["allocatable"]["google.com/tpu"] == "0"
    assert after["allocatable"]["google.com/tpu"] == after["capacity"]["google.com/tpu"] == "4"
    assert after["nodeInfo"]["kubeletVersion"] == "v1.35.4-gke.1"


def config(tmp_path: Path, **more: Any) -> Config:
    given: Mapping[str, Any] = {
        "name": "c",
        "project": "p",
        "location": "us-east5-a",
        "dir": str(tmp_path),
        "control_socket": "/run/x",
        "cloud_socket": "/run/y",
        "tools": "/tools",
        "network": None,
        "something_new": 1,
        **more,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(given))
    return Config.load(path)


def test_addresses_follow_from_the_ranges(tmp_path: Path) -> None:
    found = config(tmp_path)
    assert (found.api_address, found.dns_address, found.bridge_address) == (
        "34.118.224.1",
        "34.118.224.10",
        "10.64.0.1",
    )
    other = config(tmp_path, service_cidr="10.8.0.0/20", pod_cidr="10.4.0.0/14")
    assert (other.api_url, other.bridge_address) == ("https://10.8.0.1:443", "10.4.0.1")
    assert other.network == ""
    assert found.scaled(30) == 0.5 and found.scaled(30, at_least=2) == 2


def test_the_api_server_is_told_what_gke_would(tmp_path: Path) -> None:
    flags = components.apiserver(config(tmp_path))
    assert "--authorization-mode=RBAC" in flags
    assert "--enable-admission-plugins=ExtendedResourceToleration" in flags
    assert f"--audit-log-path={tmp_path}/audit.log" in flags
    assert (
        "--service-account-issuer=https://container.googleapis.com/v1/projects/p/locations/us-east5-a/clusters/c"
        in flags
    )
    assert {"127.0.0.1", "34.118.224.1", "kubernetes.default.svc"} <= set(components.server_names(config(tmp_path)))


def test_token_reviews() -> None:
    known = tokens.review("a@p.iam.gserviceaccount.com")["status"]
    assert known["authenticated"] and known["user"]["groups"] == ["system:masters"]
    assert tokens.review(None)["status"] == {"authenticated": False}
    assert tokens.review(None, "no answer")["status"] == {"authenticated": False, "error": "no answer"}


def test_paths_of_managed_objects() -> None:
    assert managed.path_of(managed.dns_service("1.2.3.4")) == "/api/v1/namespaces/kube-system/services/kube-dns"
    assert managed.path_of(managed.storage_classes()[0]) == "/apis/storage.k8s.io/v1/storageclasses/standard-rwo"
    assert "gmp-system" not in [item["metadata"]["name"] for item in managed.namespaces(False)]


def test_exit_codes_of_signals() -> None:
    assert exit_code_of(9) == 137
    assert exit_code_of(3 << 8) == 3


def test_a_config_can_be_handed_on(tmp_path: Path) -> None:
    assert asdict(config(tmp_path))["version"] == "1.35.4-gke.1000000"


def test_spdy_dictionary_is_the_protocols() -> None:
    """SPDY/3 peers know the dictionary by this number."""
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_spdy_streams_are_opened_answered_and_read() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, spdy.DICTIONARY)
    inflate = zlib.decompressobj(zdict=spdy.DICTIONARY)

    def opening(stream: int, kind: str) -> bytes:
        raw = struct.pack(">II", 1, 10) + b"streamtype" + struct.pack(">I", len(kind)) + kind.encode()
        block = deflate.compress(raw) + deflate.flush(zlib.Z_SYNC_FLUSH)
        payload = struct.pack(">IIH", stream, 0, 0) + block
        return struct.pack(">HHI", 0x8003, 1, len(payload)) + payload

    connection = spdy.Connection()
    sent = opening(1, "error") + opening(3, "stdin") + spdy.data_frames(3, b"hello", last=True) + spdy.ping(7)
    events: list[spdy.Event] = []
    for start in range(0, len(sent), 5):  # in whatever pieces the network makes
        events += connection.feed(sent[start : start + 5])
    assert events == [
        spdy.Opened(1, {"streamtype": "error"}),
        spdy.Opened(3, {"streamtype": "stdin"}),
        spdy.Data(3, b"hello", True),
    ]
    replies = bytes(connection.replies)
    kind, length = struct.unpack_from(">HI", replies, 2)
    assert (kind, struct.unpack_from(">I", replies, 8)[0]) == (2, 1)
    assert inflate.decompress(replies[12 : 8 + length]) == b"\0\0\0\0"
    assert replies.endswith(spdy.ping(7))


def test_spdy_data_is_cut_into_frames_and_closed_once() -> None:
    frames = spdy.data_frames(5, b"x" * 70_000, last=True)
    found = list(spdy.Connection().feed(frames))
    assert [(event.last, len(event.data)) for event in found if isinstance(event, spdy.Data)] == [
        (False, 65_536),
        (True, 4464),
    ]
    assert list(spdy.Connection().feed(spdy.data_frames(5, b"", last=True))) == [spdy.Data(5, b"", True)]


def test_spdy_headers_that_are_garbage() -> None:
    payload = struct.pack(">IIH", 1, 0, 0) + b"garbage"
    with pytest.raises(spdy.ProtocolError, match="bad headers"):
        list(spdy.Connection().feed(struct.pack(">HHI", 0x8003, 1, len(payload)) + payload))


def test_exec_status_carries_the_exit_code() -> None:
    assert status_of(0)["status"] == "Success"
    assert status_of(3)["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
