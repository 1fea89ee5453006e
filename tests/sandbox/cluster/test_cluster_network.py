# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Addresses, services, names, and the files in /etc that tell pods of them."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from sandbox.cluster.node import dns, etc_files
from sandbox.cluster.node.addresses import NodeAddresses, PodAddresses, PoolExhausted
from sandbox.cluster.node.services import routes, service_addresses


def service(name: str, address: str, *ports: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec = {"clusterIP": address, "ports": list(ports), **more}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def endpoint_slice(name: str, ports: list[dict[str, Any]], *endpoints: dict[str, Any]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    metadata = {"name": f"{name}-x", "namespace": "ns", "labels": labels}
    return {"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": list(endpoints)}


READY = {"addresses": ["10.64.0.2"], "conditions": {"ready": True}}
UNREADY = {"addresses": ["10.64.0.3"], "conditions": {"ready": False}}
NAMED = {"addresses": ["10.64.0.4"], "hostname": "web-0"}


def test_nodes_get_addresses_and_ranges_of_their_own() -> None:
    addresses = NodeAddresses("10.10.0.0/18", "10.64.0.0/14")
    assert [addresses.address(name) for name in "abab"] == ["10.10.0.16", "10.10.0.17", "10.10.0.16", "10.10.0.17"]
    assert [addresses.pod_range(name) for name in "ab"] == ["10.64.0.0/24", "10.64.1.0/24"]
    addresses.release("a")
    assert addresses.address("c") == "10.10.0.16"
    assert addresses.pod_range("c") == "10.64.0.0/24"
    assert addresses.address("d", "10.10.9.9") == "10.10.9.9"


def test_pod_addresses_are_unique_and_not_reused_at_once() -> None:
    addresses = PodAddresses()
    first, second = addresses.take("10.64.3.0/24"), addresses.take("10.64.3.0/24")
    assert (first, second) == ("10.64.3.2", "10.64.3.3")
    addresses.release(first)
    assert addresses.take("10.64.3.0/24") == "10.64.3.4"
    with pytest.raises(PoolExhausted):
        for _ in range(300):
            addresses.take("10.64.3.0/24")


def test_connections_go_to_ready_endpoints_by_port_name() -> None:
    ports = ({"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"})
    slices = [endpoint_slice("web", [{"name": "http", "port": 8000}], READY, UNREADY)]
    services = [service("web", "34.118.224.9", *ports), service("headless", "None", {"port": 80})]
    assert routes(services, slices) == {("34.118.224.9", 80): (("10.64.0.2", 8000),)}
    assert routes(services, [endpoint_slice("web", [{"name": "http", "port": 8000}], UNREADY)]) == {}
    assert service_addresses(services) == {"34.118.224.9"}


def lookup(name: str) -> list[str] | None:
    services = {("ns", "web"): service("web", "34.118.224.9"), ("ns", "db"): service("db", "None")}
    return dns.resolve(name, services, [endpoint_slice("db", [], READY, UNREADY, NAMED)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web.ns.svc.cluster.local", ["34.118.224.9"]),
        ("WEB.ns.svc.cluster.local.", ["34.118.224.9"]),
        ("x.web.ns.svc.cluster.local", None),
        ("db.ns.svc.cluster.local", ["10.64.0.2", "10.64.0.4"]),
        ("web-0.db.ns.svc.cluster.local", ["10.64.0.4"]),
        ("10-64-0-2.db.ns.svc.cluster.local", ["10.64.0.2"]),
        ("web.other.svc.cluster.local", None),
        ("example.com", None),
    ],
)
def test_names(name: str, expected: list[str] | None) -> None:
    assert lookup(name) == expected


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def test_answers_are_well_formed() -> None:
    reply = dns.answer(query("web.ns.svc.cluster.local"), lookup)
    assert reply is not None
    assert struct.unpack_from(">HHHHHH", reply) == (7, 0x8580, 1, 1, 0, 0)
    assert reply.endswith(bytes([34, 118, 224, 9]))
    nothing = dns.answer(query("example.com"), lookup)
    assert nothing is not None and struct.unpack_from(">H", nothing, 2)[0] & 0xF == 3
    # The name exists, without an address of that kind: no error, no record.
    other_kind = dns.answer(query("web.ns.svc.cluster.local", 28), lookup)
    assert other_kind is not None and struct.unpack_from(">HHHHHH", other_kind) == (7, 0x8580, 1, 0, 0, 0)


@pytest.mark.parametrize("garbage", [b"", b"short", query("a.b")[:-3], b"\0" * 12 + b"\xc0\x0c"])
def test_garbage_is_not_answered_with_records(garbage: bytes) -> None:
    reply = dns.answer(garbage, lookup)
    assert reply is None or struct.unpack_from(">H", reply, 2)[0] & 0xF == 1


def test_long_answers_are_cut_for_datagrams() -> None:
    reply = dns.answer(query("web.ns.svc.cluster.local"), lambda _: [f"10.64.0.{number}" for number in range(100)])
    assert reply is not None
    cut = dns.for_udp(reply)
    assert len(cut) < 512
    assert struct.unpack_from(">H", cut, 2)[0] & 0x0200
    assert dns.for_udp(cut) == cut


def test_resolv_conf() -> None:
    text = etc_files.resolv_conf({}, "llm-d-pd", "34.118.224.10", "p", "us-east5-a")
    assert text.splitlines()[0] == "nameserver 34.118.224.10"
    assert text.splitlines()[1].startswith("search llm-d-pd.svc.cluster.local svc.cluster.local cluster.local")
    own = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "2"}]}}
    assert etc_files.resolv_conf(own, "ns", "x", "p", "z") == "nameserver 1.1.1.1\noptions ndots:2\n"


def test_hosts() -> None:
    text = etc_files.hosts(
        "web-0", "10.64.0.2", [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}], "db.ns.svc.cluster.local"
    )
    assert "10.64.0.2\tweb-0.db.ns.svc.cluster.local\tweb-0\n" in text
    assert text.endswith("1.2.3.4\ta\tb\n")
