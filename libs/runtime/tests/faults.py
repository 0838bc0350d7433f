"""Logs that fail where a test wants it, and remember in which order what was acked."""

import asyncio
from contextlib import asynccontextmanager

from facilitair_messaging.errors import ProduceUnknownError


class KilledError(BaseException):
    """The process is dead: it does nothing any more, not even cleaning up."""


LOST, HALF, WRITTEN = "lost", "half", "written"
"""What is in the log of the call that failed: nothing, the first half, all of it."""


class FaultyLog:
    """Passes everything on, and fails at one step.

    Steps are sends and commits, counted from 1 in the order in which they begin.
    ``kill`` ends the process there: nothing after it reaches the log. Without it the step ends
    as ProduceUnknownError, once.
    ``group`` replaces the consumer group: two owners of the same partitions.
    ``splits`` are the sizes of the first polls.
    """

    def __init__(self, log, *, at=0, mode=LOST, kill=False, group=None, splits=()) -> None:
        self._log = log
        self._at = at
        self._mode = mode
        self._kill = kill
        self.group = group
        self.splits = list(splits)
        self.steps = 0
        self.dead = False
        self.journal: list = []
        self.committed = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._log, name)

    @asynccontextmanager
    async def producer(self):
        async with self._log.producer() as producer:
            yield _Producer(self, producer)

    @asynccontextmanager
    async def consumer(self, **options):
        options["group"] = self.group or options["group"]
        async with self._log.consumer(**options) as consumer:
            yield _Consumer(self, consumer)

    def step(self) -> bool:
        """Count a step; whether it is the one that fails."""
        if self.dead:
            raise KilledError
        self.steps += 1
        return self.steps == self._at

    async def send(self, producer, messages):
        if not self.step():
            acks = await producer.send(messages)
            self.journal += messages
            return acks
        self.dead = self._kill
        part = {LOST: 0, HALF: (len(messages) + 1) // 2, WRITTEN: len(messages)}[self._mode]
        await producer.send(messages[:part])
        self.journal += messages[:part]
        if self._kill:
            raise KilledError
        raise ProduceUnknownError(topics=("?",), reason="as the test wants it")

    async def commit(self, consumer, offsets):
        failing = self.step()
        if failing and self._kill:
            self.dead = True
            if self._mode != LOST:
                await consumer.commit(offsets)
            raise KilledError
        await consumer.commit(offsets)
        self.committed.set()


class _Producer:
    def __init__(self, faults, producer) -> None:
        self._faults = faults
        self._producer = producer

    async def send(self, messages):
        return await self._faults.send(self._producer, list(messages))


class _Consumer:
    def __init__(self, faults, consumer) -> None:
        self._faults = faults
        self._consumer = consumer

    def __getattr__(self, name):
        return getattr(self._consumer, name)

    async def poll(self, *, max_records, wait_s):
        splits = self._faults.splits
        size = splits[0] if splits else max_records
        records = await self._consumer.poll(max_records=size, wait_s=wait_s)
        if records and splits:
            splits.pop(0)
        return records

    async def commit(self, offsets):
        await self._faults.commit(self._consumer, offsets)
