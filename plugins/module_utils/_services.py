# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The APIs of a project: switched on in one batch, or off one by one.

This file is private to the collection.
"""

from __future__ import annotations

from ._converge import carry_out
from ._errors import Json, OptionError
from ._module import Session
from ._plan import CREATE, DELETE, Kind, ResourcePlan, Step, Target

# Google takes at most so many in one batch.
BATCH = 20
SERVICE = Kind(
    noun="API",
    family="serviceusage.services",
    path="projects/{project}/services/{name}",
    item="service",
    rows=(),
)


def spec() -> Json:
    return {"services": {"type": "list", "elements": "str", "required": True}}


def work(session: Session) -> Json:
    """Switches the named APIs on (or off), and leaves the others alone."""
    names = list(dict.fromkeys(session.params["services"]))
    if strange := [name for name in names if "." not in name or "/" in name]:
        raise OptionError(
            f"not the name of an API: {', '.join(strange)}", remedy="Give names such as container.googleapis.com."
        )
    enabled = _enabled(session)
    plans = _switch_on(session, names, enabled) if session.present else _switch_off(session, names, enabled)
    report = carry_out(session.run, plans, {}, lambda target: None)
    on = enabled | set(names) if session.present else enabled - set(names)
    return {**report.as_result(), "services": sorted(on & set(names)) if session.present else []}


def _enabled(session: Session) -> set[str]:
    query = {"project": session.project, "filter": "state:ENABLED", "pageSize": 200}
    pages = session.run.cloud.pages("serviceusage.services.list", query, deadline=session.run.deadline)
    return {str(entry["config"]["name"]) for page in pages for entry in page.get("services") or []}


def _switch_on(session: Session, names: list[str], enabled: set[str]) -> list[ResourcePlan]:
    missing = [name for name in names if name not in enabled]
    plans = []
    earlier: frozenset[str] = frozenset()
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        # One after the other: Google refuses a second activation while one is under way.
        target = Target(SERVICE, ", ".join(batch), {"project": session.project}, after=earlier)
        step = Step(CREATE, target, "serviceusage.services.batchEnable", {"serviceIds": batch})
        plans.append(ResourcePlan(target, [step]))
        earlier = frozenset({target.path})
    return plans


def _switch_off(session: Session, names: list[str], enabled: set[str]) -> list[ResourcePlan]:
    plans = []
    earlier: frozenset[str] = frozenset()
    for name in (name for name in names if name in enabled):
        target = Target(SERVICE, name, {"project": session.project}, present=False, after=earlier)
        plans.append(ResourcePlan(target, [Step(DELETE, target, "serviceusage.services.disable", {})]))
        earlier = frozenset({target.path})
    return plans
