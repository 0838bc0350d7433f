"""The log as services see it: producer, group consumer, reader, admin.

An adapter provides a ``Log``; services never know which one.
Every adapter passes ``facilitair_testing.conformance``.
Nothing here polls in the background on the caller's behalf, and no call waits for ever unless it
says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from msgspec import Struct

from facilitair_events.envelope import Headers
from facilitair_events.registry import TopicSpec


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Record(Struct, frozen=True, gc=False):
    """A record as it lies in the log.

    ``timestamp_ms`` is its append time (R1); a null ``value`` is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def tp(self) -> TopicPartition:
        """The partition it lies in."""
        return TopicPartition(self.topic, self.partition)


class Message(Struct, frozen=True, gc=False):
    """A record to be appended. Its partition follows from its key (R3)."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()


class Ack(Struct, frozen=True, gc=False):
    """The log has the record.

    ``offset`` is None when the broker only said that it had it already (M7).
    """

    partition: int
    offset: int | None


class Producer(Protocol):
    """Appends records, idempotently, acked by all replicas (R2)."""

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        """Append in order and return when every record is acked.

        Records of one partition keep the order of ``messages`` and of earlier calls, also
        concurrent ones.
        Raises RecordRefusedError when the log refuses a record for good (too large, unknown topic):
        the caller may not assume anything about later messages of the same call.
        Raises ProduceUnknownError after any ambiguous or fatal error (R4): each message of this
        call may or may not be in the log. The adapter has discarded and rebuilt its producer; the
        caller redoes the work from what it knows. Cancelling it is such an ambiguity too.
        """
        ...


Partitions = frozenset[TopicPartition]
OnPartitions = Callable[[Partitions], None]


class GroupConsumer(Protocol):
    """A member of a consumer group. Partitions come and go only as the callbacks say.

    The callbacks are plain functions that mark and return (R5); they run before ``poll`` returns
    any record of an assigned partition, and after it returned the last one of a revoked partition.
    """

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        """Records of assigned, not paused partitions, in offset order per partition.

        Returns as soon as there is one record, or [] after ``wait_s`` without any.
        Keeps the membership alive when called at least every few seconds.
        A partition starts at its committed offset, or at the beginning for a group that never
        committed there.
        Raises OffsetOutOfRangeError when that position does not exist (any more).
        """
        ...

    def assignment(self) -> Partitions:
        """The partitions this member holds now."""
        ...

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's committed offset (of the next record to read), or None."""
        ...

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read on from ``offset``. Raises NotAssignedError."""
        ...

    def pause(self, tps: Iterable[TopicPartition]) -> None:
        """Do not return records of these until ``resume``; the position stays.

        Not assigned ones are ignored.
        """
        ...

    def resume(self, tps: Iterable[TopicPartition]) -> None:
        """Undo ``pause``."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Durably store the next offsets to read.

        Raises CommitRefusedError when this member lost a partition.
        """
        ...


class Reader(Protocol):
    """Reads partitions without a group, from wherever it is told."""

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read exactly these partitions from these offsets; replaces what was assigned before."""
        ...

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of each assigned partition."""
        ...

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        """As for a consumer.

        Raises OffsetOutOfRangeError for an offset before the beginning or past the end.
        """
        ...


class Admin(Protocol):
    """Topics and offsets, seen from outside."""

    async def ensure_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create what is missing and wait until it takes writes.

        Raises TopicDriftError when a partition count differs.
        """
        ...

    async def config_drift(self, specs: Iterable[TopicSpec]) -> dict[str, tuple[str, ...]]:
        """How the settings of existing topics differ from their declarations.

        One phrase per setting, by topic; topics without differences are left out.
        """
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises UnknownTopicError."""
        ...

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that can be read."""
        ...

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next record will get."""
        ...

    async def offsets_at(
        self, times_ms: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int | None]:
        """The first offset appended at or after the given time; None when there is none yet."""
        ...

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """What a group has committed, by partition."""
        ...

    async def set_committed(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Move a group that has no members. Raises GroupActiveError when it has some."""
        ...


class Log(Protocol):
    """One log, embedded or a Kafka cluster.

    Everything it hands out is closed by leaving its context.
    """

    def producer(self) -> AbstractAsyncContextManager[Producer]:
        """A producer of the caller's own; ambiguity in one does not touch another."""
        ...

    def consumer(
        self,
        *,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
    ) -> AbstractAsyncContextManager[GroupConsumer]:
        """Join ``group`` as the static member ``member`` (R2).

        Leaving the context leaves the group.
        """
        ...

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """A reader that is assigned nothing yet."""
        ...

    def admin(self) -> Admin:
        """Topics and offsets; needs no closing."""
        ...

    def partition_for(self, topic: str, key: bytes) -> int:
        """The partition of a key, by ``partition_by`` of the topic (R3). Cached per key.

        Raises UnknownTopicError.
        """
        ...
