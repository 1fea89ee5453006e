# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A cluster that is not well, and yet serves."""

from __future__ import annotations

from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy, Target, plan
from ansible_collections.llm_d.gke.plugins.module_utils._resources.cluster import CLUSTER


def test_a_degraded_cluster_is_told_and_never_deleted_for_it() -> None:
    """It mends by itself, or by what its message asks for."""
    target = Target(CLUSTER, "c", {"project": "p", "location": "l"})
    found = {
        "name": "c",
        "status": "DEGRADED",
        "statusMessage": "Free some addresses.",
        "resourceLabels": {"llm-d-deployment": "d"},
    }
    planned = plan(target, found, Policy(deployment="d", recreate=True))
    assert planned.steps == []
    assert planned.problem is not None
    assert "Free some addresses." in planned.problem.as_result()["msg"]
    assert "recreate" not in planned.problem.as_result()["msg"]
