# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""helm's own records are read, and a pending one is ended, as helm does it."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_releases import (
    decode,
    marked_failed,
    newest,
    same_version,
    stored,
)


def secret(
    name: str = "r", revision: int = 1, status: str = "deployed", when: str = "2026-11-22T10:00:00.123456789Z"
) -> Any:
    record = {
        "name": name,
        "namespace": "n",
        "version": revision,
        "info": {"status": status, "last_deployed": when},
        "chart": {"metadata": {"name": "c", "version": "v1.4.0"}},
        "manifest": "---\nkind: A\n",
    }
    packed = base64.b64encode(gzip.compress(json.dumps(record).encode()))
    return {
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "namespace": "n",
            "labels": {"name": name, "version": str(revision), "status": status, "owner": "helm"},
        },
        "data": {"release": base64.b64encode(packed).decode()},
    }


def test_the_newest_revision_is_a_number_not_a_word() -> None:
    found = newest([secret(revision=9), secret(revision=10), secret("other")])
    assert found["r"]["metadata"]["name"].endswith(".v10")
    assert set(found) == {"r", "other"}


def test_a_record_is_read() -> None:
    record = stored(secret(revision=3, status="failed"))
    assert (record.revision, record.status, record.chart_version) == (3, "failed", "c v1.4.0")
    assert record.changed_at == pytest.approx(1795341600.123456)
    assert not record.interrupted


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback", "uninstalling"])
def test_what_a_killed_helm_leaves(status: str) -> None:
    assert stored(secret(status=status)).interrupted


def test_ending_a_pending_release_keeps_all_but_its_status() -> None:
    pending = secret(status="pending-install")
    patch = marked_failed(pending)
    before, after = decode(pending), decode(patch)
    assert after["info"].pop("status") == "failed"
    assert "pending-install" in after["info"].pop("description")
    before["info"].pop("status")
    assert after == before
    assert patch["metadata"]["labels"] == {"status": "failed"}


@pytest.mark.parametrize(
    ("wanted", "held", "same"),
    [
        ("v1.4.0", "1.4.0", True),
        ("1.4.1", "v1.4.0", False),
        ("", "1.4.0", True),  # a local chart, or the newest
        ("~1.4.0", "1.3.0", True),  # ranges are helm's to judge
        ("1.x", "1.3.0", True),
    ],
)
def test_chart_versions(wanted: str, held: str, same: bool) -> None:
    assert same_version(wanted, held) is same
