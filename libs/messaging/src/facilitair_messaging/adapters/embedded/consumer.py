"""A group member."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from facilitair_messaging.adapters.embedded.cursors import Cursors, poll
from facilitair_messaging.adapters.embedded.errors import LogClosedError
from facilitair_messaging.adapters.embedded.groups import Group
from facilitair_messaging.adapters.embedded.partitions import PartitionIndex
from facilitair_messaging.errors import CommitRefusedError, NotAssignedError
from facilitair_messaging.ports import OnPartitions, Partitions, Record, TopicPartition


class Callbacks(NamedTuple):
    """What a member wants to be told."""

    on_assigned: OnPartitions
    on_revoked: OnPartitions


class EmbeddedConsumer:
    """Holds partitions from ``on_given`` to ``on_lost``.

    Both happen at once, on the loop, in the task that caused the rebalance.
    What a callback raises is raised by this member's next poll: it is this member that failed.
    """

    def __init__(
        self,
        *,
        db: Callable[[], sqlite3.Connection],
        index: PartitionIndex,
        group: Group,
        topics: Sequence[str],
        callbacks: Callbacks,
    ) -> None:
        self._index = index
        self._group = group
        self._topics = frozenset(topics)
        self._callbacks = callbacks
        self._cursors = Cursors(db=db, index=index)
        self._held: Partitions = frozenset()
        self._unplaced: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._failure: Exception | None = None
        self._reported = False
        self._closed = False

    def subscription(self) -> frozenset[str]:
        return self._topics

    def on_lost(self) -> None:
        lost, self._held = self._held, frozenset()
        self._cursors.drop(lost)
        self._unplaced.clear()
        self._paused.clear()
        if lost:
            self._call(self._callbacks.on_revoked, lost)

    def on_given(self, tps: Partitions) -> None:
        self._held = tps
        self._unplaced = set(tps)
        if tps:
            self._call(self._callbacks.on_assigned, tps)
        self._cursors.wake()

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        def take() -> list[Record]:
            self._check()
            self._place()
            return self._cursors.take(paused=self._paused, max_records=max_records)

        return await poll(self._cursors, take, wait_s=wait_s, before=self._settle)

    def assignment(self) -> Partitions:
        return self._held

    async def committed(self, tp: TopicPartition) -> int | None:
        await self._group.settled()
        return self._group.committed().get(tp)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._require(tp)
        self._unplaced.discard(tp)
        self._cursors.put(tp, offset)

    def pause(self, tps: Iterable[TopicPartition]) -> None:
        self._paused.update(self._held.intersection(tps))

    def resume(self, tps: Iterable[TopicPartition]) -> None:
        self._paused.difference_update(tps)
        self._cursors.wake()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        lost = offsets.keys() - self._held
        if lost:
            names = ", ".join(f"{tp.topic}[{tp.partition}]" for tp in sorted(lost))
            raise CommitRefusedError(group=self._group.name, reason=f"{names} is not assigned")
        if offsets:
            await self._group.commit(offsets)

    def close(self) -> None:
        """Return nothing more; a waiting poll raises LogClosedError.

        Raises what a callback raised, when no poll did.
        """
        self._closed = True
        self._cursors.wake()
        if self._failure is not None and not self._reported:
            raise self._failure

    async def _settle(self) -> None:
        """Let commits of earlier owners land before new partitions are started from them."""
        if self._unplaced:
            await self._group.settled()

    def _place(self) -> None:
        """Start new partitions at the committed offset, or at the beginning."""
        if not self._unplaced:
            return
        committed = self._group.committed()
        for tp in self._unplaced:
            offset = committed.get(tp)
            self._cursors.put(tp, self._index.get(tp).beginning if offset is None else offset)
        self._unplaced.clear()

    def _call(self, callback: OnPartitions, tps: Partitions) -> None:
        try:
            callback(tps)
        except Exception as error:  # noqa: BLE001 - raised by the next poll
            self._failure = self._failure or error

    def _check(self) -> None:
        if self._failure is not None:
            self._reported = True
            raise self._failure
        if self._closed:
            raise LogClosedError(what="consumer")

    def _require(self, tp: TopicPartition) -> None:
        if tp not in self._held:
            raise NotAssignedError(topic=tp.topic, partition=tp.partition)
