"""What a submit is told when the log or the orchestrator is slow, and what is in the record."""

import asyncio
from contextlib import asynccontextmanager
from itertools import count

import pytest
from prometheus_client import CollectorRegistry

from facilitair_events.envelope import from_headers
from facilitair_events.requests import CancelRequested
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_gateway.errors import AppendUnknownError, NoAnswerError, RequestFaultsError
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.principal import Principal
from facilitair_gateway.refusals import LogRefusesError
from facilitair_gateway.routes.problems import problem_of
from facilitair_messaging.errors import ProduceUnknownError, RecordRefusedError, RecordTooLargeError
from facilitair_messaging.request_reply import open_replies
from facilitair_observability.metrics import Metrics

WHO = Principal(tenant="local", actor="me")
WISH = CancelRequested(client_id="k", actor="me")


class StuckProducer:
    """A log that never answers."""

    async def send(self, messages):
        await asyncio.Event().wait()


class FailingProducer:
    """A log that answers with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def send(self, messages):
        raise self.error


@pytest.fixture
def inbox(log):
    @asynccontextmanager
    async def build(producer):
        numbers = count(1)
        replies = open_replies(
            log=log,
            new_correlation=lambda: f"r-{next(numbers)}",
            metrics=Metrics(CollectorRegistry()),
        )
        async with replies as opened:
            yield Inbox(producer, opened, timeout_s=0.05, now_ms=lambda: 0, fresh_id=lambda: "id-1")

    return build


async def test_i1_an_append_that_is_not_acked_in_time_is_never_a_success(inbox) -> None:
    async with inbox(StuckProducer()) as built:
        with pytest.raises(AppendUnknownError, match="same Idempotency-Key"):
            await built.steer(WHO, "c-1", request=WISH)


async def test_r4_an_ambiguous_append_is_never_a_success(inbox) -> None:
    error = ProduceUnknownError(topics=("collaboration-inbox",), reason="disk")
    async with inbox(FailingProducer(error)) as built:
        with pytest.raises(AppendUnknownError):
            await built.steer(WHO, "c-1", request=WISH)


async def test_a_record_that_is_too_large_for_the_log_is_the_requests_fault(inbox) -> None:
    error = RecordTooLargeError(topic="collaboration-inbox", reason="too large")
    async with inbox(FailingProducer(error)) as built:
        with pytest.raises(RequestFaultsError, match="too large"):
            await built.steer(WHO, "c-1", request=WISH)


async def test_m3_whatever_else_the_log_refuses_is_not_the_requests_fault(inbox) -> None:
    error = RecordRefusedError(topic="collaboration-inbox", reason="Invalid timestamp")
    async with inbox(FailingProducer(error)) as built:
        with pytest.raises(LogRefusesError, match="Invalid timestamp") as caught:
            await built.steer(WHO, "c-1", request=WISH)
    problem = problem_of(caught.value)
    assert (problem.status, problem.code) == (503, "log_refuses")
    assert problem.headers["retry-after"]


async def test_without_an_answer_a_wish_is_taken_and_a_question_is_not_answered(inbox, log) -> None:
    async with log.producer() as producer, inbox(producer) as built:
        assert await built.steer(WHO, "c-1", request=WISH) is None
        with pytest.raises(NoAnswerError):
            await built.describe(WHO, "c-1")


async def test_a_record_says_who_asked_and_where_the_answer_goes(inbox, log, stage) -> None:
    async with log.producer() as producer, inbox(producer) as built:
        await built.steer(WHO, "c-1", request=WISH)
    (record,) = await stage.records(COLLABORATION_INBOX)
    assert record.key == b"local:c-1"
    envelope = from_headers(record.headers)
    assert (envelope.tenant, envelope.actor, envelope.subject) == ("local", "me", "c-1")
    assert (envelope.source, envelope.id, envelope.correlation) == ("gateway", "id-1", "r-1")
    (request,) = await stage.inbox()
    assert request.reply_to.topic == "query-replies"
    assert request.reply_to.correlation == "r-1"
