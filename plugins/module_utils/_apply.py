# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Walks a plan: resources beside each other as far as allowed, the steps of one resource one after the other.

This file is private to the collection. What a lost reply did, and what another run has begun, is found out by looking
again and planning again; so there is no state but Google's.
"""

from __future__ import annotations

import contextlib
import copy
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import _operations as operations
from ._clients import Cloud
from ._clock import Deadline
from ._errors import (
    TOPOLOGY_REFUSAL,
    ApiError,
    ExistsError,
    GcpError,
    Json,
    LostReply,
    NotFoundError,
    OperationError,
    ServerError,
    StaleError,
    StateError,
    TimeLimit,
)
from ._fields import dig, put
from ._plan import CREATE, DELETE, WAIT, ResourcePlan, Step, Target, ailing, plan, state_reason

if TYPE_CHECKING:
    from ._converge import Declaration

# How often one resource is planned again after a surprise, before we say that it does not settle.
ROUNDS = 8
DOING = {CREATE: "creating", DELETE: "deleting", WAIT: "waiting for what is under way", "update": "updating"}
DONE = {CREATE: "created", DELETE: "deleted", "update": "updated"}


@dataclass
class Result:
    """What became of one resource."""

    plan: ResourcePlan
    found: Json | None = None
    sent: bool = False
    actions: list[str] = field(default_factory=list)
    operation: str = ""
    error: GcpError | None = None
    notes: list[str] = field(default_factory=list)
    # How often somebody else wrote between our reading and our writing.
    stale: int = 0

    def as_report(self) -> Json:
        report: Json = {"changed": self.sent, "actions": self.actions}
        if self.operation:
            report["operation"] = self.operation
        if self.error is not None:
            report["failure"] = self.error.as_failure()
        return report


class Applier:
    """Carries out plans."""

    def __init__(self, declaration: Declaration, cloud: Cloud, deadline: Deadline, wait: bool) -> None:
        self._declaration = declaration
        self._cloud = cloud
        self._deadline = deadline
        self._wait = wait
        self._waiter = operations.Waiter(cloud, deadline)
        self._awaited: frozenset[str] = frozenset()
        # Operations of others that were seen on our resources, by the resource's path.
        self._begun: dict[str, Json] = {}

    def run(self, plans: Sequence[ResourcePlan], found: Mapping[str, Json]) -> dict[str, Result]:
        """The result of each resource, by path, in the order of the plans."""
        results = {each.target.path: Result(each, found.get(each.target.path)) for each in plans}
        work = [each for each in plans if each.steps]
        self._adopt(results, work)
        self._awaited = frozenset(path for each in work for path in each.target.after)
        self._cloud.progress.total, self._cloud.progress.ready = len(plans), len(plans) - len(work)
        # What is under way already holds a place among the operations: it goes first.
        waiting = sorted(work, key=lambda each: not each.waits)
        undone = {each.target.path for each in work}
        done: queue.Queue[str] = queue.Queue()
        busy = 0
        while waiting or busy:
            ready = [each for each in waiting if not (each.target.after & undone)]
            for each in ready[: max(self._limit() - busy, 0)]:
                waiting.remove(each)
                busy += 1
                # A daemon: Ctrl-C ends the module at once, and what runs in Google Cloud is adopted by the next run.
                threading.Thread(target=self._work, args=(results, each, done), daemon=True).start()
            undone.discard(done.get())
            busy -= 1
        return results

    def _adopt(self, results: Mapping[str, Result], work: list[ResourcePlan]) -> None:
        """Where an operation runs on a resource already, begun by a run that was killed or by a colleague, it is waited
        for before anything else is asked: GKE would refuse, or do it twice."""
        parent = self._declaration.operation_parent()
        if not parent or all(each.waits for each in work):
            return
        with contextlib.suppress(ApiError):
            # Who may not list operations cannot adopt any.
            running = operations.running(self._cloud, parent, deadline=self._deadline)
            for index, each in enumerate(work):
                if not each.waits and (begun := operations.operation_on(running, each.target.path)) is not None:
                    work[index] = results[each.target.path].plan = self._waiting(each.target, begun)

    def _waiting(self, target: Target, begun: Json) -> ResourcePlan:
        self._begun[target.path] = begun
        return ResourcePlan(target, [Step(WAIT, target, why=f"operation {begun.get('name')} is under way already")])

    def _limit(self) -> int:
        """As many as the user allows, and no more than Google said it does."""
        quota = self._cloud.quota
        return self._declaration.limit if quota is None else min(self._declaration.limit, quota)

    def _work(self, results: Mapping[str, Result], each: ResourcePlan, done: queue.Queue[str]) -> None:
        result = results[each.target.path]
        try:
            failed = [results[path] for path in each.target.after if path in results and results[path].error]
            if failed:
                raise StateError(
                    f"not tried, because {failed[0].plan.target.label} failed",
                    action=each.steps[0].action,
                    resource=each.target.label,
                )
            # A parent that was changed may have taken this one along. What was not there is not there now either.
            moved = any(results[path].sent for path in each.target.after if path in results)
            self._settle(result, each, moved and each.target.present and result.found is not None)
        except GcpError as error:
            result.error = error.about(each.steps[0].action, each.target.label)
            if result.sent or each.waits:
                # What a failure leaves behind is part of the report.
                with contextlib.suppress(GcpError):
                    result.found = self._look(each.target)
            self._cloud.progress.event(f"{each.target.label}: FAILED: {error.message.splitlines()[0]}")
        except Exception as error:
            # A thread has no caller that would see a mistake of ours.
            result.error = GcpError(f"{type(error).__name__}: {error}", resource=each.target.label)
        finally:
            done.put(each.target.path)

    def _settle(self, result: Result, each: ResourcePlan, anew: bool) -> None:
        """Carries out the steps of one resource; plans again as often as what is found is not what was expected."""
        target, begin = each.target, self._cloud.clock.now()
        if anew:
            each = self._replan(result, target)
        for _round in range(ROUNDS):
            if not each.steps:
                break
            surprised = self._steps(result, each)
            if surprised:
                each = self._replan(result, target)
                continue
            result.found = self._look(target)
            rest = self._judge(result, each)
            if rest is None:
                break
            result.plan.steps += rest.steps
            each = rest
        else:
            raise StateError("it does not come to rest: it changed each time we looked", resource=target.label)
        what = DONE.get(each.steps[-1].action, "ready") if each.steps else "ready"
        self._cloud.progress.finished(target.label, what, self._cloud.clock.now() - begin)

    def _replan(self, result: Result, target: Target) -> ResourcePlan:
        result.found = self._look(target)
        each = plan(target, result.found, self._declaration.policy)
        if each.problem is not None:
            raise each.problem
        result.notes += each.notes
        if each.steps and not each.waits and (parent := self._declaration.operation_parent()):
            # A request whose reply was lost may have begun something that the resource does not show yet.
            running = operations.running(self._cloud, parent, deadline=self._deadline)
            if (begun := operations.operation_on(running, target.path)) is not None:
                return self._waiting(target, begun)
        if each.steps and not each.waits:
            # What is reported is what was decided last.
            result.plan = ResourcePlan(target, each.steps)
        return each

    def _steps(self, result: Result, each: ResourcePlan) -> bool:
        """Carries out the steps; whether something came out other than planned, so that we have to look again."""
        for index, step in enumerate(each.steps):
            last = index == len(each.steps) - 1
            if step.action == WAIT:
                self._await_rest(result, each.target)
                return self._wait
            try:
                self._carry_out(result, step, self._wait or not last or each.target.path in self._awaited)
            except ExistsError:
                # Somebody was faster: what they made is compared like anything else.
                return True
            except StaleError as error:
                # Somebody wrote in between: read, change and write again, after a pause that grows.
                self._cloud.progress.event(f"{each.target.label}: {error.message.splitlines()[0]} (once more)")
                self._cloud.clock.sleep(self._cloud.clock.spread(self._cloud.pace.least * 2**result.stale))
                result.stale = min(result.stale + 1, 3)
                return True
            except (LostReply, ServerError) as error:
                # Sent, perhaps done: the resource tells.
                result.sent = True
                if self._deadline.passed():
                    raise
                self._cloud.progress.event(
                    f"{each.target.label}: {error.message.splitlines()[0]} (looking what came of it)"
                )
                self._cloud.clock.sleep(self._cloud.clock.spread(self._cloud.pace.least))
                return True
            except NotFoundError:
                if step.action != DELETE:
                    raise
        return False

    def _carry_out(self, result: Result, step: Step, wait: bool) -> None:
        target = step.target
        body = self._completed(step)
        try:
            answer = self._send(step, body)
        except ApiError as error:
            lesser = _without_topology(body) if TOPOLOGY_REFUSAL.search(error.message) else None
            if lesser is None or not self._declaration.policy.omit_refused_topology:
                raise
            result.notes.append(f"{target.label}: Google refuses a TPU topology here; made without it")
            answer = self._send(step, lesser)
        result.sent = True
        result.actions.append(step.request)
        operation = operations.started(step.method, step.params, answer)
        if operation is None:
            return
        result.operation = operation.name
        if wait:
            try:
                self._waiter.wait(operation, action=DOING[step.action], resource=target.label)
            finally:
                self._cloud.freed.ring()
            result.operation = ""

    def _send(self, step: Step, body: Json | None) -> Json:
        return self._cloud.call(step.method, step.params, body, deadline=self._deadline, resource=step.target.label)

    def _completed(self, step: Step) -> Json | None:
        """The request's body, with what only the server knows read now: an earlier step may have changed it."""
        if not step.server or step.body is None:
            return step.body
        found = self._look(step.target) or {}
        body = copy.deepcopy(step.body)
        for key, source in step.server.items():
            if (value := dig(found, source)) is not None:
                put(body, key, value)
        return body

    def _await_rest(self, result: Result, target: Target) -> None:
        """Waits until what somebody began on the resource has ended; how it ended shows when we plan again."""
        parent = self._declaration.operation_parent()
        begun = self._begun.pop(target.path, None)
        if begun is None and parent:
            running = operations.running(self._cloud, parent, deadline=self._deadline)
            begun = operations.operation_on(running, target.path)
        if begun is not None:
            operation = operations.container_operation(parent, begun)
            result.operation = operation.name
            if self._wait:
                try:
                    self._waiter.wait(operation, action=DOING[WAIT], resource=target.label)
                except OperationError:
                    # What else somebody failed at is no obstacle: the resource itself tells what is left to do.
                    if target.present and operation.kind.startswith("CREATE"):
                        raise
                result.operation = ""
        if not self._wait:
            return
        begin = self._cloud.clock.now()
        for pause in self._cloud.pace.pauses():
            found = self._look(target)
            if found is None or found.get("status") not in target.kind.busy:
                return
            if self._deadline.passed():
                raise TimeLimit(
                    f"it is still {found.get('status')} after {self._deadline.seconds:.0f} s",
                    action=DOING[WAIT],
                    resource=target.label,
                    operation=result.operation,
                    remedy="Run the same task again to go on waiting; the cluster's operations tell what is going on.",
                )
            state = str(found.get("status"))
            self._cloud.progress.tick(target.label, state, self._cloud.clock.now() - begin)
            self._cloud.clock.sleep(self._cloud.clock.spread(pause))

    def _look(self, target: Target) -> Json | None:
        return self._declaration.look(target, self._cloud, self._deadline)

    def _judge(self, result: Result, each: ResourcePlan) -> ResourcePlan | None:
        """An operation that ended well is not enough: the resource itself has to be well.

        Google overlooks some wishes of a create request and fulfils them when asked again: that is the rest to do.
        """
        found, target = result.found, each.target
        if not self._wait:
            return None
        if not target.present:
            if found is not None:
                raise StateError(
                    f"it is still there, {found.get('status') or 'after its deletion'}", resource=target.label
                )
            return None
        if found is None:
            raise StateError("it is not there, although its creation was reported as done", resource=target.label)
        status = str(found.get("status") or "")
        if status in target.kind.ailing:
            raise ailing(target, found, status)
        if status in target.kind.broken:
            raise StateError(
                f"it is in {status}: {state_reason(found) or 'Google gives no reason'}",
                resource=target.label,
                reason=status,
                remedy="Run the same task again: what is ours and in this state is deleted and made again."
                if target.kind.repaired
                else "Delete it, or set `recreate: true` to have it deleted and made again.",
            )
        rest = plan(target, found, self._declaration.policy)
        if (left := rest.differences()) and each.steps[-1].action == CREATE:
            return rest
        if left:
            fields = ", ".join(difference.field for difference in left)
            result.notes.append(f"{target.label}: Google accepted the request, yet this still differs: {fields}")
        return None


def _without_topology(body: Json | None) -> Json | None:
    if body is None or dig(body, "nodePool.placementPolicy.tpuTopology") is None:
        return None
    lesser = copy.deepcopy(body)
    del lesser["nodePool"]["placementPolicy"]["tpuTopology"]
    if not lesser["nodePool"]["placementPolicy"]:
        del lesser["nodePool"]["placementPolicy"]
    return lesser
