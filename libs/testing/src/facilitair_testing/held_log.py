"""A log whose user a test stops, and whose sends it holds, doubts, loses or lets land late.

What SIGSTOP, a slow broker and an answer that gets lost do to a process, in one process and without
waiting: two owners over one log, each with a ``HeldLog`` of its own, are two processes.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import (
    Ack,
    GroupConsumer,
    Log,
    Message,
    OnPartitions,
    Partitions,
    Producer,
    Record,
    TopicPartition,
)
from facilitair_testing.eventually import eventually


class Hold:
    """The sends to one topic, from ``hold`` until they are let go. One use each."""

    def __init__(self, log: "HeldLog", topic: str) -> None:
        self._log = log
        self.topic = topic
        self.messages: list[Message] = []
        """What waits, in the order in which it was sent."""
        self._fate: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def reached(self, count: int = 1) -> list[Message]:
        """Wait until this many records wait here; returns them."""
        await eventually(
            lambda: len(self.messages) >= count, timeout_s=120, what=f"a send to {self.topic}"
        )
        return self.messages

    def land(self) -> None:
        """Let them be written and acked; later sends pass."""
        self._open(fate=True)

    def doubt(self) -> None:
        """Fail them as ambiguous. They are not in the log; ``land_late`` may put them there."""
        self._open(fate=False)

    async def land_late(self) -> None:
        """Write what was doubted, in its order, behind whatever came meanwhile (R4)."""
        await self._log.write(self.messages)

    def _open(self, *, fate: bool) -> None:
        self._log.holds.pop(self.topic, None)
        self._fate.set_result(fate)

    async def pass_through(self, messages: list[Message]) -> None:
        """Wait with these for the test's word. Raises ProduceUnknownError."""
        self.messages += messages
        if not await asyncio.shield(self._fate):
            raise ProduceUnknownError(topics=(self.topic,), reason="the test doubts it")


class HeldLog:
    """Passes everything on, except while it is stopped and what is held.

    While it is stopped its user writes, reads, commits and learns nothing, as under SIGSTOP, and
    goes on exactly there; the log goes on without it.
    A send is one part per topic, as a broker takes it per partition: that one is held holds up
    none of the others. ``journal`` is what landed, in order.
    """

    def __init__(self, log: Log) -> None:
        self._log: Any = log
        self._going = asyncio.Event()
        self._going.set()
        self.holds: dict[str, Hold] = {}
        self.journal: list[Message] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def stop(self) -> None:
        """Stop its user at the next thing it wants of the log."""
        self._going.clear()

    def go_on(self) -> None:
        """Let its user go on."""
        self._going.set()

    @property
    def stopped(self) -> bool:
        """Whether its user is stopped."""
        return not self._going.is_set()

    async def going(self) -> None:
        """Return while it is not stopped."""
        await self._going.wait()

    def hold(self, topic: str) -> Hold:
        """Hold what is sent to a topic from now on."""
        self.holds[topic] = Hold(self, topic)
        return self.holds[topic]

    async def write(self, messages: Sequence[Message]) -> list[Ack]:
        """Append, stopped or not."""
        async with self._log.producer() as producer:
            acks: list[Ack] = await producer.send(messages)
        return acks

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        """A producer that can be held."""
        async with self._log.producer() as producer:
            yield _HeldProducer(self, producer)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Any]:
        """A reader that can be stopped."""
        async with self._log.reader() as reader:
            yield _HeldPolls(self, reader)

    @asynccontextmanager
    async def consumer(
        self, *, on_assigned: OnPartitions, on_revoked: OnPartitions, **options: Any
    ) -> AsyncIterator[GroupConsumer]:
        """A member that can be stopped; it learns later what it was given and what it lost."""
        news: list[Callable[[], None]] = []

        def told(callback: OnPartitions) -> OnPartitions:
            def tell(tps: Partitions) -> None:
                if self.stopped or news:
                    news.append(lambda: callback(tps))
                else:
                    callback(tps)

            return tell

        async with self._log.consumer(
            on_assigned=told(on_assigned), on_revoked=told(on_revoked), **options
        ) as consumer:
            yield _HeldConsumer(self, consumer, news=news)


class _HeldProducer:
    def __init__(self, log: HeldLog, producer: Producer) -> None:
        self._log = log
        self._producer = producer

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        await self._log.going()
        parts: dict[str, list[tuple[int, Message]]] = defaultdict(list)
        for place, message in enumerate(messages):
            parts[message.topic].append((place, message))
        acks: dict[int, Ack] = {}
        for topic in sorted(parts, key=lambda topic: topic in self._log.holds):
            places, part = zip(*parts[topic], strict=True)
            acks |= zip(places, await self._part(topic, list(part)), strict=True)
        await self._log.going()
        return [acks[place] for place in range(len(messages))]

    async def _part(self, topic: str, messages: list[Message]) -> list[Ack]:
        hold = self._log.holds.get(topic)
        if hold is not None:
            await hold.pass_through(messages)
        await self._log.going()
        acks = await self._producer.send(messages)
        self._log.journal += messages
        return acks


class _HeldPolls:
    def __init__(self, log: HeldLog, polled: Any) -> None:
        self._log = log
        self._polled = polled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._polled, name)

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        await self._log.going()
        records: list[Record] = await self._polled.poll(max_records=max_records, wait_s=wait_s)
        await self._log.going()
        return records


class _HeldConsumer(_HeldPolls):
    def __init__(
        self, log: HeldLog, consumer: GroupConsumer, *, news: list[Callable[[], None]]
    ) -> None:
        super().__init__(log, consumer)
        self._news = news

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        await self._log.going()
        self._tell()
        records = await super().poll(max_records=max_records, wait_s=wait_s)
        self._tell()
        return records

    async def committed(self, tp: TopicPartition) -> int | None:
        await self._log.going()
        committed: int | None = await self._polled.committed(tp)
        return committed

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await self._log.going()
        await self._polled.commit(offsets)

    def _tell(self) -> None:
        while self._news:
            self._news[0]()
            self._news.pop(0)
