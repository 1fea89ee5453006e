# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is left over, and in which order it can go: from lists, without a cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy
from ansible_collections.llm_d.gke.plugins.module_utils._resources.leftover_chain import PARTS, Inventory, left_over
from ansible_collections.llm_d.gke.plugins.module_utils._resources.leftovers import LeftoversDeclaration

NETWORK = "projects/p/global/networks/ours"
LINK = "https://www.googleapis.com/compute/v1/projects/p"
REGION = "regions/us-east5"
GATEWAY = "gkegw1-ab12-ns-gw-80-0a1b2c3d4e5f"


def link(collection: str, name: str, scope: str = REGION) -> str:
    return f"{LINK}/{scope}/{collection}/{name}"


def inventory(**collections: list[dict[str, Any]]) -> Inventory:
    items: dict[str, dict[str, Any]] = {part.collection: {} for part in PARTS}
    for collection, found in collections.items():
        for item in found:
            scope = item.pop("scope", REGION)
            items[collection][f"projects/p/{scope}/{collection}/{item['name']}"] = item
    return Inventory(items)


def gateway(**without: bool) -> Inventory:
    """What a gateway is made of, on our network, beside what is somebody else's."""
    on_us = {"network": f"{LINK}/global/networks/ours"}
    return inventory(
        forwardingRules=[
            {"name": GATEWAY, **on_us, "target": link("targetHttpProxies", GATEWAY)},
            {"name": GATEWAY + "-b", "network": f"{LINK}/global/networks/ours-too", "target": link("x", "y")},
            {"name": "by-hand", **on_us},
        ][1 if without.get("rule") else 0 :],
        targetHttpProxies=[] if without.get("rule") else [{"name": GATEWAY, "urlMap": link("urlMaps", GATEWAY)}],
        urlMaps=[
            {
                "name": GATEWAY,
                "defaultRouteAction": {
                    "weightedBackendServices": [{"backendService": link("backendServices", GATEWAY), "weight": 1}]
                },
                "pathMatchers": [{"routeRules": [{"service": link("backendServices", GATEWAY + "-route")}]}],
            }
        ],
        backendServices=[
            {"name": GATEWAY},
            {
                "name": GATEWAY + "-route",
                "backends": [{"group": link("networkEndpointGroups", "k8s1-0a1b-ns-s-80", "zones/us-east5-a")}],
                "healthChecks": [link("healthChecks", GATEWAY)],
            },
            {"name": "web", "backends": []},
        ],
        healthChecks=[{"name": GATEWAY}, {"name": "web"}],
        networkEndpointGroups=[
            {"name": "k8s1-0a1b-ns-s-80", "scope": "zones/us-east5-a", **on_us},
            {"name": "k8s1-9f9f-ns-s-80", "scope": "zones/us-east5-a", "network": f"{LINK}/global/networks/theirs"},
        ],
        firewalls=[
            {"name": "gkegw1-ab12-l7-ours-us-east5", "scope": "global", **on_us},
            {"name": "ours-allow", "scope": "global", **on_us, "description": "x [llm-d-deployment: blue]"},
            {"name": "hand-made", "scope": "global", **on_us},
        ],
        routes=[{"name": "default-route-1", "scope": "global", **on_us, "nextHopGateway": "x"}],
        disks=[
            {"name": "pvc-1", "scope": "zones/us-east5-a", "labels": {"goog-k8s-cluster-name": "c"}},
            {"name": "pvc-2", "scope": "zones/us-east5-a", "labels": {"goog-k8s-cluster-name": "c"}, "users": ["vm"]},
            {"name": "pvc-3", "scope": "zones/us-east5-a", "labels": {"goog-k8s-cluster-name": "other"}},
        ],
    )


def names(found: dict[str, Any]) -> list[str]:
    return [f"{path.split('/')[-2]}/{path.split('/')[-1]}" for path in found]


WHOLE = [
    f"forwardingRules/{GATEWAY}",
    f"targetHttpProxies/{GATEWAY}",
    f"urlMaps/{GATEWAY}",
    f"backendServices/{GATEWAY}",
    f"backendServices/{GATEWAY}-route",
    f"healthChecks/{GATEWAY}",
    "networkEndpointGroups/k8s1-0a1b-ns-s-80",
    "disks/pvc-1",
    "firewalls/gkegw1-ab12-l7-ours-us-east5",
]


def test_the_whole_chain_by_network_and_nothing_else() -> None:
    assert names(left_over(gateway(), NETWORK, "c")) == WHOLE


def test_a_chain_whose_head_is_gone() -> None:
    assert names(left_over(gateway(rule=True), NETWORK, "c")) == WHOLE[2:]


def test_another_network_has_nothing_of_it() -> None:
    assert names(left_over(gateway(), "projects/p/global/networks/empty", "")) == []


def test_each_goes_after_what_uses_it() -> None:
    declaration = LeftoversDeclaration({"network": "ours", "cluster": "c"}, "p", Policy())
    declaration.inventory = gateway()
    declaration.left = left_over(declaration.inventory, NETWORK, "c")
    targets = {target.path.partition(f"{REGION}/")[2]: target for target in declaration.targets(declaration.left)}
    assert targets[f"urlMaps/{GATEWAY}"].after == {f"projects/p/{REGION}/targetHttpProxies/{GATEWAY}"}
    assert targets[f"healthChecks/{GATEWAY}"].after == {f"projects/p/{REGION}/backendServices/{GATEWAY}-route"}
    assert targets[f"urlMaps/{GATEWAY}"].kind.family == "compute.regionUrlMaps"
    assert all(not target.present for target in targets.values())


def test_a_network_with_a_cluster_is_refused() -> None:
    declaration = LeftoversDeclaration({"network": "ours"}, "p", Policy())
    declaration.inventory = gateway()
    declaration.inventory.clusters = ["projects/p/locations/us-east5/clusters/c"]
    with pytest.raises(GcpError, match="clusters/c"):
        declaration.targets(left_over(declaration.inventory, NETWORK, ""))


def test_on_somebody_elses_network_nothing_is_left_over() -> None:
    """Another deployment's, or one that carries no mark: the name alone is the same."""
    found = gateway()
    found.clusters = ["projects/p/locations/us-east5/clusters/theirs"]
    for owner in ("green", ""):
        found.owner = owner
        seen = found.seen_by("blue")
        assert left_over(seen, NETWORK, "c") == {}
        assert seen.clusters == []


def test_on_our_network_or_on_one_that_is_gone_everything_is() -> None:
    for owner in ("blue", None):
        found = gateway()
        found.owner = owner
        assert left_over(found.seen_by("Blue"), NETWORK, "c") == left_over(gateway(), NETWORK, "c") != {}


def test_what_controllers_made_carries_no_mark_and_goes_all_the_same() -> None:
    declaration = LeftoversDeclaration({"network": "ours", "deployment": "blue"}, "p", Policy(deployment="blue"))
    assert declaration.policy.deployment == ""


def test_a_url_map_goes_before_the_backend_that_only_its_default_action_names() -> None:
    declaration = LeftoversDeclaration({"network": "ours", "cluster": "c"}, "p", Policy())
    declaration.inventory = gateway()
    declaration.left = left_over(declaration.inventory, NETWORK, "c")
    targets = {target.path.partition(f"{REGION}/")[2]: target for target in declaration.targets(declaration.left)}
    assert f"projects/p/{REGION}/urlMaps/{GATEWAY}" in targets[f"backendServices/{GATEWAY}"].after


def test_what_leads_to_parts_without_a_network_goes_last() -> None:
    """A sweep that is killed in between would leave a health check that nobody finds any more."""
    declaration = LeftoversDeclaration({"network": "ours", "cluster": "c"}, "p", Policy())
    declaration.inventory = gateway()
    declaration.left = left_over(declaration.inventory, NETWORK, "c")
    targets = {target.path: target for target in declaration.targets(declaration.left)}
    without_network = {
        path for path in targets if path.split("/")[-2] in ("urlMaps", "backendServices", "healthChecks")
    }
    for path, target in targets.items():
        if path.split("/")[-2] in ("firewalls", "networkEndpointGroups"):
            assert without_network <= target.after


def test_the_address_of_a_rule_goes_with_it() -> None:
    """The rule shows the number only; a public address lies on no network."""
    found = gateway()
    rule = next(iter(found.items["forwardingRules"].values()))
    rule["IPAddress"] = "198.51.100.7"
    for name, number in (("gkegw1-zz99-a", "198.51.100.7"), ("gkegw1-yy88-b", "198.51.100.8")):
        found.items["addresses"][f"projects/p/{REGION}/addresses/{name}"] = {
            "name": name,
            "address": number,
            "users": ["the rule"],
        }
    left = names(left_over(found, NETWORK, "c"))
    assert "addresses/gkegw1-zz99-a" in left
    assert "addresses/gkegw1-yy88-b" not in left


def described_as(cluster: str) -> dict[str, Any]:
    home = f"/projects/p/locations/us-east5/clusters/{cluster}"
    return {"name": "gkegw1-qq77-x", "description": json.dumps({"K8sResource": "/x", "K8sCluster": home})}


def test_parts_that_hang_on_nothing_are_known_by_their_cluster() -> None:
    found = inventory(healthChecks=[described_as("c")], urlMaps=[described_as("other")])
    assert names(left_over(found, NETWORK, "c")) == ["healthChecks/gkegw1-qq77-x"]
    assert left_over(found, NETWORK, "") == {}
    found.living = ["projects/p/locations/us-east5/clusters/c"]
    assert left_over(found, NETWORK, "c") == {}, "it lives, on another network"


def test_what_another_network_uses_is_not_ours_whatever_its_description_says() -> None:
    elsewhere = {
        "name": "k8s1-0a1b-ns-s-80",
        "scope": "zones/us-east5-a",
        "network": f"{LINK}/global/networks/theirs",
    }
    backend = {
        **described_as("c"),
        "backends": [{"group": link("networkEndpointGroups", "k8s1-0a1b-ns-s-80", "zones/us-east5-a")}],
    }
    assert left_over(inventory(backendServices=[backend], networkEndpointGroups=[elsewhere]), NETWORK, "c") == {}


def test_a_rule_that_a_policy_puts_on_the_network() -> None:
    on_us = {"scope": "global", "network": f"{LINK}/global/networks/ours"}
    rules = [{"name": name, **on_us} for name in ("ours-" + "a1" * 12, "ours-" + "a1" * 11, "ours-by-hand")]
    assert names(left_over(inventory(firewalls=rules), NETWORK, "c")) == ["firewalls/ours-" + "a1" * 12]
