# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What is wanted and what was found become a plan: an ordered list of steps, plain data.

This file is private to the collection. Check mode prints the plan, diff mode prints it, apply walks it.
Nothing here talks to anybody.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import _ownership as ownership
from ._errors import GcpError, ImmutableError, Json, OwnershipError, StateError
from ._fields import Difference, Field, Update, differences, dig, put
from ._methods import METHODS

WAIT, CREATE, UPDATE, DELETE = "wait", "create", "update", "delete"


@dataclass(frozen=True)
class Kind:
    """What the engine has to know of a kind of resource, besides its fields."""

    noun: str
    rows: tuple[Field, ...]
    # The collection's part of method ids: "compute.networks".
    family: str
    # "projects/{project}/global/networks/{name}"
    path: str
    # What a compute method calls the resource in its path.
    item: str = ""
    # The key of the create request under which the resource stands; empty: the body is the resource.
    envelope: str = ""
    # The key of the create request under which the name stands, beside the envelope; empty: it is part of the resource.
    name_key: str = ""
    # Where the ownership mark stands, and whether it can be put there later.
    mark: str = "description"
    mark_later: bool = False
    busy: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    # There whenever its parent is, as a policy is: never made, only changed.
    always: bool = False
    # What the create request brings along of another kind: key → (option, kind).
    born_with: Mapping[str, tuple[str, Kind]] = field(default_factory=dict)
    # Bad, yet in use and not to be deleted for it, whatever the user allows.
    ailing: frozenset[str] = frozenset()
    # Whether one of ours that is broken is deleted and made again without being told to.
    repaired: bool = False

    @property
    def get(self) -> str:
        return f"{self.family}.get"


@dataclass(frozen=True)
class Target:
    """One resource, as it should be."""

    kind: Kind
    name: str
    scope: Mapping[str, str]
    wanted: Json = field(default_factory=dict)
    present: bool = True
    # Paths of resources that have to be as wanted before this one is touched.
    after: frozenset[str] = frozenset()
    # Belongs to something whose owner is known already: it carries no mark of its own.
    unmarked: bool = False

    @property
    def path(self) -> str:
        return self.kind.path.format(name=self.name, **self.scope)

    @property
    def parent(self) -> str:
        return self.path.rsplit("/", 2)[0]

    @property
    def label(self) -> str:
        return f"{self.kind.noun} {self.name}"

    def params(self, method_id: str) -> Json:
        """The path parameters of a method, for this resource."""
        own = method_id.rpartition(".")[0] == self.kind.family
        known = {
            **self.scope,
            **({self.kind.item: self.name} if self.kind.item else {}),
            "parent": self.parent,
            # A call of another collection that concerns this resource is one on its parent.
            "name": self.path if own else self.parent,
        }
        return {key: known[key] for key in re.findall(r"\{(\w+)\}", METHODS[method_id].path)}


@dataclass(frozen=True)
class Policy:
    """The user's word on what may be done."""

    deployment: str = ""
    adopt: bool = False
    recreate: bool = False
    # Google refuses a TPU topology on some single-host pools: make them without it then.
    omit_refused_topology: bool = False


@dataclass(frozen=True)
class Step:
    """One request of the plan, or one wait for what is already under way."""

    action: str
    target: Target
    method: str = ""
    body: Json | None = None
    differences: tuple[Difference, ...] = ()
    why: str = ""
    # Values that only the server knows, read when the step is carried out: body path → path in the resource.
    server: Mapping[str, str] = field(default_factory=dict)

    @property
    def params(self) -> Json:
        return self.target.params(self.method) if self.method else {}

    @property
    def request(self) -> str:
        if not self.method:
            return ""
        method = METHODS[self.method]
        return f"{method.verb} {method.url_path(self.params)}"

    def shown_body(self) -> Json | None:
        if self.body is None or not self.server:
            return self.body
        body = dict(self.body)
        for key, source in self.server.items():
            put(body, key, f"({source}, read from the server when this is sent)")
        return body

    def as_dict(self) -> Json:
        result: Json = {"action": self.action, "resource": self.target.label}
        if self.method:
            result |= {"method": self.method, "request": self.request}
        if self.body is not None:
            result["body"] = self.shown_body()
        if self.differences:
            result["differences"] = [difference.as_dict() for difference in self.differences]
        if self.why:
            result["why"] = self.why
        return result


@dataclass
class ResourcePlan:
    """The steps for one resource; or why there are none although there should be."""

    target: Target
    steps: list[Step] = field(default_factory=list)
    problem: GcpError | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        return bool(self.steps) and self.steps[0].action == WAIT

    def differences(self) -> list[Difference]:
        return [difference for step in self.steps for difference in step.differences]


def plan(target: Target, found: Json | None, policy: Policy) -> ResourcePlan:
    """What has to happen to one resource."""
    if target.unmarked:
        policy = replace(policy, deployment="")
    if found is None and target.kind.always:
        found = {}
    if found is None:
        return ResourcePlan(target, [create(target, policy)] if target.present else [])
    return _presence(target, found, policy) if target.present else _absence(target, found, policy)


def _absence(target: Target, found: Json, policy: Policy) -> ResourcePlan:
    owner = ownership.owner(found, target.kind.mark)
    if policy.deployment and owner != policy.deployment and not policy.adopt:
        return ResourcePlan(target, notes=[f"{target.label} is left: {ownership.whose(owner)}"])
    if found.get("status") in target.kind.busy:
        return ResourcePlan(target, [_wait(target, found)])
    return ResourcePlan(target, [delete(target)])


def _presence(target: Target, found: Json, policy: Policy) -> ResourcePlan:
    kind = target.kind
    owner = ownership.owner(found, kind.mark)
    if policy.deployment and owner != policy.deployment and not policy.adopt:
        return ResourcePlan(
            target,
            problem=OwnershipError(
                f"it is there already, and {ownership.whose(owner)}", action="take over", resource=target.label
            ),
        )
    status = str(found.get("status") or "")
    if status in kind.busy:
        return ResourcePlan(target, [_wait(target, found)])
    if status in kind.ailing:
        return ResourcePlan(target, problem=ailing(target, found, status))
    if status in kind.broken:
        return _repair(target, found, policy, status)
    notes = []
    if policy.deployment and owner != policy.deployment and not kind.mark_later:
        notes.append(
            f"{target.label} cannot be marked as ours afterwards: give `adopt: true` on every run, also for absent"
        )
    drift = differences(kind.rows, ownership.marked(target.wanted, found, kind.mark, policy.deployment), found)
    fixed = [difference for difference in drift if not difference.mutable()]
    if fixed and policy.recreate:
        why = "recreated, as asked for: " + ", ".join(_change(difference) for difference in fixed)
        return ResourcePlan(target, [delete(target, why), create(target, policy, why, tuple(drift))], notes=notes)
    if fixed:
        return ResourcePlan(target, problem=_immutable(target, fixed))
    return ResourcePlan(target, updates(target, drift, found, policy), notes=notes)


def _repair(target: Target, found: Json, policy: Policy, status: str) -> ResourcePlan:
    reason = state_reason(found)
    why = f"it is in {status}" + (f": {reason}" if reason else "")
    ours = (
        target.kind.repaired
        and bool(policy.deployment)
        and ownership.owner(found, target.kind.mark) == policy.deployment
    )
    if ours or policy.recreate:
        return ResourcePlan(target, [delete(target, why), create(target, policy, why)])
    return ResourcePlan(
        target,
        problem=StateError(
            why,
            action="use",
            resource=target.label,
            reason=status,
            remedy="Delete it, or set `recreate: true` to have it deleted and made again.",
        ),
    )


def ailing(target: Target, found: Json, status: str) -> StateError:
    reason = state_reason(found)
    return StateError(
        f"it is in {status}" + (f": {reason}" if reason else ""),
        action="use",
        resource=target.label,
        reason=status,
        remedy="GKE mends what it can by itself: do what its message asks for, and run the same task again.",
    )


def state_reason(found: Json) -> str:
    """Why a resource is in a bad state: its conditions, and the deprecated statusMessage."""
    parts = []
    for condition in found.get("conditions") or []:
        code = str(condition.get("code") or condition.get("canonicalCode") or "")
        parts.append(": ".join(part for part in (code, str(condition.get("message") or "")) if part))
    message = str(found.get("statusMessage") or "")
    if message and not any(message in part for part in parts):
        parts.append(message)
    return "; ".join(part for part in parts if part)


def _wait(target: Target, found: Json) -> Step:
    return Step(WAIT, target, why=f"it is {found.get('status')}: something is under way already")


def _immutable(target: Target, fixed: Sequence[Difference]) -> ImmutableError:
    texts = []
    remedies: list[str] = []
    for difference in fixed:
        texts.append(_change(difference))
        if difference.row.remedy and difference.row.remedy not in remedies:
            remedies.append(difference.row.remedy)
    remedy = " ".join(remedies) or (
        "Give the value it has, choose another name, or set `recreate: true` where the module has it: that deletes the "
        "resource first."
    )
    return ImmutableError(
        "cannot be changed on what exists: " + "; ".join(texts),
        action="update",
        resource=target.label,
        remedy=remedy,
        details={"differences": [difference.as_dict() for difference in fixed]},
    )


def _change(difference: Difference) -> str:
    return f"{difference.field} is {_shown(difference.before)}, wanted {_shown(difference.after)}"


def _shown(value: Any) -> str:
    return "unset" if value is None else repr(value)


def create(target: Target, policy: Policy, why: str = "", drift: tuple[Difference, ...] = ()) -> Step:
    body = ownership.marked(target.wanted, {}, target.kind.mark, policy.deployment)
    if not target.kind.name_key:
        body = {"name": target.name, **body}
    for row in target.kind.rows:
        if row.at_first is not None and dig(body, row.api) is None:
            put(body, row.api, row.at_first)
    # An empty list takes something away from what exists; here there is nothing yet.
    body = {key: value for key, value in body.items() if value != []}
    envelope = target.kind.envelope
    insert = f"{target.kind.family}.{'create' if envelope else 'insert'}"
    named = {target.kind.name_key: target.name} if target.kind.name_key else {}
    return Step(CREATE, target, insert, {**named, envelope: body} if envelope else body, drift, why)


def delete(target: Target, why: str = "") -> Step:
    return Step(DELETE, target, f"{target.kind.family}.delete", None, (), why)


def updates(target: Target, drift: Sequence[Difference], found: Json, policy: Policy) -> list[Step]:
    """One step for each call that the differences need, in the order of the table."""
    calls: list[Update] = []
    for difference in drift:
        update = difference.row.update
        if update is not None and update not in calls:
            calls.append(update)
    wanted = ownership.marked(target.wanted, found, target.kind.mark, policy.deployment)
    steps = []
    for call in calls:
        mine = tuple(difference for difference in drift if difference.row.update == call)
        body = {} if call.bare else _changed(call, [difference.row for difference in mine], wanted, found)
        for key, value in call.constant.items():
            put(body, key, value.format(name=target.name) if isinstance(value, str) else value)
        steps.append(Step(UPDATE, target, call.method, body or None, mine, server=call.server))
    return steps


def _changed(call: Update, rows: Sequence[Field], wanted: Json, found: Json) -> Json:
    """The part of an update's body that comes from the rows that differ."""
    body: Json = {}
    for message in call.whole:
        if any(f"{row.api}.".startswith(f"{message}.") for row in rows):
            kept = copy.deepcopy(dig(found, message) or {})
            put(body, _destination(call, message), call.still(kept, dig(wanted, message)) if call.still else kept)
    for row in rows:
        value = dig(wanted, row.api)
        put(body, _destination(call, row.api), row.along(value, dig(found, row.api)) if row.along else value)
    return body


def _destination(call: Update, path: str) -> str:
    relative = path.removeprefix(call.base).lstrip(".")
    return ".".join(part for part in (call.into, relative) if part)
