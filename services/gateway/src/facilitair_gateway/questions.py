"""Records that ask something of a service, and the answers to them (R15, R16).

A record counts as taken when the log acked it; what it led to is told by the reply.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.errors import EncodeError
from facilitair_gateway.errors import AppendUnknownError, RequestFaultsError
from facilitair_gateway.principal import Principal
from facilitair_gateway.refusals import refusal_of, unusable
from facilitair_messaging.errors import ProduceUnknownError, RecordRefusedError, ReplyTimeoutError
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message, Producer
from facilitair_messaging.request_reply import PendingReply, Replies

SOURCE: Final = "gateway"

T = TypeVar("T", bound=Struct)


class Address(Struct, frozen=True, kw_only=True):
    """Where a question goes, and what it is about."""

    topic: str
    key: str
    subject: str
    tenant: str
    project: str


class Question(Generic[T]):
    """A record that asks something, and the answer that it leads to."""

    def __init__(self, message: Message, expected: PendingReply[T]) -> None:
        self.message = message
        self.expected = expected


class Questions:
    """Appends questions and waits for what is answered, each for at most ``timeout_s``."""

    def __init__(
        self,
        producer: Producer,
        replies: Replies,
        *,
        timeout_s: float,
        now_ms: Callable[[], int],
        fresh_id: Callable[[], str],
    ) -> None:
        self._producer = producer
        self._replies = replies
        self._now_ms = now_ms
        self._fresh_id = fresh_id
        self.timeout_s: Final = timeout_s

    def question(  # noqa: PLR0917 - what, where to, and what is expected
        self, request: Struct, address: Address, wanted: type[T], *, by: Principal
    ) -> Question[T]:
        """A record of ``request``, whose field ``reply_to`` is filled in.

        Raises RequestFaultsError for a request that no record can hold.
        """
        expected = self._replies.expect(wanted)
        addressed = msgspec.structs.replace(request, reply_to=expected.reply_to)
        envelope = Envelope(
            id=self._fresh_id(),
            type=type_name(request),
            source=SOURCE,
            time=timestamp(self._now_ms()),
            subject=address.subject,
            tenant=address.tenant,
            project=address.project,
            actor=by.actor,
            correlation=expected.reply_to.correlation,
            traceparent=by.traceparent,
        )
        try:
            built = message(topic=address.topic, key=address.key, data=addressed, envelope=envelope)
        except EncodeError as error:
            raise RequestFaultsError(faults=(unusable(error.reason),)) from error
        return Question(built, expected)

    async def append(self, question: Question[T]) -> None:
        """Append the record.

        Raises AppendUnknownError when the log did not confirm it in time, RequestFaultsError and
        LogRefusesError when it will not take it.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._producer.send([question.message])
        except RecordRefusedError as error:
            raise refusal_of(error) from error
        except (TimeoutError, ProduceUnknownError) as error:
            raise AppendUnknownError(timeout_s=self.timeout_s) from error

    async def answer(self, question: Question[T]) -> T | None:
        """The answer; None when none comes in time, which says nothing of what becomes of it."""
        try:
            return await question.expected.wait(self.timeout_s)
        except ReplyTimeoutError:
            return None
