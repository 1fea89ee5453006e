# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A regional load balancer as GKE's Gateway makes it: the chain, its rules, and the order in which it comes apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.sandbox.cloud.client import PROJECT, Client

REGION = "regions/us-east5"
NEG = "zones/us-east5-a/networkEndpointGroups/neg"
PREFIX = f"projects/{PROJECT}"


@pytest.fixture
def net(api: Client) -> Client:
    api.network()
    api.subnet("tpu", "10.10.0.0/18")
    api.proxy_subnet()
    return api


def rule_body(**fields: Any) -> dict[str, Any]:
    return {
        "name": "rule",
        "loadBalancingScheme": "INTERNAL_MANAGED",
        "network": "global/networks/net",
        "subnetwork": f"{REGION}/subnetworks/tpu",
        "target": f"{REGION}/targetHttpProxies/proxy",
        "portRange": "80",
        **fields,
    }


def make_chain(api: Client) -> None:
    neg = {"name": "neg", "network": "global/networks/net", "subnetwork": f"{REGION}/subnetworks/tpu"}
    api.done("POST", "zones/us-east5-a/networkEndpointGroups", neg)
    check = {"name": "check", "type": "HTTP", "httpHealthCheck": {"port": 8200, "requestPath": "/health"}}
    api.done("POST", f"{REGION}/healthChecks", check)
    backend = {
        "name": "backend",
        "protocol": "HTTP",
        "loadBalancingScheme": "INTERNAL_MANAGED",
        "healthChecks": [f"{REGION}/healthChecks/check"],
        "backends": [{"group": NEG, "balancingMode": "RATE", "maxRatePerEndpoint": 1}],
    }
    api.done("POST", f"{REGION}/backendServices", backend)
    api.done("POST", f"{REGION}/urlMaps", {"name": "map", "defaultService": f"{REGION}/backendServices/backend"})
    api.done("POST", f"{REGION}/targetHttpProxies", {"name": "proxy", "urlMap": f"{REGION}/urlMaps/map"})
    api.done("POST", f"{REGION}/forwardingRules", rule_body())


def test_chain_is_made_and_completed(net: Client) -> None:
    make_chain(net)
    rule = net.get(f"{REGION}/forwardingRules/rule")
    assert rule["IPAddress"].startswith("10.10.")
    assert (rule["portRange"], rule["IPProtocol"]) == ("80-80", "TCP")
    backend = net.get(f"{REGION}/backendServices/backend")
    assert (backend["timeoutSec"], backend["sessionAffinity"]) == (30, "NONE")
    assert backend["backends"][0]["group"] == f"https://www.googleapis.com/compute/v1/{PREFIX}/{NEG}"
    check = net.get(f"{REGION}/healthChecks/check")
    assert (check["checkIntervalSec"], check["unhealthyThreshold"]) == (5, 2)
    net.done("PATCH", f"{REGION}/backendServices/backend", {"timeoutSec": 3600})
    assert net.get(f"{REGION}/backendServices/backend")["timeoutSec"] == 3600


def test_chain_comes_apart_only_from_the_top(net: Client) -> None:
    make_chain(net)
    order = [
        (f"{REGION}/forwardingRules/rule", ""),
        (f"{REGION}/targetHttpProxies/proxy", "target_http_proxy"),
        (f"{REGION}/urlMaps/map", "url_map"),
        (f"{REGION}/backendServices/backend", "backend_service"),
        (f"{REGION}/healthChecks/check", "health_check"),
        (NEG, "network_endpoint_group"),
    ]
    users = dict(zip([path for path, _label in order[1:]], [path for path, _label in order[:-1]], strict=True))
    users[NEG] = f"{REGION}/backendServices/backend"
    for path, label in order[1:]:
        answer = net.compute("DELETE", path)
        assert (answer.status, answer.reason) == (400, "resourceInUseByAnotherResource"), path
        expected = f"The {label} resource '{PREFIX}/{path}' is already being used by '{PREFIX}/{users[path]}'"
        assert answer.message == expected
    for path, _label in order:
        net.done("DELETE", path)
    for path in ("tpu", "proxy"):
        net.done("DELETE", f"{REGION}/subnetworks/{path}")
    net.done("DELETE", "global/networks/net")


def test_neg_and_rule_block_subnet_and_network(net: Client) -> None:
    make_chain(net)
    assert "forwardingRules/rule" in net.compute("DELETE", f"{REGION}/subnetworks/tpu").message
    assert "forwardingRules/rule" in net.compute("DELETE", f"{REGION}/subnetworks/proxy").message
    ended = net.operation(net.compute("DELETE", "global/networks/net"))
    assert "forwardingRules/rule" in ended["error"]["errors"][0]["message"]
    net.done("DELETE", f"{REGION}/forwardingRules/rule")
    assert f"{NEG}'" in net.compute("DELETE", f"{REGION}/subnetworks/tpu").message
    net.done("DELETE", f"{REGION}/subnetworks/proxy")


def test_regional_proxy_balancer_needs_a_proxy_only_subnet(net: Client) -> None:
    make_chain(net)
    net.done("DELETE", f"{REGION}/forwardingRules/rule")
    net.done("DELETE", f"{REGION}/subnetworks/proxy")
    for scheme in ("INTERNAL_MANAGED", "EXTERNAL_MANAGED"):
        answer = net.compute("POST", f"{REGION}/forwardingRules", rule_body(loadBalancingScheme=scheme))
        assert answer.status == 400
        assert "An active proxy-only subnetwork is required" in answer.message


def test_address_can_be_chosen_reserved_and_is_not_given_twice(net: Client) -> None:
    make_chain(net)
    net.done(
        "POST",
        f"{REGION}/addresses",
        {"name": "ip", "addressType": "INTERNAL", "subnetwork": f"{REGION}/subnetworks/tpu"},
    )
    reserved = net.get(f"{REGION}/addresses/ip")
    assert reserved["status"] == "RESERVED"
    net.done("POST", f"{REGION}/forwardingRules", rule_body(name="second", IPAddress=f"{REGION}/addresses/ip"))
    assert net.get(f"{REGION}/forwardingRules/second")["IPAddress"] == reserved["address"]
    in_use = net.get(f"{REGION}/addresses/ip")
    assert (in_use["status"], len(in_use["users"])) == ("IN_USE", 1)
    assert net.compute("DELETE", f"{REGION}/addresses/ip").reason == "resourceInUseByAnotherResource"
    body = rule_body(name="third", IPAddress=reserved["address"])
    ended = net.operation(net.compute("POST", f"{REGION}/forwardingRules", body))
    assert ended["error"]["errors"][0]["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
    assert net.compute("GET", f"{REGION}/forwardingRules/third").status == 404
    outside = net.compute("POST", f"{REGION}/forwardingRules", rule_body(name="far", IPAddress="10.99.0.5"))
    assert (outside.status, outside.reason) == (400, "invalid")


def test_endpoints_are_attached_listed_and_detached(net: Client) -> None:
    make_chain(net)
    endpoints = [{"ipAddress": "10.64.0.5", "port": 8200}, {"ipAddress": "10.64.1.5", "port": 8200}]
    net.done("POST", f"{NEG}/attachNetworkEndpoints", {"networkEndpoints": endpoints})
    net.done("POST", f"{NEG}/attachNetworkEndpoints", {"networkEndpoints": endpoints[:1]})
    assert net.get(NEG)["size"] == 2
    listed = net.compute("POST", f"{NEG}/listNetworkEndpoints", {}).body["items"]
    assert sorted(item["networkEndpoint"]["ipAddress"] for item in listed) == ["10.64.0.5", "10.64.1.5"]
    net.done("POST", f"{NEG}/detachNetworkEndpoints", {"networkEndpoints": endpoints[:1]})
    assert net.get(NEG)["size"] == 1
    assert net.compute("POST", f"{NEG}/detachNetworkEndpoints", {"networkEndpoints": endpoints[:1]}).status == 400


@pytest.mark.parametrize(
    ("collection", "body", "text"),
    [
        ("urlMaps", {"defaultService": f"{REGION}/backendServices/none"}, "backendServices/none' was not found"),
        ("urlMaps", {}, "Required field 'resource.defaultService' not specified"),
        ("targetHttpProxies", {}, "Required field 'resource.urlMap' not specified"),
        ("healthChecks", {}, "Required field 'resource.type' not specified"),
        ("healthChecks", {"type": "TCP", "httpHealthCheck": {"port": 80}}, "does not fit the type TCP"),
        ("healthChecks", {"type": "TCP", "timeoutSec": 9}, "Must not exceed checkIntervalSec."),
        ("backendServices", {"timeoutSec": 0}, "'resource.timeoutSec': '0'"),
        ("forwardingRules", {}, "Required field 'resource.target' not specified"),
    ],
)
def test_bad_parts_are_refused(api: Client, collection: str, body: dict[str, Any], text: str) -> None:
    answer = api.compute("POST", f"{REGION}/{collection}", {"name": "part", **body})
    assert answer.status in (400, 404)
    assert text in answer.message


def test_certificate_keeps_its_key_to_itself(api: Client) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    api.done("POST", f"{REGION}/sslCertificates", {"name": "cert", "certificate": pem, "privateKey": secret})
    answer = api.get(f"{REGION}/sslCertificates/cert")
    assert answer["certificate"] == pem
    assert "PRIVATE KEY" not in str(answer)
    bad = api.compute("POST", f"{REGION}/sslCertificates", {"name": "bad", "certificate": "x", "privateKey": secret})
    assert bad.status == 400


def test_labels_change_only_with_their_fingerprint(net: Client) -> None:
    make_chain(net)
    path = f"{REGION}/forwardingRules/rule"
    fingerprint = net.get(path)["labelFingerprint"]
    net.done("POST", f"{path}/setLabels", {"labels": {"a": "b"}, "labelFingerprint": fingerprint})
    assert net.get(path)["labels"] == {"a": "b"}
    stale = net.compute("POST", f"{path}/setLabels", {"labels": {}, "labelFingerprint": fingerprint})
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
