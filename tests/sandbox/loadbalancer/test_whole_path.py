# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The controller in a real cluster: real API server, EPP, sidecars, Envoy, and the sandbox's own compute API.

The tests tell one story and build on each other, because a cluster takes longer to start than all of them to run.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.loadbalancer.lb_certificate import certificate
from tests.sandbox.loadbalancer.lb_site import (
    CLUSTER,
    GATEWAYS,
    GKE,
    MODEL,
    NAMESPACE,
    POOLS,
    ROUTES,
    Site,
    condition,
    epp_objects,
    eventually,
    gateway_object,
    model_server,
    pool_objects,
    route_object,
)

GATEWAY, ROUTE, POOL = f"{GATEWAYS}/gw", f"{ROUTES}/llm", f"{POOLS}/pool"
EPP = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/pool-epp"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
REGIONAL = ("forwardingRules", "targetHttpProxies", "urlMaps", "backendServices", "healthChecks", "addresses")
GROUPS = "networkEndpointGroups"
READS = ("/wait", "/listNetworkEndpoints")


def programmed(site: Site) -> dict[str, Any]:
    return condition(site.kube("GET", GATEWAY)["status"]["conditions"], "Programmed")


def route_condition(site: Site, path: str, kind: str) -> dict[str, Any]:
    return condition(site.kube("GET", path)["status"]["parents"][0]["conditions"], kind)


def pod_names(site: Site, part: str) -> list[str]:
    names = [pod["metadata"]["name"] for pod in site.kube("GET", PODS)["items"]]
    return [name for name in names if part in name]


def all_ready(site: Site, count: int) -> bool:
    conditions = [condition(pod["status"].get("conditions", []), "Ready") for pod in site.kube("GET", PODS)["items"]]
    return len(conditions) == count and all(item.get("status") == "True" for item in conditions)


def metric(text: str, name: str, *labels: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(name) and all(label in line for label in labels)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def disaggregated(site: Site) -> float:
    (epp,) = pod_names(site, "epp")
    text = site.raw("GET", f"{PODS}/{epp}:9090/proxy/metrics")
    return metric(text, "llm_d_inference_scheduler_disagg_decision_total", 'decision_type="prefill-decode"')


def prefilled(site: Site) -> float:
    texts = [site.raw("GET", f"{PODS}/{name}:8000/proxy/metrics") for name in pod_names(site, "prefill")]
    return sum(metric(text, "vllm:request_success_total") for text in texts)


def wait_until_asked(site: Site) -> None:
    """A picker is Ready a moment before it takes requests; until then the load balancer fails open."""
    decided = disaggregated(site)

    def asked() -> bool:
        return site.complete(fresh_prompt())[0] == 200 and disaggregated(site) > decided

    eventually("the picker is asked", asked)


def fresh_prompt() -> str:
    """Long enough to be disaggregated, and never seen before."""
    return f"{uuid.uuid4()} " + "the quick brown fox jumps over the lazy dog " * 20


def zone(site: Site) -> str:
    return f"zones/{site.cloud.info['zone']}"


def mutations(site: Site, since: int) -> list[tuple[str, str]]:
    """What the controller changed in the cloud."""
    return [
        (line["method"], line["path"])
        for line in site.cloud.requests()[since:]
        if line["method"] not in ("GET", "HEAD") and "/compute/v1/" in line["path"] and not line["path"].endswith(READS)
    ]


def test_classes_are_accepted(site: Site) -> None:
    def accepted() -> dict[str, Any]:
        items = site.kube("GET", "/apis/gateway.networking.k8s.io/v1/gatewayclasses")["items"]
        found = {item["metadata"]["name"]: condition(item["status"]["conditions"], "Accepted") for item in items}
        return found if all(item.get("status") == "True" for item in found.values()) else {}

    names = eventually("classes are accepted", accepted)
    assert {"gke-l7-rilb", "gke-l7-regional-external-managed", "gke-l7-global-external-managed"} <= set(names)


def test_a_regional_gateway_needs_a_proxy_only_subnet(site: Site) -> None:
    site.create(GATEWAYS, gateway_object("gw"))
    refusal = eventually("it is refused", lambda: programmed(site)["status"] == "False" and programmed(site))
    assert refusal["reason"] == "Pending"
    assert refusal["message"].startswith("error cause: gceSync: generic::invalid_argument: Insert: Invalid value for")
    assert "An active proxy-only subnetwork is required in the same region and VPC" in refusal["message"]
    status = site.kube("GET", GATEWAY)["status"]
    assert condition(status["conditions"], "Accepted")["status"] == "True"
    assert not status.get("addresses")

    site.make_proxy_subnet()
    eventually("it is programmed", lambda: programmed(site)["status"] == "True")
    status = site.kube("GET", GATEWAY)["status"]
    assert status["addresses"][0]["value"].startswith("10.10.")
    assert {item["observedGeneration"] for item in status["conditions"]} == {1}
    (firewall,) = [item for item in site.compute("firewalls", "global") if "-l7-" in item["name"]]
    assert "172.16.0.0/26" in firewall["sourceRanges"]


def test_without_routes_it_answers_as_googles_does(site: Site) -> None:
    assert site.ask("/v1/models")[:2] == (404, "fault filter abort")


def test_pools_need_the_network_services_api(site: Site) -> None:
    for collection, item in epp_objects("pool") + pool_objects("pool"):
        site.create(collection, item)
    for role in ("prefill", "decode"):
        site.create(PODS, *(model_server(f"{role}-{number}", role) for number in range(2)))
    site.create(ROUTES, route_object("llm", "gw", "pool"))
    refusal = eventually("it is refused", lambda: programmed(site)["status"] == "False" and programmed(site))
    assert (refusal["reason"], "NetworkServices API is not enabled" in refusal["message"]) == ("Invalid", True)
    assert route_condition(site, ROUTE, "Reconciled")["status"] == "False"
    # What was programmed before goes on.
    assert site.ask("/v1/models")[0] == 404

    site.cloud.enable("networkservices")
    eventually("the route is reconciled", lambda: route_condition(site, ROUTE, "Reconciled")["status"] == "True")
    assert programmed(site)["status"] == "True"


def test_statuses(site: Site) -> None:
    reconciled = route_condition(site, ROUTE, "Reconciled")
    assert (reconciled["status"], reconciled["reason"]) == ("True", "ReconciliationSucceeded")
    (listener,) = site.kube("GET", GATEWAY)["status"]["listeners"]
    assert listener["attachedRoutes"] == 1
    (parent,) = site.kube("GET", POOL)["status"]["parents"]
    assert {item["type"]: item["status"] for item in parent["conditions"]} == {
        "Accepted": "True",
        "ResolvedRefs": "True",
    }
    for policy in ("healthcheckpolicies", "gcpbackendpolicies"):
        conditions = site.kube("GET", f"{GKE}/{policy}/pool")["status"]["conditions"]
        assert (conditions[0]["type"], conditions[0]["status"]) == ("Attached", "True")
    events = site.kube("GET", f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
    told = {(item["reason"], item["message"]) for item in events if item["involvedObject"]["kind"] == "Gateway"}
    assert ("ADD", f"{NAMESPACE}/gw") in told
    assert ("SYNC", f"SYNC on {NAMESPACE}/gw was a success") in told


def test_a_completion_is_made_by_prefill_and_decode(site: Site) -> None:
    eventually("all pods are ready", lambda: all_ready(site, 5), 60)
    wait_until_asked(site)
    decided, prefills = disaggregated(site), prefilled(site)
    served = set()
    for _ in range(6):
        status, body, headers = site.complete(fresh_prompt())
        assert status == 200, body
        assert '"choices"' in body
        served.add(headers["x-inference-pod"])
    assert served <= {"decode-0", "decode-1"}
    assert disaggregated(site) == decided + 6
    assert prefilled(site) == prefills + 6


def test_streams_and_errors_pass_through(site: Site) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": fresh_prompt()}], "stream": True, "max_tokens": 4}
    status, text, headers = site.ask("/v1/chat/completions", body)
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert text.rstrip().endswith("data: [DONE]")
    assert site.ask("/v1/completions", {"model": "no-such-model", "prompt": "x"})[0] == 404
    assert site.ask("/v1/completions", {"prompt": "x"})[0] == 400


def test_a_client_cannot_choose_the_pod(site: Site) -> None:
    (pod,) = [p for p in site.kube("GET", PODS)["items"] if p["metadata"]["name"] == "prefill-0"]
    for _ in range(4):
        chosen = f"{pod['status']['podIP']}:8000"
        assert site.complete("hi", x_gateway_destination_endpoint=chosen)[2]["x-inference-pod"].startswith("decode")


def test_the_cloud_holds_what_gke_makes(site: Site) -> None:
    found = {collection: site.compute(collection) for collection in REGIONAL}
    (rule,), (proxy,), (url_map,) = (found[name] for name in ("forwardingRules", "targetHttpProxies", "urlMaps"))
    address = site.kube("GET", GATEWAY)["status"]["addresses"][0]["value"]
    assert (rule["IPAddress"], rule["loadBalancingScheme"], rule["target"]) == (
        address,
        "INTERNAL_MANAGED",
        proxy["selfLink"],
    )
    assert found["addresses"][0]["address"] == address
    assert proxy["urlMap"] == url_map["selfLink"]
    services = {item["selfLink"]: item for item in found["backendServices"]}
    (weighted,) = url_map["pathMatchers"][0]["routeRules"][0]["routeAction"]["weightedBackendServices"]
    service = services[weighted["backendService"]]
    assert service["timeoutSec"] == 300
    assert f"-{NAMESPACE}-pool-ip-" in service["name"] and "-54321-" in service["name"]
    checks = {item["selfLink"]: item for item in found["healthChecks"]}
    check = checks[service["healthChecks"][0]]["httpHealthCheck"]
    assert (check["requestPath"], check["port"]) == ("/health", 8000)
    groups = {item["selfLink"]: item for item in site.compute(GROUPS, zone(site))}
    group = groups[service["backends"][0]["group"]]
    assert group["name"].startswith("k8s1-")
    eventually(
        "the pods are in the group", lambda: site.compute(GROUPS, zone(site)) and sizes(site) == {"pool": 4, "epp": 1}
    )


def sizes(site: Site) -> dict[str, int]:
    groups = site.compute(GROUPS, zone(site))
    return {"epp" if "epp" in group["name"] else "pool": group["size"] for group in groups}


@pytest.mark.parametrize(
    ("name", "pool", "rule", "kind", "words"),
    [
        ("slow", "pool", {"timeouts": {"request": "60s"}}, "Accepted", "Timeouts are not supported."),
        ("lost", "no-pool", {}, "ResolvedRefs", "no-pool not found"),
    ],
)
def test_a_bad_route_is_refused_and_harms_no_other(
    site: Site, name: str, pool: str, rule: dict[str, Any], kind: str, words: str
) -> None:
    path = f"{ROUTES}/{name}"
    site.create(ROUTES, route_object(name, "gw", pool, f"/{name}", **rule))
    refusal = eventually("a verdict", lambda: route_condition(site, path, kind))
    assert (refusal["status"], words in refusal["message"]) == ("False", True)
    assert route_condition(site, ROUTE, "Reconciled")["status"] == "True"
    assert site.complete("hi")[0] == 200
    site.kube("DELETE", path)


def check_port(site: Site, port: int) -> None:
    change = {"spec": {"default": {"config": {"httpHealthCheck": {"port": port}}}}}
    site.merge(f"{GKE}/healthcheckpolicies/pool", change)


def test_a_dead_picker(site: Site) -> None:
    site.merge(EPP, {"spec": {"replicas": 0}})
    eventually("the picker is gone", lambda: not pod_names(site, "epp"))
    eventually("any pod answers", lambda: site.complete(fresh_prompt())[0] == 200)
    served = {site.complete(fresh_prompt())[2]["x-inference-pod"].partition("-")[0] for _ in range(20)}
    assert served == {"prefill", "decode"}

    site.merge(POOL, {"spec": {"endpointPickerRef": {"failureMode": "FailClose"}}})
    eventually("nobody answers", lambda: site.complete(fresh_prompt())[0] == 503)

    site.merge(POOL, {"spec": {"endpointPickerRef": {"failureMode": "FailOpen"}}})
    eventually("any pod answers again", lambda: site.complete(fresh_prompt())[0] == 200)
    check_port(site, 1)
    eventually("no pod is healthy", lambda: site.complete(fresh_prompt())[0] == 503)
    site.merge(
        f"{GKE}/healthcheckpolicies/pool", {"spec": {"default": {"config": {"httpHealthCheck": {"port": 8000}}}}}
    )

    site.merge(EPP, {"spec": {"replicas": 1}})
    eventually("all pods are ready", lambda: all_ready(site, 5), 60)
    wait_until_asked(site)


def controller_pid(site: Site) -> int:
    """0 while none runs."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "sandbox.cluster.loadbalancer" in words and str(site.directory / "config.json") in words:
                return int(entry.name)
    return 0


def test_a_controller_that_is_killed_comes_back_and_changes_nothing(site: Site) -> None:
    eventually("the groups are settled", lambda: sizes(site) == {"pool": 4, "epp": 1})
    generation = site.kube("GET", GATEWAY)["metadata"]["resourceVersion"]
    time.sleep(1)
    before = len(site.cloud.requests())
    first = controller_pid(site)
    os.kill(first, signal.SIGKILL)
    eventually("it is back", lambda: controller_pid(site) not in (0, first))
    eventually("it serves", lambda: site.complete(fresh_prompt())[0] == 200)
    time.sleep(2)
    assert mutations(site, before) == []
    assert site.kube("GET", GATEWAY)["metadata"]["resourceVersion"] == generation


def test_at_rest_nothing_is_asked(site: Site) -> None:
    before = len(site.cloud.requests())
    time.sleep(4)
    assert [line for line in site.cloud.requests()[before:] if "compute" in line["path"]] == []


def test_a_forwarding_rule_that_others_delete_is_made_again(site: Site) -> None:
    """Only after a look at the cloud, which a new controller takes at once."""
    (rule,) = site.compute("forwardingRules")
    path = f"compute/v1/projects/{site.project}/regions/{site.region}/forwardingRules/{rule['name']}"
    site.cloud.wait_compute(site.cloud.call("DELETE", path))
    os.kill(controller_pid(site), signal.SIGKILL)
    eventually("it is there again", lambda: site.compute("forwardingRules"))
    eventually("it serves", lambda: site.complete(fresh_prompt())[0] == 200)


def test_a_listener_with_a_certificate(site: Site) -> None:
    pair = certificate()
    listener = {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": "gateway-tls"}]},
    }
    secure = gateway_object("secure", "gke-l7-regional-external-managed", listeners=[listener])
    site.create(GATEWAYS, secure)
    path = f"{GATEWAYS}/secure"

    def state() -> dict[str, Any]:
        return condition(site.kube("GET", path)["status"]["conditions"], "Programmed")

    refusal = eventually("the Secret is missed", lambda: state()["status"] == "False" and state())
    assert refusal["message"] == f"Error GWCER102: Secret {NAMESPACE}/gateway-tls not found."
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "gateway-tls"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": pair.chain, "tls.key": pair.key},
    }
    site.create(f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
    eventually("it is programmed", lambda: state()["status"] == "True")
    (proxy,), (installed,) = site.compute("targetHttpsProxies"), site.compute("sslCertificates")
    assert proxy["sslCertificates"] == [installed["selfLink"]]
    # The other Gateway goes on, and stays the one that the host reaches.
    assert site.complete("hi")[0] == 200
    site.kube("DELETE", path)
    eventually("it is gone", lambda: site.gone(path))
    assert site.compute("targetHttpsProxies") == site.compute("sslCertificates") == []
    assert len(site.compute("forwardingRules")) == 1


def test_a_gateway_takes_its_resources_with_it(site: Site) -> None:
    before = len(site.cloud.requests())
    site.kube("DELETE", ROUTE)
    site.kube("DELETE", GATEWAY)
    eventually("the Gateway is gone", lambda: site.gone(GATEWAY))
    assert {name: site.compute(name) for name in REGIONAL} == {name: [] for name in REGIONAL}
    deleted = [path.split("/")[-2] for method, path in mutations(site, before) if method == "DELETE"]
    assert deleted.index("forwardingRules") < deleted.index("targetHttpProxies") < deleted.index("urlMaps")
    assert not [item for item in site.compute("firewalls", "global") if "-l7-" in item["name"]]
    eventually("the collector took the groups", lambda: not site.compute(GROUPS, zone(site)))
    assert site.kube("GET", POOL)["status"]["parents"] == []
    assert not (site.directory / "gateway.json").exists()


def test_a_cluster_that_goes_first_leaves_them_behind(site: Site) -> None:
    site.create(GATEWAYS, gateway_object("gw", "gke-l7-regional-external-managed"))
    site.create(ROUTES, route_object("llm", "gw", "pool"))
    eventually(
        "it serves", lambda: (site.directory / "gateway.json").exists() and site.complete(fresh_prompt())[0] == 200
    )
    path = f"v1/projects/{site.project}/locations/{site.cloud.info['zone']}/clusters/{CLUSTER}"
    site.cloud.wait(site.cloud.call("DELETE", path))
    for collection in REGIONAL:
        assert site.compute(collection), collection
    assert site.compute(GROUPS, zone(site))
    assert [item for item in site.compute("firewalls", "global") if item["name"].startswith("gkegw1-")]
