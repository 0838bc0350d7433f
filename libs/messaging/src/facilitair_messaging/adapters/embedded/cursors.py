"""Positions in partitions and waiting for more: what readers and group members share."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from facilitair_messaging.adapters.embedded.fetch import check_range, fetch
from facilitair_messaging.adapters.embedded.partitions import PartitionIndex
from facilitair_messaging.ports import Record, TopicPartition


class Cursors:
    """The next offset of each partition somebody reads, and their wake-up call."""

    def __init__(self, *, db: Callable[[], sqlite3.Connection], index: PartitionIndex) -> None:
        self._db = db
        self._index = index
        self._offsets: dict[TopicPartition, int] = {}
        self._woken = asyncio.Event()
        self._turn = 0

    def offsets(self) -> dict[TopicPartition, int]:
        """The next offset of each partition."""
        return dict(self._offsets)

    def put(self, tp: TopicPartition, offset: int) -> None:
        """Read ``tp`` from ``offset`` on. Raises UnknownTopicError."""
        self._index.get(tp).waiters.add(self._woken)
        self._offsets[tp] = offset
        self._woken.set()

    def drop(self, tps: Iterable[TopicPartition]) -> None:
        """Read these no longer."""
        for tp in tps:
            if self._offsets.pop(tp, None) is not None:
                self._index.get(tp).waiters.discard(self._woken)

    def wake(self) -> None:
        """Make a waiting ``next_change`` return."""
        self._woken.set()

    def take(self, *, paused: set[TopicPartition], max_records: int) -> list[Record]:
        """What is there now, at most ``max_records``, each time beginning with another partition.

        Raises OffsetOutOfRangeError before it moves any position.
        """
        self._woken.clear()
        active = [tp for tp in self._offsets if tp not in paused]
        if not active:
            return []
        for tp in active:
            check_range(self._index.get(tp), self._offsets[tp])
        self._turn = (self._turn + 1) % len(active)
        records: list[Record] = []
        for tp in (*islice(active, self._turn, None), *islice(active, self._turn)):
            if len(records) >= max_records:
                break
            self._take_from(tp, records, limit=max_records - len(records))
        return records

    async def next_change(self, timeout_s: float) -> bool:
        """Wait until it is worth looking again; False when nothing came in ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    def _take_from(self, tp: TopicPartition, records: list[Record], *, limit: int) -> None:
        partition = self._index.get(tp)
        offset = self._offsets[tp]
        if offset < partition.end:
            batch = fetch(self._db(), partition, offset=offset, limit=limit)
            self._offsets[tp] = batch.next_offset
            records.extend(batch.records)


async def poll(
    cursors: Cursors,
    take: Callable[[], list[Record]],
    *,
    wait_s: float,
    before: Callable[[], Awaitable[None]] | None = None,
) -> list[Record]:
    """Records as soon as ``take`` finds some, or [] after ``wait_s``.

    It lets other tasks run first, because a reader with a backlog never has to wait.
    Nothing is awaited between the take and the return; ``before`` is awaited before each take.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    await asyncio.sleep(0)
    while True:
        if before is not None:
            await before()
        records = take()
        remaining = deadline - loop.time()
        if records or remaining <= 0 or not await cursors.next_change(remaining):
            return records
