"""Reading without a group."""

import sqlite3
from collections.abc import Callable, Mapping

from facilitair_messaging.adapters.embedded.cursors import Cursors, poll
from facilitair_messaging.adapters.embedded.errors import LogClosedError
from facilitair_messaging.adapters.embedded.partitions import PartitionIndex
from facilitair_messaging.ports import Record, TopicPartition


class EmbeddedReader:
    """A reader of any partitions."""

    def __init__(self, *, db: Callable[[], sqlite3.Connection], index: PartitionIndex) -> None:
        self._cursors = Cursors(db=db, index=index)
        self._index = index
        self._closed = False

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """As the port says; raises UnknownTopicError and keeps the old assignment then."""
        for tp in positions:
            self._index.get(tp)
        self._cursors.drop(self._cursors.offsets())
        for tp, offset in positions.items():
            self._cursors.put(tp, offset)

    def positions(self) -> dict[TopicPartition, int]:
        return self._cursors.offsets()

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        def take() -> list[Record]:
            if self._closed:
                raise LogClosedError(what="reader")
            return self._cursors.take(paused=set(), max_records=max_records)

        return await poll(self._cursors, take, wait_s=wait_s)

    def close(self) -> None:
        """Read nothing more; a waiting poll raises LogClosedError."""
        self._closed = True
        self._cursors.drop(self._cursors.offsets())
        self._cursors.wake()
