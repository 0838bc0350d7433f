"""The records of one partition while a member holds it: in order per key, side by side across."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from facilitair_messaging.errors import PartitionClosedError
from facilitair_messaging.ports import Record, TopicPartition
from facilitair_messaging.rejections import Rejections
from facilitair_messaging.watermark import Watermark

Finish = Callable[[Record, "PartitionWork"], Awaitable[None]]


class PartitionWork:
    """One lane per key. A lane works on one record at a time; lanes share ``slots``.

    No lane begins before ``after`` is done: the partition's earlier turn at this member.
    ``paused`` and ``committed`` are notes of the caller: what it told the consumer.
    """

    def __init__(
        self,
        tp: TopicPartition,
        *,
        slots: asyncio.Semaphore,
        rejections: Rejections,
        finish: Finish,
        after: asyncio.Task[None] | None,
        on_progress: Callable[["PartitionWork"], None],
    ) -> None:
        self.tp = tp
        self.watermark = Watermark()
        self.rejections = rejections
        self.paused = False
        self.committed: int | None = None
        self._slots = slots
        self._finish = finish
        self._after = after
        self._on_progress = on_progress
        self._lanes: dict[bytes | None, deque[Record]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempts = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    def take(self, record: Record, *, tasks: asyncio.TaskGroup) -> None:
        """Work on a record behind those of its key; a task of ``tasks`` does it."""
        self.watermark.take(record.offset)
        lane = self._lanes.get(record.key)
        if lane is not None:
            lane.append(record)
            return
        self._lanes[record.key] = deque([record])
        task = tasks.create_task(self._run_lane(record.key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Hold a slot for one attempt at a record, its dead letter included.

        Raises PartitionClosedError when nothing may be handed out any more.
        """
        async with self._slots:
            if self._closing:
                raise PartitionClosedError(topic=self.tp.topic, partition=self.tp.partition)
            self._attempts += 1
            self._idle.clear()
            try:
                yield
            finally:
                self._attempts -= 1
                if not self._attempts:
                    self._idle.set()

    async def close(self, *, within_s: float) -> None:
        """Hand out nothing more and return when no lane runs.

        Attempts that run may finish until ``within_s``, then they are cancelled.
        """
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        lanes = list(self._tasks)
        for lane in lanes:
            lane.cancel()
        # A lane that raised stops the consumer through its task group, not from here.
        await asyncio.gather(*lanes, return_exceptions=True)

    async def _run_lane(self, key: bytes | None) -> None:
        lane = self._lanes[key]
        try:
            if self._after is not None:
                await asyncio.wait([self._after])
            while lane:
                await self._finish(lane[0], self)
                self.watermark.finish(lane.popleft().offset)
                self._on_progress(self)
        except PartitionClosedError:
            # What is left was not begun; whoever owns the partition next reads it again.
            lane.clear()
        finally:
            del self._lanes[key]
