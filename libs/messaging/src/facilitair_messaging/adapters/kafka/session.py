"""One life of an idempotent aiokafka producer: started, appended to, ended or dropped."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from msgspec import Struct

from facilitair_messaging.adapters.kafka.closed_sockets import survive_closed_sockets
from facilitair_messaging.adapters.kafka.connection import Connection
from facilitair_messaging.adapters.kafka.ending import bounded, cut, end_task
from facilitair_messaging.adapters.kafka.topics import BATCH_BYTES
from facilitair_messaging.errors import MessagingError
from facilitair_messaging.ports import Ack, Message

MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
"""Beyond every declared record: those are checked against their topics before."""

_CREATE_TIME: Final = 0


class GivenUpError(MessagingError):
    """Another send had a doubt about the producer that they shared (R4)."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the producer was given up: {reason}")


class Placed(Struct, frozen=True):
    """A message that may be appended, and to which partition."""

    message: Message
    partition: int


class Session:
    """A producer from its start until it is given up; then every send under way is told.

    ``broken`` gets a GivenUpError then.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer = AIOKafkaProducer(
            **connection.options(request_s=connection.timing.produce_s),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )
        survive_closed_sockets(self._producer.client)
        self._appending = asyncio.Lock()
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Connect and get a producer id, however long it takes. Raises aiokafka's errors."""
        await self._producer.start()

    async def append(self, batch: Sequence[Placed]) -> list[asyncio.Future[Any]]:
        """Put messages into the producer's batches, after those of all earlier calls.

        Everything that one call puts in leaves with one request per broker, as long as no batch of
        a partition is full.
        """
        async with self._appending:
            return [
                await self._producer.send(
                    placed.message.topic,
                    value=placed.message.value,
                    key=placed.message.key,
                    partition=placed.partition,
                    headers=list(placed.message.headers),
                )
                for placed in batch
            ]

    def give_up(self, reason: str) -> None:
        """Tell every send under way that its fate is unknown."""
        if not self.broken.done():
            self.broken.set_exception(GivenUpError(reason=reason))
            self.broken.exception()  # not every session has a send that waits for it

    async def drop(self) -> None:
        """End it without waiting for a broker (R4)."""
        sender = self._producer._sender
        await end_task(sender.sender_task)
        self._producer._closed = True
        await cut(self._producer.client)

    async def close(self) -> None:
        """Send what is left, in bounded time, then end."""
        await bounded(
            self._producer.stop(),
            client=self._producer.client,
            timeout_s=self._connection.timing.stop_s,
        )
        await self.drop()


def ack_of(metadata: Any) -> Ack:
    """The ack of one record.

    A broker that has a record already may not know where (M7): it answers without an append time,
    and aiokafka then counts offsets from -1.
    """
    known = metadata.timestamp_type != _CREATE_TIME and metadata.offset >= 0
    return Ack(partition=metadata.partition, offset=metadata.offset if known else None)
