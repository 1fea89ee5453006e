# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How keys and values go from one pod to another.

Data (TPU_KV_TRANSFER_PORT): the puller sends one line of JSON that names the transfer and the shape it expects; the
holder answers with the blocks, or with a line that tells what does not fit. A transfer that the holder does not have is
not answered at all: the puller's time-out is the only end, as it is between JAX transfer servers.
Notice (TPU_SIDE_CHANNEL_PORT): the puller sends the transfer's number, and gets no answer.

A block is a kibibyte here instead of 32 MiB: the identity of its tokens, repeated, so that the puller can tell whether
what arrived belongs to its own prompt.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

BLOCK_BYTES = 1024


@dataclass(frozen=True)
class Shape:
    """What both sides must agree about."""

    blocks: int
    block_size: int
    tensor_parallel: int


class ShapeMismatch(Exception):
    """The holder's blocks are not of the shape that the puller expects."""


def block_bytes(identity: bytes) -> bytes:
    """What is moved for a block."""
    return identity * (BLOCK_BYTES // len(identity))


async def pull(host: str, port: int, uuid: int, shape: Shape) -> list[bytes]:
    """Fetch the blocks of a transfer; waits as long as its caller does."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(json.dumps({"uuid": uuid, **asdict(shape)}).encode() + b"\n")
        await writer.drain()
        answer = json.loads(await reader.readline() or b"null")
        if answer is None:
            raise ConnectionError("the holder closed the connection")
        if "mismatch" in answer:
            raise ShapeMismatch(answer["mismatch"])
        return [await reader.readexactly(BLOCK_BYTES) for _ in range(shape.blocks)]
    finally:
        writer.close()


async def notify_done(host: str, port: int, uuid: int) -> None:
    """Tell the holder that its blocks are no longer needed."""
    _, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"{uuid}\n".encode())
        await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()


Holder = Callable[[int], tuple[Shape, Sequence[bytes]] | None]


async def serve_blocks(host: str, port: int, find: Holder) -> asyncio.Server:
    """Answer pulls with what `find` knows of a transfer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline())
            held = find(int(asked["uuid"]))
            if held is None:
                await reader.read()  # until the puller gives up
                return
            shape, identities = held
            wanted = Shape(asked["blocks"], asked["block_size"], asked["tensor_parallel"])
            if wanted != shape:
                writer.write(json.dumps({"mismatch": f"expected {wanted}, the producer has {shape}"}).encode() + b"\n")
            else:
                writer.write(b'{"ok": true}\n' + b"".join(map(block_bytes, identities)))
            await writer.drain()
        except (ConnectionError, ValueError, KeyError):
            return
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)


async def serve_notices(port: int, done: Callable[[int], Awaitable[None]]) -> asyncio.Server:
    """Hear which transfers are done."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                await done(int(line))
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    return await asyncio.start_server(listen, "0.0.0.0", port)
