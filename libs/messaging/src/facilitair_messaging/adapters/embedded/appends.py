"""Appending records: from messages to acks."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from facilitair_messaging.adapters.embedded.errors import LogClosedError, LogWriteError
from facilitair_messaging.adapters.embedded.fetch import encode_headers
from facilitair_messaging.adapters.embedded.file import position
from facilitair_messaging.adapters.embedded.heads import Head
from facilitair_messaging.adapters.embedded.partitions import Partition, PartitionIndex
from facilitair_messaging.adapters.embedded.topics import Topics
from facilitair_messaging.adapters.embedded.writer import Transaction, Writer
from facilitair_messaging.errors import (
    ProduceUnknownError,
    RecordRefusedError,
    RecordTooLargeError,
    UnknownTopicError,
)
from facilitair_messaging.ports import Ack, Message, Record


class _Entry(NamedTuple):
    partition: Partition
    message: Message
    headers: bytes


class EmbeddedProducer:
    """Appends through the writer thread; one ``send`` is one transaction or part of one."""

    def __init__(self, *, writer: Writer, topics: Topics, index: PartitionIndex) -> None:
        self._writer = writer
        self._topics = topics
        self._index = index
        self._pending: set[asyncio.Future[list[Head]]] = set()
        self._closed = False

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        if self._closed:
            raise LogClosedError(what="producer")
        entries = [self._entry(message) for message in messages]
        if not entries:
            return []
        done = self._writer.submit(
            lambda transaction: _append(transaction, entries),
            lambda heads: _publish(entries, heads),
        )
        self._pending.add(done)
        done.add_done_callback(self._pending.discard)
        try:
            heads = await done
        except LogWriteError as error:
            topics = tuple(sorted({message.topic for message in messages}))
            raise ProduceUnknownError(topics=topics, reason=error.reason) from error
        return [
            Ack(partition=entry.partition.tp.partition, offset=head.next_offset)
            for entry, head in zip(entries, heads, strict=True)
        ]

    async def close(self) -> None:
        """Refuse further sends and wait for those under way."""
        self._closed = True
        if self._pending:
            await asyncio.wait(self._pending)

    def _entry(self, message: Message) -> _Entry:
        """Check one message. Raises RecordRefusedError before anything of the call is appended."""
        try:
            number = self._topics.partition_for(message.topic, message.key)
            partition = self._index.of(message.topic)[number]
        except UnknownTopicError as error:
            raise RecordRefusedError(topic=message.topic, reason=str(error)) from error
        headers = encode_headers(message.headers)
        size = len(message.key) + len(message.value or b"") + len(headers)
        limit = self._topics.spec(message.topic).max_record_bytes
        if size > limit:
            reason = f"it has {size} bytes, the topic takes {limit}"
            raise RecordTooLargeError(topic=message.topic, reason=reason)
        return _Entry(partition, message, headers)


def _append(transaction: Transaction, entries: list[_Entry]) -> list[Head]:
    heads = [transaction.heads.take(entry.partition.id, transaction.now_ms) for entry in entries]
    transaction.db.executemany(
        "INSERT INTO records (position, timestamp_ms, key, headers, value) VALUES (?, ?, ?, ?, ?)",
        [
            (
                position(entry.partition.id, head.next_offset),
                head.last_ms,
                entry.message.key,
                entry.headers,
                entry.message.value,
            )
            for entry, head in zip(entries, heads, strict=True)
        ],
    )
    return heads


def _publish(entries: list[_Entry], heads: list[Head]) -> None:
    for (partition, message, _), (offset, timestamp_ms) in zip(entries, heads, strict=True):
        partition.publish(
            Record(
                topic=partition.tp.topic,
                partition=partition.tp.partition,
                offset=offset,
                timestamp_ms=timestamp_ms,
                key=message.key,
                value=message.value,
                headers=message.headers,
            )
        )
    for partition in {entry.partition.id: entry.partition for entry in entries}.values():
        partition.wake()
