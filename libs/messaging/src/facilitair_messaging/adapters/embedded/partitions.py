"""What the event loop knows of each partition: bounds, latest records, who waits for more."""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from facilitair_messaging.errors import UnknownTopicError
from facilitair_messaging.ports import Record, TopicPartition

TAIL_RECORDS: Final = 1024
TAIL_BYTES: Final = 256 * 1024
_RECORD_OVERHEAD: Final = 200


class Waiter(Protocol):
    """Who reads a partition, and waits at its end."""

    def notice(self, tp: TopicPartition) -> None:
        """It is worth looking at this partition again."""


class Partition:
    """One partition as readers see it: what is committed *and* published to the loop.

    The tail holds every record from ``tail_start`` to ``end`` without a hole.
    A live reader is served from it and never touches SQLite.
    """

    __slots__ = ("_tail", "_tail_bytes", "beginning", "end", "id", "tail_start", "tp", "waiters")

    def __init__(self, tp: TopicPartition, *, partition_id: int, beginning: int, end: int) -> None:
        self.tp = tp
        self.id = partition_id
        self.beginning = beginning
        self.end = end
        self.tail_start = end
        self.waiters: set[Waiter] = set()
        self._tail: list[Record] = []
        self._tail_bytes = 0

    def publish(self, record: Record) -> None:
        """Add the record at ``end``. Call ``wake`` after the last of a batch."""
        self._tail.append(record)
        self._tail_bytes += _size(record)
        self.end = record.offset + 1
        while self._tail_bytes > TAIL_BYTES or len(self._tail) > TAIL_RECORDS:
            self._shorten()

    def begin_at(self, offset: int) -> None:
        """Nothing before ``offset`` can be read any more; who waits there is to find out."""
        self.beginning = offset
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits for this partition look again."""
        for waiter in self.waiters:
            waiter.notice(self.tp)

    def from_tail(self, offset: int, *, limit: int) -> list[Record]:
        """Up to ``limit`` records from ``offset``, which must be at or after ``tail_start``."""
        start = offset - self.tail_start
        return self._tail[start : start + limit]

    def forget(self, last_deleted: int) -> None:
        """Serve nothing up to ``last_deleted`` from the tail: it was deleted in the file."""
        if last_deleted >= self.tail_start:
            self._tail.clear()
            self._tail_bytes = 0
            self.tail_start = self.end

    def _shorten(self) -> None:
        """Drop the older half, so that the cost per record stays constant."""
        dropped = (len(self._tail) + 1) // 2
        self._tail_bytes -= sum(_size(record) for record in self._tail[:dropped])
        del self._tail[:dropped]
        self.tail_start += dropped


class PartitionIndex:
    """All partitions of the log, by topic."""

    def __init__(self) -> None:
        self._topics: dict[str, list[Partition]] = {}

    def add(self, topic: str, partitions: list[Partition]) -> None:
        """Make a topic known; one that is known stays as it is."""
        self._topics.setdefault(topic, partitions)

    def count(self, topic: str) -> int | None:
        """How many partitions a topic has; None when it was not created."""
        found = self._topics.get(topic)
        return None if found is None else len(found)

    def of(self, topic: str) -> list[Partition]:
        """The partitions of a topic in order. Raises UnknownTopicError."""
        found = self._topics.get(topic)
        if found is None:
            raise UnknownTopicError(topic=topic)
        return found

    def get(self, tp: TopicPartition) -> Partition:
        """One partition. Raises UnknownTopicError, also for a number that the topic lacks."""
        partitions = self.of(tp.topic)
        if not 0 <= tp.partition < len(partitions):
            raise UnknownTopicError(topic=f"{tp.topic}[{tp.partition}]")
        return partitions[tp.partition]

    def all_of(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Every partition of these topics. Raises UnknownTopicError."""
        return [partition.tp for topic in topics for partition in self.of(topic)]

    def __iter__(self) -> Iterator[Partition]:
        for partitions in self._topics.values():
            yield from partitions


def _size(record: Record) -> int:
    return _RECORD_OVERHEAD + len(record.key or b"") + len(record.value or b"")
