"""How long a record takes from ``send`` to a waiting reader on the embedded log (goal: p50 < 1 ms).

Run: ``.venv/bin/python benchmarks/append_to_reader.py``.
Three runs each of an idle and of a loaded log; printed are the median and the range of the runs.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.file import Synchronous
from facilitair_messaging.ports import Log, Message, TopicPartition

SPEC = TopicSpec(
    name="bench",
    description="append to reader",
    key="key",
    partition_by="key",
    partitions=12,
    cleanup=(),
    retention_ms=None,
    segment_ms=None,
    min_compaction_lag_ms=None,
    max_record_bytes=1024 * 1024,
    types=(),
    producers=(),
    consumers=(),
    dead_letters=False,
)
HEADERS = (("ce_type", b"facilitair.token.v1"), ("path", b"write"), ("attempt", b"1"))
PAUSE_S = 0.002
TEXT_BYTES = 250
READ_AT_ONCE = 500


async def hops_ms(log: Log, *, records: int, senders: int) -> list[float]:
    """Time of each record from its ``send`` to the reader, in ms."""
    hops: list[float] = []
    async with log.reader() as reader, log.producer() as producer:
        tps = [TopicPartition(SPEC.name, number) for number in range(SPEC.partitions)]
        reader.assign(await log.admin().end_offsets(tps))

        async def read() -> None:
            while len(hops) < records * senders:
                for record in await reader.poll(max_records=READ_AT_ONCE, wait_s=5):
                    sent = float((record.value or b"").split(b" ", 1)[0])
                    hops.append((time.perf_counter() - sent) * 1000)

        async def send(sender: int) -> None:
            for _ in range(records):
                value = f"{time.perf_counter()!r} ".encode().ljust(TEXT_BYTES, b"x")
                await producer.send([Message(SPEC.name, b"k%d" % sender, value, HEADERS)])
                await asyncio.sleep(PAUSE_S)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            for sender in range(senders):
                group.create_task(send(sender))
    return sorted(hops)


async def measure(path: Path, *, senders: int, synchronous: Synchronous) -> tuple[float, float]:
    """The p50 and p99 of one run on a fresh log."""
    async with EmbeddedLog.open(path, {SPEC.name: SPEC}, synchronous=synchronous) as log:
        await log.admin().ensure_topics([SPEC])
        hops = await hops_ms(log, records=1000, senders=senders)
    return hops[len(hops) // 2], hops[len(hops) * 99 // 100]


def summary(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):6.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--synchronous", choices=["NORMAL", "FULL"], default="NORMAL")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    print(f"synchronous={chosen.synchronous}, {chosen.runs} runs, ms")
    for senders in (1, 50):
        results = []
        for _ in range(chosen.runs):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "log.db"
                run = measure(path, senders=senders, synchronous=chosen.synchronous)
                results.append(uvloop.run(run))
        p50, p99 = zip(*results, strict=True)
        print(f"{senders:3} senders: append to reader p50 {summary(p50)}  p99 {summary(p99)}")


if __name__ == "__main__":
    main()
