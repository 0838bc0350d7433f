"""A log whose producers are wrapped: to see, to change or to count what is sent."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from facilitair_messaging.ports import (
    Admin,
    GroupConsumer,
    Log,
    OnPartitions,
    Producer,
    Reader,
)


class WrappedLog:
    """A ``Log`` that hands out what ``wrap`` makes of each producer; all else is the log's."""

    def __init__(self, log: Log, wrap: Callable[[Producer], Producer]) -> None:
        self._log = log
        self._wrap = wrap

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        async with self._log.producer() as producer:
            yield self._wrap(producer)

    def consumer(
        self,
        *,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
    ) -> AbstractAsyncContextManager[GroupConsumer]:
        return self._log.consumer(
            group=group,
            topics=topics,
            member=member,
            on_assigned=on_assigned,
            on_revoked=on_revoked,
        )

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._log.reader()

    def admin(self) -> Admin:
        return self._log.admin()

    def partition_for(self, topic: str, key: bytes) -> int:
        return self._log.partition_for(topic, key)
