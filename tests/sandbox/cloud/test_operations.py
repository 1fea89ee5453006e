# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Operations: their life on the clock, waiting, listing, failing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sandbox.cloud.clock import Clock
from sandbox.cloud.discovery import Catalog
from sandbox.cloud.operations import DONE, PENDING, RUNNING, Operation, OperationFailed, Operations
from sandbox.cloud.request import Principal, Project, Request
from sandbox.cloud.server import Serving
from sandbox.cloud.store import Store
from tests.sandbox.cloud.client import Client

INSERT = {"name": "net", "autoCreateSubnetworks": False}


def engine(catalog: Catalog, scale: float = 100.0) -> tuple[Operations, Request, Store]:
    method = catalog.match("POST", "/compute/v1/projects/p/global/networks")[0].method
    request = Request(method, {}, {}, Principal("me"), Project("p", "1"))
    store = Store()
    return Operations(Clock(scale), store), request, store


def test_pending_running_done_and_the_effect_at_the_end(catalog: Catalog) -> None:
    operations, request, _store = engine(catalog)
    effects: list[str] = []
    operation = operations.start(
        request,
        kind="X",
        target="t",
        scope="global",
        pending=10,
        duration=20,
        on_done=lambda op: effects.append(op.status),
    )
    states = [operation.status]
    deadline = time.monotonic() + 5
    while not operation.done and time.monotonic() < deadline:
        if operation.status != states[-1]:
            states.append(operation.status)
        assert operation.fraction < 1
        time.sleep(0.005)
    assert [*states, operation.status] == [PENDING, RUNNING, DONE]
    assert effects == [RUNNING]
    assert operation.fraction == 1
    assert operation.started is not None and operation.ended is not None
    assert 0.19 < operation.ended - operation.started < 1


def test_effect_may_ask_for_more_time_or_fail(catalog: Catalog) -> None:
    operations, request, _store = engine(catalog, 1000.0)
    left = [1, 1]

    def slowly(_operation: Operation) -> float | None:
        return left.pop() if left else None

    def badly(_operation: Operation) -> None:
        raise OperationFailed("NO_LUCK", "no luck today")

    def buggy(_operation: Operation) -> None:
        raise KeyError("nothing")

    left_behind: list[str] = []
    good = operations.start(request, kind="X", target="a", scope="global", on_done=slowly)
    bad = operations.start(
        request, kind="X", target="b", scope="global", on_done=badly, on_failed=lambda op: left_behind.append(op.target)
    )
    broken = operations.start(request, kind="X", target="c", scope="global", on_done=buggy)
    for operation in (good, bad, broken):
        assert operations.wait(operation, 5)
    assert good.failure is None and left == []
    assert bad.failure is not None and bad.failure.code == "NO_LUCK"
    assert left_behind == ["b"]
    assert broken.failure is not None and broken.failure.http_status == 500


def test_running_finds_what_lies_below_a_target(catalog: Catalog) -> None:
    operations, request, _store = engine(catalog, 1.0)
    for target in ("clusters/a", "clusters/a/nodePools/p", "clusters/ab"):
        operations.start(request, kind="X", target=target, scope="global")
    assert {item.target for item in operations.running("clusters/a")} == {"clusters/a", "clusters/a/nodePools/p"}
    for operation in operations.find(target="clusters/a"):
        operations.finish(operation, OperationFailed("CANCELLED", "stopped"))
    assert [item.target for item in operations.running("clusters/a")] == ["clusters/a/nodePools/p"]


def test_wait_gives_the_lock_back(catalog: Catalog) -> None:
    operations, request, store = engine(catalog, 20.0)
    entered = threading.Event()

    def other() -> None:
        with store.lock:
            entered.set()

    with store.lock:
        operation = operations.start(request, kind="X", target="a", scope="global", duration=10)
        threading.Thread(target=other).start()
        assert operations.wait(operation, 5)
        assert entered.is_set()


def test_wait_returns_after_two_minutes_at_most(
    start: Callable[..., Serving], client_of: Callable[[Serving], Client]
) -> None:
    api = client_of(start(time_scale=200.0))
    started = api.compute("POST", "global/networks", INSERT)
    operation = next(api.cloud.operations.find(name=started.body["name"]))
    assert operation._timer is not None
    operation._timer.cancel()
    before = time.monotonic()
    answer = api.compute("POST", f"global/operations/{started.body['name']}/wait")
    assert 0.5 < time.monotonic() - before < 2
    assert answer.body["status"] == "RUNNING"
    assert 0 < answer.body["progress"] < 100


def test_operations_are_found_in_their_scope_only(api: Client) -> None:
    started = api.compute("POST", "global/networks", INSERT)
    name = started.body["name"]
    api.operation(started)
    assert api.get(f"global/operations/{name}")["status"] == "DONE"
    assert api.compute("GET", f"regions/us-east5/operations/{name}").status == 404
    assert [item["name"] for item in api.get("global/operations")["items"]] == [name]
    chosen = api.get("global/operations", filter="status=DONE AND operationType=insert")
    assert len(chosen["items"]) == 1
    assert api.get("aggregated/operations")["items"]["global"]["operations"][0]["name"] == name
    assert api.compute("DELETE", f"global/operations/{name}").status == 204
    assert api.compute("GET", f"global/operations/{name}").status == 404


def test_broken_clock_action_does_not_stop_the_clock() -> None:
    clock = Clock(1000.0)
    rang = threading.Event()

    def broken() -> None:
        raise RuntimeError("broken")

    clock.call_after(0, broken)
    clock.call_after(0, clock.call_after(0, rang.set).cancel)
    clock.call_after(1, rang.set)
    assert rang.wait(5)
    clock.stop()
