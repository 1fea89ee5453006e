# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Saved counters judged as Ansible runs it: no cluster, no cloud, only files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.modules.ansible_run import Outcome, Task, run

TOKENS = [520] * 20
WHOLE = 512


class NoCloud:
    """Nobody to be asked."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "requests.jsonl").touch()
        self.info = {"project": "p", "key_file": "", "endpoints": {}, "token_host": ""}

    def requests(self) -> list[dict[str, Any]]:
        return []


def counters(requests: int, external: int, reason: str = "length") -> str:
    return (
        f'vllm:request_success_total{{finished_reason="{reason}"}} {requests}\n'
        f"vllm:prompt_tokens_total {requests * 520}\n"
        f"vllm:generation_tokens_total {requests}\n"
        "# TYPE vllm:prompt_tokens_by_source_total counter\n"
        f'vllm:prompt_tokens_by_source_total{{source="external_kv_transfer"}} {external}\n'
        'vllm:cache_config_info{block_size="128"} 1\n'
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody saved with curl."""
    folder = tmp_path_factory.mktemp("saved")
    decided = 'llm_d_inference_scheduler_disagg_decision_total{decision_type="prefill-decode"} '
    for name, text in {
        "p.before": counters(5, 0), "p.after": counters(25, 0), "d.before": counters(5, 1024),
        "d.after": counters(25, 1024 + 20 * WHOLE), "d.idle": counters(25, 1024),
        "epp.before": decided + "5", "epp.after": decided + "25",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def outcomes(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Every case in one run."""

    def servers(after: str) -> list[dict[str, str]]:
        return [
            {"name": "p-1", "role": "prefill", "before": str(saved / "p.before"), "after": str(saved / "p.after")},
            {"name": "d-1", "role": "decode", "before": str(saved / "d.before"), "after": str(saved / after)},
        ]

    picker = {"picker_before": str(saved / "epp.before"), "picker_after": str(saved / "epp.after")}
    known = {"prompt_tokens": TOKENS, **picker}
    (saved / "broken.json").write_text("{")
    cases: dict[str, tuple[dict[str, Any], bool]] = {
        "proved": ({"servers": servers("d.after"), **known, "dest": str(saved / "out" / "verdict.json")}, False),
        "planned": ({"servers": servers("d.after"), **known, "dest": str(saved / "planned.json")}, True),
        "idle": ({"servers": servers("d.idle"), **known}, False),
        "no_lengths": ({"servers": servers("d.idle")}, False),
        "missing": ({"servers": servers("nothing"), **known}, False),
        "broken": ({"evidence": str(saved / "broken.json")}, False),
        "both": ({"evidence": "x", "servers": servers("d.idle"), **known}, False),
    }
    cloud: Any = NoCloud(tmp_path_factory.mktemp("nobody"))
    found = run(cloud, *(Task("llm_d_kv_transfer_info", args, check) for args, check in cases.values()))
    return dict(zip(cases, found, strict=True))


def test_proved(outcomes: dict[str, Outcome], saved: Path) -> None:
    found = outcomes["proved"].result
    assert not outcomes["proved"].failed and not outcomes["proved"].changed
    assert found["headline"] == "KV transfer: proved"
    assert found["kv_transfer"]["external_tokens"] == 20 * WHOLE
    assert json.loads((saved / "out" / "verdict.json").read_text())["verdict"] == "proved"


def test_check_mode_judges_and_writes_nothing(outcomes: dict[str, Outcome], saved: Path) -> None:
    assert outcomes["planned"].result["kv_transfer"]["verdict"] == "proved"
    assert not (saved / "planned.json").exists()


def test_not_disaggregated(outcomes: dict[str, Outcome]) -> None:
    found = outcomes["idle"].result["kv_transfer"]
    assert not outcomes["idle"].failed, "what is judged is a result, not a failure"
    assert (found["verdict"], found["cause"]) == ("not_disaggregated", "nothing_moved")
    assert found["remedy"]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no_lengths", "prompt_tokens"),
        ("missing", "nothing cannot be read"),
        ("broken", "broken.json cannot be read as evidence"),
        ("both", "mutually exclusive"),
    ],
)
def test_what_is_no_evidence_is_refused(outcomes: dict[str, Outcome], case: str, words: str) -> None:
    assert outcomes[case].failed
    assert words in outcomes[case].result["msg"]
