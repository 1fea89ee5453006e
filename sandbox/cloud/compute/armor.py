# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Cloud Armor: security policies with their rules, global and regional, and the backend services they guard."""

from __future__ import annotations

import copy
import ipaddress
from typing import TYPE_CHECKING, Any

from sandbox.cloud.compute.kinds import Kind, invalid_value, required
from sandbox.cloud.compute.links import Place
from sandbox.cloud.compute.operations import render
from sandbox.cloud.compute.state import KINDS, State
from sandbox.cloud.compute.verbs import change_operation, found
from sandbox.cloud.errors import ApiError
from sandbox.cloud.registry import method
from sandbox.cloud.request import Request
from sandbox.cloud.store import Resource

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

SERVICES = ("securityPolicies", "regionSecurityPolicies")
DEFAULT_PRIORITY = 2**31 - 1
EVERYTHING = ["*"]
MOST_RANGES = 10
ACTIONS = frozenset({"allow", "deny", "deny(403)", "deny(404)", "deny(502)", "rate_based_ban", "redirect", "throttle"})
DEFAULT_RULE: Json = {
    "action": "allow",
    "description": "default rule",
    "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": EVERYTHING}},
    "priority": DEFAULT_PRIORITY,
}


def _checked(rule: Json) -> Json:
    """A rule with what the server adds, or Google's refusal."""
    if "priority" not in rule:
        raise required("priority")
    if not 0 <= rule["priority"] <= DEFAULT_PRIORITY:
        raise invalid_value("priority", rule["priority"], f"Must be between 0 and {DEFAULT_PRIORITY}.")
    if rule.get("action") not in ACTIONS:
        raise required("action") if not rule.get("action") else invalid_value("action", rule["action"])
    if not rule.get("match") and not rule.get("networkMatch"):
        raise required("match")
    _check_match(rule.get("match", {}))
    return {"kind": "compute#securityPolicyRule", "description": "", "preview": False, **rule}


def _check_match(match: Json) -> None:
    if match and ("versionedExpr" in match) == ("expr" in match):
        raise invalid_value("match", "", "Exactly one of versionedExpr and expr must be given.")
    if "versionedExpr" not in match:
        return
    given = match.get("config", {}).get("srcIpRanges", [])
    if not given:
        raise required("match.config.srcIpRanges")
    if len(given) > MOST_RANGES:
        raise invalid_value("match.config.srcIpRanges", len(given), f"A rule has at most {MOST_RANGES} ranges.")
    for text in given:
        try:
            if text != "*":
                ipaddress.ip_network(text)
        except ValueError as error:
            raise invalid_value("match.config.srcIpRanges", text, "Must be a valid CIDR address range.") from error


class SecurityPolicyKind(Kind):
    def prepare(self, cloud: Cloud, request: Request, place: Place, body: Json) -> None:
        body.setdefault("description", "")
        body.setdefault("type", "CLOUD_ARMOR")
        rules = [_checked(rule) for rule in body.get("rules") or [copy.deepcopy(DEFAULT_RULE)]]
        priorities = [rule["priority"] for rule in rules]
        if len(set(priorities)) != len(priorities):
            raise invalid_value("rules", "", "Cannot have rules with the same priorities.")
        if DEFAULT_PRIORITY not in priorities:
            raise invalid_value("rules", "", f"There must be a default rule, with priority {DEFAULT_PRIORITY}.")
        body["rules"] = sorted(rules, key=lambda rule: int(rule["priority"]))


def _priority(request: Request) -> int:
    """The query's; a rule without one is the default for none of the calls."""
    if "priority" not in request.params:
        raise ApiError(400, "Required parameter 'priority' not specified", reason="required")
    return int(request.params["priority"])


def _rule_at(policy: Resource, priority: int) -> Json:
    for rule in policy.body["rules"]:
        if rule["priority"] == priority:
            found_rule: Json = rule
            return found_rule
    message = f"Invalid value for field 'priority': '{priority}'. The security policy has no rule with this priority."
    raise ApiError(400, message, reason="invalid")


def _with_rules(cloud: Cloud, request: Request, place: Place, policy: Resource, verb: str, change: Any) -> Json:
    """Starts an operation after which the policy's rules are ``change(rules)``, unless that can't be."""

    def effect(body: Json) -> Json:
        new = {**copy.deepcopy(body), "rules": change(copy.deepcopy(body["rules"]))}
        KINDS["securityPolicies"].prepare(cloud, request, place, new)
        return new

    effect(policy.body)  # refuses now what would be refused at the end
    return change_operation(cloud, request, KINDS["securityPolicies"], place, policy, verb, effect)


@method(*(f"compute.{service}.getRule" for service in SERVICES))
def get_rule(cloud: Cloud, request: Request) -> Json:
    _place, policy = found(cloud, request)
    return _rule_at(policy, _priority(request))


@method(*(f"compute.{service}.addRule" for service in SERVICES))
def add_rule(cloud: Cloud, request: Request) -> Json:
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, policy = found(cloud, request)
    rule = _checked(request.body)
    if any(other["priority"] == rule["priority"] for other in policy.body["rules"]):
        raise invalid_value("priority", rule["priority"], "Cannot have rules with the same priorities.")
    return _with_rules(cloud, request, place, policy, "addRule", lambda rules: [*rules, rule])


@method(*(f"compute.{service}.patchRule" for service in SERVICES))
def patch_rule(cloud: Cloud, request: Request) -> Json:
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, policy = found(cloud, request)
    priority = _priority(request)
    changed = _checked({**_rule_at(policy, priority), **request.body})
    return _with_rules(
        cloud,
        request,
        place,
        policy,
        "patchRule",
        lambda rules: [changed if rule["priority"] == priority else rule for rule in rules],
    )


@method(*(f"compute.{service}.removeRule" for service in SERVICES))
def remove_rule(cloud: Cloud, request: Request) -> Json:
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, policy = found(cloud, request)
    priority = _priority(request)
    _rule_at(policy, priority)
    if priority == DEFAULT_PRIORITY:
        raise invalid_value("priority", priority, "The default rule cannot be removed.")
    return _with_rules(
        cloud,
        request,
        place,
        policy,
        "removeRule",
        lambda rules: [rule for rule in rules if rule["priority"] != priority],
    )


@method("compute.backendServices.setSecurityPolicy", "compute.regionBackendServices.setSecurityPolicy")
def set_security_policy(cloud: Cloud, request: Request) -> Json:
    """Puts a backend service behind a policy; without one it is open again."""
    if (earlier := cloud.part(State).repeated(request)) is not None:
        return render(earlier)
    place, service = found(cloud, request)
    kind = KINDS["backendServices"]
    wanted = {"securityPolicy": request.body.get("securityPolicy", "")}
    cloud.part(State).resolve_links(kind, wanted, place.project)
    if wanted["securityPolicy"] and f"/{place.scope}/" not in wanted["securityPolicy"]:
        raise invalid_value("securityPolicy", wanted["securityPolicy"], "It must be in the backend service's scope.")

    def effect(body: Json) -> Json:
        kept = {name: value for name, value in body.items() if name != "securityPolicy"}
        return {**kept, **({} if not wanted["securityPolicy"] else wanted)}

    return change_operation(cloud, request, kind, place, service, "setSecurityPolicy", effect)
