"""The tail in memory and the file, read as one."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.fetch import FETCH_BYTES, fetch
from facilitair_messaging.adapters.embedded.partitions import (
    TAIL_BYTES,
    TAIL_RECORDS,
    Partition,
)
from facilitair_messaging.ports import Message, Record, TopicPartition
from facilitair_testing.topics import topic_spec

SPEC = topic_spec("t", max_record_bytes=8 * 1024 * 1024)
TP = TopicPartition("t", 0)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    async with EmbeddedLog.open(tmp_path / "log.db", {"t": SPEC}) as opened:
        await opened.admin().ensure_topics([SPEC])
        yield opened


async def append(log: EmbeddedLog, values: list[bytes]) -> None:
    async with log.producer() as producer:
        await producer.send([Message("t", b"k", value) for value in values])


def record(offset: int, *, size: int) -> Record:
    return Record("t", 0, offset, 0, b"k", b"x" * size, ())


@given(st.lists(st.sampled_from([1, 100, TAIL_BYTES // 3, 2 * TAIL_BYTES]), max_size=40))
def test_the_tail_is_dense_up_to_the_end_and_bounded(sizes):
    partition = Partition(TP, partition_id=1, beginning=0, end=0)
    for offset, size in enumerate(sizes):
        partition.publish(record(offset, size=size))
    kept = partition.from_tail(partition.tail_start, limit=10_000)
    assert [r.offset for r in kept] == list(range(partition.tail_start, partition.end))
    assert partition.end == len(sizes)
    assert sum(len(r.value) for r in kept) <= TAIL_BYTES


def test_many_small_records_are_bounded_too():
    partition = Partition(TP, partition_id=1, beginning=0, end=0)
    for offset in range(3 * TAIL_RECORDS):
        partition.publish(record(offset, size=1))
    assert TAIL_RECORDS // 2 <= partition.end - partition.tail_start <= TAIL_RECORDS


async def test_a_reader_crosses_from_the_file_to_the_tail_while_others_append(log: EmbeddedLog):
    total = 4 * TAIL_RECORDS

    async def write() -> None:
        for start in range(0, total, 64):
            await append(log, [b"%d" % n for n in range(start, start + 64)])

    writing = asyncio.create_task(write())
    found: list[int] = []
    async with log.reader() as reader:
        reader.assign({TP: 0})
        while len(found) < total:
            for r in await reader.poll(max_records=37, wait_s=5):
                found.append(r.offset)
                assert r.value == b"%d" % r.offset
    await writing
    assert found == list(range(total))


def test_a_live_reader_does_not_touch_the_file():
    """Shown by a connection that cannot be used."""
    db = sqlite3.connect(":memory:")
    db.close()
    partition = Partition(TP, partition_id=1, beginning=0, end=7)
    partition.publish(record(7, size=1))
    partition.publish(record(8, size=1))
    batch = fetch(db, partition, offset=7, limit=10)
    assert [r.offset for r in batch.records] == [7, 8]
    assert batch.next_offset == 9
    with pytest.raises(sqlite3.ProgrammingError):
        fetch(db, partition, offset=6, limit=10)


async def test_one_fetch_from_the_file_is_bounded_in_bytes(log: EmbeddedLog):
    size = FETCH_BYTES // 2
    for n in range(4):
        await append(log, [bytes([n]) * size])
    async with log.reader() as reader:
        reader.assign({TP: 0})
        batches = [await reader.poll(max_records=100, wait_s=1) for _ in range(2)]
    assert [[r.offset for r in batch] for batch in batches] == [[0, 1], [2, 3]]


async def test_a_reader_with_a_backlog_lets_other_tasks_run(log: EmbeddedLog):
    await append(log, [b"x"] * 100)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async with log.reader() as reader:
        reader.assign({TP: 0})
        for _ in range(50):
            assert await reader.poll(max_records=2, wait_s=1)
    task.cancel()
    assert turns >= 49


async def test_waiting_costs_no_cpu(log: EmbeddedLog):
    async with log.reader() as one, log.reader() as two:
        for reader in (one, two):
            reader.assign({TP: 0})
        before = time.process_time()
        polls = [reader.poll(max_records=1, wait_s=1.0) for reader in (one, two)]
        assert await asyncio.gather(*polls) == [[], []]
        assert time.process_time() - before < 0.5  # who asks all the time takes two


async def test_partitions_with_a_backlog_take_turns(tmp_path: Path):
    spec = topic_spec("turns", partitions=3)
    tps = [TopicPartition("turns", number) for number in range(3)]
    async with EmbeddedLog.open(tmp_path / "log.db", {"turns": spec}) as log:
        await log.admin().ensure_topics([spec])
        async with log.producer() as producer, log.reader() as reader:
            await producer.send([Message("turns", b"%d" % n, b"") for n in range(300)])
            reader.assign(dict.fromkeys(tps, 0))
            first = [(await reader.poll(max_records=1, wait_s=1))[0].partition for _ in range(6)]
    assert sorted(first) == [0, 0, 1, 1, 2, 2]
