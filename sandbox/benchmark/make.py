# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Make a small tokenizer and a small set of conversations in ShareGPT's form, the same ones on every machine.

    python -I -S sandbox/benchmark/make.py --site .tools/vllm --out DIR

The words are made up; the tokenizer is trained on them, so most words are one token. Both files together fit a
ConfigMap (1 MiB).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

CONVERSATIONS = 240
# Several blocks of the KV cache for most prompts, and answers of a second or less.
PROMPT_WORDS = (40, 420)
ANSWER_WORDS = (8, 48)
VOCABULARY = 2000
SYLLABLES = "ba be bo da de di fa fo ga go ha he ka ki la lo ma mi na no pa po ra ri sa so ta te va wo".split()  # noqa: SIM905


def words(dice: random.Random, count: int) -> list[str]:
    return sorted({"".join(dice.choices(SYLLABLES, k=dice.choice((1, 2, 2, 3)))) for _ in range(count)})


def conversations(dice: random.Random, vocabulary: list[str]) -> list[dict[str, object]]:
    def text(bounds: tuple[int, int]) -> str:
        return " ".join(dice.choices(vocabulary, k=dice.randint(*bounds)))

    return [
        {
            "id": f"made-{number}",
            "conversations": [
                {"from": "human", "value": f"{number} {text(PROMPT_WORDS)}"},
                {"from": "gpt", "value": text(ANSWER_WORDS)},
            ],
        }
        for number in range(CONVERSATIONS)
    ]


def make(out: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    dice = random.Random(20260)
    vocabulary = words(dice, VOCABULARY)
    data = conversations(dice, vocabulary)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((" ".join(vocabulary[start:]) for start in range(0, len(vocabulary), 50)), trainer)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 131072,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (out / "sharegpt.json").write_text(json.dumps(data), encoding="utf-8")


if __name__ == "__main__":
    given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    sys.path.insert(0, given["--site"])
    make(Path(given["--out"]))
