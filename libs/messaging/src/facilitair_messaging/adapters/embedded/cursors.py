"""Positions in partitions and waiting for more: what readers and group members share."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from facilitair_messaging.adapters.embedded.fetch import check_range, fetch
from facilitair_messaging.adapters.embedded.partitions import PartitionIndex
from facilitair_messaging.ports import Record, TopicPartition


class Cursors:
    """The next offset of each partition somebody reads, and their wake-up call.

    Only partitions that may have something are looked at: with a hundred of them at rest, a record
    in one costs no more than with one.
    """

    def __init__(self, *, db: Callable[[], sqlite3.Connection], index: PartitionIndex) -> None:
        self._db = db
        self._index = index
        self._offsets: dict[TopicPartition, int] = {}
        # In the order in which they are read; who was read and has more goes to the end.
        self._worth_a_look: dict[TopicPartition, None] = {}
        self._woken = False
        self._waiting: set[asyncio.Future[bool]] = set()

    def offsets(self) -> dict[TopicPartition, int]:
        """The next offset of each partition."""
        return dict(self._offsets)

    def put(self, tp: TopicPartition, offset: int) -> None:
        """Read ``tp`` from ``offset`` on. Raises UnknownTopicError."""
        self._index.get(tp).waiters.add(self)
        self._offsets[tp] = offset
        self.notice(tp)

    def drop(self, tps: Iterable[TopicPartition]) -> None:
        """Read these no longer."""
        for tp in tps:
            if self._offsets.pop(tp, None) is not None:
                self._index.get(tp).waiters.discard(self)
                self._worth_a_look.pop(tp, None)

    def notice(self, tp: TopicPartition) -> None:
        """A partition has more, or begins later: have it looked at."""
        self._worth_a_look[tp] = None
        if not self._woken:
            self.wake()

    def wake(self) -> None:
        """Make a waiting ``next_change`` return."""
        self._woken = True
        for waiter in self._waiting:
            _settle(waiter, woken=True)

    def take(self, *, paused: set[TopicPartition], max_records: int) -> list[Record]:
        """What is there now, at most ``max_records``; who was read last comes last the next time.

        Raises OffsetOutOfRangeError before it moves any position.
        """
        self._woken = False
        active = [tp for tp in self._worth_a_look if tp not in paused]
        for tp in active:
            check_range(self._index.get(tp), self._offsets[tp])
        records: list[Record] = []
        for tp in active:
            if len(records) >= max_records:
                break
            del self._worth_a_look[tp]
            if self._take_from(tp, records, limit=max_records - len(records)):
                self._worth_a_look[tp] = None
        return records

    async def next_change(self, timeout_s: float) -> bool:
        """Wait until it is worth looking again; False when nothing came in ``timeout_s``.

        A future and a timer, no more: this is done for every record that comes alone.
        """
        if self._woken:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(timeout_s, partial(_settle, waiter, woken=False))
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)

    def _take_from(self, tp: TopicPartition, records: list[Record], *, limit: int) -> bool:
        """Read on in one partition; True when there is more."""
        partition = self._index.get(tp)
        offset = self._offsets[tp]
        if offset < partition.end:
            batch = fetch(self._db(), partition, offset=offset, limit=limit)
            self._offsets[tp] = batch.next_offset
            records.extend(batch.records)
        return self._offsets[tp] < partition.end


def _settle(waiter: "asyncio.Future[bool]", *, woken: bool) -> None:
    if not waiter.done():
        waiter.set_result(woken)


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
