"""Brings viewers that are behind the rings up to them: few readers, one sweep per partition.

A sweep reads a partition once for all viewers that wait there, from the lowest position any of them
needs up to the ring, and hands them over in the same step of the loop: no gap and no repeat.
A viewer whose backlog is full leaves the sweep and comes back when it has read it: nobody waits for
a slow one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_gateway.errors import ExpiredCursorError, ForeignCursorError
from facilitair_gateway.fanout import Entry, entry_of, hole_of
from facilitair_gateway.ring import Ring
from facilitair_gateway.viewer import Source, Viewer
from facilitair_messaging.errors import OffsetOutOfRangeError
from facilitair_messaging.ports import Log, Reader, Record, TopicPartition

_BATCH: Final = 256
_POLL_S: Final = 1.0


class Replayer:
    """The pool of readers. ``hand_over`` is called for a viewer that the ring can serve."""

    def __init__(
        self,
        log: Log,
        rings: Mapping[int, Ring[Viewer]],
        *,
        readers: int,
        backlog_bytes: int,
        hand_over: Callable[[Viewer], None],
    ) -> None:
        self._log = log
        self._rings = rings
        self._readers = readers
        self._backlog_bytes = backlog_bytes
        self._hand_over = hand_over
        self._waiting: dict[int, set[Viewer]] = defaultdict(set)
        self._scheduled: set[int] = set()
        self._due: asyncio.Queue[int] = asyncio.Queue()

    def add(self, viewer: Viewer) -> None:
        """Queue a viewer whose position lies before the ring."""
        viewer.source = Source.REPLAY
        self._waiting[viewer.partition].add(viewer)
        self._schedule(viewer.partition)

    def discard(self, viewer: Viewer) -> None:
        """Forget a viewer that is gone."""
        self._waiting[viewer.partition].discard(viewer)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._readers):
                tasks.create_task(self._serve())

    def _schedule(self, partition: int) -> None:
        if partition not in self._scheduled:
            self._scheduled.add(partition)
            self._due.put_nowait(partition)

    async def _serve(self) -> None:
        async with self._log.reader() as reader:
            while True:
                partition = await self._due.get()
                await self._sweep(reader, partition)
                reader.assign({})
                self._scheduled.discard(partition)
                if self._waiting[partition]:
                    self._schedule(partition)

    async def _sweep(self, reader: Reader, partition: int) -> None:
        """Read once through the partition for all who wait there."""
        waiting = self._waiting[partition]
        if not waiting:
            return
        tp = TopicPartition(COLLABORATION_STREAM, partition)
        position = min(viewer.position for viewer in waiting)
        reader.assign({tp: position})
        aboard: set[Viewer] = set()
        while True:
            boarding = {viewer for viewer in waiting if viewer.position >= position}
            waiting -= boarding
            aboard = {viewer for viewer in aboard | boarding if not viewer.gone}
            if position >= self._rings[partition].start:
                self._arrive(aboard)
                return
            if not aboard:
                return
            try:
                records = await reader.poll(max_records=_BATCH, wait_s=_POLL_S)
            except OffsetOutOfRangeError as error:
                waiting |= _still_there(aboard, beginning=error.beginning)
                return
            position = reader.positions()[tp]
            aboard = self._deliver(records, aboard, position=position)
            await asyncio.sleep(0)  # some logs answer at once while there is more

    def _deliver(
        self, records: Sequence[Record], aboard: set[Viewer], *, position: int
    ) -> set[Viewer]:
        """Give each viewer its entries; returns those that stay aboard."""
        _check_witnesses(records, aboard, position=position)
        staying = {viewer for viewer in aboard if viewer.fault is None}
        by_key: dict[bytes, list[Viewer]] = defaultdict(list)
        for viewer in staying:
            by_key[viewer.key].append(viewer)
        for record in records:
            if record.key is None or record.key not in by_key:
                continue
            entry = entry_of(record) or hole_of(record)
            if entry is not None:
                staying -= self._offer(entry, by_key[record.key])
        for viewer in staying:
            viewer.position = max(viewer.position, position)
        for viewer in aboard:
            viewer.wake()
        return staying

    def _offer(self, entry: Entry, viewers: Sequence[Viewer]) -> set[Viewer]:
        """Give an entry to those who need it; returns those whose backlog is full now."""
        full = set()
        for viewer in viewers:
            if viewer.source is not Source.REPLAY or entry.offset < viewer.position:
                continue
            viewer.offer(entry)
            if viewer.backlog_bytes > self._backlog_bytes:
                viewer.source = Source.BACKLOG
                full.add(viewer)
        return full

    def _arrive(self, aboard: set[Viewer]) -> None:
        for viewer in aboard:
            self._hand_over(viewer)
            viewer.wake()


def _check_witnesses(records: Sequence[Record], aboard: set[Viewer], *, position: int) -> None:
    """Fail the viewers whose cursor names a record that is not of their collaboration."""
    unproven = [viewer for viewer in aboard if viewer.witness is not None]
    if not unproven:
        return
    keys = {record.offset: record.key for record in records}
    for viewer in unproven:
        witness = viewer.witness
        if witness is None or witness >= position:
            continue
        if keys.get(witness) != viewer.key:
            viewer.fail(ForeignCursorError())
        viewer.witness = None
        viewer.position = max(viewer.position, witness + 1)


def _still_there(aboard: set[Viewer], *, beginning: int) -> set[Viewer]:
    """Fail the viewers whose next record has expired; returns the others."""
    kept = {viewer for viewer in aboard if viewer.position >= beginning}
    for viewer in aboard - kept:
        viewer.fail(ExpiredCursorError())
    return kept
