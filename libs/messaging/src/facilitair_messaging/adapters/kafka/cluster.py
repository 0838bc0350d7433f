"""One plain client of a cluster, for questions: bounded, repeated while an answer may come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaClient
from aiokafka.client import CoordinationType
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
)

from facilitair_messaging.adapters.kafka import requests
from facilitair_messaging.adapters.kafka.closed_sockets import survive_closed_sockets
from facilitair_messaging.adapters.kafka.connection import RETRY_MS, Connection
from facilitair_messaging.adapters.kafka.ending import bounded
from facilitair_messaging.adapters.kafka.errors import (
    ACCESS_ERRORS,
    KafkaClosedError,
    KafkaRefusedError,
    as_log_error,
)
from facilitair_messaging.errors import UnknownTopicError
from facilitair_messaging.ports import TopicPartition

T = TypeVar("T")

_REQUEST_S: Final = 10.0


class Cluster:
    """Asks a cluster, independently of producers and consumers. Made by ``connected``.

    Every question raises LogUnavailableError when no answer came in ``answer_s``, LogAccessError
    when the cluster refuses this client, KafkaRefusedError when it refuses what is asked.
    """

    def __init__(self, connection: Connection, client: Any) -> None:
        self._connection = connection
        self._client = client
        self._leaders: dict[str, dict[int, int | None]] = {}
        self._closed = False

    @property
    def address(self) -> str:
        """Where the cluster was found."""
        return self._connection.bootstrap

    def close(self) -> None:
        """Refuse further questions."""
        self._closed = True

    async def layout(self, topics: Iterable[str]) -> requests.Layout:
        """Who leads what; asked anew every time."""
        wanted = set(topics)

        async def ask() -> requests.Layout:
            found = requests.layout(await self._any(requests.metadata_request(wanted)))
            self._leaders.update(found.topics)
            return found

        return await self.answer("DESCRIBE topics", ask)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; remembered, as it never changes. Raises."""
        if topic not in self._leaders and topic not in (await self.layout([topic])).topics:
            raise UnknownTopicError(topic=topic)
        return len(self._leaders[topic])

    async def offsets(self, times_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Offsets by time, ``EARLIEST`` or ``LATEST``. Raises UnknownTopicError."""
        for tp in times_ms:
            if not 0 <= tp.partition < await self.partitions(tp.topic):
                raise UnknownTopicError(topic=f"{tp.topic}[{tp.partition}]")

        async def ask() -> dict[TopicPartition, int]:
            found: dict[TopicPartition, int] = {}
            try:
                asked = requests.offsets_requests(times_ms, leader=self._leader)
                for broker, request in asked.items():
                    found |= requests.offsets(await self._client.send(broker, request))
            except (LeaderNotAvailableError, NotLeaderForPartitionError):
                await self.layout({tp.topic for tp in times_ms})
                raise
            return found

        return await self.answer("DESCRIBE topics: their offsets", ask)

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """Everything a group has committed."""
        return await self.of_coordinator(
            group,
            wanted=f"READ group {group!r}: its offsets",
            request=requests.committed_request(group),
            read=requests.committed,
        )

    async def member_ids(self, group: str) -> set[str]:
        """The ids of the members of a group; each join without an id makes a new one."""
        return await self.of_coordinator(
            group,
            wanted=f"DESCRIBE group {group!r}",
            request=requests.members_request(group),
            read=requests.member_ids,
        )

    async def of_any(self, wanted: str, *, request: Any, read: Callable[[Any], T]) -> T:
        """Ask any broker; it passes on what the controller has to do."""

        async def ask() -> T:
            return read(await self._any(request))

        return await self.answer(wanted, ask)

    async def of_coordinator(
        self, group: str, *, wanted: str, request: Any, read: Callable[[Any], T]
    ) -> T:
        """Ask the broker that keeps a group."""

        async def ask() -> T:
            broker = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
            return read(await self._client.send(broker, request))

        return await self.answer(wanted, ask)

    async def answer(self, wanted: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Repeat ``ask`` while its errors may pass, at most for ``answer_s``."""
        if self._closed:
            raise KafkaClosedError(what="log")
        last: Exception | None = None
        try:
            async with asyncio.timeout(self._connection.timing.answer_s):
                while True:
                    try:
                        return await ask()
                    except KafkaError as error:
                        last = error
                        if isinstance(error, ACCESS_ERRORS):
                            raise as_log_error(
                                error, address=self.address, wanted=wanted
                            ) from error
                        if not error.retriable:
                            raise KafkaRefusedError(wanted=wanted, reason=str(error)) from error
                    await self._client.force_metadata_update()
                    await asyncio.sleep(RETRY_MS / 1000)
        except TimeoutError as error:
            raise as_log_error(last or error, address=self.address, wanted=wanted) from error

    def _leader(self, tp: TopicPartition) -> int:
        leader = self._leaders[tp.topic].get(tp.partition)
        if leader is None:
            raise LeaderNotAvailableError(f"{tp.topic}[{tp.partition}]")
        return leader

    async def _any(self, request: Any) -> Any:
        return await self._client.send(self._client.get_random_node(), request)


@asynccontextmanager
async def connected(connection: Connection) -> AsyncIterator[Cluster]:
    """Connect, trying again for ``connect_s``.

    Raises LogAccessError at once when the cluster refuses this client, LogUnavailableError at the
    deadline.
    """
    client = AIOKafkaClient(**connection.options(request_s=_REQUEST_S))
    survive_closed_sockets(client)
    cluster = Cluster(connection, client)
    try:
        await connection.until(client.bootstrap, wanted="connecting")
        yield cluster
    finally:
        cluster.close()
        await bounded(client.close(), client=client, timeout_s=connection.timing.stop_s)
