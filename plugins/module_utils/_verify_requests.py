# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether the answers are answers, and whether prefill and decode made them together. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._verify_metrics import grown, parse, total
from ._verify_pods import Object
from ._verify_ready import Check

# The counter of the endpoint picker's decisions, by the versions it goes by.
DECISIONS = (
    "llm_d_epp_disagg_decision_total",
    "llm_d_inference_scheduler_disagg_decision_total",
    "llm_d_inference_scheduler_pd_decision_total",
)
SHARED = {"decision_type": "prefill-decode"}
ASKED = ("completion", "chat", "stream")
MARK = "llm-d-probe: "

SEE_GATEWAY = (
    "kubectl describe gateway and httproute; the load balancer may need another minute: run the playbook verify again."
)
SEE_SERVERS = "kubectl logs of the decode pods (containers vllm and routing-proxy) and of the prefill pods."


@dataclass(frozen=True)
class Served:
    """What a model server had counted, before and after."""

    role: str
    before: Object
    after: Object

    def grown(self, counter: str) -> float:
        return float(grown(self.before[counter], self.after[counter]))

    def requests(self) -> float:
        return self.grown("requests")


def counters(scrape: str) -> Object:
    """The counters of one model server."""
    samples = parse(scrape)
    return {
        "requests": total(samples, "vllm:request_success_total"),
        "prompt_tokens": total(samples, "vllm:prompt_tokens_total"),
        "generated": total(samples, "vllm:generation_tokens_total"),
    }


def result_in(log: str) -> Object | None:
    """The probe's result, out of its log."""
    line = next((line for line in reversed(log.splitlines()) if line.startswith(MARK)), None)
    return None if line is None else dict(json.loads(line.removeprefix(MARK)))


def judge(result: Object, servers: Mapping[str, Served], model: str, block_size: int) -> list[Check]:
    """Every check on what the probe saw, and on what the model servers counted meanwhile."""
    checks = [_models(result.get("models") or {}, model)]
    if "completion" not in result:
        return checks
    checks += [
        _answer("completion", result["completion"], model),
        _answer("chat completion", result["chat"], model),
        _stream(result["stream"]),
        _refused("unknown model refused", result["unknown_model"]),
        _refused("broken request refused", result["broken_json"]),
    ]
    tokens = [count for name in ASKED if (count := _prompt_tokens(result[name]))]
    checks.append(_long_enough(result, block_size))
    checks.append(_decided(result, max(len(tokens), 1)))
    checks.append(_prefilled(servers, max(len(tokens), 1), sum(tokens)))
    checks.append(_decoded(servers, max(len(tokens), 1)))
    return checks


def _body(seen: Object) -> Object:
    try:
        body = json.loads(seen.get("text") or "")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _short(seen: Object) -> str:
    status = seen.get("status")
    text = " ".join(str(seen.get("text") or "").split())
    return (f"HTTP {status}" if status else "no answer") + (f": {text[:200]}" if text else "")


def _models(seen: Object, model: str) -> Check:
    names = [each.get("id") for each in _body(seen).get("data") or [] if isinstance(each, dict)]
    passed = seen.get("status") == 200 and model in names and int(seen.get("in_a_row") or 0) > 0
    actual = f"{', '.join(map(str, names))}, {seen.get('in_a_row')} times in a row" if passed else _short(seen)
    return Check("models listed", passed, model, actual, SEE_GATEWAY)


def text_of(seen: Object) -> str:
    """The text of a completion or of a chat completion."""
    choices = _body(seen).get("choices") or [{}]
    message = choices[0].get("message") or {}
    return str(choices[0].get("text") or message.get("content") or message.get("reasoning_content") or "")


def _prompt_tokens(seen: Object) -> int:
    usage = seen.get("usage") or _body(seen).get("usage") or {}
    return int(usage.get("prompt_tokens") or 0)


def _answer(name: str, seen: Object, model: str) -> Check:
    body = _body(seen)
    made = int((body.get("usage") or {}).get("completion_tokens") or 0)
    passed = seen.get("status") == 200 and bool(text_of(seen)) and made > 0 and body.get("model") == model
    actual = f"{made} tokens in {seen.get('seconds')} s" if passed else _short(seen)
    return Check(name, passed, f"HTTP 200, an answer of {model}", actual, SEE_SERVERS)


def _stream(seen: Object) -> Check:
    made = int((seen.get("usage") or {}).get("completion_tokens") or 0)
    passed = seen.get("status") == 200 and bool(seen.get("done")) and int(seen.get("events") or 0) > 1 and made > 0
    actual = (
        f"{made} tokens in {seen.get('events')} events" if passed
        else f"{_short(seen)} ({seen.get('events')} events, {'ended' if seen.get('done') else 'cut off'})"
    )  # fmt: skip
    return Check("stream", passed, "events, a last [DONE], and usage", actual, SEE_SERVERS)


def _refused(name: str, seen: Object) -> Check:
    status = int(seen.get("status") or 0)
    return Check(name, 400 <= status < 500, "HTTP 4xx", _short(seen), SEE_SERVERS)


def _long_enough(result: Object, block_size: int) -> Check:
    """Prompts of less than a few blocks would prove nothing: only whole blocks are handed over."""
    tokens = [_prompt_tokens(result[name]) for name in ASKED]
    passed = all(count >= 3 * block_size for count in tokens)
    remedy = "Give verify_prompt_tokens a larger value."
    return Check(
        "prompts span blocks", passed, f"at least {3 * block_size} tokens each", ", ".join(map(str, tokens)), remedy
    )


def _decided(result: Object, served: int) -> Check:
    name, expected = "endpoint picker chose prefill and decode", f"at least {served} decisions prefill-decode"
    before, after = result.get("picker_before") or [], result.get("picker_after") or []
    refused = [each for each in [*before, *after] if each.get("status") != 200]
    if refused or not after:
        actual = _short(refused[0]) if refused else "no endpoint picker was asked"
        remedy = "The metrics want the token of the chart's metrics-reader Secret: see that it is there and holds one."
        return Check(name, False, expected, f"its metrics could not be read: {actual}", remedy)
    deltas = {
        kind: grown(_decisions(before, kind), _decisions(after, kind)) for kind in ("prefill-decode", "decode-only")
    }
    passed = deltas["prefill-decode"] >= served
    actual = ", ".join(f"{kind} +{count:g}" for kind, count in deltas.items())
    remedy = (
        "The endpoint picker sent prompts to decode pods alone: see llm_d_epp_non_cached_tokens, the feature gate "
        "prepareDataPlugins in its configuration, and that prefill pods are ready."
        if deltas["decode-only"]
        else "The endpoint picker counted no decision: requests go round it (it is away and the pool fails open), or "
        "its image is a build without these counters (llm_d_image_epp)."
    )
    return Check(name, passed, expected, actual, remedy)


def _decisions(scrapes: Sequence[Object], kind: str) -> float:
    return float(sum(total(parse(each.get("text") or ""), *DECISIONS, decision_type=kind) for each in scrapes))


def _prefilled(servers: Mapping[str, Served], served: int, tokens: int) -> Check:
    """Prefill pods computed these prompts and nothing more: a prefill is a request that ends after one token."""
    mine = {pod: found for pod, found in servers.items() if found.role == "prefill"}
    requests, prompts, generated = (
        sum(found.grown(counter) for found in mine.values()) for counter in ("requests", "prompt_tokens", "generated")
    )
    passed = requests >= served and prompts >= tokens and generated <= 2 * requests
    remedy = (
        "The sidecars do not reach the prefill pods, and decode pods did all the work: prefill must listen on the "
        "pool's port (llm_d_service_port); see the log of routing-proxy for 'fallback to decode'."
    )
    if generated > 2 * requests:
        remedy = "Prefill pods make whole answers: requests go round the endpoint picker. See that it is ready."
    expected = f"at least {served} requests and {tokens} prompt tokens, one token generated for each request"
    actual = f"{_busy(mine)}; {prompts:g} prompt tokens, {generated:g} generated"
    return Check("prefill pods took part", passed, expected, actual, remedy)


def _decoded(servers: Mapping[str, Served], served: int) -> Check:
    mine = {pod: found for pod, found in servers.items() if found.role == "decode"}
    passed = sum(found.requests() for found in mine.values()) >= served
    return Check("decode pods took part", passed, f"at least {served} requests", _busy(mine), SEE_SERVERS)


def _busy(servers: Mapping[str, Served]) -> str:
    counts = [f"{pod} +{found.requests():g}" for pod, found in servers.items() if found.requests() > 0]
    return ", ".join(counts) or f"none of {len(servers)} pods counted a request"


def answer(result: Object, servers: Mapping[str, Served]) -> dict[str, Any]:
    """The answer to show: what was said, and who made it."""
    made_by = {
        role: sorted(pod for pod, found in servers.items() if found.role == role and found.requests() > 0)
        for role in ("prefill", "decode")
    }
    seen = result.get("completion") or {}
    return {"text": text_of(seen).strip()[:500], "prompt_tokens": _prompt_tokens(seen), "made_by": made_by}


def as_result(
    result: Object | None, servers: Mapping[str, Served], trouble: str, model: str, block_size: int
) -> dict[str, Any]:
    """The whole of it as a module's result. A probe that did not run is a check that did not pass."""
    checks = [] if result is None else judge(result, servers, model, block_size)
    if result is None or trouble:
        remedy = "See that pods can run in the namespace, and that verify_image can be pulled."
        checks.insert(0, Check("probe ran", False, "the probe's pod ends well", trouble, remedy))
    return {
        "passed": all(check.passed for check in checks),
        "checks": [check.as_dict() for check in checks],
        "answer": answer(result, servers) if result else {},
    }
