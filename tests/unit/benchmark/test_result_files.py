# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Result files of vllm bench serve, of all versions and in all states: what is there is read, what is not is said."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils import _benchmark_json as reader
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_json import Found, Ragged, ResultError, read
from ansible_collections.llm_d.gke.plugins.module_utils._benchmark_stats import Step, step_of
from bench_results import result

ARRAYS = ("input_lens", "output_lens", "ttfts", "itls", "start_times")


def written(folder: Path, text: str | bytes, name: str = "r.json") -> list[Found]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def one(folder: Path, text: str | bytes) -> tuple[Found, Step]:
    found = written(folder, text)
    assert len(found) == 1
    return found[0], step_of(found[0], {})


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("long", [1, 4096])
def test_a_whole_file_is_read_to_the_last_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, long: int
) -> None:
    """Long arrays go another way than short ones, and in blocks."""
    monkeypatch.setattr(reader, "LONG", long)
    monkeypatch.setattr(reader, "BLOCK", 700)
    made = result(requests=120, fail=7)
    found, step = one(tmp_path, json.dumps(made, indent=indent))
    assert found.notes == []
    for key, value in made.items():
        got = found.fields[key]
        if key == "itls":
            assert isinstance(got, Ragged)
            assert got.values.tolist() == [gap for each in value for gap in each]
            assert got.counts.tolist() == [len(each) for each in value]
        elif key in ARRAYS:
            assert got.tolist() == value
        else:
            assert got == value, key
    assert step.summary["completed"] == 103 and step.summary["failed"] == 17
    assert len(step.requests.ttft) == 103
    assert step.summary["failures"] == [{"message": "TimeoutError: too late", "requests": 17}]


def test_numbers_that_are_no_json(tmp_path: Path) -> None:
    made = result(requests=30) | {"mean_itl_ms": math.nan, "p99_itl_ms": math.inf, "request_goodput": -math.inf}
    made["ttfts"][3] = math.nan
    text = json.dumps(made)
    assert "NaN" in text and "Infinity" in text
    found, step = one(tmp_path, text)
    assert step.summary["itl_mean_ms"] == pytest.approx(10, abs=2), "computed from the gaps instead"
    assert step.summary["goodput_requests_per_s"] is None
    assert len(step.requests.ttft) == 29
    assert any("not a number" in note and "p99_itl_ms" in note for note in step.summary["notes"])
    assert found.number("p99_itl_ms") is None


def test_without_details_the_tool_s_own_numbers_remain(tmp_path: Path) -> None:
    _other, step = one(tmp_path, json.dumps(result(detailed=False)))
    assert step.summary["ttft_p50_ms"] == 58.0 and step.summary["ttft_p99_ms"] == 90.0
    assert step.summary["ttft_p95_ms"] is None
    assert any("totals only" in note for note in step.summary["notes"])


def test_version_0_11_does_not_count_failures(tmp_path: Path) -> None:
    made = result(requests=50, fail=10)
    del made["failed"], made["errors"]
    _other, step = one(tmp_path, json.dumps(made))
    assert step.summary["failed"] == 5 and step.summary["failed_percent"] == 10.0
    assert len(step.requests.ttft) == 45, "a request without an answer has no latency"


def test_version_0_32_leaves_latencies_behind(tmp_path: Path) -> None:
    made = result(requests=40) | {"latencies": [2.5] * 40, "queue_times": [0.0] * 40}
    made |= {"mean_client_queue_time_ms": 3.0, "p99_client_queue_time_ms": 9.0}
    del made["mean_e2el_ms"], made["p99_e2el_ms"], made["median_e2el_ms"]
    _other, step = one(tmp_path, json.dumps(made))
    assert step.summary["e2e_p99_ms"] == 2500.0
    assert step.summary["client_queue_p99_ms"] == 9.0


def test_an_unlimited_rate_is_a_word(tmp_path: Path) -> None:
    _other, step = one(tmp_path, json.dumps(result() | {"request_rate": "inf", "max_concurrency": 16}))
    assert step.summary["offered_requests_per_s"] is None
    assert step.summary["name"] == "concurrency-16"


def test_every_place_a_file_may_be_cut(tmp_path: Path) -> None:
    made = result(requests=12, tokens=4)
    text = json.dumps(made)
    for at in range(2, len(text) - 1, 7):
        try:
            found = written(tmp_path, text[:at])
        except ResultError:
            assert at < 60, "after the first values there is something to read"
            continue
        assert any("cut" in note for note in found[0].notes), text[at - 40 : at]
        step = step_of(found[0], {})
        for key, value in found[0].fields.items():
            if key not in (*ARRAYS, "generated_texts", "errors"):
                assert value == made[key], f"{key}, cut at {at}: half a number is none"
        assert step.summary["ttft_p50_ms"] is None or step.summary["ttft_p50_ms"] > 0


def test_a_file_cut_in_a_long_array_keeps_the_whole_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LONG", 1)
    made = result(requests=100)
    text = json.dumps(made)
    cut = text.index('"itls"') + 9000
    found, step = one(tmp_path, text[:cut])
    itls = found.fields["itls"]
    assert 10 < len(itls.counts) < 100 and set(itls.counts.tolist()) == {19}
    assert itls.values.tolist() == [gap for each in made["itls"][: len(itls.counts)] for gap in each]
    assert len(step.requests.ttft) == len(itls.counts)


def test_appended_results_are_several(tmp_path: Path) -> None:
    lines = [json.dumps(result(rate=rate)) for rate in (5.0, 10.0, 20.0)]
    found = written(tmp_path, "\n".join(lines))
    assert [step_of(each, {}).summary["name"] for each in found] == ["rate-5", "rate-10", "rate-20"]
    assert found[1].source == "r.json (2 of 3)"


def test_a_broken_line_among_appended_results_costs_only_itself(tmp_path: Path) -> None:
    lines = [
        json.dumps(result(rate=5.0)),
        json.dumps(result(rate=10.0))[:2000] + "\x00garbage",
        json.dumps(result(rate=20.0)),
    ]
    found = written(tmp_path, "\n".join(lines))
    assert [each.fields["request_rate"] for each in found] == [5.0, 10.0, 20.0]
    assert found[1].notes and not found[0].notes


def test_pytorch_s_form(tmp_path: Path) -> None:
    made = result(detailed=False)
    names = ("median_ttft_ms", "mean_ttft_ms", "p99_ttft_ms")
    rest = {key: value for key, value in made.items() if key not in names}
    records = [
        {
            "benchmark": {"name": "vLLM benchmark", "extra_info": {"args": {"num_prompts": 200, "request_rate": 20.0}}},
            "model": {"name": "Qwen/Qwen3-32B"},
            "metric": {"name": name, "benchmark_values": [made[name]], "extra_info": rest},
        }
        for name in names
    ]
    found, step = one(tmp_path, json.dumps(records))
    assert found.fields["model_id"] == "Qwen/Qwen3-32B"
    assert step.summary["ttft_p50_ms"] == 58.0 and step.summary["completed"] == 200
    cut = written(tmp_path, json.dumps(records)[:-300])[0]
    assert any("cut" in note for note in cut.notes) and cut.fields["mean_ttft_ms"] == 60.0


def test_compressed_files(tmp_path: Path) -> None:
    found = written(tmp_path, gzip.compress(json.dumps(result()).encode()), "r.json.gz")
    assert found[0].fields["completed"] == 200


@pytest.mark.parametrize("text", ["", "   ", "not json", "[]", "{}", "[1, 2, 3]", "\x00\x01", '"text"'])
def test_files_of_which_nothing_can_be_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(ResultError) as error:
        written(tmp_path, text)
    assert "r.json" in error.value.headline() and error.value.remedy


def test_missing_keys_are_named(tmp_path: Path) -> None:
    made: dict[str, Any] = {"backend": "openai", "completed": 3, "num_prompts": 5}
    _other, step = one(tmp_path, json.dumps(made))
    assert step.summary["failed"] == 2 and step.summary["requests_per_s"] is None
    assert any("no duration, total_output_tokens" in note for note in step.summary["notes"])


def test_arrays_that_are_none_cost_only_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LONG", 1)
    text = json.dumps(result(requests=20)).replace('"ttfts": [', '"ttfts": [1, {"a": 2}, ', 1)
    found = written(tmp_path, text)[0]
    assert found.notes and found.fields["completed"] == 20
