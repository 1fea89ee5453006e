# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Every call the collection can make has its permissions, and belongs to a step; the documented role has just these."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.llm_d.gke.plugins.module_utils import _permissions as permissions
from ansible_collections.llm_d.gke.plugins.module_utils._methods import METHODS

ROLE = Path(__file__).resolve().parents[4] / "docs" / "custom-role.yaml"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_its_permissions(method: str) -> None:
    for name in permissions.permissions_of(method):
        assert name.count(".") == 2, name


def test_every_method_belongs_to_a_step() -> None:
    """But for one that no playbook calls."""
    assert set(METHODS) - set(permissions.methods_of(permissions.STEPS)) == {"serviceusage.services.disable"}


def test_a_method_that_nobody_thought_of_is_an_error() -> None:
    with pytest.raises(KeyError):
        permissions.permissions_of("tpu.projects.nodes.create")


def test_the_documented_role_is_generated_from_the_steps() -> None:
    role = yaml.safe_load(ROLE.read_text(encoding="utf-8"))
    assert role["includedPermissions"] == permissions.permissions_for(permissions.STEPS)


def test_steps_ask_for_no_more_than_they_need() -> None:
    assert permissions.permissions_for(["project_services"]) == [
        "serviceusage.services.enable",
        "serviceusage.services.get",
        "serviceusage.services.list",
    ]
    pools = permissions.permissions_for(["node_pools"])
    assert "container.clusters.update" in pools
    assert "container.clusters.delete" not in pools
    assert all(name.startswith("compute.") is False for name in pools)
    assert [name for name in permissions.permissions_for(["preflight"]) if name.endswith((".create", ".delete"))] == []
