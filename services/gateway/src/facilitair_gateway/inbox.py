"""Records for the inbox of a collaboration, and their answers (R15)."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from facilitair_events.keys import collaboration_key
from facilitair_events.replies import CollaborationView, RequestAnswered
from facilitair_events.requests import (
    CancelRequested,
    CollaborationRequested,
    DescribeRequested,
    ReplyTo,
    ResumeRequested,
)
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_gateway.errors import NoAnswerError, UnknownCollaborationError
from facilitair_gateway.principal import Principal
from facilitair_gateway.questions import Address, Question, Questions
from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.ports import Producer
from facilitair_messaging.request_reply import Replies

DEFAULT_PROJECT: Final = "default"

Steering = CancelRequested | ResumeRequested


class Description(Struct, frozen=True, kw_only=True):
    """What ``describe`` found."""

    answer: RequestAnswered
    view: CollaborationView


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
        self._questions = Questions(
            producer, replies, timeout_s=timeout_s, now_ms=now_ms, fresh_id=fresh_id
        )

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
        await self._questions.append(question)
        crash_point("after_requested_acked")
        answer = await self._questions.answer(question)
        crash_point("before_reply")
        return answer

    async def steer(
        self, principal: Principal, collaboration: str, *, request: Steering
    ) -> RequestAnswered | None:
        """Ask to steer a collaboration; None when that was taken but not answered in time.

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
            raise NoAnswerError(timeout_s=self._questions.timeout_s)
        return Description(answer=answer, view=answer.view)

    async def _ask(
        self, principal: Principal, collaboration: str, *, request: Struct
    ) -> RequestAnswered | None:
        """Append ``request`` with a reply address, then wait for the reply."""
        question = self._question(
            principal, collaboration, request=request, project=DEFAULT_PROJECT
        )
        await self._questions.append(question)
        return await self._questions.answer(question)

    def _question(
        self, principal: Principal, collaboration: str, *, request: Struct, project: str
    ) -> Question[RequestAnswered]:
        address = Address(
            topic=COLLABORATION_INBOX,
            key=collaboration_key(principal.tenant, collaboration),
            subject=collaboration,
            tenant=principal.tenant,
            project=project,
        )
        return self._questions.question(request, address, RequestAnswered, by=principal)
