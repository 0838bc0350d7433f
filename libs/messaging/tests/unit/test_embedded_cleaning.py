"""Retention and compaction of the embedded log, and the rules they follow."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.cleaner import Cleaner
from facilitair_messaging.adapters.embedded.cleaning import (
    BYTES_PER_DELETE,
    ROWS_PER_DELETE,
    Row,
    batches,
    plan_compaction,
)
from facilitair_messaging.adapters.embedded.errors import LogClosedError
from facilitair_messaging.adapters.embedded.partitions import Partition, PartitionIndex
from facilitair_messaging.adapters.embedded.topics import Topics
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.clock import FakeClock
from facilitair_testing.eventually import eventually
from facilitair_testing.topics import topic_spec

HOUR_MS = 3_600_000
EXPIRING = topic_spec("expiring", cleanup=("delete",), retention_ms=HOUR_MS)
COMPACTED = topic_spec("compacted", cleanup=("compact",), min_compaction_lag_ms=HOUR_MS)
BOTH = topic_spec(
    "both", cleanup=("compact", "delete"), retention_ms=5 * HOUR_MS, min_compaction_lag_ms=HOUR_MS
)
SPECS = {spec.name: spec for spec in (EXPIRING, COMPACTED, BOTH)}

_rows = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.booleans(), st.integers(0, 3)),
    max_size=30,
)


@asynccontextmanager
async def opened(path: Path, clock: FakeClock, **settings: float) -> AsyncIterator[EmbeddedLog]:
    async with EmbeddedLog.open(path, SPECS, clock=clock, **settings) as log:
        await log.admin().ensure_topics(SPECS.values())
        yield log


async def append(log: EmbeddedLog, topic: str, *records: tuple[str, str | None]) -> None:
    async with log.producer() as producer:
        await producer.send(
            [Message(topic, k.encode(), None if v is None else v.encode()) for k, v in records]
        )


async def read(log: EmbeddedLog, topic: str) -> list[tuple[int, str | None]]:
    tp = TopicPartition(topic, 0)
    async with log.reader() as reader:
        reader.assign(await log.admin().beginning_offsets([tp]))
        found = await reader.poll(max_records=10_000, wait_s=0)
    return [(r.offset, None if r.value is None else r.value.decode()) for r in found]


def rows_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute("SELECT count(*) FROM records").fetchone()
    return count


@given(
    writes=_rows,
    lag=st.integers(0, 20),
    tombstone_lag=st.integers(0, 20),
    more=st.integers(0, 10),
)
def test_r8_compaction_drops_exactly_what_it_may(writes, lag, tombstone_lag, more):
    rows, now = [], 0
    for offset, (key, tombstone, passed) in enumerate(writes):
        now += passed
        rows.append(Row(offset, now, key, None if tombstone else 1))
    now += more
    plan = plan_compaction(rows, horizon_ms=now - lag, tombstone_horizon_ms=now - tombstone_lag)
    for row in rows:
        later = [r for r in rows if r.key == row.key and r.offset > row.offset]
        if row.key is None:
            may_go = False
        elif later:
            may_go = later[0].timestamp_ms <= now - lag
        else:
            old = row.timestamp_ms <= min(now - lag, now - tombstone_lag)
            may_go = row.size is None and old
        assert (row in plan.drop) is may_go, row
    assert plan.drop == sorted(plan.drop)


@given(st.lists(st.integers(0, 2 * BYTES_PER_DELETE), max_size=20))
def test_batches_lose_nothing_and_end_at_the_byte_limit(sizes):
    rows = [Row(n, 0, b"k", size) for n, size in enumerate(sizes)]
    cut = list(batches(rows))
    assert [row for batch in cut for row in batch] == rows
    for batch in cut:
        assert sum(row.size for row in batch[:-1]) < BYTES_PER_DELETE


def test_batches_end_at_the_row_limit():
    rows = [Row(n, 0, b"k", None) for n in range(2 * ROWS_PER_DELETE + 1)]
    assert [len(batch) for batch in batches(rows)] == [ROWS_PER_DELETE, ROWS_PER_DELETE, 1]


async def test_r37_records_expire_by_their_append_time(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock) as log:
        await append(log, "expiring", ("k", "old"))
        clock.advance(HOUR_MS)
        await append(log, "expiring", ("k", "new"))
        assert await log.clean() == 0, "exactly as old as the retention is kept"
        clock.advance(1)
        assert await log.clean() == 1
        assert await read(log, "expiring") == [(1, "new")]
        assert rows_in(tmp_path / "log.db") == 1


async def test_compact_and_delete_do_both(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock) as log:
        await append(log, "both", ("a", "1"), ("a", "2"), ("b", "3"))
        clock.advance(HOUR_MS)
        await log.clean()
        assert await read(log, "both") == [(1, "2"), (2, "3")]
        clock.advance(5 * HOUR_MS)
        await log.clean()
        assert await read(log, "both") == []


async def test_a_tombstone_goes_after_the_time_it_is_kept(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock, tombstones_kept_ms=3 * HOUR_MS) as log:
        await append(log, "compacted", ("k", "1"), ("k", None))
        clock.advance(HOUR_MS)
        await log.clean()
        assert await read(log, "compacted") == [(1, None)]
        clock.advance(2 * HOUR_MS - 1)
        assert await log.clean() == 0
        clock.advance(1)
        assert await log.clean() == 1
        assert await read(log, "compacted") == []
        await append(log, "compacted", ("k", "2"))
        assert await read(log, "compacted") == [(2, "2")]


async def test_r8_a_tombstone_stays_while_its_successor_is_young(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock, tombstones_kept_ms=0) as log:
        await append(log, "compacted", ("k", "1"), ("k", None))
        clock.advance(HOUR_MS)
        await append(log, "compacted", ("k", "2"))
        await log.clean()
        assert await read(log, "compacted") == [(1, None), (2, "2")]


async def test_a_topic_that_is_no_longer_declared_is_left_alone(tmp_path: Path):
    clock = FakeClock()
    path = tmp_path / "log.db"
    async with opened(path, clock) as log:
        await append(log, "expiring", ("k", "v"))
    clock.advance(2 * HOUR_MS)
    async with EmbeddedLog.open(path, {}, clock=clock) as log:
        assert await log.clean() == 0
    assert rows_in(path) == 1


async def test_a_round_that_a_crash_cut_short_is_finished_by_the_next(tmp_path: Path):
    clock = FakeClock()
    path = tmp_path / "log.db"
    async with opened(path, clock) as log:
        await append(log, "expiring", *[("k", str(n)) for n in range(10)])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE partitions SET beginning = 7 WHERE topic = 'expiring'")
    async with opened(path, clock) as log:
        assert await read(log, "expiring") == [(7, "7"), (8, "8"), (9, "9")]
        assert await log.clean() == 7
        assert [offset for offset, _ in await read(log, "expiring")] == [7, 8, 9]


async def test_more_rows_than_one_look_or_one_delete_are_all_cleaned(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock) as log:
        await append(log, "compacted", *[(f"k{n % 3}", str(n)) for n in range(5000)])
        await append(log, "expiring", *[("k", str(n)) for n in range(5000)])
        clock.advance(2 * HOUR_MS)
        assert await log.clean() == 4997 + 5000
        assert await read(log, "compacted") == [(4997, "4997"), (4998, "4998"), (4999, "4999")]
        assert await log.clean() == 0


async def test_r1_times_and_offsets_go_on_after_everything_expired(tmp_path: Path):
    clock = FakeClock()
    path = tmp_path / "log.db"
    tp = TopicPartition("expiring", 0)
    async with opened(path, clock) as log:
        await append(log, "expiring", ("k", "1"), ("k", "2"))
        last_ms = clock()
        clock.advance(2 * HOUR_MS)
        await log.clean()
    clock.advance(-3 * HOUR_MS)
    async with opened(path, clock) as log:
        await append(log, "expiring", ("k", "3"))
        async with log.reader() as reader:
            reader.assign({tp: 2})
            (record,) = await reader.poll(max_records=10, wait_s=1)
        assert (record.offset, record.timestamp_ms) == (2, last_ms)


async def test_cleaning_runs_by_itself(tmp_path: Path):
    clock = FakeClock()
    path = tmp_path / "log.db"
    async with opened(path, clock, clean_every_s=0.01) as log:
        await append(log, "expiring", ("k", "1"))
        clock.advance(2 * HOUR_MS)
        await eventually(lambda: rows_in(path) == 0, what="expiry")


async def test_cleaning_goes_on_after_a_round_that_could_not_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    clock = FakeClock()
    path = tmp_path / "log.db"
    async with opened(path, clock, clean_every_s=0.01) as log:
        await append(log, "expiring", ("k", "1"))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(
                "CREATE TRIGGER no BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
            clock.advance(2 * HOUR_MS)
            output: list[str] = []

            def warned() -> bool:
                output.append(capsys.readouterr().out)
                return "log cleaning failed" in "".join(output)

            await eventually(warned, what="the warning")
            db.execute("DROP TRIGGER no")
        await eventually(lambda: rows_in(path) == 0, what="expiry")


async def test_readers_of_the_tail_and_of_the_file_see_the_same_after_compaction(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock) as log:
        await append(log, "compacted", ("a", "1"), ("a", "2"), ("b", "3"))
        assert len(await read(log, "compacted")) == 3
        clock.advance(HOUR_MS)
        await log.clean()
        assert await read(log, "compacted") == [(1, "2"), (2, "3")]
        await append(log, "compacted", ("c", "4"))
        assert await read(log, "compacted") == [(1, "2"), (2, "3"), (3, "4")]


async def test_compaction_goes_on_with_what_was_written_since(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock) as log:
        for round_ in range(3):
            await append(log, "compacted", ("a", f"{round_}-1"), ("a", f"{round_}-2"))
            clock.advance(HOUR_MS)
            await log.clean()
            assert [value for _, value in await read(log, "compacted")] == [f"{round_}-2"]


async def test_two_rounds_at_once_do_the_work_once(tmp_path: Path):
    clock = FakeClock()
    async with opened(tmp_path / "log.db", clock) as log:
        await append(log, "compacted", *[("k", str(n)) for n in range(3000)])
        clock.advance(HOUR_MS)
        assert sorted(await asyncio.gather(log.clean(), log.clean())) == [0, 2999]


async def test_cleaning_after_the_log_was_closed_is_refused(tmp_path: Path):
    async with opened(tmp_path / "log.db", FakeClock()) as log:
        await append(log, "compacted", ("k", "v"))
    with pytest.raises(LogClosedError):
        await log.clean()


class EndlessFile:
    """Answers every look with one more row, as a partition does that takes long to scan."""

    def __init__(self) -> None:
        self.looks = 0
        self._next: tuple[int, ...] | None = None

    def execute(self, sql: str, parameters: tuple[int, ...]) -> "EndlessFile":
        self.looks += 1
        self._next = parameters
        return self

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[tuple[int, int, bytes, int]]:
        return [(self._next[0], 0, b"k", 1)]


async def test_closing_does_not_wait_for_a_long_scan(tmp_path: Path):
    index = PartitionIndex()
    partition = Partition(TopicPartition("compacted", 0), partition_id=1, beginning=0, end=10)
    index.add("compacted", [partition])
    file = EndlessFile()
    cleaner = Cleaner(
        db=file,
        writer=None,
        topics=Topics(SPECS),
        index=index,
        clock=FakeClock(),
        tombstones_kept_ms=0,
    )
    cleaning = asyncio.create_task(cleaner.clean())
    await eventually(lambda: file.looks > 2, what="the scan")
    await cleaner.close()
    with pytest.raises(LogClosedError):
        await cleaning
