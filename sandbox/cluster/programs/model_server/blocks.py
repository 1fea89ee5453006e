# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The KV cache: how many blocks are in use, which prompts' blocks are still in it, what a block holds."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence


def block_hashes(tokens: Sequence[int], block_size: int) -> list[bytes]:
    """What identifies each full block of a prompt: its tokens and all before it."""
    hashes: list[bytes] = []
    before = b""
    for start in range(0, len(tokens) - block_size + 1, block_size):
        words = ",".join(map(str, tokens[start : start + block_size]))
        before = hashlib.sha256(before + words.encode()).digest()
        hashes.append(before)
    return hashes


class PrefixCache:
    """Blocks of earlier prompts, the least recently used leaving first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def hits(self, hashes: Sequence[bytes]) -> int:
        """How many blocks from the start are there."""
        found = 0
        for block in hashes:
            if block not in self._blocks:
                break
            self._blocks.move_to_end(block)
            found += 1
        return found

    def store(self, hashes: Sequence[bytes]) -> None:
        for block in hashes:
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)


class BlockPool:
    """Blocks in use by requests; whoever finds too few waits for those before."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.waiting = 0
        self._next_id = 0
        self._freed = asyncio.Condition()

    async def take(self, count: int) -> None:
        count = min(count, self.capacity)
        self.waiting += 1
        try:
            async with self._freed:
                await self._freed.wait_for(lambda: self.used + count <= self.capacity)
                self.used += count
        finally:
            self.waiting -= 1

    async def give_back(self, count: int) -> None:
        async with self._freed:
            self.used -= min(count, self.capacity)
            self._freed.notify_all()

    def ids(self, count: int) -> list[int]:
        """Numbers for blocks: what they are does not matter, that there is one for each does."""
        first, self._next_id = self._next_id, (self._next_id + count) % self.capacity
        return [1 + (first + offset) % self.capacity for offset in range(count)]
