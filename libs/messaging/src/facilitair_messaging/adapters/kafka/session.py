"""One life of an idempotent aiokafka producer: started, appended to, ended or dropped."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer

from facilitair_messaging.adapters.kafka.accumulating import Accumulating, Placed, Slot
from facilitair_messaging.adapters.kafka.closed_sockets import survive_closed_sockets
from facilitair_messaging.adapters.kafka.connection import Connection
from facilitair_messaging.adapters.kafka.ending import bounded, cut, end_task
from facilitair_messaging.adapters.kafka.topics import BATCH_BYTES
from facilitair_messaging.errors import MessagingError

MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
"""Beyond every declared record: those are checked against their topics before."""


class GivenUpError(MessagingError):
    """Another send had a doubt about the producer that they shared (R4)."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the producer was given up: {reason}")


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
        self._accumulating = Accumulating(self._producer, full_s=connection.timing.produce_s)
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Connect and get a producer id, however long it takes. Raises aiokafka's errors."""
        await self._producer.start()

    async def append(self, batch: Sequence[Placed]) -> list[Slot]:
        """Put messages into the producer's batches, after those of all earlier calls."""
        return await self._accumulating.append(batch)

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
