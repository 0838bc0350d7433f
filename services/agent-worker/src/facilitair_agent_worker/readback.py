"""Finding out which records of an ambiguous send are in the log (R4)."""

import asyncio
from typing import Final

from facilitair_messaging.errors import LogUnavailableError, ProduceUnknownError
from facilitair_messaging.ports import Ack, Log, Message, Record, TopicPartition

_RETRY_S: Final = 0.2
_BATCH: Final = 1000

Identity = tuple[bytes | None, object, bytes | None]


class ReadBack:
    """Reads the ends of partitions back, from the last record that is known to be there."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._from: dict[TopicPartition, int] = {}

    async def start(self, topic: str) -> None:
        """Remember where the partitions of a topic end now."""
        admin = self._log.admin()
        count = await admin.partitions(topic)
        self._from = await admin.end_offsets([TopicPartition(topic, n) for n in range(count)])

    def acked(self, topic: str, acks: list[Ack]) -> None:
        """Remember how far records are known to be there."""
        for ack in acks:
            if ack.offset is not None:
                self._from[TopicPartition(topic, ack.partition)] = ack.offset + 1

    async def missing(self, messages: list[Message]) -> list[Message]:
        """The messages that the log does not hold, in order. Waits until the log can be read."""
        while True:
            try:
                found = await self._found(messages)
            except (LogUnavailableError, ProduceUnknownError, OSError):
                await asyncio.sleep(_RETRY_S)
            else:
                return [message for message in messages if _identity(message) not in found]

    async def _found(self, messages: list[Message]) -> set[Identity]:
        tps = {TopicPartition(m.topic, self._log.partition_for(m.topic, m.key)) for m in messages}
        ends = await self._log.admin().end_offsets(tps)
        found: set[Identity] = set()
        async with self._log.reader() as reader:
            reader.assign({tp: min(self._from.get(tp, 0), ends[tp]) for tp in tps})
            while any(reader.positions()[tp] < ends[tp] for tp in tps):
                records = await reader.poll(max_records=_BATCH, wait_s=1.0)
                found.update(_identity(record) for record in records)
        self._from.update(ends)
        return found


def _identity(record: Message | Record) -> Identity:
    """Records are the same when all of them is: an index or an id is among the headers."""
    return record.key, record.headers, record.value
