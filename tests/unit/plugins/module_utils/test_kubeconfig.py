# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The kubeconfig: what is in it, when it is written anew, and who can read it."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from ansible_collections.llm_d.gke.plugins.module_utils import _kubeconfig as kubeconfig
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError, StateError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEAST = timedelta(minutes=10)
ACCESS = kubeconfig.Access(
    "gke_p_l_c", "https://1.2.3.4", base64.b64encode(b"PEM").decode(), "ya29.secret", NOW + timedelta(hours=1), "a@p"
)


def test_written_whole_and_for_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "kubeconfig"
    kubeconfig.write(file, kubeconfig.render(ACCESS))
    assert file.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(file.read_text())
    assert config["users"][0]["user"]["token"] == "ya29.secret" and "exec" not in config["users"][0]["user"]
    assert config["clusters"][0]["cluster"]["server"] == "https://1.2.3.4"
    assert [path.name for path in file.parent.iterdir()] == ["kubeconfig"]
    assert kubeconfig.differences(kubeconfig.read(file), ACCESS, NOW, LEAST) == []


def test_why_it_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    assert kubeconfig.differences(kubeconfig.read(file), ACCESS, NOW, LEAST) == ["there is no file"]
    kubeconfig.write(file, kubeconfig.render(ACCESS))
    present = kubeconfig.read(file)
    assert kubeconfig.differences(present, ACCESS, NOW + timedelta(minutes=51), LEAST) == ["token"]
    assert kubeconfig.differences(present, replace(ACCESS, host="https://5.6.7.8"), NOW, LEAST) == ["host"]
    assert kubeconfig.differences(present, replace(ACCESS, identity="b@p"), NOW, LEAST) == ["identity"]
    file.chmod(0o644)
    assert kubeconfig.differences(kubeconfig.read(file), ACCESS, NOW, LEAST) == ["mode"]
    file.write_text("apiVersion: v1\nclusters: []\n")
    assert "host" in kubeconfig.differences(kubeconfig.read(file), ACCESS, NOW, LEAST)


def test_a_description_has_no_token(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    kubeconfig.write(file, kubeconfig.render(ACCESS))
    present = kubeconfig.read(file)
    assert present is not None and "ya29" not in str(present.as_dict())


def test_no_endpoint_yet() -> None:
    with pytest.raises(StateError, match="PROVISIONING"):
        kubeconfig.host_of({"name": "c", "status": "PROVISIONING"}, private=False)
    assert kubeconfig.host_of({"endpoint": "1.2.3.4"}, private=False) == "https://1.2.3.4"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GcpError, match="cannot write"):
        kubeconfig.write(tmp_path / "file" / "kubeconfig", "x")
