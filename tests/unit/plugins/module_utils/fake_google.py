# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A Google of a few lines: node pools in memory, a clock that does not sleep, and trouble by the list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.llm_d.gke.plugins.module_utils._clients import Cloud, Patience
from ansible_collections.llm_d.gke.plugins.module_utils._clock import Bell, Clock, Deadline, Pace
from ansible_collections.llm_d.gke.plugins.module_utils._converge import Context
from ansible_collections.llm_d.gke.plugins.module_utils._errors import NotFoundError, from_answer
from ansible_collections.llm_d.gke.plugins.module_utils._progress import Progress

Json = dict[str, Any]
Trouble = Callable[[str, Mapping[str, Any]], None]


class FakeClock(Clock):
    """Sleeping is only moving on."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.time += seconds
        # Others get a turn, as they would in a real pause.
        time.sleep(0.0005)

    def sleep_until(self, bell: Bell, seconds: float) -> None:
        self.sleep(seconds)

    def spread(self, seconds: float) -> float:
        return seconds


class FakeGoogle:
    """Sends requests to dictionaries. `before` and `after` may raise, before or after the effect."""

    credentials: Any = None

    def __init__(self) -> None:
        self.pools: dict[str, Json] = {}
        self.operations: dict[str, Json] = {}
        self.polls = 2
        self.sent: list[str] = []
        self.before: list[Exception | None] = []
        self.looking: list[Exception | None] = []
        self.after: list[Exception | None] = []
        self.failing: dict[str, Json] = {}
        # How many operations at once a cluster may have.
        self.quota = 1000
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.RLock()

    def send(self, method: Any, params: Mapping[str, Any], body: Json | None) -> Json:
        with self._lock:
            if method.reads:
                self._trouble(self.looking)
            else:
                self.sent.append(f"{method.verb} {method.url_path(params)}")
                self._trouble(self.before)
                if self.in_flight >= self.quota:
                    text = f'Too many operations: cluster "c" hits the concurrent operations quota {self.quota}, please'
                    raise from_answer(429, {"error": {"code": 429, "message": f"{text} try again later."}})
            answer = getattr(self, "_" + method.id.rpartition("locations.")[2].replace(".", "_"))(params, body)
            if not method.reads:
                self._trouble(self.after)
            return answer

    def _trouble(self, troubles: list[Exception | None]) -> None:
        error = troubles.pop(0) if troubles else None
        if error is not None:
            raise error

    def operation(self, kind: str, name: str, effect: Callable[[], None]) -> Json:
        op = {
            "name": f"operation-{len(self.operations)}",
            "operationType": kind,
            "status": "PENDING",
            "targetLink": f"https://container.googleapis.com/v1/projects/7/zones/z/clusters/c/nodePools/{name}",
        }
        self.operations[op["name"]] = {**op, "_left": self.polls, "_effect": effect, "_pool": name}
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return op

    def _clusters_nodePools_list(self, params: Mapping[str, Any], body: Json | None) -> Json:
        return {"nodePools": list(self.pools.values())}

    def _clusters_nodePools_get(self, params: Mapping[str, Any], body: Json | None) -> Json:
        name = params["name"].rpartition("/")[2]
        if name not in self.pools:
            raise NotFoundError(f'Not found: node pool "{name}" not found.', code=404)
        return self.pools[name]

    def _clusters_nodePools_create(self, params: Mapping[str, Any], body: Json | None) -> Json:
        assert body is not None
        pool = body["nodePool"]
        if pool["name"] in self.pools:
            raise from_answer(409, {"error": {"code": 409, "message": "Already exists", "status": "ALREADY_EXISTS"}})
        self.pools[pool["name"]] = {**pool, "status": "PROVISIONING"}
        return self.operation("CREATE_NODE_POOL", pool["name"], lambda: self._rest(pool["name"]))

    def _clusters_nodePools_delete(self, params: Mapping[str, Any], body: Json | None) -> Json:
        name = params["name"].rpartition("/")[2]
        self._clusters_nodePools_get(params, None)
        self.pools[name]["status"] = "STOPPING"
        return self.operation("DELETE_NODE_POOL", name, lambda: self.pools.pop(name, None) and None)

    def _clusters_nodePools_setSize(self, params: Mapping[str, Any], body: Json | None) -> Json:
        assert body is not None
        name = params["name"].rpartition("/")[2]
        self.pools[name]["initialNodeCount"] = body["nodeCount"]
        return self.operation("SET_NODE_POOL_SIZE", name, lambda: None)

    def _operations_list(self, params: Mapping[str, Any], body: Json | None) -> Json:
        return {"operations": list(self.operations.values())}

    def _operations_get(self, params: Mapping[str, Any], body: Json | None) -> Json:
        op = self.operations[params["name"].rpartition("/")[2]]
        op["_left"] -= 1
        if op["_left"] <= 0 and op["status"] != "DONE":
            op["status"] = "DONE"
            self.in_flight -= 1
            op["_effect"]()
            op.update(self.failing.get(op["_pool"], {}))
        return op

    def _rest(self, name: str) -> None:
        self.pools[name]["status"] = "ERROR" if name in self.failing else "RUNNING"


def context(google: FakeGoogle, *, check: bool = False, wait: bool = True, timeout: float = 3600) -> Context:
    clock = FakeClock()
    pace = Pace(2.0)
    cloud = Cloud(google, clock, pace, Patience.from_pace(pace), Progress(clock=clock))
    return Context(cloud, Deadline.after(clock, timeout), check, wait)
