"""One hop of the log: from an append to the reader that waits for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvloop

from benchmarks.bench import Bench
from benchmarks.readings import Reading, percentile
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Log, Message, Producer, Reader, TopicPartition
from facilitair_runtime.cluster import ClusterSettings, open_cluster

GOAL_MS = 1.0
RECORDS = 1000
WARM_UP = 100
PAUSE_S = 0.002
KEY = b"local:benchmark"
VALUE = b'{"step":"coder","attempt":1,"agent":"coder","index":1,"text":" token"}'


def measure(bench: Bench) -> list[Reading]:
    """One record at a time, 500 a second at most, as a single agent writes."""
    logs = {
        "embedded log": open_registered_log(bench.fresh()),
        "Kafka": open_registered_cluster(bench.kafka().address),
    }
    found = []
    for name, log in logs.items():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            took_ms = runner.run(hops_ms(log, records=bench.pick(RECORDS, quick=20)))
        goal = GOAL_MS if name == "embedded log" else None
        found += [
            Reading(f"hop, {name}: append to reader, p50", percentile(took_ms, 0.5), "ms", goal),
            Reading(f"hop, {name}: append to reader, p99", percentile(took_ms, 0.99), "ms"),
        ]
    return found


@asynccontextmanager
async def open_registered_log(folder: Path) -> AsyncIterator[Log]:
    """An embedded log with all topics, on a file of its own."""
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(folder / "log.db", registry.topics) as log:
        await log.admin().ensure_topics(registry.topics.values())
        yield log


@asynccontextmanager
async def open_registered_cluster(bootstrap: str) -> AsyncIterator[Log]:
    """A cluster whose topics are there, as a service of a fleet opens it."""
    registry = Registry.load(topics_dir())
    settings = ClusterSettings(bootstrap_servers=bootstrap)
    async with open_cluster(bootstrap, registry, settings=settings, client_id="benchmarks") as log:
        yield log


async def hops_ms(opening: AbstractAsyncContextManager[Log], *, records: int) -> list[float]:
    """How long each record took; the first ones, which find everything cold, are left out."""
    async with opening as log, log.producer() as producer, log.reader() as reader:
        number = log.partition_for(COLLABORATION_STREAM, KEY)
        place = TopicPartition(COLLABORATION_STREAM, number)
        reader.assign(await log.admin().end_offsets([place]))
        took_ms = [await _one(producer, reader) for _ in range(WARM_UP + records)]
    return took_ms[WARM_UP:]


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
