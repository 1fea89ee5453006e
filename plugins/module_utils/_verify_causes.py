# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Why prompts were not prefilled elsewhere and handed over: what fits what was counted. Pure functions.

Causes are tried from the beginning of a request's way to its end; the first that fits is named. What pods were told is
used where it is known, what they counted where it is not.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ._verify_tally import Tally

# Of the tokens that should come from prefill, the share that must.
ENOUGH = 0.9
PRODUCERS = ("kv_both", "kv_producer")


@dataclass(frozen=True)
class Cause:
    """What is wrong, how one sees it, and what to do."""

    name: str
    explanation: str
    remedy: str


def cause_of(seen: Tally) -> Cause:
    """The first cause that fits."""
    for rule in RULES:
        if found := rule(seen):
            return found
    numbers = (
        f"prefill pods counted {seen.sum('prefill', 'requests'):g} requests, decode pods "
        f"{seen.sum('decode', 'requests'):g}; {seen.sum('decode', 'external'):g} of {seen.expected_tokens} tokens came"
    )
    return Cause("unknown", f"No known cause fits: {numbers}.", "See the logs of the decode pods' container vllm.")


def contradiction(seen: Tally) -> Cause | None:
    """A cause that settings or answers show by themselves, whatever counters say or do not say."""
    rules = (_decode_is_producer, _prefill_is_consumer, _no_connector)
    return next((found for rule in rules if (found := rule(seen))), None)


def _pods(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _failing(seen: Tally) -> bool:
    return seen.answered < seen.asked or seen.sum("decode", "failed") > 0 or seen.sum("decode", "errors") > 0


def _nobody_listens(seen: Tally) -> Cause | None:
    """A sidecar before v0.6 passes an unreachable prefill on as an empty 502."""
    refused = [each for each in seen.evidence.asked if each.status == 502]
    if not refused or seen.sum("prefill", "requests"):
        return None
    return Cause(
        "prefill_unreachable",
        f"{len(refused)} of {seen.asked} prompts ended in HTTP 502, and prefill pods counted none: sidecars do not "
        f"reach them{_port_words(seen)}.",
        _PORT_REMEDY,
    )


def _block_sizes(seen: Tally) -> Cause | None:
    prefill, decode = seen.block_sizes("prefill"), seen.block_sizes("decode")
    if not _failing(seen) or not prefill or not decode or prefill == decode:
        return None
    sizes = [", ".join(map(str, sorted(each))) for each in (prefill, decode)]
    return Cause(
        "block_sizes_differ",
        f"Blocks have {sizes[0]} tokens on prefill pods and {sizes[1]} on decode pods: decode cannot fetch them, and "
        "requests hang until the transfer times out.",
        "Give both roles the same --block-size (llm_d_block_size), and no other one in llm_d_prefill_args or "
        "llm_d_decode_args.",
    )


def _parallelism(seen: Tally) -> Cause | None:
    prefill, decode = (seen.settings(role, "tensor_parallel") for role in ("prefill", "decode"))
    if not _failing(seen) or not prefill or not decode or prefill == decode:
        return None
    sizes = [", ".join(map(str, sorted(map(str, each)))) for each in (prefill, decode)]
    return Cause(
        "tensor_parallel_differs",
        f"Prefill pods have a tensor parallelism of {sizes[0]}, decode pods of {sizes[1]}: shapes do not fit, and "
        "requests hang until the transfer times out.",
        "Give both roles the same --tensor-parallel-size (llm_d_tensor_parallel).",
    )


def _transfer_path(seen: Tally) -> Cause | None:
    failed = seen.sum("decode", "failed")
    errors = seen.sum("decode", "errors") - seen.sum("decode", "aborted")
    if not failed and not errors:
        return None
    announced = seen.settings("prefill", "announced_address")
    ports = seen.settings("prefill", "transfer_port")
    port = f"port {', '.join(map(str, sorted(map(str, ports))))}" if ports else "TPU_KV_TRANSFER_PORT (9100)"
    words = f"{failed:g} transfers failed" if failed else f"{errors:g} requests ended in an error"
    if announced:
        return Cause(
            "announced_address",
            f"{words}: prefill pods announce {_pods(map(str, announced))} as their address (VLLM_HOST_IP), where "
            "decode pods do not find them.",
            "Set VLLM_HOST_IP to the pod's own address (fieldRef status.podIP).",
        )
    return Cause(
        "transfer_path",
        f"{words}: prefill pods announced blocks, and decode pods could not fetch them from {port} of these pods.",
        "Let all TCP pass between the model servers' pods (NetworkPolicies, firewall rules): the transfer port, the "
        "side channel and ephemeral ports. See 'failed to pull' in the log of the decode pods.",
    )


def _no_answers(seen: Tally) -> Cause | None:
    if seen.asked and seen.answered < seen.asked / 2:
        said = sorted({(each.status, each.said[:160]) for each in seen.evidence.asked if each.status != 200})
        words = "; ".join(
            (f"HTTP {status}" if status else "no answer") + f" {text}".rstrip() for status, text in said[:3]
        )
        return Cause(
            "no_answers",
            f"{seen.asked - seen.answered} of {seen.asked} prompts were not answered: {words}.",
            "HTTP 503 of the endpoint picker: the pool's selector fits no ready pod. Otherwise see the logs of the "
            "decode pods (containers routing-proxy and vllm).",
        )
    return None


def _short_prompts(seen: Tally) -> Cause | None:
    if not seen.answered or seen.expected_tokens:
        return None
    return Cause(
        "short_prompts",
        f"The prompts are shorter than a block of {seen.block_size} tokens: only whole blocks are handed over, so "
        "nothing was.",
        "Ask longer prompts (verify_prompt_tokens): several blocks each.",
    )


def _picker_bypassed(seen: Tally) -> Cause | None:
    decisions = seen.decisions
    whole = seen.sum("prefill", "generated") > 2 * max(seen.sum("prefill", "requests"), 1)
    silent = decisions is not None and not any(decisions.values())
    if not whole and not silent:
        return None
    words = (
        "The endpoint picker counted no decision" if silent else "Prefill pods made whole answers"
    ) + ": requests go round it"
    return Cause(
        "picker_bypassed",
        f"{words}, and the load balancer sends them to any pod of the pool.",
        "See that the endpoint picker's pod is ready and stays so; a pool that fails open (llm_d_epp_failure_mode) "
        "hides that it is not. An image without the decision counters looks the same (llm_d_image_epp).",
    )


def _decode_only(seen: Tally) -> Cause | None:
    decisions = seen.decisions
    if decisions is None or decisions["prefill-decode"] >= ENOUGH * seen.answered:
        return None
    alone = decisions["decode-only"]
    return Cause(
        "decode_only",
        f"The endpoint picker sent {alone:g} of {seen.asked} prompts to decode pods alone: its decider found too few "
        "uncached tokens in them, has no prefix data, or knows no ready prefill pod.",
        "See llm_d_epp_non_cached_tokens (0 switches separate prefill off; a prompt must be longer), the feature gate "
        "prepareDataPlugins in the picker's configuration, its log ('unable to read prefix cache state'), and that "
        "prefill pods are ready and carry the pool's labels and llm-d.ai/role=prefill.",
    )


_PORT_REMEDY = (
    "Prefill pods must listen on the pool's target port, where endpoint picker and sidecars take them to be "
    "(llm_d_service_port). See 'fallback to decode' in the log of the decode pods' container routing-proxy."
)


def _port_words(seen: Tally) -> str:
    ports, pool = seen.settings("prefill", "port"), seen.evidence.pool_port
    wrong = sorted(str(port) for port in ports if pool and port != pool)
    return f" (prefill listens on {', '.join(wrong)}, the pool's port is {pool})" if wrong else ""


def _prefill_unreachable(seen: Tally) -> Cause | None:
    requests, wanted = seen.sum("prefill", "requests"), ENOUGH * seen.answered
    if requests >= wanted:
        return None
    if not requests:
        return Cause(
            "prefill_unreachable",
            "Prefill was chosen, and prefill pods counted no request: sidecars do not reach them"
            f"{_port_words(seen)}, and decode pods silently do all the work.",
            _PORT_REMEDY,
        )
    idle = [pod.name for pod in seen.role("prefill") if not pod.requests]
    return Cause(
        "prefill_partly_unreachable",
        f"Prefill pods counted {requests:g} of {seen.answered} prompts; for the others decode pods silently did all "
        f"the work{_port_words(seen)}." + (f" Not one request came to {_pods(idle)}." if idle else ""),
        _PORT_REMEDY,
    )


def _decode_is_producer(seen: Tally) -> Cause | None:
    roles = {str(role) for role in seen.settings("decode", "kv_role")} & set(PRODUCERS)
    offers = any(each.offers_blocks for each in seen.evidence.asked)
    holds = any(pod.held[1] > pod.held[0] for pod in seen.role("decode"))
    if not roles and not offers and not holds:
        return None
    sign = (
        f"Decode pods have kv_role {_pods(roles)}" if roles
        else "Answers tell the client where KV blocks are" if offers
        else "Decode pods hold blocks for others to fetch"
    )  # fmt: skip
    return Cause(
        "decode_is_producer",
        f"{sign}: a producer never fetches. Answers are right, every prompt is computed twice, and blocks are held on "
        "prefill pods until they time out.",
        "Decode pods need kv_role kv_consumer in --kv-transfer-config, prefill pods kv_producer.",
    )


def _prefill_is_consumer(seen: Tally) -> Cause | None:
    if "kv_consumer" not in seen.settings("prefill", "kv_role"):
        return None
    return Cause(
        "prefill_is_consumer",
        "Prefill pods have kv_role kv_consumer: they offer no blocks. Answers are right, and every prompt is computed "
        "twice.",
        "Prefill pods need kv_role kv_producer in --kv-transfer-config, decode pods kv_consumer.",
    )


def _no_connector(seen: Tally) -> Cause | None:
    lacking = [role for role in ("prefill", "decode") if "none" in seen.settings(role, "kv_role")]
    if not lacking:
        return None
    return Cause(
        "no_connector",
        f"{' and '.join(lacking).capitalize()} pods have no KV connector: --kv-transfer-config is empty or missing, "
        "which vLLM takes for none. Answers are right, and every prompt is computed twice.",
        "Set --kv-transfer-config on both roles; beware of a shell that expands it to nothing.",
    )


def _connector_counters(seen: Tally) -> Cause | None:
    """Without knowledge of the settings: a server without a connector has no counters of one."""
    with_it = {role: seen.told(role, "transfers") for role in ("prefill", "decode")}
    if with_it["prefill"] == with_it["decode"] or seen.sum("decode", "external"):
        return None
    lacking = "decode" if with_it["prefill"] else "prefill"
    return Cause(
        "no_connector",
        f"{lacking.capitalize()} pods have no counters of a KV connector, the others have: their --kv-transfer-config "
        "is empty or missing. Answers are right, and every prompt is computed twice.",
        "Set --kv-transfer-config on both roles; beware of a shell that expands it to nothing.",
    )


def _offers(seen: Tally) -> Cause | None:
    """Both have a connector, and nothing moved at all: who of them does not do its part?"""
    if seen.sum("decode", "external") or seen.sum("decode", "transfers") or not seen.told("decode", "transfers"):
        return None
    if any(pod.held[1] > pod.held[0] for pod in seen.role("prefill")):
        return Cause(
            "decode_fetches_nothing",
            "Prefill pods hold blocks that nobody fetches: decode pods do not act as consumers.",
            "Decode pods need kv_role kv_consumer in --kv-transfer-config. Blocks that stay held fill the KV cache of "
            "the prefill pods.",
        )
    return Cause(
        "prefill_offers_nothing",
        "Prefill pods computed the prompts and hold no blocks: they do not act as producers.",
        "Prefill pods need kv_role kv_producer in --kv-transfer-config.",
    )


def _some_pods(seen: Tally) -> Cause | None:
    idle = [pod.name for pod in seen.role("decode") if pod.requests and not pod.moved]
    if not idle or len(idle) == len(seen.role("decode")):
        return None
    return Cause(
        "some_pods",
        f"These decode pods answered and received nothing from prefill, others did: {_pods(idle)}.",
        "Compare their arguments and environment with those of the others: kubectl get pod -o yaml.",
    )


def _no_counters(seen: Tally) -> Cause | None:
    if seen.sum("decode", "external") or seen.told("decode", "transfers") or not seen.told("decode", "external"):
        return None
    return Cause(
        "nothing_moved",
        "Prefill pods computed the prompts, and decode pods computed them again: nothing was fetched. No server has "
        "counters of a KV connector: --kv-transfer-config is empty or missing, or the image is too old to have them.",
        "See that decode pods have --kv-transfer-config with kv_role kv_consumer, prefill pods with kv_producer.",
    )


RULES: tuple[Callable[[Tally], Cause | None], ...] = (
    _nobody_listens, _block_sizes, _parallelism, _transfer_path, _no_answers, _short_prompts, _picker_bypassed,
    _decode_only, _prefill_unreachable, _decode_is_producer, _prefill_is_consumer, _no_connector, _connector_counters,
    _offers, _some_pods, _no_counters,
)  # fmt: skip
