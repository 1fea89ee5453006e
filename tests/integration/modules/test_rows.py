# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Every row of every table, through the modules as Ansible runs them: made, left alone, drifted and restored, refused.

All rows go through the story together, as a task costs more than a row; then each row is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _ownership as ownership
from ansible_collections.llm_d.gke.plugins.module_utils._fields import (
    Field,
    differences,
    dig,
    link_path,
    server_decides,
)
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy, Step, updates
from ansible_collections.llm_d.gke.plugins.module_utils._resources import cluster, network, node_pool

from sandbox.testing import RunningCloud, running_cloud

from . import rows
from .ansible_run import Outcome, Task, run
from .rows import Json, Subject

# Changes that Google makes in one direction only: the other value is what there was before, and cannot be had again.
ONE_WAY = {"auto_create_subnetworks", "ip_cidr_range"}
TABLES = (
    (network.NETWORK, rows.NETWORKS),
    (network.SUBNETWORK, rows.SUBNETWORKS),
    (network.FIREWALL, rows.FIREWALLS),
    (cluster.CLUSTER, rows.CLUSTERS),
    (node_pool.NODE_POOL, (rows.FIRST, *rows.POOLS)),
)
# What goes with the other value of a row, though it is another row's: an autoscaler that is off has no bounds.
TAKEN_ALONG = {"switched": ("autoscaling.min_node_count", "autoscaling.max_node_count")}
# On a machine where much else runs, the story takes longer than a test usually may.
pytestmark = pytest.mark.timeout(1800)
ROWS = [(subject, row) for _kind, subjects in TABLES for subject in subjects for row in subject.rows]
IDS = [f"{subject.kind.noun}-{subject.name}-{row.option}" for subject, row in ROWS]


def fixed(row: Field) -> bool:
    return row.update is None and row.same is not server_decides


def drifting(subject: Subject) -> list[str]:
    """The rows that somebody can change behind our back, and that we can change back."""
    return [row.option for row in subject.rows if row.update is not None and row.option not in ONE_WAY]


def refused(subject: Subject) -> list[str]:
    """The rows whose other value cannot be had on what exists."""
    return [row.option for row in subject.rows if fixed(row) or row.option in ONE_WAY]


def declarations(other: str = "") -> list[Task]:
    """The tasks that declare all subjects; with `other`, some rows have their other value."""

    def options(subject: Subject) -> Json:
        chosen = {"": [], "refused": refused(subject)}[other]
        return subject.options(*chosen)

    def all_of(subjects: Iterable[Subject]) -> list[Json]:
        return [options(subject) for subject in subjects]

    own = {"deployment": "rows"}
    first = {"default_pool": options(rows.FIRST)}
    return [
        Task(
            "gcp_network",
            {
                **options(rows.NETWORKS[0]),
                "subnetworks": all_of(rows.SUBNETWORKS),
                "firewall_rules": all_of(rows.FIREWALLS),
                **own,
            },
        ),
        *(Task("gke_cluster", {**options(each), "location": rows.REGION, **first, **own}) for each in rows.CLUSTERS),
        Task(
            "gke_node_pools",
            {"cluster": "rows", "location": rows.REGION, "node_pools": all_of(rows.POOLS), **own},
        ),
    ]


def checked(tasks: list[Task]) -> list[Task]:
    return [Task(task.module, task.args, check=True) for task in tasks]


class Story:
    """What happened to all rows."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud = cloud
        self.made, self.again = self._halves(*declarations(), *declarations())
        self.born = self._looks()
        self._drift()
        self.drifted = self._looks()
        plain = declarations()
        outcomes = run(cloud, *checked(plain), *plain)
        self.planned, self.restored = outcomes[: len(plain)], outcomes[len(plain) :]
        self.after = self._looks()
        self.settled, self.refused = self._halves(*plain, *declarations("refused"))

    def _halves(self, *tasks: Task) -> tuple[list[Outcome], list[Outcome]]:
        outcomes = run(self.cloud, *tasks)
        return outcomes[: len(tasks) // 2], outcomes[len(tasks) // 2 :]

    def _looks(self) -> dict[str, Json]:
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(map(_key, rows.ALL), pool.map(self._look, rows.ALL), strict=True))

    def _look(self, subject: Subject) -> Json:
        base = "compute/v1" if subject.kind.item else "v1"
        return self.cloud.call("GET", f"{base}/{subject.target().path}")

    def _drift(self) -> None:
        # One after the other: GKE does not let anybody do two things to a cluster at once.
        for subject in rows.ALL:
            self._drift_one(subject)

    def _drift_one(self, subject: Subject) -> None:
        """Somebody else's changes, one request after the other, by hand."""
        target = subject.target(*drifting(subject))
        found = self._look(subject)
        # They leave the mark alone: without it, the resource would be nobody's.
        wanted = marked(subject, target.wanted, found)
        drift = [d for d in differences(subject.kind.rows, wanted, found) if d.field in drifting(subject)]
        for step in updates(replace(target, wanted=wanted), drift, found, Policy()):
            self._send(subject, step)

    def _send(self, subject: Subject, step: Step) -> None:
        body = dict(step.body or {})
        found = self._look(subject)
        for key, source in step.server.items():
            if (value := dig(found, source)) is not None:
                parent, _dot, leaf = key.rpartition(".")
                (dig(body, parent) if parent else body)[leaf] = value
        verb, path = step.request.split(" ", 1)
        answer = self.cloud.call(verb, path, body)
        (self.cloud.wait_compute if subject.kind.item else self.cloud.wait)(answer)

    def outcome(self, outcomes: list[Outcome], subject: Subject) -> Outcome:
        return outcomes[_task_of(subject)]


def _key(subject: Subject) -> str:
    return f"{subject.kind.noun} {subject.name}"


def _task_of(subject: Subject) -> int:
    clusters = [each.name for each in rows.CLUSTERS]
    if subject in rows.CLUSTERS or subject is rows.FIRST:
        return 1 + clusters.index(subject.cluster if subject is rows.FIRST else subject.name)
    return 1 + len(rows.CLUSTERS) if subject in rows.POOLS else 0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """Some two hundred operations, one after the other: they have to be short."""
    with running_cloud(tmp_path_factory.mktemp("rows"), time_scale=6000) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def ground(cloud: RunningCloud) -> Iterator[None]:
    """What the declarations refer to: a network for the clusters, and one that GKE made a mess of before."""
    cloud.enable("compute", "container")
    base = f"compute/v1/projects/{rows.PROJECT}"
    cloud.wait_compute(cloud.call("POST", f"{base}/global/networks", {"name": "net", "autoCreateSubnetworks": False}))
    nodes: Json = {
        "name": "nodes",
        "network": f"projects/{rows.PROJECT}/global/networks/net",
        "ipCidrRange": "10.20.0.0/18",
        "secondaryIpRanges": [
            {"rangeName": "pods", "ipCidrRange": "10.64.0.0/16"},
            {"rangeName": "services", "ipCidrRange": "10.80.0.0/20"},
        ],
    }
    near = {"name": "near", "groupPlacementPolicy": {"collocation": "COLLOCATED"}}
    cloud.wait_compute(cloud.call("POST", f"{base}/regions/{rows.REGION}/resourcePolicies", near))
    yield cloud.wait_compute(cloud.call("POST", f"{base}/regions/{rows.REGION}/subnetworks", nodes))


@pytest.fixture(scope="module")
def story(cloud: RunningCloud, ground: None) -> Story:
    return Story(cloud)


def test_every_row_has_its_case() -> None:
    for kind, subjects in TABLES:
        cases = [option for subject in subjects for option in subject.pairs]
        assert sorted(cases) == sorted(row.option for row in kind.rows if not row.hidden), kind.noun


def test_the_story_went_as_told(story: Story) -> None:
    for outcome in (*story.made, *story.again, *story.planned, *story.restored, *story.settled):
        assert not outcome.failed, outcome.result.get("msg")
    for outcome in story.made:
        assert outcome.changed
    for outcome in (*story.again, *story.settled):
        assert not outcome.changed and outcome.writes == [], outcome.diff
    for outcome in story.planned:
        assert outcome.writes == []
    for planned, restored in zip(story.planned, story.restored, strict=True):
        wanted = sorted(step["request"].replace(" ", " /", 1) for step in planned.result["plan"])
        assert sorted(restored.writes) == wanted, "check mode tells what is sent"
    for outcome in story.refused:
        assert outcome.failed and outcome.writes == [], outcome.result


def marked(subject: Subject, wanted: Json, found: Json) -> Json:
    """As the deployment wants it; the pool that comes with a cluster carries no mark of its own."""
    return ownership.marked(wanted, found, subject.kind.mark, "" if subject is rows.FIRST else "rows")


def there(subject: Subject, row: Field, found: Json, *other: str) -> bool:
    """Does Google's answer have the row's value?"""
    wanted = dig(marked(subject, subject.target(*other).wanted, found), row.api)
    present = dig(found, row.api)
    return row.same(wanted, row.unset if present is None else present, found)


def named(outcome: Outcome, subject: Subject) -> dict[str, Json]:
    """The differences that a plan or a refusal tells of a resource, by field."""
    steps = [s for s in outcome.result.get("plan") or [] if s["resource"] == _key(subject)]
    failures = [outcome.result.get("failure") or {}, *(outcome.result.get("failures") or [])]
    told = [*steps, *(f for f in failures if f.get("resource") == _key(subject))]
    return {each["field"]: each for part in told for each in part.get("differences") or []}


@pytest.mark.parametrize(("subject", "row"), ROWS, ids=IDS)
def test_row(story: Story, subject: Subject, row: Field) -> None:
    key = _key(subject)
    if row.same is not server_decides:
        assert there(subject, row, story.born[key]), f"made with it: {dig(story.born[key], row.api)!r}"
    if row.option in drifting(subject):
        assert there(subject, row, story.drifted[key], row.option), f"drifted: {dig(story.drifted[key], row.api)!r}"
        told = named(story.outcome(story.planned, subject), subject)
        assert row.option in told, "named"
        assert f"{row.option}:" in story.outcome(story.planned, subject).diff
        assert there(subject, row, story.after[key]), f"restored: {dig(story.after[key], row.api)!r}"
    if row.option in refused(subject):
        outcome = story.outcome(story.refused, subject)
        told = named(outcome, subject)
        assert row.option in told, f"refused: {outcome.result['msg']}"
        before, after = told[row.option]["before"], told[row.option]["after"]
        assert before != after and row.option in outcome.result["msg"]
        if row.remedy:
            assert row.remedy in outcome.result["msg"]
    else:
        assert row.option in drifting(subject) or row.same is server_decides


def test_nothing_else_is_named(story: Story) -> None:
    """What Google filled in, or the declaration does not speak of, is no difference."""
    for subject in rows.ALL:
        told = named(story.outcome(story.planned, subject), subject)
        expected = {*drifting(subject), *TAKEN_ALONG.get(subject.name, ())}
        assert set(told) == expected, _key(subject)


def test_links(story: Story) -> None:
    assert link_path(str(story.born["subnetwork machines"]["network"])).endswith("networks/rows")
