"""What every client of the comparison does: read many streams at once, and say what it cost."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import uvloop

from benchmarks.streams.talking import tell

ReadStream = Callable[[], Awaitable[int]]
"""Reads one answer to its end; returns how many pieces of text it had."""


async def read_all(read: ReadStream, *, streams: int) -> None:
    """Read one stream to warm up, then all at once; tell pieces and CPU of the second part."""
    await read()
    began = time.process_time()
    pieces = sum(await asyncio.gather(*(read() for _ in range(streams))))
    tell(chunks=pieces, cpu_s=time.process_time() - began)


def run(main: Awaitable[None]) -> None:
    """Run a client to its end, on the event loop that services have."""

    async def whole() -> None:
        await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())
