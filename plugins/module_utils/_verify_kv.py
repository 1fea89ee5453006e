# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether KV blocks go from prefill to decode: evidence in, one of four verdicts out. Pure functions.

That answers are right proves nothing, nor that the endpoint picker chose prefill, nor that prefill pods counted the
requests: all of it is so when nothing is handed over. What decode pods count as received proves it.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._verify_causes import ENOUGH, Cause, cause_of, contradiction
from ._verify_evidence import Evidence
from ._verify_ready import Check
from ._verify_tally import Counted, Tally, tally, timings

Object = dict[str, Any]
PROVED, NOT_OBSERVABLE = "proved", "not_observable"
NOT_DISAGGREGATED, INCONCLUSIVE = "not_disaggregated", "inconclusive"
VERDICTS = (PROVED, NOT_OBSERVABLE, NOT_DISAGGREGATED, INCONCLUSIVE)
# With fewer prompts for each pod it is chance who gets one.
PROMPTS_FOR_SPREAD, PROMPTS_FOR_EACH = 20, 5
SEE_SERVERS = "kubectl logs of the decode pods (containers vllm and routing-proxy) and of the prefill pods."


@dataclass(frozen=True)
class Judgement:
    """A verdict, why it is that one, and what it stands on."""

    verdict: str
    cause: str
    explanation: str
    remedy: str
    ran_away: Sequence[str] = ()
    restarted: Sequence[str] = ()
    seen: Tally | None = field(default=None, repr=False)

    @property
    def headline(self) -> str:
        return f"KV transfer: {self.verdict}" + (f" ({self.cause})" if self.cause else "")

    def as_dict(self) -> Object:
        """In the form of the report."""
        told: Object = {
            "verdict": self.verdict,
            "cause": self.cause,
            "explanation": self.explanation,
            "remedy": self.remedy,
            "ran_away": list(self.ran_away),
            "restarted": list(self.restarted),
        }
        return told | (numbers(self.seen) if self.seen else {})


def judge(evidence: Evidence) -> Judgement:
    """The verdict. What cannot be compared is inconclusive, whatever else it shows."""
    seen = tally(evidence)
    restarted = [f"{pod.name}: {pod.restarted}" for pod in seen.pods.values() if pod.restarted]
    if restarted:
        words = f"Counters of some pods cannot be compared: {'; '.join(restarted)}."
        remedy = "Let the pods come to rest, and run the playbook verify again; kubectl get pods shows restarts."
        return Judgement(INCONCLUSIVE, "restarted", words, remedy, restarted=restarted, seen=seen)
    if lacking := _lacking(seen):
        return Judgement(INCONCLUSIVE, "nothing_to_judge", lacking, SEE_SERVERS, seen=seen)
    if away := ran_away(seen):
        words = f"Others used the service meanwhile: {'; '.join(away)}."
        remedy = "Run the playbook verify again when the service is at rest."
        return Judgement(INCONCLUSIVE, "other_traffic", words, remedy, ran_away=away, seen=seen)
    if _proved(seen):
        return Judgement(PROVED, "", _proof(seen), "", seen=seen)
    if _silent(seen) and _prefilled(seen):
        if found := contradiction(seen):
            return _not(found, seen)
        words = (
            "Prefill pods computed the prompts and decode pods answered; this image has no counter of what came from "
            "prefill, so it cannot be seen whether blocks were handed over."
        )
        remedy = "Use vLLM 0.13 or later (llm_d_image_vllm); tpu-inference 0.21 or later has counters of its own."
        return Judgement(NOT_OBSERVABLE, "image_too_old", words, remedy, seen=seen)
    return _not(cause_of(seen), seen)


def _not(cause: Cause, seen: Tally) -> Judgement:
    return Judgement(NOT_DISAGGREGATED, cause.name, cause.explanation, cause.remedy, seen=seen)


def _lacking(seen: Tally) -> str:
    if not seen.asked:
        return "No prompt was asked."
    missing = [role for role in ("prefill", "decode") if not seen.role(role)]
    return f"There are no readings of {' and '.join(missing)} pods." if missing else ""


def ran_away(seen: Tally) -> list[str]:
    """Counters that grew by more than our prompts can have done."""
    found = []
    for role in ("prefill", "decode"):
        finished = seen.sum(role, "requests") + seen.sum(role, "errors")
        if finished > seen.asked:
            found.append(f"{role} pods counted {finished:g} requests, {seen.asked} were ours")
        tokens, most = seen.sum(role, "prompt_tokens"), seen.most_prompt_tokens
        if most and tokens > most:
            found.append(f"{role} pods counted {tokens:g} prompt tokens, {most} were ours")
    decisions = sum(seen.decisions.values()) if seen.decisions else 0
    if decisions > seen.asked:
        found.append(f"the endpoint picker counted {decisions:g} decisions, {seen.asked} were ours")
    return found


def _proved(seen: Tally) -> bool:
    expected, failed = seen.expected_tokens, seen.sum("decode", "failed")
    if not expected or failed:
        return False
    tokens = seen.sum("decode", "external") >= ENOUGH * expected
    transfers = seen.sum("decode", "transfers") >= ENOUGH * seen.answered and seen.sum("decode", "megabytes") > 0
    return tokens or transfers


def _silent(seen: Tally) -> bool:
    """No decode pod can tell what it received."""
    return not seen.told("decode", "external") and not seen.told("decode", "transfers")


def _prefilled(seen: Tally) -> bool:
    """Prefill pods computed these prompts, and made one token of each."""
    requests, wanted = seen.sum("prefill", "requests"), ENOUGH * seen.answered
    return (
        0 < wanted <= requests
        and seen.sum("prefill", "prompt_tokens") >= ENOUGH * seen.prompt_tokens
        and seen.sum("prefill", "generated") <= 2 * requests
        and seen.expected_tokens > 0
    )


def _proof(seen: Tally) -> str:
    parts = []
    if seen.told("decode", "external"):
        parts.append(
            f"{seen.sum('decode', 'external'):g} of {seen.expected_tokens} prompt tokens in whole blocks of "
            f"{seen.block_size} came from prefill"
        )
    if seen.told("decode", "transfers"):
        parts.append(
            f"{seen.sum('decode', 'transfers'):g} transfers, {seen.sum('decode', 'megabytes'):g} MiB, none failed"
        )
    return f"{seen.answered} prompts: {'; '.join(parts)}."


def numbers(seen: Tally) -> Object:
    """What the verdict stands on."""
    return {
        "prompts": seen.asked,
        "answered": seen.answered,
        "prompt_tokens": seen.prompt_tokens,
        "block_size": seen.block_size,
        "expected_tokens": seen.expected_tokens,
        "external_tokens": seen.sum("decode", "external") if seen.told("decode", "external") else None,
        "transfers": seen.sum("decode", "transfers") if seen.told("decode", "transfers") else None,
        "failed_transfers": seen.sum("decode", "failed"),
        "megabytes": seen.sum("decode", "megabytes"),
        **timings(seen.role("decode")),
        "decisions": dict(seen.decisions) if seen.decisions is not None else None,
        "held_requests": sum(pod.held[1] for pod in seen.role("prefill")),
        "pods": {name: _pod(pod) for name, pod in sorted(seen.pods.items())},
    }


def _pod(pod: Counted) -> Object:
    return {
        "role": pod.role,
        "requests": pod.requests,
        "errors": pod.errors,
        "prompt_tokens": pod.prompt_tokens,
        "generated_tokens": pod.generated,
        "external_tokens": pod.external,
        "transfers": pod.transfers,
        "megabytes": pod.megabytes,
    }


def checks(judgement: Judgement, accepted: Sequence[str]) -> list[Check]:
    """The verdict and what belongs to it, as checks of a report."""
    seen = judgement.seen
    verdict = Check(
        "KV blocks handed over", judgement.verdict in accepted, " or ".join(accepted),
        f"{judgement.verdict}{f', {judgement.cause}' if judgement.cause else ''}: {judgement.explanation.rstrip('.')}",
        judgement.remedy,
    )  # fmt: skip
    if seen is None or not seen.asked:
        return [verdict]
    served = max(seen.answered, 1)
    return [
        _answered(seen),
        _decided(seen, served),
        *(_took_part(seen, role, served) for role in ("prefill", "decode")),
        _spread(seen),
        verdict,
        _freed(seen, judgement.verdict),
    ]


def _answered(seen: Tally) -> Check:
    statuses = {each.status for each in seen.evidence.asked} - {200}
    lost = [f"HTTP {status}" if status else "no answer" for status in sorted(statuses)]
    actual = f"{seen.answered} of {seen.asked}" + (f" ({', '.join(lost)})" if lost else "")
    return Check("fresh prompts answered", seen.answered == seen.asked, f"all {seen.asked}", actual, SEE_SERVERS)


def _decided(seen: Tally, served: int) -> Check:
    name, expected = "endpoint picker chose prefill and decode", f"at least {served} decisions prefill-decode"
    picker = seen.evidence.picker
    if seen.decisions is None:
        said = picker.trouble if picker else "no endpoint picker was asked"
        remedy = "The metrics want the token of the chart's metrics-reader Secret: see that it is there and holds one."
        return Check(name, False, expected, f"its metrics could not be read: {said}", remedy)
    actual = ", ".join(f"{kind} +{count:g}" for kind, count in seen.decisions.items())
    remedy = (
        "The endpoint picker sent prompts to decode pods alone: see llm_d_epp_non_cached_tokens, the feature gate "
        "prepareDataPlugins in its configuration, and that prefill pods are ready."
        if seen.decisions["decode-only"]
        else "The endpoint picker counted no decision: requests go round it (it is away and the pool fails open), or "
        "its image is a build without these counters (llm_d_image_epp)."
    )
    return Check(name, seen.decisions["prefill-decode"] >= served, expected, actual, remedy)


def _took_part(seen: Tally, role: str, served: int) -> Check:
    requests, tokens = seen.sum(role, "requests"), seen.sum(role, "prompt_tokens")
    passed, expected = requests >= served, f"at least {served} requests"
    remedy = SEE_SERVERS
    if role == "prefill":
        generated = seen.sum(role, "generated")
        passed = passed and tokens >= seen.prompt_tokens and generated <= 2 * requests
        expected += f" and {seen.prompt_tokens} prompt tokens, one token generated for each request"
        remedy = (
            "Prefill pods make whole answers: requests go round the endpoint picker. See that it is ready."
            if generated > 2 * requests
            else "The sidecars do not reach the prefill pods, and decode pods did all the work: prefill must listen on "
            "the pool's port (llm_d_service_port); see the log of routing-proxy for 'fallback to decode'."
        )
    actual = f"{requests:g} requests, {tokens:g} prompt tokens, {seen.sum(role, 'generated'):g} generated"
    return Check(f"{role} pods took part", passed, expected, actual, remedy)


def _spread(seen: Tally) -> Check:
    """Every pod should have got some of so many prompts."""
    counts: Mapping[str, list[Counted]] = {role: seen.role(role) for role in ("prefill", "decode")}
    idle = [pod.name for pods in counts.values() for pod in pods if not pod.requests]
    enough = all(seen.asked >= max(PROMPTS_FOR_SPREAD, PROMPTS_FOR_EACH * len(pods)) for pods in counts.values())
    actual = "; ".join(
        f"{role} " + ", ".join(f"{pod.requests:g}" for pod in sorted(pods, key=lambda each: each.name))
        for role, pods in counts.items()
    )
    if idle:
        actual += f"; none for {', '.join(idle)}" + ("" if enough else " (too few prompts to tell)")
    remedy = (
        "See that these pods are ready and carry the pool's labels, and that the endpoint picker reads their metrics."
    )
    return Check("prompts spread over the pods", not (idle and enough), "some for every pod", actual, remedy)


def _freed(seen: Tally, verdict: str) -> Check:
    """Prefill pods give blocks free when decode tells that it has them; else when they time out."""
    before, after = (sum(pod.held[place] for pod in seen.role("prefill")) for place in (0, 1))
    ports = [sorted(map(str, seen.settings(role, "side_channel_port"))) for role in ("prefill", "decode")]
    remedy = (
        f"TPU_SIDE_CHANNEL_PORT differs: {', '.join(ports[0])} on prefill pods, {', '.join(ports[1])} on decode pods. "
        "Decode tells prefill on its own value of it; give both the same (llm_d_side_channel_port)."
        if all(ports) and ports[0] != ports[1]
        else "Decode pods tell prefill pods on TPU_SIDE_CHANNEL_PORT (9600) that they have the blocks: let TCP pass. "
        "Held blocks fill the KV cache of prefill until they time out."
        if verdict == PROVED
        else "Nobody fetches them: see KV blocks handed over."
    )
    actual = f"{after:g} requests' blocks held on prefill pods" + (f" ({before:g} before)" if before else "")
    return Check("fetched blocks given free", after <= before, "none held longer than fetched", actual, remedy)
