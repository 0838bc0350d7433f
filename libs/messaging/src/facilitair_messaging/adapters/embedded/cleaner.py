"""Retention and compaction: looking in a thread of its own, deleting through the writer."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Final, NamedTuple, TypeVar

import structlog

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.embedded.cleaning import Row, batches, plan_compaction
from facilitair_messaging.adapters.embedded.errors import LogClosedError, LogWriteError
from facilitair_messaging.adapters.embedded.fetch import first_at
from facilitair_messaging.adapters.embedded.file import OFFSET_MASK, position
from facilitair_messaging.adapters.embedded.partitions import Partition, PartitionIndex
from facilitair_messaging.adapters.embedded.topics import Topics
from facilitair_messaging.adapters.embedded.writer import Transaction, Writer

T = TypeVar("T")

_ROWS_PER_LOOK: Final = 2000

log = structlog.get_logger(__name__)


class _Compacted(NamedTuple):
    """Up to where a partition was compacted, and the oldest tombstone that had to stay."""

    boundary: int
    oldest_tombstone_ms: int | None


class Cleaner:
    """Expires and compacts the partitions of declared topics, one after the other."""

    def __init__(
        self,
        *,
        db: sqlite3.Connection,
        writer: Writer,
        topics: Topics,
        index: PartitionIndex,
        clock: Callable[[], int],
        tombstones_kept_ms: int,
    ) -> None:
        self._db = db
        self._writer = writer
        self._topics = topics
        self._index = index
        self._clock = clock
        self._tombstones_kept_ms = tombstones_kept_ms
        self._compacted: dict[int, _Compacted] = {}
        self._one_at_a_time = asyncio.Lock()
        self._stopping = Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded-log-cleaner")

    async def run(self, every_s: float) -> None:
        """Clean every ``every_s`` seconds; what cannot be written now is tried the next time."""
        while True:
            await asyncio.sleep(every_s)
            try:
                deleted = await self.clean()
            except LogWriteError as error:
                log.warning("log cleaning failed", reason=error.reason)
            else:
                log.debug("log cleaned", records=deleted)

    async def clean(self) -> int:
        """Delete everything that may go now; returns how many records went."""
        async with self._one_at_a_time:
            deleted = 0
            for partition in list(self._index):
                if self._topics.declared(partition.tp.topic):
                    deleted += await self._clean(partition, self._topics.spec(partition.tp.topic))
            return deleted

    async def close(self) -> None:
        """Stop looking, so that the connection can be closed. Cancel ``run`` first."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.shutdown)

    async def _clean(self, partition: Partition, spec: TopicSpec) -> int:
        deleted = 0
        if "delete" in spec.cleanup and spec.retention_ms is not None:
            deleted += await self._expire(partition, spec.retention_ms)
        if "compact" in spec.cleanup:
            deleted += await self._compact(partition, spec.min_compaction_lag_ms or 0)
        return deleted

    async def _expire(self, partition: Partition, retention_ms: int) -> int:
        """Move the beginning to the first record that is young enough, then delete what is before.

        The beginning moves first: a crash in between leaves rows that the next round deletes.
        """
        beginning = await self._first_at(partition, self._clock() - retention_ms)
        if beginning > partition.beginning:
            await self._writer.submit(
                partial(_begin_at, partition=partition, beginning=beginning),
                lambda _: partition.begin_at(beginning),
            )
        deleted = 0
        expired = partial(self._rows, partition, start=0, end=partition.beginning)
        while rows := await self._look(expired):
            deleted += await self._delete(partition, rows)
        return deleted

    async def _compact(self, partition: Partition, lag_ms: int) -> int:
        now_ms = self._clock()
        horizon_ms = now_ms - lag_ms
        tombstone_horizon_ms = now_ms - max(lag_ms, self._tombstones_kept_ms)
        boundary = await self._first_at(partition, horizon_ms + 1)
        if not self._due(partition, boundary=boundary, tombstone_horizon_ms=tombstone_horizon_ms):
            return 0
        rows = self._scan(partition)
        plan = await self._look(
            partial(
                plan_compaction,
                rows,
                horizon_ms=horizon_ms,
                tombstone_horizon_ms=tombstone_horizon_ms,
            )
        )
        deleted = await self._delete(partition, plan.drop)
        self._compacted[partition.id] = _Compacted(boundary, plan.oldest_tombstone_ms)
        return deleted

    async def _first_at(self, partition: Partition, time_ms: int) -> int:
        """The first offset written at or after ``time_ms``, or the end."""
        end = partition.end
        found = await self._look(partial(first_at, self._db, partition, time_ms=time_ms))
        return end if found is None else found

    def _due(self, partition: Partition, *, boundary: int, tombstone_horizon_ms: int) -> bool:
        """Whether anything crossed a horizon since the last time."""
        before = self._compacted.get(partition.id)
        if before is None or boundary > before.boundary:
            return True
        tombstone_ms = before.oldest_tombstone_ms
        return tombstone_ms is not None and tombstone_ms <= tombstone_horizon_ms

    async def _delete(self, partition: Partition, rows: list[Row]) -> int:
        for batch in batches(rows):
            await self._writer.submit(partial(_delete_rows, partition=partition, rows=batch))
            partition.forget(batch[-1].offset)
        return len(rows)

    async def _look(self, query: Callable[[], T]) -> T:
        """Run a query in the cleaner's thread, beside the loop. Raises LogClosedError."""
        if self._stopping.is_set():
            raise LogClosedError(what="log")
        return await asyncio.get_running_loop().run_in_executor(self._thread, query)

    def _scan(self, partition: Partition) -> Iterator[Row]:
        """All rows of a partition, in short read transactions, so that the WAL can shrink."""
        start, end = partition.beginning, partition.end
        while rows := self._rows(partition, start=start, end=end):
            yield from rows
            start = rows[-1].offset + 1
            if self._stopping.is_set():
                raise LogClosedError(what="log")

    def _rows(self, partition: Partition, *, start: int, end: int) -> list[Row]:
        found = self._db.execute(
            "SELECT position, timestamp_ms, key, length(value) FROM records"
            " WHERE position >= ? AND position < ? ORDER BY position LIMIT ?",
            (position(partition.id, start), position(partition.id, end), _ROWS_PER_LOOK),
        )
        return [Row(at & OFFSET_MASK, *others) for at, *others in found.fetchall()]


def _begin_at(transaction: Transaction, *, partition: Partition, beginning: int) -> None:
    transaction.db.execute(
        "UPDATE partitions SET beginning = ? WHERE id = ?", (beginning, partition.id)
    )
    _keep_head(transaction, partition)


def _delete_rows(transaction: Transaction, *, partition: Partition, rows: list[Row]) -> None:
    transaction.db.executemany(
        "DELETE FROM records WHERE position = ?",
        [(position(partition.id, row.offset),) for row in rows],
    )
    _keep_head(transaction, partition)


def _keep_head(transaction: Transaction, partition: Partition) -> None:
    """Make the head durable by itself: the record that implied it may be deleted."""
    transaction.db.execute(
        "UPDATE partitions SET next_offset = ?, last_ms = ? WHERE id = ?",
        (*transaction.heads.of(partition.id), partition.id),
    )
