"""From an append to the reader that waits for it, on the embedded log."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.readings import Reading, percentile
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Message, Producer, Reader, TopicPartition

GOAL_MS = 1.0
RECORDS = 1000
PAUSE_S = 0.002
KEY = b"local:benchmark"
VALUE = b'{"step":"coder","attempt":1,"agent":"coder","index":1,"text":" token"}'


def measure() -> list[Reading]:
    """One record at a time, 500 a second at most, as a single agent writes."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took_ms = runner.run(_measure())
    return [
        Reading("append to reader, p50", percentile(took_ms, 0.5), "ms", GOAL_MS),
        Reading("append to reader, p99", percentile(took_ms, 0.99), "ms"),
    ]


@asynccontextmanager
async def open_registered_log(folder: Path) -> AsyncIterator[EmbeddedLog]:
    """A log with all topics, on a file of its own."""
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(folder / "log.db", registry.topics) as log:
        await log.admin().ensure_topics(registry.topics.values())
        yield log


async def _measure() -> list[float]:
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        async with (
            open_registered_log(Path(name)) as log,
            log.producer() as producer,
            log.reader() as reader,
        ):
            place = TopicPartition(
                COLLABORATION_STREAM, log.partition_for(COLLABORATION_STREAM, KEY)
            )
            reader.assign({place: 0})
            return [await _one(producer, reader) for _ in range(RECORDS)]


async def _one(producer: Producer, reader: Reader) -> float:
    await asyncio.sleep(PAUSE_S)
    waiting = asyncio.create_task(reader.poll(max_records=1, wait_s=5.0))
    await asyncio.sleep(0)
    began = time.perf_counter()
    sending = asyncio.create_task(producer.send([Message(COLLABORATION_STREAM, KEY, VALUE)]))
    records = await waiting
    took_s = time.perf_counter() - began
    await sending
    if [record.value for record in records] != [VALUE]:
        raise ValueError(records)
    return took_s * 1000
