# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The one decision procedure: find → plan → apply → wait → report.

This file is private to the collection. Check mode is decided here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import _report
from ._apply import Applier, Result
from ._clients import Cloud
from ._clock import Deadline
from ._errors import ApiError, DisabledError, GcpError, Json, NotFoundError, SeveralErrors
from ._plan import Policy, ResourcePlan, Target, plan

Found = Mapping[str, Json]


class Declaration(Protocol):
    """What a module wants, and how to look at what there is. Only tables and look-ups; no decisions."""

    noun: str
    policy: Policy
    # How many resources may be worked on at once.
    limit: int

    def find(self, cloud: Cloud, deadline: Deadline) -> Found:
        """All that is there and might matter, by path. As few calls as possible."""

    def targets(self, found: Found) -> list[Target]:
        """Every resource to be brought about or removed."""

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        """One resource, as it is now."""

    def operation_parent(self) -> str:
        """`projects/P/locations/L` when GKE's operations there may concern the targets, else nothing."""

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        """The module's own return values, from the resources (by path) and what happened to each."""


@dataclass
class Context:
    """How to work: what a module run brings along besides its declaration."""

    cloud: Cloud
    deadline: Deadline
    check: bool = False
    wait: bool = True
    warnings: list[str] = field(default_factory=list)


def converge(declaration: Declaration, context: Context) -> Json:
    """Brings about what is declared, and reports. Raises with the partial result inside."""
    found, problem = _find(declaration, context)
    targets = declaration.targets(found)
    if problem is not None:
        _forgive(problem, targets, context)
    return carry_out(
        declaration, context, [plan(target, found.get(target.path), declaration.policy) for target in targets], found
    )


def carry_out(declaration: Declaration, context: Context, plans: Sequence[ResourcePlan], found: Found) -> Json:
    """The rest of the procedure, for plans that are made."""
    for each in plans:
        context.warnings += each.notes
    refusals = [each.problem for each in plans if each.problem is not None]
    if refusals:
        # Seen before anything is sent: so nothing is sent at all, and all of it is told at once.
        raise _failed(refusals, declaration, context, plans, {}, found)
    if context.check:
        return _predicted(declaration, context, plans, found)
    applier = Applier(declaration, context.cloud, context.deadline, context.wait)
    results = applier.run(plans, found)
    errors = [result.error for result in results.values() if result.error is not None]
    context.warnings += [note for result in results.values() for note in result.notes]
    if errors:
        raise _failed(errors, declaration, context, plans, results, found)
    return _reported(declaration, context, plans, results, found)


def _find(declaration: Declaration, context: Context) -> tuple[Found, ApiError | None]:
    """What is there. Where the API is switched off, or the parent is missing, there is nothing; whether that may be is
    for `_forgive` to say.

    A run in check mode has not switched it on although it would have, so waiting for that is idle.
    """
    patience = context.cloud.patience
    usual = patience.activation
    if context.check or not any(target.present for target in declaration.targets({})):
        patience.activation = 0
    try:
        return declaration.find(context.cloud, context.deadline), None
    except (DisabledError, NotFoundError) as error:
        return {}, error
    finally:
        patience.activation = usual


def _forgive(problem: ApiError, targets: Sequence[Target], context: Context) -> None:
    wanted = any(target.present for target in targets)
    if wanted and not context.check:
        raise problem
    if isinstance(problem, DisabledError):
        what = f"{problem.details.get('service') or 'an API'} is not enabled in the project"
    else:
        what = problem.message
    because = "as if an earlier step of this run had seen to it" if wanted else "so nothing is left of it"
    context.warnings.append(f"{what}: planned {because}" if wanted else f"{what}: {because}")


def _predicted(declaration: Declaration, context: Context, plans: Sequence[ResourcePlan], found: Found) -> Json:
    resources = {each.target.path: _report.predicted(each, found.get(each.target.path)) for each in plans}
    reports = {each.target.path: _report.of_plan(each) for each in plans}
    return {
        **declaration.result(resources, reports),
        **_common(context, plans),
        "changed": any(each.steps and not each.waits for each in plans),
        "operations": [],
    }


def _reported(
    declaration: Declaration,
    context: Context,
    plans: Sequence[ResourcePlan],
    results: Mapping[str, Result],
    found: Found,
) -> Json:
    resources = {path: result.found for path, result in results.items()}
    reports = {path: result.as_report() for path, result in results.items()}
    return {
        **declaration.result(resources, reports),
        **_common(context, [results[each.target.path].plan if each.waits else each for each in plans]),
        "changed": any(result.sent for result in results.values()),
        "operations": [result.operation for result in results.values() if result.operation],
    }


def _common(context: Context, plans: Sequence[ResourcePlan]) -> Json:
    return {
        "plan": [step.as_dict() for each in plans for step in each.steps],
        "diff": _report.diff(plans),
        "gcp_actions": context.cloud.actions,
        "gcp_calls": context.cloud.sent.calls,
        "gcp_retries": context.cloud.retries,
    }


def _failed(
    errors: Sequence[GcpError],
    declaration: Declaration,
    context: Context,
    plans: Sequence[ResourcePlan],
    results: Mapping[str, Result],
    found: Found,
) -> GcpError:
    error = errors[0] if len(errors) == 1 else SeveralErrors(errors, len(plans), declaration.noun)
    if results:
        error.partial = _reported(declaration, context, plans, results, found)
    else:
        error.partial = {**_common(context, plans), "changed": False}
    return error


def unless_checking(module: Any, change: Callable[[], None]) -> None:
    """For the few changes that are none of Google's resources, such as a file."""
    if not module.check_mode:
        change()
