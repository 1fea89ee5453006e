# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Model servers watched as `verify` watches them: its own evidence, out of their real counters, judged by its own code.

There is no endpoint picker here: the header that it sets is set by the test, and its counters say what the test did.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.llm_d.gke.plugins.module_utils._verify_evidence import Asked, Evidence, Picker, Server, kept
from ansible_collections.llm_d.gke.plugins.module_utils._verify_settings import Settings, of_pod
from ansible_collections.llm_d.gke.plugins.module_utils._verify_tally import tally

from .model_servers import BLOCK, Answer, Pair

_NONCE = itertools.count()
DECISION = 'llm_d_inference_scheduler_disagg_decision_total{decision_type="prefill-decode"} %d\n'


def watch(
    pair: Pair, prompts: int = 3, tokens: int = 300, ask: Callable[[str], Answer] | None = None, told: bool = True
) -> Evidence:
    """Ask fresh prompts at once; `told` is whether it is known what the pods were told."""
    servers = {"prefill": pair.prefill, "decode": pair.decode}
    before = {role: server.scrape() for role, server in servers.items()}
    nonces = [f"watched{next(_NONCE)}" for _ in range(prompts)]
    with ThreadPoolExecutor(prompts) as pool:
        answers = list(pool.map(ask or (lambda nonce: pair.ask(tokens, nonce)), nonces))
    # Shorter than the time-out of these tests: what stays held must still be held.
    end = time.monotonic() + 1
    while True:
        evidence = Evidence(
            asked=[_asked(answer) for answer in answers],
            servers={
                role: Server(
                    role, kept(before[role]), kept(server.scrape()), of_pod(server.pod()) if told else Settings()
                )
                for role, server in servers.items()
            },
            picker=Picker("", DECISION % prompts),
            block_size=BLOCK,
            pool_port=pair.prefill.port,
        )
        held = any(pod.held[1] > pod.held[0] for pod in tally(evidence).role("prefill"))
        if not held or time.monotonic() > end:
            return evidence
        time.sleep(0.2)


def _asked(answer: Answer) -> Asked:
    try:
        body: dict[str, Any] = json.loads(answer.text)
    except ValueError:
        body = {}
    tokens = int((body.get("usage") or {}).get("prompt_tokens") or 0)
    said = "" if answer.status == 200 else answer.text[:200]
    return Asked(answer.status, tokens, answer.seconds, bool(body.get("kv_transfer_params")), said)
