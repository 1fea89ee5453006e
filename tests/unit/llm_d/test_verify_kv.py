# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The four verdicts on the KV transfer, each cause of a wrong one, and that evidence is a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._verify_evidence import (
    Asked,
    BadEvidence,
    Evidence,
    Picker,
    read,
    write,
)
from ansible_collections.llm_d.gke.plugins.module_utils._verify_kv import Judgement, checks, judge
from kv_counters import (
    BLOCK,
    LENGTH,
    MIDDLE,
    NO_CONNECTOR,
    OLD,
    PROMPTS,
    WHOLE,
    Case,
    Image,
    picker,
    received,
    share,
)

ACCEPT = ["proved", "not_observable"]
# What decode counts when it did all the work by itself.
ALONE = {"external": 0, "transfers": 0}
HALF = PROMPTS / 2


def found(**case: Any) -> Judgement:
    return judge(Case(**case).evidence())


def lacking(judgement: Judgement) -> set[str]:
    return {check.name for check in checks(judgement, ACCEPT) if not check.passed}


def test_proved() -> None:
    judgement = found()
    assert (judgement.verdict, judgement.cause, judgement.ran_away) == ("proved", "", ())
    assert lacking(judgement) == set()
    told = judgement.as_dict()
    assert told["external_tokens"] == told["expected_tokens"] == PROMPTS * WHOLE
    assert (told["transfers"], told["failed_transfers"], told["megabytes"]) == (PROMPTS, 0, PROMPTS * WHOLE / 4)
    assert (told["transfer_ms_mean"], told["transfer_ms_p90"]) == (4, 8.2)
    assert told["pods"]["prefill-2"]["requests"] == HALF
    json.dumps(told)


@pytest.mark.parametrize("image", [MIDDLE, Image(hits=False, tpu=False), Image(by_source=False, hits=False)])
def test_each_version_s_counters_prove_it(image: Image) -> None:
    """vLLM 0.13 has hits alone, 0.20 tokens by source; the connector's own counters prove it without either."""
    assert found(prefill_image=image, decode_image=image).verdict == "proved"


def test_nine_tenths_are_enough_and_less_is_not() -> None:
    some = {"external": HALF * WHOLE * 0.9, "transfers": 0}
    assert found(decode=[received(HALF, **some)] * 2).verdict == "proved"
    fewer = {"external": HALF * WHOLE * 0.89, "transfers": 0}
    assert found(decode=[received(HALF, **fewer)] * 2).verdict == "not_disaggregated"


def test_a_failed_transfer_is_no_proof() -> None:
    judgement = found(decode=[received(HALF, failed=1), received(HALF)])
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "transfer_path")


def test_an_old_image_cannot_show_it() -> None:
    judgement = found(prefill_image=OLD, decode_image=OLD)
    assert (judgement.verdict, judgement.cause) == ("not_observable", "image_too_old")
    assert lacking(judgement) == set()
    assert judgement.as_dict()["external_tokens"] is None
    strict = [check for check in checks(judgement, ["proved"]) if not check.passed]
    assert [check.name for check in strict] == ["KV blocks handed over"]


def test_an_old_image_hides_no_wrong_role() -> None:
    judgement = found(prefill_image=OLD, decode_image=OLD, decode_settings={"kv_role": "kv_both"})
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "decode_is_producer")
    offered = [Asked(200, LENGTH, 0.1, offers_blocks=True)] * PROMPTS
    assert found(prefill_image=OLD, decode_image=OLD, asked=offered).cause == "decode_is_producer"


def test_an_old_image_whose_prefill_did_nothing_is_not_taken_for_disaggregated() -> None:
    judgement = found(prefill=[share(0), share(0)], prefill_image=OLD, decode_image=OLD)
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "prefill_unreachable")


def test_the_picker_s_word_alone_proves_nothing() -> None:
    """Prefill that cannot be reached: decisions are counted, answers are right, and decode did all the work."""
    judgement = found(
        prefill=[share(0), share(0)], decode=[received(HALF, **ALONE)] * 2, prefill_settings={"port": 8200}
    )
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "prefill_unreachable")
    assert "prefill listens on 8200, the pool's port is 8000" in judgement.explanation
    assert lacking(judgement) == {"prefill pods took part", "prompts spread over the pods", "KV blocks handed over"}


SHORT = [Asked(200, BLOCK - 1, 0.1)] * PROMPTS
HUNG = [Asked(500, 0, 12.0, said="Internal server error")] * PROMPTS


@pytest.mark.parametrize(
    ("case", "cause", "words"),
    [
        pytest.param({"picker": picker(0, PROMPTS), "prefill": [share(0)] * 2, "decode": [received(HALF, **ALONE)] * 2},
                     "decode_only", "24 of 24 prompts to decode pods alone", id="decode-only"),
        pytest.param({"picker": picker(12, 12), "prefill": [share(6)] * 2,
                      "decode": [received(HALF, external=6 * WHOLE, transfers=6)] * 2},
                     "decode_only", "12 of 24 prompts", id="half-of-them-decode-only"),
        pytest.param({"asked": SHORT, "prefill": [share(HALF, prompt_tokens=HALF * 127)] * 2,
                      "decode": [received(HALF, prompt_tokens=HALF * 127, **ALONE)] * 2},
                     "short_prompts", "shorter than a block of 128 tokens", id="short-prompts"),
        pytest.param({"prefill": [share(HALF), share(0)],
                      "decode": [received(HALF, external=6 * WHOLE, transfers=6)] * 2},
                     "prefill_partly_unreachable", "Not one request came to prefill-2", id="one-prefill-pod-away"),
        pytest.param({"picker": picker(0), "prefill": [share(6, generated=96)] * 2,
                      "decode": [received(6, **ALONE)] * 2},
                     "picker_bypassed", "counted no decision", id="picker-away"),
        pytest.param({"picker": None, "prefill": [share(6, generated=96)] * 2, "decode": [received(6, **ALONE)] * 2},
                     "picker_bypassed", "made whole answers", id="picker-away-and-unread"),
        pytest.param({"decode_settings": {"kv_role": "kv_both"}, "prefill": [share(HALF, held=HALF)] * 2,
                      "decode": [received(HALF, held=HALF, **ALONE)] * 2},
                     "decode_is_producer", "kv_role kv_both", id="decode-kv_both"),
        pytest.param({"decode_settings": {"kv_role": "?"}, "prefill": [share(HALF, held=HALF)] * 2,
                      "decode": [received(HALF, held=HALF, **ALONE)] * 2},
                     "decode_is_producer", "hold blocks for others", id="decode-producer-by-counters"),
        pytest.param({"prefill_settings": {"kv_role": "kv_consumer"}, "decode": [received(HALF, **ALONE)] * 2},
                     "prefill_is_consumer", "kv_role kv_consumer", id="prefill-kv_consumer"),
        pytest.param({"prefill_settings": {"kv_role": "?"}, "decode": [received(HALF, **ALONE)] * 2},
                     "prefill_offers_nothing", "do not act as producers", id="prefill-consumer-by-counters"),
        pytest.param({"decode_settings": {"kv_role": "?"}, "prefill": [share(HALF, held=HALF)] * 2,
                      "decode": [received(HALF, **ALONE)] * 2},
                     "decode_fetches_nothing", "nobody fetches", id="decode-idle-by-counters"),
        pytest.param({"prefill_settings": {"kv_role": "none"}, "decode_settings": {"kv_role": "none"},
                      "prefill_image": NO_CONNECTOR, "decode_image": NO_CONNECTOR,
                      "decode": [received(HALF, **ALONE)] * 2},
                     "no_connector", "Prefill and decode pods have no KV connector", id="no-connector"),
        pytest.param({"decode_settings": {"kv_role": "?"}, "decode_image": NO_CONNECTOR,
                      "decode": [received(HALF, **ALONE)] * 2},
                     "no_connector", "Decode pods have no counters of a KV connector", id="no-connector-by-counters"),
        pytest.param({"prefill_settings": {"kv_role": "?"}, "decode_settings": {"kv_role": "?"},
                      "prefill_image": MIDDLE, "decode_image": MIDDLE, "decode": [received(HALF, **ALONE)] * 2},
                     "nothing_moved", "nothing was fetched", id="nothing-moved-and-no-settings"),
        pytest.param({"asked": HUNG, "decode_image": Image(block_size=64),
                      "decode": [{"errors": HALF, "failed": HALF}] * 2},
                     "block_sizes_differ", "128 tokens on prefill pods and 64 on decode pods", id="block-sizes"),
        pytest.param({"asked": HUNG, "decode": [{"errors": HALF, "failed": HALF}] * 2,
                      "prefill_settings": {"tensor_parallel": 4}, "decode_settings": {"tensor_parallel": 8}},
                     "tensor_parallel_differs", "parallelism of 4, decode pods of 8", id="tensor-parallelism"),
        pytest.param({"asked": HUNG, "decode": [{"errors": HALF, "failed": HALF}] * 2,
                      "prefill_settings": {"transfer_port": 9100}},
                     "transfer_path", "could not fetch them from port 9100", id="transfer-port-cut"),
        pytest.param({"asked": HUNG, "decode": [{"errors": HALF, "failed": HALF}] * 2,
                      "prefill_settings": {"announced_address": "127.0.0.1"}},
                     "announced_address", "announce 127.0.0.1", id="wrong-address-announced"),
        pytest.param({"asked": [Asked(0, said="TimeoutError: timed out")] * PROMPTS,
                      "decode": [{"aborted": HALF}] * 2},
                     "no_answers", "no answer TimeoutError: timed out", id="too-slow"),
        pytest.param({"asked": [Asked(502)] * PROMPTS, "prefill": [share(0)] * 2, "decode": [{}] * 2,
                      "prefill_settings": {"port": 8200}},
                     "prefill_unreachable", "ended in HTTP 502", id="sidecar-before-0.6"),
        pytest.param({"asked": [Asked(503, said="no candidate pods")] * PROMPTS, "prefill": [share(0)] * 2,
                      "decode": [{}] * 2, "picker": picker(0)},
                     "no_answers", "HTTP 503 no candidate pods", id="pool-selects-nobody"),
        pytest.param({"decode": [received(HALF), received(HALF, **ALONE)]},
                     "some_pods", "decode-2", id="one-decode-pod-wrong"),
    ],
)  # fmt: skip
def test_what_is_not_disaggregated_has_its_cause(case: dict[str, Any], cause: str, words: str) -> None:
    judgement = found(**case)
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", cause), judgement
    assert words in judgement.explanation
    assert judgement.remedy
    assert "KV blocks handed over" in lacking(judgement)


@pytest.mark.parametrize(
    ("case", "away"),
    [
        ({"decode": [received(HALF), received(HALF + 1)]}, "decode pods counted 25 requests, 24 were ours"),
        ({"prefill": [share(HALF), share(HALF + 3)]}, "prefill pods counted 27 requests, 24 were ours"),
        ({"prefill": [share(HALF, prompt_tokens=9000), share(HALF)]}, "prefill pods counted 15240 prompt tokens"),
        ({"picker": picker(20, 30)}, "the endpoint picker counted 50 decisions, 24 were ours"),
    ],
)
def test_other_traffic_is_inconclusive_and_says_which_counters_ran_away(case: dict[str, Any], away: str) -> None:
    judgement = found(**case)
    assert (judgement.verdict, judgement.cause) == ("inconclusive", "other_traffic")
    assert any(words.startswith(away) for words in judgement.ran_away)
    assert away in judgement.explanation
    assert "KV blocks handed over" in lacking(judgement)


def test_counters_that_fell_are_a_restart() -> None:
    evidence = Case().evidence()
    old = evidence.servers["decode-1"]
    for after in (old.before.replace("900", "3"), ""):
        evidence.servers["decode-1"] = replace(old, after=after)  # type: ignore[index]
        judgement = judge(evidence)
        assert (judgement.verdict, judgement.cause) == ("inconclusive", "restarted")
        assert judgement.restarted[0].startswith("decode-1: its counters fell (")


def test_a_process_that_began_anew_is_seen_though_it_counted_more_than_before() -> None:
    evidence = Case().evidence()
    old = evidence.servers["prefill-1"]
    servers = {**evidence.servers, "prefill-1": replace(old, after=old.after.replace("100.0", "160.0"))}
    assert judge(replace(evidence, servers=servers)).restarted == ["prefill-1: its process began anew"]


def test_what_is_known_of_a_pod_s_life_counts() -> None:
    evidence = Case().evidence()
    gone = replace(evidence.servers["decode-2"], trouble="its pod went away")
    judgement = judge(replace(evidence, servers={**evidence.servers, "decode-2": gone}))
    assert (judgement.verdict, judgement.restarted) == ("inconclusive", ["decode-2: its pod went away"])


@pytest.mark.parametrize("case", [{"asked": []}, {"prefill": []}, {"decode": []}])
def test_nothing_to_judge_is_inconclusive(case: dict[str, Any]) -> None:
    assert found(**case).cause == "nothing_to_judge"


def test_the_decision_counter_s_other_names_are_known() -> None:
    names = ("llm_d_epp_disagg_decision_total", "llm_d_inference_scheduler_pd_decision_total")
    for name in names:
        assert lacking(found(picker=picker(PROMPTS, name=name))) == set()


def test_a_picker_that_refuses_its_metrics_takes_nothing_from_the_proof() -> None:
    judgement = found(picker=Picker(trouble="HTTP 401: Unauthorized"))
    assert judgement.verdict == "proved"
    (check,) = [check for check in checks(judgement, ACCEPT) if not check.passed]
    assert check.name == "endpoint picker chose prefill and decode" and "HTTP 401: Unauthorized" in check.actual


def test_blocks_that_stay_held_show_different_side_channels() -> None:
    """Transfers work; prefill just does not hear of it."""
    ports = {"prefill_settings": {"side_channel_port": 9600}, "decode_settings": {"side_channel_port": 9700}}
    judgement = found(prefill=[share(HALF, held=HALF)] * 2, **ports)
    assert judgement.verdict == "proved"
    (check,) = [check for check in checks(judgement, ACCEPT) if not check.passed]
    assert check.name == "fetched blocks given free"
    assert "differs: 9600 on prefill pods, 9700 on decode pods" in check.remedy


def test_a_pod_that_got_nothing_of_many_prompts_is_named() -> None:
    judgement = found(prefill=[share(PROMPTS), share(0)])
    assert judgement.verdict == "proved"
    (check,) = [check for check in checks(judgement, ACCEPT) if not check.passed]
    assert check.name == "prompts spread over the pods" and "none for prefill-2" in check.actual


def test_few_prompts_tell_nothing_of_the_spread() -> None:
    few = {"asked": [Asked(200, LENGTH)] * 4, "picker": picker(4), "decode": [received(4), received(0)]}
    judgement = found(prefill=[share(4), share(0)], **few)
    assert judgement.verdict == "proved" and lacking(judgement) == set()


def test_some_prompts_that_were_not_answered_are_told_beside_the_proof() -> None:
    asked = [*[Asked(200, LENGTH)] * (PROMPTS - 1), Asked(503)]
    judgement = found(asked=asked, prefill=[share(HALF), share(HALF - 1)], decode=[received(HALF), received(HALF - 1)])
    assert judgement.verdict == "proved"
    assert lacking(judgement) == {"fresh prompts answered"}


def test_evidence_is_a_file(tmp_path: Path) -> None:
    evidence = Case().evidence()
    write(str(tmp_path / "reports" / "evidence.json"), evidence.as_dict())
    again = read(str(tmp_path / "reports" / "evidence.json"))
    assert again == evidence
    assert judge(again).as_dict() == judge(evidence).as_dict()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "not a mapping"),
        ({"asked": [], "servers": {"x": {"role": "router"}}}, "neither prefill nor decode"),
        ({"asked": [{"state": 1}], "servers": {}}, "state"),
        ({"servers": {}}, "asked"),
    ],
)
def test_evidence_that_is_none_is_refused(given: Any, words: str) -> None:
    with pytest.raises(BadEvidence, match=words):
        Evidence.from_dict(given)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadEvidence, match=r"nothing\.json"):
        read(str(tmp_path / "nothing.json"))
    (tmp_path / "cut.json").write_text('{"asked": [')
    with pytest.raises(BadEvidence, match=r"cut\.json"):
        read(str(tmp_path / "cut.json"))


def test_judging_changes_nothing() -> None:
    evidence = Case().evidence()
    before = json.dumps(evidence.as_dict())
    judge(evidence)
    assert json.dumps(evidence.as_dict()) == before
