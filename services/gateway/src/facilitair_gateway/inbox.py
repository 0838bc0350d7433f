"""Records for the inbox of a collaboration, and their answers (R15).

A record counts as taken when the log acked it; what it led to is told by the reply.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.errors import EncodeError
from facilitair_events.keys import collaboration_key
from facilitair_events.replies import CollaborationView, RequestAnswered
from facilitair_events.requests import (
    CancelRequested,
    CollaborationRequested,
    DescribeRequested,
    ReplyTo,
)
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_gateway.errors import (
    AppendUnknownError,
    NoAnswerError,
    RequestFaultsError,
    UnknownCollaborationError,
)
from facilitair_gateway.principal import Principal
from facilitair_gateway.refusals import refusal_of, unusable
from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.errors import ProduceUnknownError, RecordRefusedError, ReplyTimeoutError
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message, Producer
from facilitair_messaging.request_reply import PendingReply, Replies

SOURCE: Final = "gateway"
DEFAULT_PROJECT: Final = "default"


class Description(Struct, frozen=True, kw_only=True):
    """What ``describe`` found."""

    answer: RequestAnswered
    view: CollaborationView


class _Question(Struct, frozen=True, kw_only=True):
    """A record that asks something, and the answer that it leads to."""

    message: Message
    expected: PendingReply


class Inbox:
    """Appends requests and waits for what is answered, each for at most ``timeout_s``.

    Every method raises AppendUnknownError when the log did not confirm the record in time.
    """

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
        self._timeout_s = timeout_s
        self._now_ms = now_ms
        self._fresh_id = fresh_id

    async def submit(
        self, principal: Principal, request: CollaborationRequested
    ) -> RequestAnswered | None:
        """Ask for a collaboration; None when it was taken but not answered in time.

        Raises RequestFaultsError for a request that no record can hold.
        """
        question = self._question(
            principal, request.collaboration, request=request, project=request.project
        )
        crash_point("before_requested_acked")
        await self._append(question.message)
        crash_point("after_requested_acked")
        answer = await self._answer(question)
        crash_point("before_reply")
        return answer

    async def cancel(
        self, principal: Principal, collaboration: str, *, request: CancelRequested
    ) -> RequestAnswered | None:
        """Ask to end a collaboration; None when that was taken but not answered in time.

        Raises UnknownCollaborationError.
        """
        answer = await self._ask(principal, collaboration, request=request)
        if answer is not None and answer.outcome == "unknown":
            raise UnknownCollaborationError(collaboration=collaboration)
        return answer

    async def describe(self, principal: Principal, collaboration: str) -> Description:
        """Ask what a collaboration is doing.

        Raises UnknownCollaborationError, and NoAnswerError when nobody answers in time.
        """
        request = DescribeRequested(reply_to=ReplyTo(topic="", correlation=""))
        answer = await self._ask(principal, collaboration, request=request)
        if answer is not None and answer.outcome == "unknown":
            raise UnknownCollaborationError(collaboration=collaboration)
        if answer is None or answer.view is None:
            raise NoAnswerError(timeout_s=self._timeout_s)
        return Description(answer=answer, view=answer.view)

    async def _ask(
        self, principal: Principal, collaboration: str, *, request: Struct
    ) -> RequestAnswered | None:
        """Append ``request`` with a reply address, then wait for the reply."""
        question = self._question(
            principal, collaboration, request=request, project=DEFAULT_PROJECT
        )
        await self._append(question.message)
        return await self._answer(question)

    def _question(
        self, principal: Principal, collaboration: str, *, request: Struct, project: str
    ) -> _Question:
        expected = self._replies.expect()
        addressed = msgspec.structs.replace(request, reply_to=expected.reply_to)
        envelope = Envelope(
            id=self._fresh_id(),
            type=type_name(request),
            source=SOURCE,
            time=timestamp(self._now_ms()),
            subject=collaboration,
            tenant=principal.tenant,
            project=project,
            actor=principal.actor,
            correlation=expected.reply_to.correlation,
            traceparent=principal.traceparent,
        )
        key = collaboration_key(principal.tenant, collaboration)
        return _Question(message=_built(key, addressed, envelope), expected=expected)

    async def _answer(self, question: _Question) -> RequestAnswered | None:
        try:
            return await question.expected.wait(self._timeout_s)
        except ReplyTimeoutError:
            return None

    async def _append(self, built: Message) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._producer.send([built])
        except RecordRefusedError as error:
            raise refusal_of(error) from error
        except (TimeoutError, ProduceUnknownError) as error:
            raise AppendUnknownError(timeout_s=self._timeout_s) from error


def _built(key: str, request: Struct, envelope: Envelope) -> Message:  # noqa: PLR0917 - key, value, headers
    try:
        return message(topic=COLLABORATION_INBOX, key=key, data=request, envelope=envelope)
    except EncodeError as error:
        raise RequestFaultsError(faults=(unusable(error.reason),)) from error
