# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One seed: the story, and what must be true on the way and at its end."""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.cloud.faults import random_plan
from tests.chaos import neighbours, trouble
from tests.chaos.scene import Scene
from tests.chaos.trouble import DOWN, UP
from tests.chaos.worker import FAILURE, SUCCESS, work
from tests.chaos.world import Trap, World, mutates

Json = dict[str, Any]
# Runs that may fail before Google behaves again; then one has to get through.
PATIENCE = 5
# Only a run that hangs takes this long, also on a machine that is busy otherwise.
SECONDS_FOR_A_RUN = 400
CONTEXT = multiprocessing.get_context("forkserver")


class Broken(AssertionError):
    """Something that must be true is not."""


@dataclass
class Figures:
    """What a seed was put through."""

    runs: int = 0
    kills: int = 0
    failures: int = 0
    faults: int = 0
    drifts: int = 0
    requests: int = 0
    operations: int = 0
    conflicts: int = 0
    seconds: float = 0.0

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Story:
    """Everything happens in the order of ``tell``."""

    seed: int
    directory: Path
    figures: Figures = field(default_factory=Figures)
    said: list[str] = field(default_factory=list)
    # How often it may be killed in each half; and how a rest is looked at: in check mode, and by doing it.
    most_kills: int = 3
    rests: tuple[bool, ...] = (True, False)
    _outputs: int = 0
    _begin: float = 0.0
    _failed_at: str = ""

    def tell(self) -> None:
        self._begin = time.monotonic()
        self.rng = random.Random(self.seed)
        self.world = World(self.directory)
        try:
            self._tell()
        finally:
            self.figures.seconds = time.monotonic() - self._begin
            self.world.close()

    def _tell(self) -> None:
        rng, world = self.rng, self.world
        self.scene = self._drawn()
        self.others = neighbours.move_in(world)
        self._note(f"{self.scene.pools} pools, {self.scene.most_operations} at once")

        self._through("up", self._plan("up", UP), trouble.traps(rng, 6 + self.scene.pools))
        self._check_up()
        changes = trouble.drift(rng, world, self.scene)
        self.figures.drifts += len(changes)
        self._note("drift: " + ", ".join(changes))
        self._through("up", [], trouble.traps(rng, 3)[:1])
        self._check_up()
        self._check_rest()
        if rng.random() < 0.8:
            scene = self.scene
            neighbours.gateway(world, scene.network, scene.subnetwork, scene.cluster.rpartition("/")[2], "our-uid")
        self._through("down", self._plan("down", DOWN), trouble.traps(rng, 12 + self.scene.pools))
        self._check_down()
        self._check_operations()
        self._check_requests()
        self._check_secrets()

    def _drawn(self) -> Scene:
        return Scene.drawn(self.rng, self.world.place)

    def _plan(self, way: str, calls: Sequence[str]) -> list[Json]:
        """The sandbox's own plan for this seed, troubles on the very calls of this half of the story, or both."""
        known = random_plan(f"{self.seed} {way}") if self.rng.random() < 0.6 else []
        return [*known, *trouble.faults(self.rng, calls)]

    # ---- running ---------------------------------------------------------------------------------------------------

    def _through(self, way: str, plan: list[Json], traps: list[Trap]) -> None:
        """Runs until it succeeds: killed as often as planned, patient for a while with a Google that misbehaves."""
        traps = traps[: self.most_kills]
        faults = self.world.cloud.faults
        for fault in plan:
            faults.add(fault)
            self._note(f"{way} fault {json.dumps(fault)}")
        mischief = self._mischief(way)
        recreate = False
        for attempt in range(PATIENCE + 3):
            if attempt == PATIENCE:
                faults.clear()
            trap = traps.pop(0) if traps else None
            code = self._run(way, recreate, trap)
            if code == SUCCESS:
                break
            # A person reads that the cluster is broken, and has it made again.
            recreate = "gke_cluster" in self._failed_at and "recreate: true" in self._failed_at
        else:
            raise Broken(f"{way} does not succeed: {self._failed_at}")
        mischief.cancel()
        self.figures.faults += sum(fault["hits"] for fault in faults.listing())
        faults.clear()

    def _mischief(self, way: str) -> threading.Timer:
        """Tokens that end early, an operation of GKE's own: at some moment of the run."""
        kind = self.rng.choice(("nothing", "nothing", "tokens", "upgrade"))
        seconds = self.rng.uniform(0.02, 60 / 3000)
        world, cluster = self.world, self.scene.cluster

        def strike() -> None:
            if kind == "tokens":
                world.cloud.auth.expire_tokens()
            elif world.body(cluster) is not None and (world.body(cluster) or {}).get("status") == "RUNNING":
                world.call("POST", "_sandbox/gke/operation", {"cluster": cluster, "seconds": length}, wait=False)

        length = self.rng.uniform(60, 900)
        timer = threading.Timer(seconds * self.rng.randint(1, 40), strike)
        timer.daemon = True
        if kind != "nothing":
            self._note(f"{way}: {kind}")
            timer.start()
        return timer

    def _run(self, way: str, recreate: bool, trap: Trap | None, check: bool = False) -> int:
        self._outputs += 1
        self.figures.runs += 1
        output = self.directory / f"output-{self._outputs}.txt"
        output.touch(mode=0o600)
        steps = self.scene.up(recreate=recreate) if way == "up" else self.scene.down()
        process = CONTEXT.Process(target=work, args=(steps, str(output), check))
        process.start()
        if trap is not None:
            trap.pids.append(process.pid or 0)
            self._note(f"{way}: kill -9 at {'change' if trap.mutating else 'request'} {trap.nth}, heard: {trap.heard}")
        self.world.cloud.trap = trap
        process.join(SECONDS_FOR_A_RUN)
        self.world.cloud.trap = None
        if process.exitcode is None:
            process.kill()
            process.join()
            raise Broken(f"{way} hangs: {self._tail(output)}")
        code = int(process.exitcode)
        process.close()
        if code > 0 and code != FAILURE:
            raise Broken(f"{way} crashed: {self._tail(output)}")
        if code < 0:
            self.figures.kills += 1
        elif code != SUCCESS:
            self.figures.failures += 1
        self._failed_at = self._tail(output) if code > 0 else ""
        self._note(f"{way}: run {self._outputs} ended with {code} {self._failed_at[:300]}")
        return code

    def _note(self, line: str) -> None:
        self.said.append(f"{time.monotonic() - self._begin:5.1f} {line}")

    @staticmethod
    def _tail(output: Path) -> str:
        text = output.read_text(encoding="utf-8", errors="replace")
        failed = [line for line in text.splitlines() if line.startswith('{"module"') and '"failed"' in line]
        if failed:
            line = json.loads(failed[-1])
            return f"{line['module']}: {line['failed']['msg']}"
        return text[-3000:]

    def _changes(self) -> str:
        """What the last run says that it changed."""
        text = (self.directory / f"output-{self._outputs}.txt").read_text(encoding="utf-8")
        results = [json.loads(line)["result"] for line in text.splitlines() if line.startswith('{"module"')]
        return json.dumps([result["plan"] for result in results if result["changed"]] or "").strip('"')

    # ---- what must be true -----------------------------------------------------------------------------------------

    def _check_up(self) -> None:
        wrong = []
        for path, name, value in self.scene.expected():
            found = dig(self.world.body(path), name)
            if comparable(found) != comparable(value):
                wrong.append(f"{path} {name}: {found!r}, not {value!r}")
        pools = f"{self.scene.cluster}/nodePools/"
        surplus = {path for path in self.world.paths() if path.startswith(pools)} - {
            self.scene.pool(name) for name in [*self.scene.pool_names, "default-pool"]
        }
        wrong += [f"{path} is one too many" for path in surplus]
        if wrong:
            raise Broken("the state is not the desired one: " + "; ".join(wrong))

    def _check_rest(self) -> None:
        """Nothing is left to be done: said in advance by check mode, and seen by doing it."""
        for check in self.rests:
            before = len(self.world.requests())
            self._run("up", False, None, check)
            changes = self._changes()
            if changes or self._failed_at:
                raise Broken(f"it does not rest (check mode: {check}): {self._failed_at or changes}")
            sent = [line for line in self.world.requests()[before:] if is_write(line)]
            if sent:
                raise Broken(f"a run with nothing to do changes something: {sent}")

    def _check_down(self) -> None:
        self.world.settle()
        left = set(self.world.paths()) - self.world.baseline - set(self.others)
        # The project's own, made with its first cluster and never taken away by Google.
        left = {path for path in left if not path.startswith("workloadIdentityPools/")}
        if left:
            raise Broken(f"left over: {', '.join(sorted(left))}")
        for path, body in self.others.items():
            if (now := self.world.body(path)) != body:
                raise Broken(f"{path} is not ours, and was {'changed' if now else 'deleted'}: {body} → {now}")

    def _check_operations(self) -> None:
        ours = [op for op in self.world.operations() if op.user == self.world.account]
        self.figures.operations += len(ours)
        foreign = [op.target for op in ours if op.target in self.others or op.target.startswith(f"{neighbours.THEIRS}")]
        if foreign:
            raise Broken(f"operations on what is not ours: {foreign}")
        on_pools = [op for op in ours if "/nodePools/" in op.target]
        most = at_once((op.inserted, op.ended or float("inf")) for op in on_pools)
        if most > self.scene.most_operations:
            raise Broken(f"{most} operations at once on the cluster's pools, allowed are {self.scene.most_operations}")
        self._check_twice(ours)

    def _check_twice(self, ours: list[Any]) -> None:
        """A create or delete follows itself on a resource only if the first one failed."""
        last: dict[str, Any] = {}
        for op in sorted(self.world.operations(), key=lambda op: op.inserted):
            if op.api == "serviceusage":
                continue
            earlier = last.get(op.target)
            verb = op.api_method.rpartition(".")[2]
            if op.kind == "DELETE_CLUSTER" and op.failure is None:
                # It takes its pools along.
                last = {target: known for target, known in last.items() if not target.startswith(f"{op.target}/")}
            again = earlier is not None and earlier.api_method == op.api_method and earlier.failure is None
            if op in ours and again and verb in ("insert", "create", "delete", "expandIpCidrRange"):
                raise Broken(f"sent twice: {op.api_method} on {op.target}")
            overlaps = earlier is not None and (earlier.ended or float("inf")) > op.inserted
            if op in ours and again and overlaps:
                raise Broken(f"sent twice, one beside the other: {op.api_method} on {op.target}")
            last[op.target] = op

    def _check_requests(self) -> None:
        lines = self.world.requests()
        self.figures.requests += len(lines)
        self.figures.conflicts += sum(line["status"] == 409 for line in lines)
        names = [path.partition("/projects/")[2] or path for path in self.others]
        touched = [line for line in lines if is_write(line) and any(line["path"].endswith(name) for name in names)]
        if touched:
            raise Broken(f"requests that would change what is not ours: {touched}")
        odd = [
            line for line in lines if line["status"] in (405, 501) or (line["status"] == 404 and not line["api_method"])
        ]
        if odd:
            raise Broken(f"requests that Google does not know: {odd}")

    def _check_secrets(self) -> None:
        needles = self.world.secrets()
        for file in sorted(self.directory.glob("output-*.txt")):
            text = file.read_text(encoding="utf-8", errors="replace")
            if found := [needle for needle in needles if needle in text]:
                raise Broken(f"{file.name} shows a secret ({len(found)} pieces)")


def is_write(line: Json) -> bool:
    from sandbox.cloud.request import HttpRequest

    return mutates(HttpRequest(line["method"], line["path"], {}))


def dig(body: Json | None, name: str) -> Any:
    value: Any = body
    for key in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def comparable(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(json.dumps(item, sort_keys=True) for item in value)
    return value


def at_once(intervals: Iterable[tuple[float, float]]) -> int:
    """The most that overlap; one that ends when another begins does not overlap it."""
    moments = sorted(moment for begin, end in intervals for moment in ((begin, 1), (end, -1)))
    running = most = 0
    for _moment, step in moments:
        running += step
        most = max(most, running)
    return most
