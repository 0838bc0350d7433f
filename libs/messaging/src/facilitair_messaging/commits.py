"""Commits what is finished, behind the work and at most every so often."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.errors import CommitRefusedError, CommitUnknownError
from facilitair_messaging.held import HeldPartitions
from facilitair_messaging.partition_work import PartitionWork
from facilitair_messaging.ports import GroupConsumer, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

_log = structlog.get_logger()


class Commits:
    """Stores the watermark of each partition. Only one commit is on its way at a time.

    A refused commit means that the partition moved: its next owner does the work again, and so
    nothing is lost. What is still held is tried again with the next commit.
    """

    def __init__(self, *, consumer: GroupConsumer, group: str, metrics: Metrics) -> None:
        self._consumer = consumer
        self._group = group
        self._metrics = metrics
        self._lock = asyncio.Lock()

    async def follow(self, held: HeldPartitions, *, interval_s: float) -> None:
        """Commit whenever there was progress, until cancelled."""
        while True:
            await held.progressed.wait()
            held.progressed.clear()
            if not await self.commit(held.committable()):
                held.progressed.set()
            await asyncio.sleep(interval_s)

    async def commit(self, works: Iterable[PartitionWork]) -> bool:
        """Store what is new of these partitions; False when something was refused."""
        async with self._lock:
            due = {
                work.tp: work
                for work in works
                if work.watermark.committable is not None
                and work.watermark.committable != work.committed
            }
            offsets = {tp: work.watermark.committable for tp, work in due.items()}
            stored = await self._store({tp: at for tp, at in offsets.items() if at is not None})
            for tp in stored:
                due[tp].committed = offsets[tp]
            return len(stored) == len(due)

    async def _store(self, offsets: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        if not offsets:
            return []
        crash_point("before_commit")
        try:
            await self._consumer.commit(offsets)
        except CommitUnknownError as error:
            # The log is away, not the partitions: asking for each of them would only take longer.
            _log.warning("commit unanswered", group=self._group, reason=str(error))
            return []
        except CommitRefusedError as error:
            if len(offsets) == 1:
                (tp,) = offsets
                self._refused(tp, error)
                return []
        else:
            return list(offsets)
        # One lost partition refuses the whole commit; the others are still ours.
        return [tp for tp, at in offsets.items() if await self._store({tp: at})]

    def _refused(self, tp: TopicPartition, error: CommitRefusedError) -> None:
        _log.warning("commit refused", topic=tp.topic, partition=tp.partition, reason=str(error))
        self._metrics.count(names.COMMITS_REFUSED, topic=tp.topic, group=self._group)
