"""Snapshots and commits, behind the batches and in order (R8)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Generic

import structlog

from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.errors import CommitRefusedError, ProduceUnknownError
from facilitair_messaging.ports import Message, Producer, TopicPartition
from facilitair_runtime.errors import NothingHeldError
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.partitions import Partition, Slot
from facilitair_runtime.reducing.states import snapshot

_log = structlog.get_logger()

_CHUNK = 64
"""Snapshots that are encoded and sent together, so that the loop is not held for long."""

Commit = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class Snapshots(Generic[S]):
    """Writes what has moved, then commits what is covered; never the other way round.

    A snapshot is of the state as it was acked, not of what is being decided.
    """

    def __init__(
        self,
        reducer: Reducer[S],
        partitions: Mapping[TopicPartition, Partition[S]],
        *,
        producer: Producer,
        commit: Commit,
        interval_s: float,
        attempts: int,
    ) -> None:
        self._reducer = reducer
        self._partitions = partitions
        self._producer = producer
        self._commit = commit
        self._interval_s = interval_s
        self._attempts = attempts
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()

    def want(self) -> None:
        """Something was acked."""
        self._wanted.set()

    def close(self) -> None:
        """Write what is open once more, then let ``run`` return."""
        self._closing.set()
        self._wanted.set()

    async def run(self) -> None:
        """Flush at once when something is acked, then at most once per interval.

        Raises ProduceUnknownError when the log does not answer several times in a row.
        """
        failures = 0
        while True:
            await self._wanted.wait()
            closing = self._closing.is_set()
            self._wanted.clear()
            try:
                await self.flush()
                failures = 0
            except ProduceUnknownError as error:
                failures += 1
                if failures >= self._attempts:
                    raise
                _log.warning("snapshots written again", attempt=failures, reason=str(error))
                self._wanted.set()
                await asyncio.sleep(self._interval_s)
                continue
            if closing:
                return
            await self._pause()

    async def flush(self) -> None:
        """Write a snapshot of every key that moved, then commit. Raises ProduceUnknownError."""
        for chunk in _chunks(self._moved()):
            written = [self._snapshot(slot) for _, slot in chunk]
            await self._producer.send([message for _, message in written])
            crash_point("after_snapshot")
            for (partition, slot), (applied, message) in zip(chunk, written, strict=True):
                slot.cover(applied)
                partition.rest(slot, message)
                if not slot.uncovered:
                    partition.open.pop(slot.key, None)
        await self._commit_covered()

    def _moved(self) -> list[tuple[Partition[S], Slot[S]]]:
        return [
            (partition, slot)
            for partition in self._partitions.values()
            for slot in partition.open.values()
            if slot.wants_snapshot()
        ]

    def _snapshot(self, slot: Slot[S]) -> tuple[int, Message]:
        held = slot.standing.held
        if held is None:
            raise NothingHeldError(key=slot.key)
        return held.applied, snapshot(self._reducer, held, key=slot.key)

    async def _commit_covered(self) -> None:
        offsets: dict[TopicPartition, int] = {}
        for tp, partition in self._partitions.items():
            covered = partition.committable()
            if partition.ready and covered > partition.committed:
                offsets[tp] = covered
        if not offsets:
            return
        crash_point("before_commit")
        try:
            await self._commit(offsets)
        except CommitRefusedError as error:
            _log.warning("commit refused", reason=str(error))
            self._wanted.set()
            return
        for tp, offset in offsets.items():
            owned = self._partitions.get(tp)
            if owned is not None:
                owned.committed = max(owned.committed, offset)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._interval_s):
                await self._closing.wait()
        except TimeoutError:
            return


def _chunks(
    moved: list[tuple[Partition[S], Slot[S]]],
) -> Iterator[list[tuple[Partition[S], Slot[S]]]]:
    for start in range(0, len(moved), _CHUNK):
        yield moved[start : start + _CHUNK]
