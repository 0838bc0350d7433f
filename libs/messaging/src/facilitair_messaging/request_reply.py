"""A question whose answer comes back on a topic, matched by its correlation id (R15, R16)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar, overload
from weakref import WeakValueDictionary

import structlog
from msgspec import Struct

from facilitair_events.envelope import Envelope
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import ReplyTo
from facilitair_events.topics import QUERY_REPLIES
from facilitair_messaging.errors import (
    OffsetOutOfRangeError,
    ReplyTimeoutError,
    UnreadableRecordError,
)
from facilitair_messaging.messages import message, read
from facilitair_messaging.ports import Log, Message, Reader, Record, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

T = TypeVar("T", bound=Struct)

_MAX_RECORDS: Final = 500
_WAIT_S: Final = 1.0

_log = structlog.get_logger()


def reply_message(*, to: ReplyTo, data: Struct, envelope: Envelope) -> Message:
    """The record that answers a request: its key is the request's correlation.

    Who waits finds its own answers by the key and decodes nothing else.
    """
    return message(topic=to.topic, key=to.correlation, data=data, envelope=envelope)


class PendingReply(Generic[T]):
    """An answer that may come; made by ``Replies.expect`` before the request is sent."""

    def __init__(
        self,
        reply_to: ReplyTo,
        wanted: type[T],
        *,
        forget: Callable[[ReplyTo], None],
        metrics: Metrics,
    ) -> None:
        self.reply_to = reply_to
        self.wanted = wanted
        self._forget = forget
        self._metrics = metrics
        self._answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def wait(self, timeout_s: float) -> T:
        """The first answer to the request, also one that came before the call.

        Raises ReplyTimeoutError after ``timeout_s``; the request may still be carried out.
        Call it once: when it ends, however it ends, a later answer is ignored.
        """
        started = time.monotonic()
        try:
            done, _ = await asyncio.wait([self._answer], timeout=timeout_s)
        finally:
            self._forget(self.reply_to)
        self._metrics.observe(
            names.REPLY_WAIT,
            time.monotonic() - started,
            topic=self.reply_to.topic,
            outcome="answered" if done else "timeout",
        )
        if not done:
            raise ReplyTimeoutError(
                topic=self.reply_to.topic,
                correlation=self.reply_to.correlation,
                timeout_s=timeout_s,
            )
        return self._answer.result()

    def settle(self, answer: T) -> None:
        """Take the answer; only the first one counts."""
        if not self._answer.done():
            self._answer.set_result(answer)


class Replies:
    """Receives the answers to requests of this process. Made by ``open_replies``."""

    def __init__(self, *, topic: str, new_correlation: Callable[[], str], metrics: Metrics) -> None:
        self._topic = topic
        self._new_correlation = new_correlation
        self._metrics = metrics
        # Weak, for those whose request could not be sent and who therefore never wait.
        self._pending: WeakValueDictionary[bytes, PendingReply[Any]] = WeakValueDictionary()
        self.moved_at: float | None = None

    @property
    def pending(self) -> int:
        """How many answers somebody still waits for, or may."""
        return len(self._pending)

    @overload
    def expect(self) -> PendingReply[RequestAnswered]: ...

    @overload
    def expect(self, wanted: type[T]) -> PendingReply[T]: ...

    def expect(self, wanted: type[Any] = RequestAnswered) -> PendingReply[Any]:
        """Prepare for an answer of a type. Send the request with its ``reply_to``, then ``wait``.

        An answer of another type is one that cannot be read.
        """
        correlation = self._new_correlation()
        pending = PendingReply(
            ReplyTo(topic=self._topic, correlation=correlation),
            wanted,
            forget=self._forget,
            metrics=self._metrics,
        )
        self._pending[correlation.encode()] = pending
        return pending

    def receive(self, record: Record) -> None:
        """Hand an answer to who waits for it; those of other processes are not even decoded.

        An answer that cannot be read is counted and logged; its request times out.
        """
        pending = None if record.key is None else self._pending.get(record.key)
        if pending is None:
            return
        try:
            data = read(record).data
        except UnreadableRecordError as error:
            self._poison(str(error))
            return
        if not isinstance(data, pending.wanted):
            self._poison(f"a reply is a {type(data).__name__}")
            return
        pending.settle(data)

    def _forget(self, reply_to: ReplyTo) -> None:
        self._pending.pop(reply_to.correlation.encode(), None)

    def _poison(self, reason: str) -> None:
        _log.error("reply cannot be read", topic=self._topic, reason=reason)
        self._metrics.count(names.REPLIES_POISON, topic=self._topic)


@asynccontextmanager
async def open_replies(
    *, log: Log, new_correlation: Callable[[], str], metrics: Metrics, topic: str = QUERY_REPLIES
) -> AsyncIterator[Replies]:
    """Read answers in the background while the body runs.

    ``new_correlation`` gives an id that no other process gives. Every answer to a request that is
    sent in the body is seen: the ends of the topic are fixed before the body begins.
    What the log raises cancels the body and is raised as an ExceptionGroup.
    """
    admin = log.admin()
    partitions = [TopicPartition(topic, number) for number in range(await admin.partitions(topic))]
    replies = Replies(topic=topic, new_correlation=new_correlation, metrics=metrics)
    async with log.reader() as reader, asyncio.TaskGroup() as tasks:
        reader.assign(await admin.end_offsets(partitions))
        reading = tasks.create_task(_read_on(log, reader, replies=replies))
        try:
            yield replies
        finally:
            reading.cancel()


async def _read_on(log: Log, reader: Reader, *, replies: Replies) -> None:
    while True:
        replies.moved_at = time.monotonic()
        for record in await _poll(log, reader):
            replies.receive(record)


async def _poll(log: Log, reader: Reader) -> Iterable[Record]:
    try:
        return await reader.poll(max_records=_MAX_RECORDS, wait_s=_WAIT_S)
    except OffsetOutOfRangeError as error:
        # The process stood still for longer than replies are kept; nobody waits that long.
        _log.warning("replies were missed", reason=str(error))
        reader.assign(await log.admin().end_offsets(reader.positions()))
        return ()
