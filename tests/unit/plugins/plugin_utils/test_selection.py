# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Which hosts a playbook works on."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llm_d.gke.plugins.plugin_utils._selection import no_deployments, select_deployments

HOSTS = {"llm_d": ["east", "west"], "east": ["east"], "jump": ["jump"], "": []}


def match(pattern: str) -> Sequence[str]:
    return HOSTS.get(pattern, [])


def test_the_group() -> None:
    assert select_deployments(match, ["llm_d"], "") == ["east", "west"]


def test_a_limit_narrows() -> None:
    assert select_deployments(match, ["llm_d"], "east") == ["east"]


def test_a_limit_outside_the_group_leaves_nothing() -> None:
    """The host exists, so Ansible itself would be content, and do nothing."""
    assert select_deployments(match, ["llm_d"], "jump") == []


def test_a_limit_from_a_file_is_left_to_ansible() -> None:
    assert select_deployments(match, ["llm_d"], "@retry") == ["east", "west"]


def test_the_message_says_what_was_looked_for_and_what_to_do() -> None:
    message = no_deployments(["llm_d"], "jump", ["/inventory"])
    for part in ("llm_d", "--limit jump", "/inventory", "-i"):
        assert part in message
