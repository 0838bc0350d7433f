"""A task that cannot be used is answered, never called, and never paid for later."""

import pytest
from msgspec import structs

from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.rejected import attempt_of, cause_of
from facilitair_events.envelope import Envelope, to_headers
from facilitair_events.ids import call_id
from facilitair_events.keys import call_key
from facilitair_events.requests import AttemptReported
from facilitair_events.topics import AGENT_TASKS, COLLABORATION_INBOX, LLM_CALLS
from facilitair_events.types import NAMES
from facilitair_events.work import CallClaimed, CallDone, CallVoided, RunAttempt
from facilitair_messaging.ports import Message, Record
from facilitair_testing.desk import task
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel
from facilitair_testing.spoiling import SpoilingLog

KEY = b"local:c1:a"
VALUE = b'{"collaboration":"c1","path":"a","attempt":2,"agent":7}'


def record(key=KEY, value=VALUE, headers=()):
    return Record(AGENT_TASKS, 3, 40, 1_000, key, value, headers)


def envelope(**changes):
    fields = {
        "id": "t", "type": NAMES[RunAttempt], "source": "orchestrator",
        "time": "2026-01-01T00:00:00.000Z", "subject": "c1", "tenant": "local", "project": "p",
        "actor": "me", "correlation": "r1",
    }  # fmt: skip
    return Envelope(**(fields | changes))


@pytest.mark.parametrize(
    ("known", "attempt"),
    [
        (record(), 2),
        (record(headers=(("attempt", b"3"),)), 3),
        (record(headers=(("attempt", b"3"),), value=b"\xff"), 3),
        (record(headers=(("attempt", b"x"),)), 2),
        (record(headers=(("attempt", b"0"),), value=None), None),
        (record(headers=(("attempt", b"9" * 30),), value=None), None),
        (record(value=b'{"collaboration":"c1","path":"b","attempt":2}'), None),
        (record(value=b'{"collaboration":"c2","path":"a","attempt":2}'), None),
        (record(value=b'{"collaboration":"c1","path":"a","attempt":0}'), None),
        (record(value=b'{"collaboration":"c1","path":"a","attempt":"2"}'), None),
        (record(value=b"[" * 20_000), None),
    ],
)
def test_the_attempt_is_what_header_or_value_say(known, attempt):
    expected = None if attempt is None else AttemptKey(KEY.decode(), attempt)
    assert attempt_of(known) == expected


@pytest.mark.parametrize("key", [None, b"", b"local:c1", b"\xff:c1:a", b"local:c1:a|x"])
def test_a_key_that_names_no_step_names_no_attempt(key):
    assert attempt_of(record(key=key)) is None


def test_the_envelope_of_the_task_is_continued_when_it_is_of_its_key():
    mine = AttemptKey(KEY.decode(), 2)
    assert cause_of(record(headers=to_headers(envelope())), mine) == envelope()


@pytest.mark.parametrize("other", [{"tenant": "evil"}, {"subject": "c2"}])
def test_an_envelope_of_another_owner_is_not_continued(other):
    mine = AttemptKey(KEY.decode(), 2)
    found = cause_of(record(headers=to_headers(envelope(**other))), mine)
    assert (found.tenant, found.subject) == ("local", "c1")
    assert found == cause_of(record(), mine)


async def _poisoned(desk, **changes):
    async with desk.log.producer() as producer:
        sent = Message(AGENT_TASKS, KEY, VALUE, (("attempt", b"1"),))
        await producer.send([structs.replace(sent, **changes)])


async def test_r24_a_task_that_cannot_be_read_is_claimed_voided_and_answered(desk, run_worker):
    model = ScriptedModel("x")
    async with run_worker(model):
        await _poisoned(desk)
        (report,) = await desk.wait_for(COLLABORATION_INBOX, 1)
        ledger = await desk.wait_for(LLM_CALLS, 3)
    assert isinstance(report, AttemptReported)
    assert (report.path, report.attempt, report.outcome) == ("a", 1, "failed")
    assert report.fault.code == "task_unreadable"
    assert not report.fault.retryable
    assert [type(entry) for entry in ledger] == [CallClaimed, CallVoided, CallDone]
    assert model.calls == []


async def test_r21_a_mended_task_put_back_is_not_paid_for(desk, run_worker):
    """Its attempt is closed by then: the orchestrator has heard that it failed."""
    model = ScriptedModel("x")
    async with run_worker(model):
        await _poisoned(desk)
        await desk.wait_for(COLLABORATION_INBOX, 1)
        await desk.wait_for(LLM_CALLS, 3)
        await desk.give(task())
        await desk.give(task("b"))
        await desk.wait_for(COLLABORATION_INBOX, 3)
    assert len(model.calls) == 1
    assert {report.path for report in await desk.read(COLLABORATION_INBOX)} == {"a", "b"}


async def test_the_same_poison_twice_is_answered_once(desk, run_worker):
    async with run_worker(ScriptedModel("x")) as worker:
        await _poisoned(desk)
        await _poisoned(desk)

        async def lettered():
            return len(await desk.records(AGENT_TASKS + "-dlq")) == 2

        await eventually(lettered, what="both letters")
        assert worker.ready()
    assert len(await desk.read(COLLABORATION_INBOX)) == 1


@pytest.mark.parametrize(
    ("key", "subject"),
    [("local:c1:b", "c1"), ("local:c2:a", "c2"), ("local:c2:a", "c1"), ("elsewhere", "c1")],
)
async def test_r17_a_task_under_another_key_is_called_for_nobody(desk, run_worker, key, subject):
    model = ScriptedModel("x")
    async with run_worker(model):
        await desk.send(AGENT_TASKS, task(), key=key)

        async def lettered():
            return await desk.records(AGENT_TASKS + "-dlq")

        await eventually(lettered, what="the letter")
        await desk.give(task("z"))
        await eventually(lambda: model.calls, what="the task behind it")
    assert len(model.calls) == 1


def _spoil_claims(count):
    left = [count]

    def spoil(messages):
        changed = []
        for message in messages:
            name = dict(message.headers).get("ce_type")
            if left[0] and name == NAMES[CallClaimed].encode():
                left[0] -= 1
                message = structs.replace(message, value=b"not json")  # noqa: PLW2901
            changed.append(message)
        return changed

    return spoil


@pytest.mark.parametrize("count", [1, 4])
async def test_r19_a_claim_that_comes_back_unreadable_burns_its_call_and_no_more(
    desk, run_worker, log, count
):
    model = ScriptedModel("x")
    async with run_worker(model, on=SpoilingLog(log, _spoil_claims(count))):
        await desk.give(task())
        call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (call.index, attempt.outcome) == (count, "completed")
    assert len(model.calls) == 1


async def test_r19_nobody_calls_what_somebody_claimed_unreadably(desk, run_worker):
    """Only the claim's key can be read: whoever wrote it may be calling."""
    model = ScriptedModel("x")
    key = call_key("local:c1:a", call_id("local", "c1", "a", 1, 0), "claim", "n1")
    async with run_worker(model):
        async with desk.log.producer() as producer:
            await producer.send([Message(LLM_CALLS, key.encode(), b"not json")])
        await desk.give(task())
        await desk.give(task("z"))
        await desk.wait_for(COLLABORATION_INBOX, 2)
    assert model.calls == [f"local/{call_id('local', 'c1', 'z', 1, 0)}"]
