"""The partitions that a member holds: how they come, are throttled, and go."""

import asyncio
import time
from collections.abc import Iterable

from facilitair_messaging.partition_work import Finish, PartitionWork
from facilitair_messaging.ports import GroupConsumer, Partitions, Record, TopicPartition
from facilitair_messaging.rejections import RejectionLimit, Rejections


class TopicSlots:
    """How many handlers run at once: ``count`` for all topics, and for each one ``apart``."""

    def __init__(self, count: int, *, apart: Iterable[str] = ()) -> None:
        self._shared = asyncio.Semaphore(count)
        self._own = {topic: asyncio.Semaphore(count) for topic in apart}

    def of(self, topic: str) -> asyncio.Semaphore:
        """The slots that handlers of a topic take."""
        return self._own.get(topic, self._shared)


class HeldPartitions:
    """The work of every held partition. ``progressed`` is set whenever there may be more to commit.

    ``assigned`` and ``revoked`` are the callbacks of the consumer: they mark and return (R5).
    """

    def __init__(
        self,
        *,
        tasks: asyncio.TaskGroup,
        finish: Finish,
        slots: TopicSlots,
        max_pending: int,
        drain_s: float,
        rejections: RejectionLimit,
    ) -> None:
        self.progressed = asyncio.Event()
        self.last_progress = time.monotonic()
        self._tasks = tasks
        self._finish = finish
        self._slots = slots
        self._max_pending = max_pending
        self._drain_s = drain_s
        self._rejections = rejections
        self._consumer: GroupConsumer | None = None
        self._works: dict[TopicPartition, PartitionWork] = {}
        self._leaving: dict[TopicPartition, asyncio.Task[None]] = {}
        self._left: list[PartitionWork] = []

    @property
    def pending(self) -> dict[TopicPartition, int]:
        """Records from the first unfinished one on, by partition."""
        return {tp: work.watermark.pending for tp, work in self._works.items()}

    def serve(self, consumer: GroupConsumer) -> None:
        """Use this consumer to pause and resume; the callbacks may come before it is known."""
        self._consumer = consumer

    def assigned(self, partitions: Partitions) -> None:
        """Begin to hold partitions; the consumer reads each from its committed offset."""
        for tp in partitions:
            self._works[tp] = PartitionWork(
                tp,
                slots=self._slots.of(tp.topic),
                rejections=Rejections(self._rejections),
                finish=self._finish,
                after=self._leaving.get(tp),
                on_progress=self._on_progress,
            )

    def revoked(self, partitions: Partitions) -> None:
        """Hand out nothing more of these; what runs may finish until the deadline."""
        for tp in partitions:
            work = self._works.pop(tp, None)
            if work is not None:
                before = self._leaving.get(tp)
                self._leaving[tp] = self._tasks.create_task(self._let_go(work, before=before))

    def take(self, records: Iterable[Record]) -> None:
        """Work on polled records and pause the partitions that have enough."""
        for record in records:
            # A rebalance between the poll and now took it away: its next owner reads it.
            if (work := self._works.get(record.tp)) is not None:
                work.take(record, tasks=self._tasks)
        for work in self._works.values():
            if not work.paused and work.watermark.pending >= self._max_pending:
                self._pause(work)

    def committable(self) -> list[PartitionWork]:
        """Whose offsets to commit: what is held, and once what was let go and is not held again.

        For a partition that came back, the offset of its earlier turn may be behind another
        owner's by now.
        """
        left = [work for work in self._left if work.tp not in self._works]
        self._left.clear()
        return [*self._works.values(), *left]

    async def close(self) -> None:
        """Let go of everything as ``revoked`` does, and return when nothing runs."""
        self.revoked(frozenset(self._works))
        await asyncio.gather(*self._leaving.values())

    def abandon(self) -> None:
        """Hold nothing any more. After a failure the task group has ended what ran."""
        self._works.clear()

    async def _let_go(self, work: PartitionWork, *, before: asyncio.Task[None] | None) -> None:
        await work.close(within_s=self._drain_s)
        if before is not None:
            await asyncio.wait([before])
        self._left.append(work)
        self.progressed.set()

    def _on_progress(self, work: PartitionWork) -> None:
        self.last_progress = time.monotonic()
        self.progressed.set()
        if work.paused and work.watermark.pending <= self._max_pending // 2:
            self._resume(work)

    def _pause(self, work: PartitionWork) -> None:
        if self._consumer is not None:
            self._consumer.pause([work.tp])
            work.paused = True

    def _resume(self, work: PartitionWork) -> None:
        # The work of an earlier turn must not resume what the present one paused.
        if self._consumer is not None and self._works.get(work.tp) is work:
            self._consumer.resume([work.tp])
            work.paused = False
