"""Requests and replies: matched by key, never late by a race, nothing left behind."""

import asyncio
import gc
from itertools import count

import msgspec
import pytest

from facilitair_events.accounts import AccountAnswered
from facilitair_events.envelope import Envelope
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import ReplyTo, TimerFired
from facilitair_messaging.errors import (
    EnvelopeMismatchError,
    OffsetOutOfRangeError,
    ReplyTimeoutError,
)
from facilitair_messaging.request_reply import open_replies, reply_message
from facilitair_testing.eventually import eventually

ENVELOPE = Envelope(
    id="e",
    type="facilitair.request.answered.v1",
    source="orchestrator",
    time="2026-01-01T00:00:00.000Z",
    subject="c",
    tenant="local",
    project="p",
    actor="a",
    correlation="r",
)


def answer(correlation, *, outcome="accepted"):
    return RequestAnswered(correlation=correlation, collaboration="c", outcome=outcome)


def reply(to, *, outcome="accepted"):
    return reply_message(to=to, data=answer(to.correlation, outcome=outcome), envelope=ENVELOPE)


@pytest.fixture
def replies(log, metrics):
    numbers = count()

    def build(log=log):
        return open_replies(
            log=log, new_correlation=lambda: f"gateway-{next(numbers)}", metrics=metrics
        )

    return build


async def test_every_request_gets_its_own_answer(replies, send):
    async with replies() as opened:
        pending = [opened.expect() for _ in range(20)]
        await send(*(reply(one.reply_to) for one in reversed(pending)))
        answers = await asyncio.gather(*(one.wait(60) for one in pending))

    assert [one.correlation for one in answers] == [one.reply_to.correlation for one in pending]
    assert len({one.correlation for one in answers}) == 20
    assert {one.reply_to.topic for one in pending} == {"query-replies"}


async def test_an_answer_that_came_before_the_wait_is_not_lost(replies, send):
    async with replies() as opened:
        first, second = opened.expect(), opened.expect()
        await send(reply(first.reply_to), reply(second.reply_to))
        await second.wait(60)

        assert (await first.wait(0)).outcome == "accepted"


async def test_the_first_answer_counts(replies, send):
    async with replies() as opened:
        pending, last = opened.expect(), opened.expect()
        await send(
            reply(pending.reply_to),
            reply(pending.reply_to, outcome="duplicate"),
            reply(last.reply_to),
        )
        await last.wait(60)

        assert (await pending.wait(0)).outcome == "accepted"


async def test_no_answer_is_a_timeout_and_a_late_one_is_ignored(replies, send, registry):
    async with replies() as opened:
        pending = opened.expect()
        with pytest.raises(ReplyTimeoutError, match=r"no reply to 'gateway-0' .* within 0.01 s"):
            await pending.wait(0.01)
        assert opened.pending == 0
        other = opened.expect()
        await send(reply(pending.reply_to), reply(other.reply_to))
        assert (await other.wait(60)).correlation == "gateway-1"

    for outcome in ("timeout", "answered"):
        labels = {"topic": "query-replies", "outcome": outcome}
        assert registry.get_sample_value("facilitair_reply_wait_seconds_count", labels) == 1


async def test_answers_from_before_it_was_opened_are_not_seen(replies, send):
    await send(reply(ReplyTo(topic="query-replies", correlation="gateway-0")))
    async with replies() as opened:
        pending, other = opened.expect(), opened.expect()
        await send(reply(other.reply_to))
        await other.wait(60)
        with pytest.raises(ReplyTimeoutError):
            await pending.wait(0)


async def test_the_answer_to_the_first_request_cannot_be_missed(replies, send):
    async with replies() as opened:
        pending = opened.expect()
        await send(reply(pending.reply_to))
        assert (await pending.wait(60)).outcome == "accepted"


async def test_bodies_of_others_are_not_even_decoded(replies, send, registry):
    async with replies() as opened:
        pending = opened.expect()
        foreign = reply(ReplyTo(topic="query-replies", correlation="other-0"))
        await send(msgspec.structs.replace(foreign, value=b"\xff"), reply(pending.reply_to))
        await pending.wait(60)

    labels = {"topic": "query-replies"}
    assert registry.get_sample_value("facilitair_replies_poison_total", labels) is None


async def test_poison_is_counted_and_its_request_times_out(replies, send, registry, timer):
    async with replies() as opened:
        broken, wrong, good = opened.expect(), opened.expect(), opened.expect()
        await send(
            msgspec.structs.replace(reply(broken.reply_to), value=b"\xff"),
            timer("x", topic="query-replies", key=wrong.reply_to.correlation),
            reply(good.reply_to),
        )
        await good.wait(60)
        for pending in (broken, wrong):
            with pytest.raises(ReplyTimeoutError):
                await pending.wait(0)

    labels = {"topic": "query-replies"}
    assert registry.get_sample_value("facilitair_replies_poison_total", labels) == 2


async def test_an_answer_of_another_type_than_was_asked_for_is_none(
    replies, send, registry
) -> None:
    about = msgspec.structs.replace(ENVELOPE, type="facilitair.account.answered.v1")
    async with replies() as opened:
        wanted, other = opened.expect(AccountAnswered), opened.expect()
        for pending in (wanted, other):
            told = AccountAnswered(correlation=pending.reply_to.correlation, outcome="described")
            await send(reply_message(to=pending.reply_to, data=told, envelope=about))
        assert (await wanted.wait(60)).outcome == "described"
        last = opened.expect()
        await send(reply(last.reply_to))
        await last.wait(60)
        with pytest.raises(ReplyTimeoutError):
            await other.wait(0)

    labels = {"topic": "query-replies"}
    assert registry.get_sample_value("facilitair_replies_poison_total", labels) == 1


async def test_nothing_is_left_of_who_gave_up(replies, send):
    async with replies() as opened:

        async def ask():
            await opened.expect().wait(1_000)

        asking = [asyncio.create_task(ask()) for _ in range(10)]
        await eventually(lambda: opened.pending == 10)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert opened.pending == 0

        unsent = opened.expect()
        assert opened.pending == 1
        del unsent
        gc.collect()
        assert opened.pending == 0


async def test_a_broken_log_ends_the_body(replies, log):
    with pytest.raises(ExceptionGroup) as caught:
        async with replies(Faulty(log, OSError("the disk is gone"))):
            await asyncio.Event().wait()
    assert caught.group_contains(OSError)


async def test_a_process_that_slept_too_long_goes_on_from_the_end(replies, log, send):
    lost = OffsetOutOfRangeError(topic="query-replies", partition=0, offset=0, beginning=9)
    asleep = Faulty(log, lost)
    async with replies(asleep) as opened:
        await eventually(lambda: asleep.assigned == 2)
        pending = opened.expect()
        await send(reply(pending.reply_to))
        assert (await pending.wait(60)).outcome == "accepted"


def test_a_reply_must_be_what_its_envelope_says():
    to = ReplyTo(topic="query-replies", correlation="x")
    with pytest.raises(EnvelopeMismatchError):
        reply_message(to=to, data=TimerFired(timer_id="t", name="n"), envelope=ENVELOPE)


def test_a_reply_is_keyed_by_its_correlation():
    to = ReplyTo(topic="query-replies", correlation="x-1")

    assert reply(to).key == b"x-1"
    assert reply(to).topic == "query-replies"


class Faulty:
    """A log whose readers raise until they are assigned anew."""

    def __init__(self, log, error):
        self._log = log
        self._error = error
        self.assigned = 0

    def __getattr__(self, name):
        return getattr(self._log, name)

    def reader(self):
        return FaultyReader(self._log.reader(), self._error, log=self)


class FaultyReader:
    def __init__(self, inner, error, *, log):
        self._inner = inner
        self._log = log
        self._error = error

    async def __aenter__(self):
        self._reader = await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info):
        return await self._inner.__aexit__(*exc_info)

    def __getattr__(self, name):
        return getattr(self._reader, name)

    def assign(self, positions):
        self._log.assigned += 1
        if self._log.assigned > 1:
            self._error = None
        self._reader.assign(positions)

    async def poll(self, **limits):
        if self._error is not None:
            await asyncio.sleep(0)
            raise self._error
        return await self._reader.poll(**limits)
