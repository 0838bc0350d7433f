"""Appending to the batches of an aiokafka producer: a future per batch, none per record.

Its own ``send`` makes a future, an answer and a callback for every record; that cost more than all
the rest of a token's way. What is put in here joins the same batches, so that records of several
callers still leave together and in order.
It uses some of aiokafka's private parts, all of them here: its release is pinned for that.
"""

import asyncio
import copy
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import ProducerClosed

from facilitair_messaging.ports import Ack, Message

_CREATE_TIME: Final = 0


class Placed(NamedTuple):
    """A message that may be appended, and to which partition."""

    message: Message
    partition: int


class Slot(NamedTuple):
    """Where a record travels: the answer that its batch waits for, and its place in the batch."""

    answer: "asyncio.Future[Any]"
    place: int


class Accumulating:
    """Puts records into the batches of one producer."""

    def __init__(self, producer: Any, *, full_s: float) -> None:
        self._producer = producer
        self._full_s = full_s
        self._turn = asyncio.Lock()

    @property
    def _accumulator(self) -> Any:
        return self._producer._message_accumulator

    async def append(self, records: Sequence[Placed]) -> list[Slot]:
        """Put records behind those of all earlier calls, in order.

        Everything that one call puts in leaves with one request per broker, as long as no batch of
        a partition is full; then it waits for room, for ``full_s`` at most.
        Raises aiokafka's errors; what is in by then may be sent.
        """
        async with self._turn:
            for topic in {record.message.topic for record in records}:
                await self._producer.client._wait_on_metadata(topic)
            slots = []
            for message, partition in records:
                slot = self._put(message, partition)
                slots.append(slot or await self._put_when_room(message, partition))
            return slots

    def _put(self, message: Message, partition: int) -> Slot | None:
        """Put a record into the open batch of its partition; None when that is full."""
        accumulator = self._accumulator
        if accumulator._closed or self._producer._closed:
            raise ProducerClosed
        if accumulator._exception is not None:
            raise copy.copy(accumulator._exception)
        tp = KafkaPartition(message.topic, partition)
        waiting = accumulator._batches.get(tp)
        batch = waiting[-1] if waiting else self._open(tp)
        put = batch._builder.append(
            timestamp=None, key=message.key, value=message.value, headers=list(message.headers)
        )
        return None if put is None else Slot(batch.future, put.offset)

    def _open(self, tp: KafkaPartition) -> Any:
        batch = self._accumulator._append_batch(self._accumulator.create_builder(), tp)
        batch.future.add_done_callback(_seen)
        return batch

    async def _put_when_room(self, message: Message, partition: int) -> Slot:
        """Let the full batch leave first. Raises TimeoutError when nobody takes it."""
        tp = KafkaPartition(message.topic, partition)
        async with asyncio.timeout(self._full_s):
            while (slot := self._put(message, partition)) is None:
                full = self._accumulator._batches[tp][-1]
                if not self._accumulator._waiter_future.done():
                    self._accumulator._waiter_future.set_result(None)
                await full.wait_drain(self._full_s)
        return slot


def ack_of(slot: Slot) -> Ack:
    """The ack of one record, once its batch was answered. Raises what the batch failed with.

    A broker that has a batch already may not know where (M7): it answers without an append time.
    """
    answer = slot.answer.result()
    known = answer.timestamp_type != _CREATE_TIME and answer.offset >= 0
    return Ack(partition=answer.partition, offset=answer.offset + slot.place if known else None)


def _seen(answer: "asyncio.Future[Any]") -> None:
    """Not every batch has a send that still waits for it."""
    if not answer.cancelled():
        answer.exception()
