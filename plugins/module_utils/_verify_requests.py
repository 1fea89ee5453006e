# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Whether the answers are answers; put together with the verdict on the KV transfer. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ._verify_evidence import ROLES
from ._verify_kv import INCONCLUSIVE, Judgement
from ._verify_kv import checks as kv_checks
from ._verify_pods import Object
from ._verify_probe import Direct, Probed
from ._verify_ready import Check
from ._verify_tally import tally

ASKED = ("completion", "chat", "stream")

SEE_GATEWAY = (
    "kubectl describe gateway and httproute; the load balancer may need another minute: run the playbook verify again."
)
SEE_SERVERS = "kubectl logs of the decode pods (containers vllm and routing-proxy) and of the prefill pods."


# In check mode.
NOTHING: dict[str, Any] = {"passed": True, "checks": [], "answer": {}, "kv_transfer": {}, "headline": ""}


def judge(result: Object, model: str, block_size: int) -> list[Check]:
    """Every check on what the probe saw."""
    checks = [_models(result.get("models") or {}, model)]
    if "completion" not in result:
        return checks
    return [
        *checks,
        _answer("completion", result["completion"], model),
        _answer("chat completion", result["chat"], model),
        _stream(result["stream"]),
        _refused("unknown model refused", result["unknown_model"]),
        _refused("broken request refused", result["broken_json"]),
        _long_enough(result, block_size),
    ]


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
    names = [str(each.get("id")) for each in _body(seen).get("data") or [] if isinstance(each, dict)]
    passed = seen.get("status") == 200 and model in names and int(seen.get("in_a_row") or 0) > 0
    if passed:
        return Check("models listed", passed, model, f"{', '.join(names)}, {seen['in_a_row']} times in a row")
    if names and model not in names:
        remedy = (
            f"The model servers serve {', '.join(names)}: set verify_model (llm_d_model) to that, or deploy {model}."
        )
        return Check("models listed", False, model, f"the model is called {', '.join(names)}", remedy)
    return Check("models listed", False, model, _short(seen), SEE_GATEWAY)


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
    tokens = [count for name in ASKED if (count := _prompt_tokens(result[name]))]
    passed = bool(tokens) and all(count >= 3 * block_size for count in tokens)
    remedy = "Give verify_prompt_tokens a larger value." if tokens else SEE_SERVERS
    actual = ", ".join(map(str, tokens)) or "no answer told its length"
    return Check("prompts span blocks", passed, f"at least {3 * block_size} tokens each", actual, remedy)


def _direct(seen: Sequence[Direct], model: str) -> Check:
    """Each pod by itself: whoever does not answer here answers nobody."""
    wrong = [f"{each.pod}: {each.trouble}" for each in seen if each.trouble]
    wrong += [
        f"{each.pod} serves {', '.join(each.models) or 'no model'}"
        for each in seen
        if not each.trouble and model not in each.models
    ]
    actual = "; ".join(wrong[:3]) or f"{len(seen)} pods do"
    expected = f"every pod answers and lists {model}"
    return Check("pods answer by themselves", bool(seen) and not wrong, expected, actual, SEE_SERVERS)


def _compared(seen: Sequence[Object]) -> Check:
    """Prefill and decode together say what decode says alone; floats may add up differently now and then."""
    answered = [each for each in seen if each.get("status") == 200]
    same = sum(bool(each.get("same")) for each in answered)
    lost = next((each for each in seen if each.get("status") != 200), None)
    passed = lost is None and 2 * same >= len(answered)
    actual = f"{same} of {len(seen)} the same"
    remedy = "Keys and values that arrive are not those of the prompt: compare images and arguments of both roles."
    if lost is not None:
        actual = f"{lost['url']}: {_short({'status': lost['status'], 'text': lost.get('said')})}"
        remedy = "Let the probe reach decode pods (NetworkPolicies), or leave this out: verify_compare: 0."
    return Check("same answers without prefill", passed, "at least half the same", actual, remedy)


def answer(probed: Probed) -> dict[str, Any]:
    """The answer to show: what was said, and who made answers."""
    smoke, pods = probed.smoke or {}, tally(probed.evidence).pods if probed.evidence else {}
    made_by = {role: sorted(name for name, pod in pods.items() if pod.role == role and pod.requests) for role in ROLES}
    seen = smoke.get("completion") or {}
    return {"text": text_of(seen).strip()[:500], "prompt_tokens": _prompt_tokens(seen), "made_by": made_by}


def as_result(probed: Probed, model: str, block_size: int, accepted: Sequence[str]) -> dict[str, Any]:
    """The whole of it as a module's result. A probe that did not run is a check that did not pass."""
    checks = [_direct(probed.direct, model)] if probed.direct else []
    if probed.smoke is not None:
        checks += judge(probed.smoke, model, block_size)
    if probed.smoke is None or probed.trouble:
        remedy = "See that pods can run in the namespace, and that verify_image can be pulled."
        checks.insert(0, Check("probe ran", False, "the probe's pod ends well", probed.trouble, remedy))
    verdict = probed.judgement or nothing_asked(next((each for each in checks if not each.passed), None))
    checks += kv_checks(verdict, accepted)
    if probed.compared:
        checks.append(_compared(probed.compared))
    return {
        "passed": all(check.passed for check in checks),
        "checks": [check.as_dict() for check in checks],
        "answer": answer(probed),
        "kv_transfer": {**verdict.as_dict(), "warm_up": (probed.smoke or {}).get("warm_up")},
        "headline": verdict.headline,
    }


def nothing_asked(because: Check | None) -> Judgement:
    """The verdict when it did not even come to the prompts."""
    words = f"No prompt was asked: {because.name}: {because.actual}" if because else "No prompt was asked"
    return Judgement(INCONCLUSIVE, "nothing_asked", f"{words}.", because.remedy if because else "")
