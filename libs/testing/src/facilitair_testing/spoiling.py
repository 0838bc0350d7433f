"""A log that changes records on their way into it, for tests of what readers do then."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from facilitair_messaging.ports import (
    Ack,
    Admin,
    GroupConsumer,
    Log,
    Message,
    OnPartitions,
    Producer,
    Reader,
)

Spoil = Callable[[Sequence[Message]], Sequence[Message]]


class SpoilingLog:
    """A log whose producers write what ``spoil`` makes of each batch; all else is as it was."""

    def __init__(self, log: Log, spoil: Spoil) -> None:
        self._log = log
        self._spoil = spoil

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        """A producer that spoils."""
        async with self._log.producer() as producer:
            yield _SpoilingProducer(producer, self._spoil)

    def consumer(
        self,
        *,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
    ) -> AbstractAsyncContextManager[GroupConsumer]:
        """As the log's."""
        return self._log.consumer(
            group=group,
            topics=topics,
            member=member,
            on_assigned=on_assigned,
            on_revoked=on_revoked,
        )

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """As the log's."""
        return self._log.reader()

    def admin(self) -> Admin:
        """As the log's."""
        return self._log.admin()

    def partition_for(self, topic: str, key: bytes) -> int:
        """As the log's."""
        return self._log.partition_for(topic, key)


class _SpoilingProducer:
    def __init__(self, producer: Producer, spoil: Spoil) -> None:
        self._producer = producer
        self._spoil = spoil

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        """Send what the messages were made into."""
        return await self._producer.send(self._spoil(messages))
