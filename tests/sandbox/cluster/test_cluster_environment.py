# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Environment, command lines and quantities, as the kubelet renders them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.cluster.node.environment import ConfigError, Sources, command_line, environment, expand, references
from sandbox.cluster.node.quantities import in_units, parse_quantity

POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "ns",
        "uid": "u-1",
        "labels": {"llm-d.ai/role": "decode", "b": 'say "x"\n'},
        "annotations": {},
    },
    "spec": {"nodeName": "n1", "containers": []},
}


def service(name: str, address: str | None, *ports: dict[str, Any], namespace: str = "ns") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": address, "ports": list(ports)}}


def sources(**more: Any) -> Sources:
    return Sources(pod=POD, pod_ip="10.64.0.2", host_ip="10.10.0.16", **more)


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("cost: 5$", "cost: 5$"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}.get) == expected


def test_variables_refer_to_earlier_ones_and_to_services() -> None:
    container = {
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(IP):$(WEB_SERVICE_PORT)/$(LATER)"},
            {"name": "LATER", "value": "x"},
            {"name": "ROLE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['llm-d.ai/role']"}}},
        ]
    }
    found = environment(container, sources(services=[service("web", "34.118.224.9", {"port": 80})]))
    assert found["URL"] == "http://10.64.0.2:80/$(LATER)"
    assert found["ROLE"] == "decode"
    assert found["WEB_SERVICE_HOST"] == "34.118.224.9"


def test_service_variables_have_all_their_forms() -> None:
    ports = ({"name": "grpc-x", "port": 9002, "protocol": "TCP"}, {"name": "udp", "port": 53, "protocol": "UDP"})
    found = environment({}, sources(services=[service("my-epp", "1.2.3.4", *ports)]))
    assert found == {
        "MY_EPP_SERVICE_HOST": "1.2.3.4",
        "MY_EPP_SERVICE_PORT": "9002",
        "MY_EPP_SERVICE_PORT_GRPC_X": "9002",
        "MY_EPP_SERVICE_PORT_UDP": "53",
        "MY_EPP_PORT": "tcp://1.2.3.4:9002",
        "MY_EPP_PORT_9002_TCP": "tcp://1.2.3.4:9002",
        "MY_EPP_PORT_9002_TCP_PROTO": "tcp",
        "MY_EPP_PORT_9002_TCP_PORT": "9002",
        "MY_EPP_PORT_9002_TCP_ADDR": "1.2.3.4",
        "MY_EPP_PORT_53_UDP": "udp://1.2.3.4:53",
        "MY_EPP_PORT_53_UDP_PROTO": "udp",
        "MY_EPP_PORT_53_UDP_PORT": "53",
        "MY_EPP_PORT_53_UDP_ADDR": "1.2.3.4",
    }


def test_headless_services_and_switched_off_links_give_nothing() -> None:
    headless = service("db", "None", {"port": 80})
    assert environment({}, sources(services=[headless])) == {}
    api = service("kubernetes", "1.1.1.1", {"port": 443}, namespace="default")
    other = service("web", "2.2.2.2", {"port": 80})
    quiet = {**POD, "spec": {**POD["spec"], "enableServiceLinks": False}}
    found = environment({}, Sources(pod=quiet, pod_ip="", host_ip="", services=[api, other]))
    assert "KUBERNETES_SERVICE_HOST" in found
    assert "WEB_SERVICE_HOST" not in found


def test_env_from_with_prefix_is_overridden_by_env() -> None:
    container = {
        "envFrom": [
            {"configMapRef": {"name": "m"}},
            {"secretRef": {"name": "s"}, "prefix": "S_"},
            {"configMapRef": {"name": "gone", "optional": True}},
        ],
        "env": [{"name": "A", "value": "mine"}],
    }
    given = sources(config_maps={"m": {"data": {"A": "theirs", "B": "b"}}, "gone": None}, secrets={"s": secret(K="v")})
    assert environment(container, given) == {"A": "mine", "B": "b", "S_K": "v"}
    assert references(container) == ({"m", "gone"}, {"s"})


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"secretKeyRef": {"name": "s", "key": "HF_TOKEN"}}, "couldn't find key HF_TOKEN in Secret ns/s"),
        ({"secretKeyRef": {"name": "gone", "key": "x"}}, 'secret "gone" not found'),
        ({"configMapKeyRef": {"name": "gone", "key": "x"}}, 'configmap "gone" not found'),
        ({"configMapKeyRef": {"name": "m", "key": "x"}}, "couldn't find key x in ConfigMap ns/m"),
    ],
)
def test_missing_references_are_refused_unless_optional(reference: dict[str, Any], message: str) -> None:
    given = sources(secrets={"s": secret(OTHER="1")}, config_maps={"m": {"data": {}}})
    with pytest.raises(ConfigError) as refused:
        environment({"env": [{"name": "X", "valueFrom": reference}]}, given)
    assert str(refused.value) == message
    ((kind, item),) = reference.items()
    assert environment({"env": [{"name": "X", "valueFrom": {kind: {**item, "optional": True}}}]}, given) == {}


def test_resource_fields() -> None:
    container = {
        "name": "c",
        "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "250m"}},
        "env": [
            {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
            {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ],
    }
    assert environment(container, sources(allocatable={"cpu": "7910m"})) == {"M": "1024", "R": "250", "C": "8"}


def test_command_line() -> None:
    container = {"command": ["serve", "--port=$(PORT)"], "args": ["$(MODEL)", "$$(PORT)"]}
    assert command_line(container, {"PORT": "8200"}) == (["serve", "--port=8200"], ["$(MODEL)", "$(PORT)"])
    assert command_line({}, {}) == (None, None)


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("100m", 0.1), ("1Ki", 1024), ("2k", 2000), ("1e3", 1000), ("0.5Gi", 2**29)]
)
def test_quantities(text: str, number: float) -> None:
    assert float(parse_quantity(text)) == number


def test_quantities_are_rounded_up_and_checked() -> None:
    assert in_units("1001m") == 2
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity("1 Gi")
