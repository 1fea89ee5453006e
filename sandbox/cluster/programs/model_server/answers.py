# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The text of an answer: no model speaks, but the same prompt gets the same words, from whichever pod."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TEXT = """
the a one this each small large quiet early late open clear warm cold river forest harbour garden window bridge road
market letter number question answer reason morning evening winter summer keeps carries opens follows reaches turns
finds leaves holds shows brings crosses measures waits and but while because before after near under over without
between again often slowly together further
"""
_WORDS = _TEXT.split()
_SHORTEST, _SPREAD = 24, 160


@dataclass(frozen=True)
class Answer:
    """The tokens of one choice, and why it ends."""

    tokens: tuple[str, ...]
    reason: str

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def compose(prompt: Sequence[int], body: Mapping[str, Any], index: int, max_tokens: int) -> Answer:
    """Choice number `index`: as long as it wants to be, unless max_tokens ends it or ignore_eos carries it on."""
    digest = hashlib.sha256(json.dumps([list(prompt), _sampling(body), index]).encode()).digest()
    dice = random.Random(digest)
    natural = max(_SHORTEST + dice.randrange(_SPREAD), int(body.get("min_tokens") or 0))
    ended_early = natural < max_tokens and not body.get("ignore_eos")
    length = natural if ended_early else max_tokens
    words = dice.choices(_WORDS, k=length)
    tokens = [words[0].capitalize()] + [f" {word}" for word in words[1:]] if words else []
    if ended_early:
        tokens[-1] = "."
    return Answer(tuple(tokens), "stop" if ended_early else "length")


def _sampling(body: Mapping[str, Any]) -> Any:
    """Greedy and seeded answers repeat; others are thrown anew each time."""
    if body.get("temperature") == 0:
        return 0
    if body.get("seed") is not None:
        return body["seed"]
    return random.SystemRandom().random()
