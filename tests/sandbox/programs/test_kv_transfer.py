# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Prefill and decode: what moves in a right deployment, what each wrong setting looks like from outside, and that
verify names it.

One test a row of what goes wrong in deployments, as far as the pinned model server and sidecar can show it. Not here:

* a sidecar of v0.5 (502 instead of the silent fall-back) and one of v0.10 (unknown flag) are other programs than the
  pinned one; what verify says of either is in the unit tests;
* an image without counters of the transfer is another vLLM: unit tests too;
* what the endpoint picker decides (threshold) is in the unit tests of verify; what Kubernetes or helm refuses (Secret,
  selector, chart values) is in the tests of charts and cluster, and in tests/integration/playbooks/test_verify.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from ansible_collections.llm_d.gke.plugins.module_utils._verify_kv import Judgement, checks, judge

from .model_servers import BLOCK, MODEL, Answer, Fleet, ModelServer, Pair, call, free_port, kv_config, start_pair
from .watching import watch

EXTERNAL = "vllm:prompt_tokens_by_source_total{source=external_kv_transfer}"
COMPUTED = "vllm:prompt_tokens_by_source_total{source=local_compute}"
BY_LENGTH = "vllm:request_success_total{finished_reason=length}"
TRANSFERS = "vllm:tpu_kv_transfer_time_ms_count"
FAILED = "vllm:tpu_num_failed_transfers_total"
WAITING_PULL = "vllm:tpu_num_requests_waiting_pull"


def _growth(server: ModelServer, before: dict[str, float], names: Sequence[str]) -> list[float]:
    after = server.metrics()
    return [after.get(name, 0) - before.get(name, 0) for name in names]


def _until(server: ModelServer, name: str, value: float, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.metrics()[name] == value:
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} is {server.metrics()[name]}, not {value}")


def _failing(judgement: Judgement) -> set[str]:
    return {check.name for check in checks(judgement, ["proved"]) if not check.passed}


def test_verify_proves_that_kv_moves(pair: Pair) -> None:
    judgement = judge(watch(pair, prompts=6, tokens=520))
    assert (judgement.verdict, _failing(judgement)) == ("proved", set())
    told = judgement.as_dict()
    assert (told["external_tokens"], told["transfers"], told["failed_transfers"]) == (6 * 512, 6, 0)
    assert told["megabytes"] == 6 * 512 / 4 and told["held_requests"] == 0
    assert told["transfer_ms_mean"] > 0 and told["transfer_ms_p90"] > 0


def test_verify_names_traffic_of_others(pair: Pair) -> None:
    def with_another(nonce: str) -> Answer:
        pair.ask(300, f"another-{nonce}")
        return pair.ask(300, nonce)

    judgement = judge(watch(pair, ask=with_another))
    assert (judgement.verdict, judgement.cause) == ("inconclusive", "other_traffic")
    assert "decode pods counted 6 requests, 3 were ours" in judgement.ran_away


def test_kv_moves_from_prefill_to_decode(pair: Pair) -> None:
    prefill, decode = pair.prefill.metrics(), pair.decode.metrics()
    lengths = (BLOCK, 2 * BLOCK + 1, 300, 1000)
    for number, length in enumerate(lengths):
        answer = pair.ask(length, f"right{number}")
        assert answer.status == 200 and answer.json["usage"]["prompt_tokens"] == length
        assert answer.json["kv_transfer_params"] is None  # a consumer has none to tell
    full = sum(length // BLOCK * BLOCK for length in lengths)
    assert _growth(pair.prefill, prefill, [BY_LENGTH, "vllm:prompt_tokens_total", "vllm:generation_tokens_total"]) == [
        *(len(lengths), sum(lengths), len(lengths))
    ]
    assert _growth(pair.decode, decode, [EXTERNAL, COMPUTED, TRANSFERS, FAILED]) == [
        *(full, sum(lengths) - full, len(lengths), 0)
    ]
    # 64 layers of 8 heads of 128 values, keys and values, two bytes each: a quarter of a MiB a token
    assert _growth(pair.decode, decode, ["vllm:tpu_kv_megabytes_transferred_sum"]) == [full / 4]
    hits = ["vllm:external_prefix_cache_hits_total", "vllm:external_prefix_cache_queries_total"]
    assert _growth(pair.decode, decode, hits) == [full, sum(lengths)]
    _until(pair.prefill, WAITING_PULL, 0)


def test_the_same_prompt_gets_the_same_answer_with_and_without_prefill(pair: Pair) -> None:
    together = pair.ask(400, "same", max_tokens=30).json["choices"][0]["text"]
    alone = call(
        pair.decode.port,
        "/v1/completions",
        {"model": MODEL, "prompt": " ".join(["same", *["word"] * 399]), "max_tokens": 30, "temperature": 0},
    )
    assert together == alone.json["choices"][0]["text"] and together


def test_a_prompt_shorter_than_a_block_moves_nothing(pair: Pair) -> None:
    prefill, decode = pair.prefill.metrics(), pair.decode.metrics()
    assert pair.ask(BLOCK - 1, "short").status == 200
    assert _growth(pair.prefill, prefill, [BY_LENGTH]) == [1]
    assert _growth(pair.decode, decode, [EXTERNAL, TRANSFERS, FAILED]) == [0, 0, 0]
    judgement = judge(watch(pair, tokens=BLOCK - 1))
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "short_prompts")


def test_a_prompt_that_decode_has_already_is_not_pulled_again(pair: Pair) -> None:
    pair.ask(2 * BLOCK + 5, "twice")
    decode = pair.decode.metrics()
    assert pair.ask(2 * BLOCK + 5, "twice").status == 200
    cached = "vllm:prompt_tokens_by_source_total{source=local_cache_hit}"
    assert _growth(pair.decode, decode, [EXTERNAL, cached, TRANSFERS]) == [0, 2 * BLOCK, 0]
    # The connector of this version tells P nothing then: its blocks wait for the time-out.
    assert pair.prefill.metrics()[WAITING_PULL] == 1
    _until(pair.prefill, WAITING_PULL, 0)


def test_prefill_says_where_its_blocks_are(pair: Pair) -> None:
    _until(pair.prefill, WAITING_PULL, 0)
    asked = {"do_remote_decode": True, "do_remote_prefill": False}
    body = {"model": MODEL, "prompt": "where " * 300, "max_tokens": 1, "kv_transfer_params": asked}
    params = call(pair.prefill.port, "/v1/completions", body).json["kv_transfer_params"]
    assert len(params["remote_block_ids"]) == 2
    assert params["remote_host"] == "127.0.0.1" and params["uuid"] > 0
    _until(pair.prefill, WAITING_PULL, 1)  # nobody comes for them ...
    _until(pair.prefill, WAITING_PULL, 0)  # ... until the time-out


def _config(value: str) -> list[str]:
    return ["--kv-transfer-config", value]


@pytest.mark.parametrize(
    ("prefill", "decode", "decode_offers", "cause", "untold"),
    [
        pytest.param(
            *([], _config(kv_config("kv_both")), True, "decode_is_producer", "decode_is_producer"),
            id="decode-is-kv_both",
        ),
        pytest.param(
            *([], _config(kv_config("kv_producer")), True, "decode_is_producer", "decode_is_producer"),
            id="both-producers",
        ),
        pytest.param(
            *(_config(kv_config("kv_consumer")), [], False, "prefill_is_consumer", "prefill_offers_nothing"),
            id="prefill-is-kv_consumer",
        ),
        pytest.param(*(_config(""), _config(""), False, "no_connector", "nothing_moved"), id="empty-configuration"),
        pytest.param(*([], _config(""), False, "no_connector", "no_connector"), id="empty-on-decode"),
        pytest.param(*(_config(""), [], False, "no_connector", "no_connector"), id="empty-on-prefill"),
    ],
)
def test_wrong_roles_answer_right_and_move_nothing(
    fleet: Fleet, prefill: Sequence[str], decode: Sequence[str], decode_offers: bool, cause: str, untold: str
) -> None:
    # A producer's side channel takes its port on all addresses; two pods have two.
    pair = start_pair(fleet, prefill, decode, decode_env={"TPU_SIDE_CHANNEL_PORT": str(free_port())})
    answer = pair.ask(500, "roles")
    assert answer.status == 200 and answer.json["choices"][0]["text"]
    after = pair.decode.metrics()
    assert (after[EXTERNAL], after[COMPUTED], after.get(TRANSFERS, 0)) == (0, 500, 0)
    assert pair.prefill.metrics()[BY_LENGTH] == 1  # P worked, in vain
    params = answer.json["kv_transfer_params"]
    if decode_offers:
        # D offers its own blocks to the client, and both keep theirs for nobody.
        assert params["remote_host"] == "127.0.0.2"
        assert (after[WAITING_PULL], pair.prefill.metrics()[WAITING_PULL]) == (1, 1)
    else:
        assert params is None
    # Verify names it, by what the pods were told; and by their counters alone, as closely as these can tell.
    for told, name in ((True, cause), (False, untold)):
        judgement = judge(watch(pair, told=told))
        assert (judgement.verdict, judgement.cause) == ("not_disaggregated", name), judgement


def test_without_a_connector_there_are_no_counters_of_it(fleet: Fleet) -> None:
    server = fleet.serve("--kv-transfer-config", "")
    server.until_ready()
    assert not [name for name in server.metrics() if "tpu_" in name]


def test_different_block_sizes_hang_until_the_time_out(fleet: Fleet) -> None:
    pair = start_pair(fleet, decode=["--block-size=64"])
    answer = pair.ask(300, "blocks")
    assert answer.status == 500 and answer.seconds >= 2
    assert "len(local_block_ids) == len(remote_block_ids)" in pair.decode.log.read_text()
    assert pair.decode.metrics()[EXTERNAL] == 0
    sizes = [name for server in (pair.prefill, pair.decode) for name in server.metrics() if "cache_config" in name]
    assert "block_size=128" in sizes[0] and "block_size=64" in sizes[1]
    for told in (True, False):
        judgement = judge(watch(pair, told=told))
        assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "block_sizes_differ")


def test_different_tensor_parallelism_hangs_until_the_time_out(fleet: Fleet) -> None:
    pair = start_pair(fleet, decode=["--tensor-parallel-size=8"])
    answer = pair.ask(300, "shapes")
    assert answer.status == 500 and answer.seconds >= 2
    assert "tensor_parallel" in pair.decode.log.read_text()
    judgement = judge(watch(pair))
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "tensor_parallel_differs")
    assert "fresh prompts answered" in _failing(judgement)


def test_different_side_channels_leave_blocks_to_the_time_out(fleet: Fleet) -> None:
    pair = start_pair(fleet, decode_env={"TPU_SIDE_CHANNEL_PORT": str(free_port())})
    assert pair.ask(300, "notice").status == 200
    assert pair.decode.metrics()[EXTERNAL] == 256  # the transfer worked
    assert pair.prefill.metrics()[WAITING_PULL] == 1  # but P does not know
    assert pair.prefill.metrics()["vllm:kv_cache_usage_perc"] > 0
    _until(pair.prefill, WAITING_PULL, 0)
    assert "KV transfer timeout" in pair.prefill.log.read_text()
    judgement = judge(watch(pair))
    assert (judgement.verdict, _failing(judgement)) == ("proved", {"fetched blocks given free"})
    (check,) = [check for check in checks(judgement, ["proved"]) if not check.passed]
    assert "TPU_SIDE_CHANNEL_PORT differs" in check.remedy


def test_an_unreachable_transfer_port_fails_after_the_time_out(pair: Pair) -> None:
    before = pair.decode.metrics()
    params = {"uuid": 1, "remote_block_ids": [1, 2], "remote_host": "127.0.0.1", "remote_port": str(free_port())}
    body = {"model": MODEL, "prompt": "cut " * 300, "max_tokens": 4, "kv_transfer_params": params}
    answer = call(pair.decode.port, "/v1/completions", body)
    assert answer.status == 500 and answer.seconds >= 2
    error = "vllm:request_success_total{finished_reason=error}"
    assert _growth(pair.decode, before, [FAILED, error, EXTERNAL]) == [1, 1, 0]
    # vLLM counts hits when it admits a request, before anything came.
    assert _growth(pair.decode, before, ["vllm:external_prefix_cache_hits_total"]) == [256]


def test_verify_names_a_cut_transfer_path(pair: Pair) -> None:
    def cut(nonce: str) -> Answer:
        prompt = f"{nonce} " + "word " * 299
        body = {"model": MODEL, "prompt": prompt, "max_tokens": 1, "temperature": 0}
        params = call(pair.prefill.port, "/v1/completions", body).json["kv_transfer_params"]
        away = {**params, "remote_port": str(free_port())}
        return call(pair.decode.port, "/v1/completions", {**body, "max_tokens": 4, "kv_transfer_params": away})

    judgement = judge(watch(pair, ask=cut))
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "transfer_path")
    assert "could not fetch them from port" in judgement.explanation
    _until(pair.prefill, WAITING_PULL, 0)


def test_prefill_on_another_port_is_a_silent_fall_back_to_decode(pair: Pair) -> None:
    before = pair.prefill.metrics(), pair.decode.metrics()
    nobody = {"x-prefiller-host-port": f"127.0.0.1:{free_port()}"}
    body = {"model": MODEL, "prompt": "elsewhere " * 300, "max_tokens": 4}
    assert call(pair.sidecar, "/v1/completions", body, nobody).status == 200
    assert _growth(pair.prefill, before[0], [BY_LENGTH]) == [0]
    assert _growth(pair.decode, before[1], [EXTERNAL, COMPUTED]) == [0, 300]

    def elsewhere(nonce: str) -> Answer:
        return call(pair.sidecar, "/v1/completions", {**body, "prompt": f"{nonce} " * 300}, nobody)

    judgement = judge(watch(pair, ask=elsewhere))
    assert (judgement.verdict, judgement.cause) == ("not_disaggregated", "prefill_unreachable")
    assert "silently do all the work" in judgement.explanation
