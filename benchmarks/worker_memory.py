"""Whether the worker's memory grows while it streams on and on."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from benchmarks.appending import open_registered_cluster
from benchmarks.bench import Bench
from benchmarks.model_clients.measure import paced_provider
from benchmarks.processes import rss_kb
from benchmarks.readings import Reading
from benchmarks.worker_chunks import worker_process
from benchmarks.worker_tasks import assign_inbox, calls_of, give_all, new_tasks
from facilitair_messaging.ports import Log, Reader

STREAMS = 25
TOKENS_PER_S = 20
"""Together 500 chunks a second."""
TOKENS = 200
SECONDS = 600.0
SETTLE_S = 60.0
"""Caches and pools fill in the first minute: it comes before the ten that count."""
TEN_MINUTES_S = 600.0
GOAL_MB = 1.0

Sample = tuple[float, float]
"""Seconds and MB."""


def measure(bench: Bench) -> list[Reading]:
    """A worker on Kafka; when an answer ends, the next task is there."""
    tokens, rate = bench.pick((TOKENS, TOKENS_PER_S), quick=(10, 50))
    with paced_provider(tokens=tokens, tokens_per_s=rate) as url:
        bootstrap = bench.kafka().address
        with worker_process(url, bench.fresh(), bootstrap=bootstrap) as pid:
            chunks_per_s, samples = asyncio.run(_samples(bootstrap, pid, bench=bench))
    return [
        Reading("chunks/s over the whole time", chunks_per_s, ""),
        Reading("tasks/s over the whole time", chunks_per_s / tokens, ""),
        Reading(
            "memory of the worker, growth in ten minutes",
            slope(samples) * TEN_MINUTES_S,
            "MB",
            GOAL_MB,
        ),
        Reading("memory of the worker, at the end", samples[-1][1], "MB"),
    ]


async def _samples(bootstrap: str, pid: int, *, bench: Bench) -> tuple[float, list[Sample]]:
    streams, settle_s, seconds = bench.pick((STREAMS, SETTLE_S, SECONDS), quick=(2, 0.5, 1.0))
    async with open_registered_cluster(bootstrap) as log, log.reader() as reader:
        await assign_inbox(log, reader)
        await give_all(log, new_tasks(streams))
        await _stream(log, reader, until=time.monotonic() + settle_s)
        began, samples, chunks = time.monotonic(), [], 0
        while (now := time.monotonic()) < began + seconds:
            samples.append((now - began, rss_kb(pid) / 1000))
            chunks += await _stream(log, reader, until=now + bench.pick(1.0, quick=0.1))
        samples.append((time.monotonic() - began, rss_kb(pid) / 1000))
        return chunks / samples[-1][0], samples


async def _stream(log: Log, reader: Reader, *, until: float) -> int:
    """Replace every answer that ended by a new task; returns the chunks of those answers."""
    chunks = 0
    while time.monotonic() < until:
        calls = await calls_of(reader)
        chunks += sum(call.usage.output_tokens for call in calls if call.usage is not None)
        await give_all(log, new_tasks(len(calls)))
    return chunks


def slope(samples: Sequence[Sample]) -> float:
    """MB per second, by least squares."""
    times, sizes = zip(*samples, strict=True)
    return statistics.linear_regression(times, sizes).slope
